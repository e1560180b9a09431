"""SAM behind the page: whatever goes wrong with it, the page is told, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Category, noise, write_png

from mvtec.annotate.server.photos import PhotoFolder
from mvtec.annotate.server.records import Prompt
from mvtec.annotate.server.sam import Sam, SamMissingError
from mvtec.annotate.server.worker_threads import BusyError, Pool
from mvtec.datasets.images import BadPhotoError
from mvtec.errors import InputError, WeightsError
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.model import EMBEDDING, Answer


@pytest.mark.parametrize(
    "error", [RuntimeError("no memory on the GPU"), WeightsError("x.pt", "is of no SAM", "Correct")]
)
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


def test_closing_waits_for_the_photo_that_is_encoded_and_begins_no_other(category: Category, tmp_path: Path):
    """A process that ends while a thread is inside torch is aborted."""
    begun, go_on, ended = threading.Event(), threading.Event(), []

    class Model:
        encoder_digest = "0" * 64

        def encode(self, _photo: object) -> object:
            begun.set()
            go_on.wait(10)
            ended.append(1)
            return torch.zeros(1)

    sam = Sam(PhotoFolder(category.root), Model, EmbeddingCache(tmp_path / "cache"), "x")
    sam.prepare(["test/good/000.png", "test/good/001.png"])
    assert begun.wait(10)
    closing = threading.Thread(target=sam.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    go_on.set()
    closing.join(10)
    assert (closing.is_alive(), ended) == (False, [1])
    sam.prepare(["test/good/002.png"])
    assert ended == [1]


def test_a_client_has_one_request_waiting_and_the_newest_stays():
    pool = Pool(1, 10, "SAM")
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work(number: int) -> int:
        begun.set()
        go_on.wait(10)
        done.append(number)
        return number

    async def ask() -> list[object]:
        asked = []
        for number, client in enumerate(["one", "one", "two", "one", "one"]):
            asked.append(asyncio.create_task(pool.run(lambda number=number: work(number), client)))
            await asyncio.sleep(0)
            begun.wait(10)
        go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    pool.close()
    assert done == [0, 2, 4]
    assert [answer for answer in answers if isinstance(answer, int)] == [0, 2, 4]
    assert [isinstance(answer, BusyError) and "newer" in str(answer) for answer in answers] == [
        number in (1, 3) for number in range(5)
    ]


def test_a_request_is_told_when_it_waits_too_long_or_too_many_wait():
    pool = Pool(1, 0.05, "SAM")
    go_on = threading.Event()

    async def ask() -> tuple[object, list[object]]:
        first = (await asyncio.gather(pool.run(lambda: go_on.wait(10)), return_exceptions=True))[0]
        many = await asyncio.gather(*(pool.run(int, f"{number}") for number in range(40)), return_exceptions=True)
        return first, many

    first, many = asyncio.run(ask())
    go_on.set()
    pool.close()
    assert isinstance(first, BusyError)
    assert "has not answered within" in str(first)
    assert sum("too many requests" in str(answer) for answer in many) == 40 - 32
    assert all(isinstance(answer, BusyError) for answer in many)


def test_a_mask_that_could_not_be_saved_is_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Model:
        encoder_digest, name, tuned = "0" * 64, "checks", False

        def encode(self, _photo: object) -> torch.Tensor:
            return torch.zeros(EMBEDDING, dtype=torch.float16)

        def answer(self, _embeddings: object, size_hw: tuple[int, int], *_: object, **__: object) -> list[Answer]:
            return [Answer(np.indices(size_hw).sum(0) % 2 == 0, 0.9, 0.8)]

    write_png(tmp_path / "photos" / "photo.png", noise(1, 40, 48))
    sam = Sam(PhotoFolder(tmp_path / "photos"), Model, EmbeddingCache(tmp_path / "cache"), "x")
    prompt = Prompt(box=(1, 1, 5, 5))
    assert len(sam.answer("photo.png", prompt).counts or ()) > 1000
    monkeypatch.setattr("mvtec.annotate.server.sam.MOST_RUNS", 1000)
    with pytest.raises(InputError, match="too many pieces to be saved"):
        sam.answer("photo.png", prompt)
    sam.close()
