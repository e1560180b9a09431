"""A category for anomaly detection, drawn: striped plates, all alike but for noise; a crack is a bright patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import Category, write_png

SIDE = 96


def plate(seed: int) -> np.ndarray:
    """A good photo, uint8 SIDE×SIDE×3."""
    stripes = np.where(np.arange(SIDE) % 24 < 12, 90, 130)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 6, (SIDE, SIDE, 3))
    return np.clip(stripes + noise, 0, 255).astype(np.uint8)


def make_plates(root: Path, *, train: int = 10, test: int = 4) -> Category:
    """`train` photos in train/good/, and `test` each in test/good/ and test/crack/, whose cracks are 24×24 squares."""
    category = Category(root)
    for number in range(train):
        write_png(root / "train" / "good" / f"{number:03}.png", plate(number))
    for number in range(test):
        write_png(category.photo("good", number), plate(100 + number))
        cracked, mask = plate(200 + number), np.zeros((SIDE, SIDE))
        at = 10 + 12 * number
        cracked[at : at + 24, 30:54] = (20, 240, 250)
        mask[at : at + 24, 30:54] = 255
        write_png(category.photo("crack", number), cracked)
        write_png(category.mask("crack", number), mask)
    return category
