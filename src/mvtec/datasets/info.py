"""The data card: what a data set holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Dataset
from mvtec.datasets.usable import check_pairs


@dataclass(frozen=True)
class DefectSize:
    """How much of the photo the defects of one type cover, in percent of its pixels, one value a photo."""

    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class DataCard:
    """The numbers a report opens with.

    Attributes:
        category: The kind of object.
        images: Photos per class under `test/`, `good` first, then alphabetical.
        train_good: Photos under `train/good/`.
        sizes_wh: Each photo size in pixels, and how many photos of `test/` have it, the most frequent first.
        defect_size: Per defect type, how much of the photo it covers.
        imbalance_ratio: Photos of the largest class over photos of the smallest.
    """

    category: str
    images: dict[str, int]
    train_good: int
    sizes_wh: dict[tuple[int, int], int]
    defect_size: dict[str, DefectSize]
    imbalance_ratio: float


def describe(dataset: Dataset, on_sample: Callable[[], None] = lambda: None) -> DataCard:
    """Count and measure a data set.

    Args:
        dataset: The data set; each mask is decoded once, of photos only the header is read.
        on_sample: Called after each sample of `test/`, for a progress bar.

    Raises:
        BadPhotoError: A photo's header cannot be read.
        BadMaskError: A mask breaks a label rule, or belongs to no photo.
    """
    check_pairs(dataset)
    counts = Counter(sample.defect for sample in dataset.labelled)
    sizes: Counter[tuple[int, int]] = Counter()
    covered: dict[str, list[float]] = {defect: [] for defect in sorted(counts.keys() - {GOOD})}
    for sample in dataset.labelled:
        sizes[photo_size_wh(sample.photo)] += 1
        if not sample.is_good:
            covered[sample.defect].append(100 * float(read_mask(sample).mean()))
        on_sample()
    classes = [defect for defect in (GOOD, *covered) if counts[defect]]
    return DataCard(
        category=dataset.category,
        images={name: counts[name] for name in classes},
        train_good=sum(sample.official_split == "train" for sample in dataset.samples),
        sizes_wh=dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        defect_size={
            defect: DefectSize(min(values), float(np.median(values)), max(values)) for defect, values in covered.items()
        },
        imbalance_ratio=max(counts.values()) / min(counts.values()),
    )
