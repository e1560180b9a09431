"""The layout of BTAD, the beanTech anomaly detection data set.

Mishra et al., ISIE 2021; http://avires.dimi.uniud.it/papers/btad/btad.zip; CC BY-NC-SA 4.0.

    01/
      train/ok/0000.bmp …
      test/{ok,ko}/0000.bmp …
      ground_truth/ko/0000.png …      named as the photo

`ok` is read as `good`.
"""

from __future__ import annotations

from pathlib import Path

from mvtec.datasets.layouts.folders import by_stem, dataset, folders_in, images_in, stem
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "btad"
TREE = "test/{ok,ko}/NNNN.bmp and ground_truth/ko/NNNN.png"
OK = "ok"


def found_in(root: Path) -> bool:
    return (root / "test" / OK).is_dir() or (root / "train" / OK).is_dir()


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened."""
    samples = [Sample(root, photo, GOOD, official_split="train") for photo in images_in(root, f"train/{OK}")]
    masks = images_in(root, "ground_truth", deep=True)
    for defect in folders_in(root, "test"):
        mask_of = by_stem([] if defect == OK else images_in(root, f"ground_truth/{defect}"), "")
        for photo in images_in(root, f"test/{defect}"):
            mask = mask_of.get(stem(photo))
            place = f"ground_truth/{defect}/{stem(photo)}.png"
            samples.append(
                Sample(root, photo, GOOD if defect == OK else defect, (mask,) if mask else (), mask_place=place)
            )
    return dataset(root, NAME, samples, masks)
