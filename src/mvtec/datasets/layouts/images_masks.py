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

from mvtec.datasets.images import decode, header_size_wh, photo_size_wh
from mvtec.datasets.layouts.folders import as_spelt, dataset, images_in
from mvtec.datasets.listing import is_folder
from mvtec.datasets.masks import shape_is_transparency
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.errors import InputError

NAME = "images-masks"
TREE = "images/NAME.jpg and masks/NAME.png"
DEFECT = "defect"
PHOTOS = ("images",)
MASKS = "masks"
_PARTS = {"train", "val", "valid", "test"}


def found_in(root: Path) -> bool:
    return is_folder(root / "images") and is_folder(root / MASKS)


def read(root: Path) -> Dataset:
    """Read the two folders; the masks are opened, because a black one means a good photo."""
    masks = images_in(root, MASKS, deep=True)
    photos = images_in(root, "images", deep=True)
    named: dict[str, str] = {}
    for mask in masks:
        place = _place(mask, MASKS)
        named.setdefault(place, mask)
        named.setdefault(place.removesuffix("_mask"), mask)
    mask_of = as_spelt(named, (_place(photo, "images") for photo in photos))
    samples, black, unmasked = [], set(), []
    for photo in photos:
        place = _place(photo, "images")
        mask_path = mask_of.get(place)
        if mask_path is not None and marks_nothing(root / mask_path, root / photo):
            black.add(mask_path)
            mask_path = None
        folders = place.split("/")[:-1]
        if place not in mask_of and folders[-1:] != [GOOD]:
            unmasked.append(photo)
        defect = GOOD if mask_path is None else folders[-1] if folders and folders[-1] != GOOD else DEFECT
        paths = (mask_path,) if mask_path else ()
        samples.append(Sample(root, photo, defect, paths, mask_place=f"{MASKS}/{place}.png"))
    parts = sorted({sample.defect for sample in samples} & _PARTS)
    notes = [f"the folders {', '.join(parts)} of images/ are taken for defect types, not for parts"] if parts else []
    found = dataset(root, NAME, samples, set(masks) - black)
    return replace(found, unmasked=tuple(sorted(unmasked)), notes=tuple(notes))


def _place(path: str, folder: str) -> str:
    """A photo's or mask's path in its folder, without its ending."""
    return path.removeprefix(f"{folder}/").rsplit(".", 1)[0]


def marks_nothing(mask: Path, photo: Path) -> bool:
    """Whether a mask is readable, of its photo's size and black; one that is not is left to be found out later."""
    try:
        if header_size_wh(mask) != photo_size_wh(photo):
            return False
        pixels = decode(mask, cv2.IMREAD_UNCHANGED)
    except InputError:
        return False
    if pixels is None or shape_is_transparency(pixels):
        return False
    return not (pixels[..., :3] if pixels.ndim == 3 else pixels).any()
