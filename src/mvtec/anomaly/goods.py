"""Which good photos to learn from, how they are divided for the threshold, and the threshold itself."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.similar import group_similar, like_none_of
from mvtec.datasets.split import Split, select
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import InputError

FOLDS = 5
FALSE_ALARMS = 0.05  # of good photos, that the threshold is to let pass as defective at most


def read_goods(root: Path) -> Dataset:
    """A category; or, where there are good photos and nothing else yet, `root/train/good/`, or the photos in `root`.

    Raises:
        InputError: `root` is none of these.
    """
    if root.is_dir() and layout_of(root) is None and (photos := images_in(root, "train/good") or images_in(root, ".")):
        goods = tuple(Sample(root, photo, GOOD, official_split="train") for photo in photos)
        return Dataset(root=root, category=root.resolve().name, layout="good photos", samples=goods, defects=())
    return read_tree(root)


def good_photos(dataset: Dataset, split: Split | None) -> list[Sample]:
    """The good photos to learn from: those set aside for learning (`train/good/`), and of a split its train part's.

    A photo that shows the same picture as a val or test photo of the split is left out.

    Raises:
        InputError: There are fewer than `FOLDS`, the split does not fit the data set, or a photo cannot be read.
    """
    found = [sample for sample in dataset.samples if sample.official_split == "train" and sample.is_good]
    if split is not None:
        held_out = [*select(dataset, split, "val"), *select(dataset, split, "test")]
        found += [
            sample for sample in select(dataset, split, "train") if sample.is_good and sample.official_split == "test"
        ]
        fresh = like_none_of([sample.photo for sample in found], [sample.photo for sample in held_out])
        found = [sample for sample, is_fresh in zip(found, fresh, strict=True) if is_fresh]
    if len(found) < FOLDS:
        more = "Put in more" + ("" if split else ", or give a --split with good photos in its train part")
        raise InputError(dataset.root, f"has {len(found)} good photos to learn from, and {FOLDS} are the least", more)
    return sorted(found, key=lambda sample: sample.path)


def divide(goods: Sequence[Sample], seed: int) -> list[list[int]]:
    """Folds of the photos, as their numbers; near-identical photos are in one fold.

    Raises:
        InputError: All photos are alike, or one cannot be read.
    """
    units: dict[int, list[int]] = defaultdict(list)
    for number, first in enumerate(group_similar([sample.photo for sample in goods])):
        units[first].append(number)
    if len(units) < 2:
        raise InputError(
            goods[0].photo.parent, "holds the same photo many times over", "Take photos of different pieces"
        )
    order = sorted(units)
    random.Random(seed).shuffle(order)
    folds: list[list[int]] = [[] for _ in range(min(FOLDS, len(units)))]
    for first in order:
        min(folds, key=len).extend(units[first])
    return [sorted(fold) for fold in folds]


def expected_alarms(photos: int) -> float:
    """The share of further good photos that is to be expected above the threshold at most, from so many held out."""
    return max(FALSE_ALARMS, 1 / (photos + 1))


def choose_threshold(scores: Sequence[float]) -> float:
    """The threshold that at most 1 in 20 good photos is above, from the scores of good photos held out.

    Of n scores it is the ⌈(n + 1) · 0.95⌉-th from below, as in conformal prediction (Angelopoulos and Bates, *Conformal
    Prediction: A Gentle Introduction*, 2023, section 1): a further photo like them is above it with a chance of 5 % or
    less. With fewer than 19 it is the highest, and the chance is 1 in n + 1.

    >>> choose_threshold([3.0, 1.0, 2.0])
    3.0
    >>> choose_threshold([float(score) for score in range(1, 41)])
    39.0
    """
    rank = min(len(scores), math.ceil(round((len(scores) + 1) * (1 - FALSE_ALARMS), 9)))
    return sorted(scores)[rank - 1]
