"""Finds the problems of a COCO file or a YOLO folder before a model learns from it, and describes it in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from mvtec.convert.label_set import LabelledPhoto, LabelSet
from mvtec.datasets.check import Problem, deep_photo, unread_photo
from mvtec.datasets.images import BadPhotoError, is_deep, read_photo
from mvtec.datasets.info import DataCard, DefectSize
from mvtec.datasets.samples import GOOD
from mvtec.files import sha256_file

TINY = 2  # pixels; Ultralytics drops boxes that are narrower in its training photos


def check_labels(labels: LabelSet, on_photo: Callable[[], None] = lambda: None) -> list[Problem]:
    """Open every photo and list what is wrong, sorted by file: what conversions refuse, and what spoils a training."""
    problems = [Problem(one.kind, one.error.file, one.error.problem, one.error.hint) for one in labels.refused]
    first_with: dict[str, LabelledPhoto] = {}
    for photo in labels.photos:
        try:
            read_photo(photo.sample.photo)
        except BadPhotoError as error:
            problems.append(Problem("unreadable-photo", photo.sample.path, error.problem, error.hint))
        else:
            problems += _of_photo(photo)
            other = first_with.setdefault(sha256_file(photo.sample.photo), photo)
            if other is not photo:
                problems.append(_duplicate(photo, other))
        on_photo()
    problems += map(unread_photo, labels.unread)
    problems += _of_classes(labels)
    return sorted(problems, key=lambda problem: (problem.file, problem.kind, problem.problem))


def _of_photo(photo: LabelledPhoto) -> list[Problem]:
    found = []
    if is_deep(photo.sample.photo):
        found.append(deep_photo(photo.sample.path))
    if not photo.has_labels:
        text = "has no label file, and counts as good"
        found.append(Problem("no-label", photo.sample.path, text, "Add an empty one, if it shows no defect"))
    for name, (x, y, width, height), _ in photo.boxes:
        if min(width, height) < TINY:
            text = f"has a box of {name} of {width:.3g}×{height:.3g} pixels"
            found.append(Problem("tiny-box", photo.sample.path, text, "Draw it again, or remove it"))
        reach = max(-x, -y, x + width - photo.size_wh[0], y + height - photo.size_wh[1])
        if reach >= 1:
            text = f"has a box of {name} that reaches {reach:.3g} pixels out of it"
            found.append(Problem("box-out-of-photo", photo.sample.path, text, "Draw it inside of the photo"))
    doubled = [box for box, count in Counter(photo.boxes).items() if count > 1]
    found += [
        Problem("doubled-box", photo.sample.path, f"has the same box of {name} twice", "Remove one of the two")
        for name, _, _ in doubled
    ]
    return found


def _duplicate(photo: LabelledPhoto, other: LabelledPhoto) -> Problem:
    """Two photos of the same bytes: in two parts, with different labels, or merely twice."""
    same = f"is the same photo as {other.sample.path}"
    if photo.part != other.part:
        text = f"{same}, which is in {other.part}, and it is in {photo.part}"
        return Problem("photo-in-two-parts", photo.sample.path, text, "Keep it in one part")
    if sorted(photo.boxes) != sorted(other.boxes):
        text = f"{same}, and their labels differ"
        return Problem("contradictory-duplicate", photo.sample.path, text, "Keep the one with the right labels")
    return Problem("duplicate-photo", photo.sample.path, same, "Keep one of the two")


def _of_classes(labels: LabelSet) -> list[Problem]:
    """Classes that nothing is labelled with, and classes of val or test that train has no label of."""
    counts: dict[str | None, Counter[str]] = {}
    for photo in labels.photos:
        counts.setdefault(photo.part, Counter()).update(name for name, _, _ in photo.boxes)
    everywhere = sum(counts.values(), Counter[str]())
    file = labels.source.name
    found = [
        Problem("unused-class", file, f"has the class {name}, and no label of it", "Remove it, or label it")
        for name in labels.names
        if not everywhere[name]
    ]
    for part in ("val", "test"):
        for name in sorted(set(counts.get(part, ())) - set(counts.get("train", ()))):
            text = f"has labels of {name} in {part}, and none in train"
            found.append(Problem("class-not-in-train", file, text, "Divide it with mvtec datasets split"))
    return found


def describe_labels(labels: LabelSet) -> DataCard:
    """The data card: classes are those of the photos, several of one photo joined with `+`.

    Raises:
        InputError: What a conversion would refuse, or there is no photo.
    """
    if labels.refused:
        raise labels.refused[0].error
    dataset = labels.dataset()
    counts = Counter(sample.defect for sample in dataset.samples)
    sizes = Counter(photo.size_wh for photo in labels.photos)
    covered: dict[str, list[float]] = {name: [] for name in sorted(counts.keys() - {GOOD})}
    for photo in labels.photos:
        if photo.boxes:
            pixels = photo.size_wh[0] * photo.size_wh[1]
            covered[photo.sample.defect].append(100 * sum(area for _, _, area in photo.boxes) / pixels)
    return DataCard(
        category=dataset.category,
        images={name: counts[name] for name in (GOOD, *covered) if counts[name]},
        train_good=0,
        sizes_wh=dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        defect_size={
            name: DefectSize(min(values), float(np.median(values)), max(values)) for name, values in covered.items()
        },
        imbalance_ratio=max(counts.values()) / min(counts.values()),
    )
