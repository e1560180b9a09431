"""Which photos to learn from when good ones are many times as frequent as each defect type, whose photos stay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.similar import like_none_of
from mvtec.datasets.split import Split
from mvtec.errors import InputError


def without_look_alikes(dataset: Dataset) -> Dataset:
    """Without the good photos set aside for learning that look like one to be judged: no split keeps them together."""
    aside = [sample for sample in dataset.samples if sample.official_split == "train"]
    fresh = like_none_of([sample.photo for sample in aside], [sample.photo for sample in dataset.labelled])
    left_out = {sample.path for sample, is_fresh in zip(aside, fresh, strict=True) if not is_fresh}
    return replace(dataset, samples=tuple(sample for sample in dataset.samples if sample.path not in left_out))


def photos_per_defect(dataset: Dataset, splits: Sequence[Split], most: int) -> int:
    """How many photos of each defect type there are to learn from in every fold, such that the good ones suffice.

    Args:
        dataset: The category; its good photos set aside for learning are good photos to learn from.
        splits: The splits, with folds.
        most: How many times as frequent as a defect type the good photos are to be.

    Raises:
        InputError: There are too few.
    """
    label = {sample.path: sample.defect for sample in dataset.samples}
    extra = sum(sample.official_split == "train" for sample in dataset.samples)
    fewest = []
    for split in splits:
        for fold in split.folds:
            rest = [label[path] for path in split.train if path not in set(fold)]
            fewest.append((rest.count(GOOD) + extra) // most)
            fewest += [rest.count(defect) for defect in {label[path] for path in split.train} - {GOOD}]
    if min(fewest) < 1:
        raise InputError(
            dataset.root,
            f"has too few photos: in some fold none of a class is left to learn from, or no good ones for {most}×",
            "Give a smaller --ratios, or more photos",
        )
    return min(fewest)


def photos_to_learn_from(
    dataset: Dataset, split: Split, fold: Sequence[str], per_defect: int, ratio: int | None, seed: int
) -> list[Sample]:
    """The photos of one fold: of each defect type the same at every ratio, and the first of the same good ones.

    Args:
        dataset: The category.
        split: Its split.
        fold: The photos to judge, which are left out.
        per_defect: How many photos of each defect type.
        ratio: How many times as many good ones; None for all there are.
        seed: Seed of the draw.
    """
    learnable = set(split.train) - set(fold)
    groups: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        if sample.path in learnable or sample.official_split == "train":
            groups.setdefault(sample.defect, []).append(sample)
    chosen = []
    for defect, group in sorted(groups.items()):
        random.Random(f"{seed}/{defect}/{fold[0]}").shuffle(group)
        times = ratio if defect == GOOD else 1
        chosen += group if times is None else group[: per_defect * times]
    return chosen
