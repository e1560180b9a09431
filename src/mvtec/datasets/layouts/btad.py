"""The layout of BTAD, the beanTech anomaly detection data set.

Mishra et al., ISIE 2021; http://avires.dimi.uniud.it/papers/btad/btad.zip; CC BY-NC-SA 4.0.

    01/
      train/ok/0000.bmp …
      test/{ok,ko}/0000.bmp …
      ground_truth/ko/0000.png …      named as the photo

`ok` is read as `good`. Where all masks end in `_mask`, it is a folder of the layout mvtec-ad.
"""

from __future__ import annotations

from pathlib import Path

from mvtec.datasets.layouts.folders import as_spelt, by_stem, dataset, images_in, photos_by_type, stem
from mvtec.datasets.listing import is_folder
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "btad"
TREE = "test/{ok,ko}/NNNN.bmp and ground_truth/ko/NNNN.png"
OK = "ok"
PHOTOS = ("train", "test")
MASKS = "ground_truth"


def found_in(root: Path) -> bool:
    has_ok = is_folder(root / "test" / OK) or is_folder(root / "train" / OK)
    masks = images_in(root, MASKS, deep=True) if has_ok else []
    return has_ok and not (masks and all(stem(mask).endswith("_mask") for mask in masks))


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A photo lies where the layout has none.
    """
    samples = [Sample(root, photo, GOOD, official_split="train") for photo in images_in(root, f"train/{OK}", deep=True)]
    masks = images_in(root, MASKS, deep=True)
    for defect, photos in photos_by_type(root, "test", NAME).items():
        mask_of = as_spelt(by_stem(images_in(root, f"{MASKS}/{defect}"), ""), map(stem, photos))
        for photo in photos:
            mask = mask_of.get(stem(photo))
            place = f"{MASKS}/{defect}/{stem(photo)}.png"
            samples.append(
                Sample(root, photo, GOOD if defect == OK else defect, (mask,) if mask else (), mask_place=place)
            )
    return dataset(root, NAME, samples, masks)
