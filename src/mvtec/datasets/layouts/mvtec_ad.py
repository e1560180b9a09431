"""The layout of MVTec AD.

Bergmann et al., CVPR 2019; https://www.mvtec.com/company/research/datasets/mvtec-ad; the data is CC BY-NC-SA 4.0.

    bottle/                         the category
      train/good/000.png …          photos without a defect
      test/good/000.png …
      test/broken_large/000.png …   one folder per defect type
      ground_truth/broken_large/000_mask.png …

A mask belongs to the photo of exactly its stem: `NNN_mask.*` to `NNN.*`.
"""

from __future__ import annotations

from pathlib import Path

from mvtec.datasets.layouts.folders import by_stem, dataset, folders_in, images_in, stem
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.errors import InputError

NAME = "mvtec-ad"
TREE = "test/<defect>/NNN.png and ground_truth/<defect>/NNN_mask.png"


def found_in(root: Path) -> bool:
    return (root / "test").is_dir()


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A folder of `test/` holds photos that would be passed over, or taken for defects by its name alone.
    """
    masks = [mask for defect in folders_in(root, "ground_truth") for mask in images_in(root, f"ground_truth/{defect}")]
    samples = [
        Sample(root, photo, defect, official_split="train")
        for defect in folders_in(root, "train")
        for photo in images_in(root, f"train/{defect}")
    ]
    for defect in folders_in(root, "test"):
        mask_of = by_stem(images_in(root, f"ground_truth/{defect}"), "_mask")
        if defect != GOOD and defect.casefold() in (GOOD, "ok") and not mask_of:
            raise InputError(root / "test" / defect, "is not called good", "Rename it, if its photos show no defect")
        for photo in images_in(root, f"test/{defect}", deep=True):
            if photo.count("/") > 2:
                problem = f"lies in a folder of test/{defect}/, where the layout {NAME} has none"
                raise InputError(root / photo, problem, f"Move such photos up into test/{defect}/, and their masks")
            mask = mask_of.get(stem(photo))
            place = f"ground_truth/{defect}/{stem(photo)}_mask.png"
            samples.append(Sample(root, photo, defect, (mask,) if mask else (), mask_place=place))
    return dataset(root, NAME, samples, masks)
