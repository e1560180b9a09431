"""The layout of KolektorSDD: each photo with a label beside it, black for a good one.

Tabernik et al., Journal of Intelligent Manufacturing 2020; https://www.vicos.si/resources/kolektorsdd/;
CC BY-NC-SA 4.0.

    kos01/Part0.jpg, kos01/Part0_label.bmp, …
"""

from __future__ import annotations

from pathlib import Path

from mvtec.datasets.layouts.folders import as_spelt, by_stem, dataset, folders_in, images_in, stem
from mvtec.datasets.layouts.images_masks import DEFECT, marks_nothing
from mvtec.datasets.samples import GOOD, Dataset, Sample

NAME = "kolektor-sdd"
TREE = "kosNN/PartN.jpg and kosNN/PartN_label.bmp"
ENDING = "_label"
PHOTOS = (".",)
MASKS = None


def found_in(root: Path) -> bool:
    return any(stem(path).endswith(ENDING) for folder in folders_in(root, ".") for path in images_in(root, folder))


def read(root: Path) -> Dataset:
    """Read the data set's folder; the labels are opened, because only they tell which photos are good."""
    samples: list[Sample] = []
    orphans: list[str] = []
    for folder in folders_in(root, "."):
        files = images_in(root, folder)
        photos = [file for file in files if not stem(file).endswith(ENDING)]
        masks = [file for file in files if stem(file).endswith(ENDING)]
        mask_of = as_spelt(by_stem(masks, ENDING), map(stem, photos))
        orphans += sorted(set(masks) - set(mask_of.values()))
        for photo in photos:
            mask = mask_of.get(stem(photo))
            place = f"{folder}/{stem(photo)}{ENDING}.bmp"
            good = mask is not None and marks_nothing(root / mask, root / photo)
            paths = () if good or mask is None else (mask,)
            samples.append(Sample(root, photo, GOOD if good else DEFECT, paths, mask_place=place))
    return dataset(root, NAME, samples, orphans)
