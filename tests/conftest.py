"""What tests share: small data sets drawn on the spot, the real data where it is, and the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from mvtec.cli.main import main

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests use neither the user's cache nor the user's weights."""
    os.environ["MVTEC_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("MVTEC_WEIGHTS", None)


def _shared(name: str) -> Path:
    return Path(os.environ.get("MVTEC_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / name


@pytest.fixture(scope="session")
def real_bottle() -> Path:
    path = _shared("mvtec_ad/bottle")
    if not path.is_dir():
        pytest.skip(f"MVTec AD bottle is not at {path}; set MVTEC_SHARED_DATA to its parent's parent")
    return path


@pytest.fixture(scope="session")
def real_categories(real_bottle: Path) -> list[Path]:
    """Bottle and the part of capsule that lies beside it: 63 and 8 masks."""
    capsule = real_bottle.parent / "capsule"
    if not capsule.is_dir():
        pytest.skip(f"MVTec AD capsule is not at {capsule}; set MVTEC_SHARED_DATA to its parent's parent")
    return [real_bottle, capsule]


@pytest.fixture(scope="session")
def published_boxes(real_bottle: Path) -> Path:
    del real_bottle
    return _shared("published_boxes.json")


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes())


def noise(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """A photo unlike any other: coarse random patches."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


@dataclass
class Category:
    """A category on disk that a test can spoil."""

    root: Path

    def photo(self, defect: str, number: int) -> Path:
        return self.root / "test" / defect / f"{number:03}.png"

    def mask(self, defect: str, number: int) -> Path:
        return self.root / "ground_truth" / defect / f"{number:03}_mask.png"


def make_category(
    root: Path, *, defects: tuple[str, ...] = ("crack", "stain"), per_class: int = 5, train_good: int = 0
) -> Category:
    """Photos of 48×40; the mask of photo n is a rectangle of 10×(4+n) at (3, 5), and for odd n a second one."""
    category = Category(root)
    seed = 0
    for defect in ("good", *defects):
        for number in range(per_class):
            seed += 1
            write_png(category.photo(defect, number), noise(seed))
            if defect != "good":
                mask = np.zeros((40, 48))
                mask[5 : 9 + number, 3:13] = 255
                if number % 2:
                    mask[30:33, 40:46] = 255
                write_png(category.mask(defect, number), mask)
    for number in range(train_good):
        write_png(root / "train" / "good" / f"{number:03}.png", noise(1000 + number))
    return category


@pytest.fixture
def category(tmp_path: Path) -> Category:
    return make_category(tmp_path / "widget")


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def mvtec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command as the shell would, in this process."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mvtec", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
