"""SAM behind the page: whatever goes wrong with it, the page is told, and nobody waits for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from conftest import Category, noise, write_png

from mvtec.annotate.photos import PhotoFolder
from mvtec.annotate.records import Prompt
from mvtec.annotate.sam import Sam, SamMissingError
from mvtec.datasets.images import BadPhotoError
from mvtec.errors import InputError, WeightsError
from mvtec.segment.embeddings import EmbeddingCache


@pytest.mark.parametrize("error", [RuntimeError("no memory on the GPU"), WeightsError("x.pt", "is of no SAM", "Mend")])
def test_a_model_that_cannot_be_loaded_is_said(category: Category, tmp_path: Path, error: Exception):
    def load() -> None:
        raise error

    sam = Sam(PhotoFolder(category.root), load, EmbeddingCache(tmp_path / "cache"), "x")
    with pytest.raises(SamMissingError, match=str(error)[:8]):
        sam.answer("test/good/000.png", Prompt(box=(1, 1, 5, 5)))
    assert sam.state().available is False
    assert str(error) in (sam.state().reason or "")


def test_a_photo_that_cannot_be_encoded_does_not_end_the_others(category: Category, tmp_path: Path):
    seen = []

    class Model:
        encoder_digest = "0" * 64

        def encode(self, photo: object) -> object:
            seen.append(photo)
            raise RuntimeError("odd")

    sam = Sam(PhotoFolder(category.root), Model, EmbeddingCache(tmp_path / "cache"), "x")
    for number in range(3):
        sam.prepare([f"test/good/{number:03}.png"])
        until = time.monotonic() + 10
        while len(seen) <= number and time.monotonic() < until:
            time.sleep(0.01)
    assert len(seen) == 3
    sam.close()


def test_a_strip_and_a_box_beside_the_photo_are_said(tmp_path: Path):
    class Model:
        encoder_digest = "0" * 64

        def encode(self, _photo: object) -> object:
            return torch.zeros(1)

    write_png(tmp_path / "photos" / "strip.png", noise(1, 1, 4000))
    write_png(tmp_path / "photos" / "photo.png", noise(1, 40, 48))
    sam = Sam(PhotoFolder(tmp_path / "photos"), Model, EmbeddingCache(tmp_path / "cache"), "x")
    with pytest.raises(BadPhotoError, match="too narrow a strip"):
        sam.answer("strip.png", Prompt(box=(1, 0, 5, 1)))
    for box in ((50.0, 1.0, 5.0, 5.0), (1.0, 1.0, 0.0, 5.0)):
        with pytest.raises(InputError, match="not in the photo"):
            sam.answer("photo.png", Prompt(box=box))
    sam.close()
