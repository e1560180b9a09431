"""A plain pair of folders: photos in one, masks of the same names in the other.

    images/a.jpg, images/b.jpg …
    masks/a.png …                   `a.png` or `a_mask.png` for `a.jpg`; none, or a black one, for a good photo

Photos may lie in folders of `images/`, and their masks in the same folders of `masks/`: `images/crack/a.jpg` has the
defect type `crack`. Outside of such folders the type is `defect`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mvtec.datasets.images import shape_is_transparency
from mvtec.datasets.layouts.folders import dataset, images_in
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "images-masks"
TREE = "images/NAME.jpg and masks/NAME.png"
DEFECT = "defect"


def found_in(root: Path) -> bool:
    return (root / "images").is_dir() and (root / "masks").is_dir()


def read(root: Path) -> Dataset:
    """Read the two folders; the masks are opened, because a black one means a good photo."""
    masks = images_in(root, "masks", deep=True)
    mask_of: dict[str, str] = {}
    for mask in masks:
        place = mask.removeprefix("masks/").rsplit(".", 1)[0]
        mask_of.setdefault(place, mask)
        mask_of.setdefault(place.removesuffix("_mask"), mask)
    samples, black, unmasked = [], set(), []
    for photo in images_in(root, "images", deep=True):
        place = photo.removeprefix("images/").rsplit(".", 1)[0]
        mask_path = mask_of.get(place)
        if mask_path is not None and marks_nothing(root / mask_path):
            black.add(mask_path)
            mask_path = None
        folders = place.split("/")[:-1]
        if place not in mask_of and folders[-1:] != [GOOD]:
            unmasked.append(photo)
        defect = GOOD if mask_path is None else folders[-1] if folders and folders[-1] != GOOD else DEFECT
        paths = (mask_path,) if mask_path else ()
        samples.append(Sample(root, photo, defect, paths, mask_place=f"masks/{place}.png"))
    return replace(dataset(root, NAME, samples, set(masks) - black), unmasked=tuple(sorted(unmasked)))


def marks_nothing(mask: Path) -> bool:
    """Whether a mask is readable and black; one that is not readable is left to be found out later."""
    pixels = cv2.imdecode(np.fromfile(mask, np.uint8), cv2.IMREAD_UNCHANGED) if mask.stat().st_size else None
    if pixels is None or shape_is_transparency(pixels):
        return False
    return not (pixels[..., :3] if pixels.ndim == 3 else pixels).any()
