"""The layout of MVTec AD 2.

Heckler-Kram et al., 2025; https://www.mvtec.com/company/research/datasets/mvtec-ad-2; CC BY-NC-SA 4.0.

    can/
      train/good/NNN_regular.png …
      validation/good/NNN_regular.png …
      test_public/{good,bad}/NNN_regular.png …
      test_public/ground_truth/bad/NNN_regular_mask.png …
      test_private/, test_private_mixed/     without ground truth, and so not read
"""

from __future__ import annotations

from pathlib import Path

from mvtec.datasets.layouts.folders import as_spelt, by_stem, dataset, images_in, photos_by_type, stem
from mvtec.datasets.listing import is_folder
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "mvtec-ad-2"
TREE = "test_public/{good,bad}/NNN.png and test_public/ground_truth/bad/NNN_mask.png"
PHOTOS = ("train", "validation", "test_public")
MASKS = "test_public/ground_truth"


def found_in(root: Path) -> bool:
    return is_folder(root / "test_public")


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A photo lies where the layout has none.
    """
    samples = [
        Sample(root, photo, GOOD, official_split="train")
        for folder in ("train/good", "validation/good")
        for photo in images_in(root, folder, deep=True)
    ]
    masks = images_in(root, MASKS, deep=True)
    for defect, photos in photos_by_type(root, "test_public", NAME, ("ground_truth",)).items():
        mask_of = as_spelt(by_stem(images_in(root, f"{MASKS}/{defect}"), "_mask"), map(stem, photos))
        for photo in photos:
            mask = mask_of.get(stem(photo))
            place = f"{MASKS}/{defect}/{stem(photo)}_mask.png"
            samples.append(Sample(root, photo, defect, (mask,) if mask else (), mask_place=place))
    return dataset(root, NAME, samples, masks)
