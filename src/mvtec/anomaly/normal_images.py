"""Which good photos to learn from, how they are divided for the threshold, and the threshold itself."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mvtec.datasets.layouts.folders import NoLabelledPhotoError, images_in
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.similar import group_similar, like_none_of
from mvtec.datasets.split import Split, select, warn_of_unused
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.datasets.usable import check_pairs
from mvtec.errors import InputError

FOLDS = 5
FALSE_ALARMS = 0.05  # of good photos, that the threshold is to let pass as defective at most


def read_normal_images(root: Path) -> Dataset:
    """A category; or, where there are good photos and nothing else yet, `root/train/good/`, or the photos in `root`.

    Raises:
        InputError: `root` is none of these.
    """
    photos = (images_in(root, "train/good") or images_in(root, ".")) if root.is_dir() else []
    normals = tuple(Sample(root, photo, GOOD, official_split="train") for photo in photos)
    alone = Dataset(root=root, category=root.resolve().name, layout="good photos", samples=normals, defects=())
    if photos and layout_of(root) is None:
        return alone
    try:
        dataset = read_tree(root)
        check_pairs(dataset)
        return dataset
    except NoLabelledPhotoError:  # an empty test/ waits for its photos
        if photos:
            return alone
        raise


def select_normal_images(dataset: Dataset, split: Split | None) -> list[Sample]:
    """The good photos to learn from: those set aside for learning (`train/good/`), and of a split its train part's.

    A photo that shows the same picture as one that is to be judged is left out: as a val or test photo of the split;
    without a split, as any photo of `test/`.

    Raises:
        InputError: There are fewer than `FOLDS`, the split does not fit the data set, or a photo cannot be read.
    """
    found = [sample for sample in dataset.samples if sample.official_split == "train" and sample.is_good]
    held_out = list(dataset.labelled)
    if split is not None:
        warn_of_unused(dataset, split)
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


def make_folds(normals: Sequence[Sample], seed: int) -> list[list[int]]:
    """Folds of the photos, as their numbers; near-identical photos are in one fold.

    Raises:
        InputError: All photos are alike, or one cannot be read.
    """
    units: dict[int, list[int]] = defaultdict(list)
    for number, first in enumerate(group_similar([sample.photo for sample in normals])):
        units[first].append(number)
    if len(units) < 2:
        raise InputError(
            normals[0].photo.parent, "holds the same photo many times over", "Take photos of different pieces"
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

    Of n scores it is the ⌈(n + 1) · 0.95⌉-th from below, in the manner of conformal prediction (Angelopoulos and Bates,
    *Conformal Prediction: A Gentle Introduction*, 2023, section 1): if one bank had given all scores, a further photo
    like them would be above it with a chance of 5 % or less. With fewer than 19 it is the highest, and the chance 1 in
    n + 1. Here each fold's scores come from a bank without it, and a further photo's from the bank of all, so the
    chance is about that, and not guaranteed.

    >>> choose_threshold([3.0, 1.0, 2.0])
    3.0
    >>> choose_threshold([float(score) for score in range(1, 41)])
    39.0
    """
    rank = min(len(scores), math.ceil(round((len(scores) + 1) * (1 - FALSE_ALARMS), 9)))
    return sorted(scores)[rank - 1]
