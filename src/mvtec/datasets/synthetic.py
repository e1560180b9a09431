"""Makes a synthetic category in the MVTec layout: the data set that is always there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.samples import GOOD
from mvtec.datasets.synthetic_bottle import DEFECTS, draw
from mvtec.errors import InputError
from mvtec.files import staged_folder

CATEGORIES = ("bottle",)
MIN_SIDE = 64

_README = """Synthetic photos in the layout of MVTec AD, drawn by `mvtec datasets make`.
No pixel comes from MVTec AD. These files may be used for anything.

category {category}, {per_class} photos a class, {side}x{side} pixels, seed {seed}
"""


def folders(per_class: int) -> list[tuple[str, str, int]]:
    """What is drawn: (folder, defect type, number of photos)."""
    return [
        (f"train/{GOOD}", GOOD, per_class),
        *((f"test/{defect}", defect, per_class) for defect in (GOOD, *sorted(DEFECTS))),
    ]


def make_dataset(
    out: Path,
    *,
    category: str = "bottle",
    per_class: int = 20,
    side: int = 900,
    seed: int = 0,
    overwrite: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> None:
    """Write the folder of a synthetic category.

    A photo depends on the seed, its folder and its number alone: more photos a class leave the first ones as they are.

    Args:
        out: The folder to make; it is the category's own folder.
        category: What to draw; there is `bottle`.
        per_class: Photos of each defect type, of `test/good` and of `train/good`.
        side: Width and height of each photo in pixels, 64 or more.
        seed: Seed of all that varies.
        overwrite: Replace what is there.
        on_photo: Called after each photo.

    Raises:
        InputError: An option makes no sense.
        OutputError: `out` exists already or cannot be written.
    """
    if category not in CATEGORIES:
        raise InputError("--category", f"{category} cannot be drawn", f"There is {', '.join(CATEGORIES)}")
    if per_class < 1:
        raise InputError("--per-class", f"must be at least 1 (got {per_class})", "Give 1 or more")
    if side < MIN_SIDE:
        raise InputError("--size", f"{side} pixels is too small to draw a bottle", f"Give {MIN_SIDE} or more")
    if seed < 0:
        raise InputError("--seed", f"{seed} is negative", "Give 0 or more")
    with staged_folder(out, overwrite=overwrite) as staged:
        for number_of_folder, (folder, defect, count) in enumerate(folders(per_class)):
            (staged / folder).mkdir(parents=True)
            mask_folder = staged / "ground_truth" / defect
            if defect != GOOD:
                mask_folder.mkdir(parents=True)
            for number in range(count):
                drawing = draw(defect, side, np.random.default_rng([seed, number_of_folder, number]))
                _write_png(staged / folder / f"{number:03}.png", drawing.photo)
                if defect != GOOD:
                    mask = drawing.mask.astype(np.uint8) * np.uint8(255)
                    _write_png(mask_folder / f"{number:03}_mask.png", mask)
                on_photo()
        text = _README.format(category=category, per_class=per_class, side=side, seed=seed)
        (staged / "readme.txt").write_text(text, encoding="utf-8")


def _write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
