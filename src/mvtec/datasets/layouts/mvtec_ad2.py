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

from mvtec.datasets.layouts.folders import by_stem, dataset, folders_in, images_in, stem
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "mvtec-ad-2"
TREE = "test_public/{good,bad}/NNN.png and test_public/ground_truth/bad/NNN_mask.png"


def found_in(root: Path) -> bool:
    return (root / "test_public").is_dir()


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened."""
    samples = [
        Sample(root, photo, GOOD, official_split="train")
        for folder in ("train/good", "validation/good")
        for photo in images_in(root, folder)
    ]
    masks = images_in(root, "test_public/ground_truth", deep=True)
    for defect in folders_in(root, "test_public"):
        if defect == "ground_truth":
            continue
        mask_of = by_stem(images_in(root, f"test_public/ground_truth/{defect}"), "_mask")
        for photo in images_in(root, f"test_public/{defect}"):
            mask = mask_of.get(stem(photo))
            place = f"test_public/ground_truth/{defect}/{stem(photo)}_mask.png"
            samples.append(Sample(root, photo, defect, (mask,) if mask else (), mask_place=place))
    return dataset(root, NAME, samples, masks)
