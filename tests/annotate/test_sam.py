"""SAM behind the page: whatever goes wrong with it, the page is told, and nobody waits for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import Category

from mvtec.annotate.photos import PhotoFolder
from mvtec.annotate.records import Prompt
from mvtec.annotate.sam import Sam, SamMissingError
from mvtec.errors import WeightsError
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
