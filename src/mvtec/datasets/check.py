"""Finds every problem of a data set before a model learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvtec.datasets.images import BadPhotoError, is_deep, read_photo
from mvtec.datasets.masks import MIDDLE, NEARLY_ALL, BadMaskError, read_grey, read_mask
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.usable import orphan_errors
from mvtec.files import sha256_file
from mvtec.words import counted

_WARNINGS = frozenset({"grey-mask", "inverted-mask", "deep-photo", "no-mask", "tiny-box", "no-label", "unused-class"})


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and how to fix it.

    Attributes:
        kind: What sort of problem, a fixed word such as `empty-mask`.
        file: The file at fault, relative to the data set's folder.
        problem: What is wrong with it.
        hint: What to do.
    """

    kind: str
    file: str
    problem: str
    hint: str

    @property
    def is_warning(self) -> bool:
        """Whether the data set can be used as it is, if that is what is meant."""
        return self.kind in _WARNINGS


def by_kind(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """The problems of each kind: labels that contradict each other first, warnings last, the rarest kind first."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.kind, []).append(problem)

    def rank(kind: str) -> tuple[bool, bool, int, str]:
        first = ("contradictory-duplicate", "photo-in-two-parts")
        return kind in _WARNINGS, kind not in first, len(found[kind]), kind

    return {kind: found[kind] for kind in sorted(found, key=rank)}


def check(dataset: Dataset, on_sample: Callable[[], None] = lambda: None) -> list[Problem]:
    """Open every photo and mask, and list what is wrong, sorted by file.

    Args:
        dataset: The data set.
        on_sample: Called after each sample, for a progress bar.
    """
    problems = []
    first_with: dict[str, Sample] = {}
    for sample in dataset.samples:
        found = _problems_of(dataset, sample)
        problems += found
        if not any(problem.kind == "unreadable-photo" for problem in found):
            other = first_with.setdefault(sha256_file(sample.photo), sample)
            if other is not sample:
                problems.append(_duplicate(sample, other))
        on_sample()
    problems += [
        Problem("doubled-name", path, f"has the name of {other} with another ending", "Rename or remove one of the two")
        for path, other in dataset.doubled
    ]
    problems += [
        Problem("doubled-mask", mask, f"is of the photo that {other} is of", "Keep one of the two")
        for mask, other in dataset.doubled_masks
    ]
    problems += [
        Problem("orphan-mask", mask, error.problem, error.hint)
        for mask, error in zip(dataset.orphan_masks, orphan_errors(dataset), strict=True)
    ]
    problems += map(unread_photo, dataset.unread)
    problems += [
        Problem("broken-link", path, "is a link to nothing, and counts as not there", "Correct the link, or remove it")
        for path in _broken_links(dataset.root / "test")
    ]
    if dataset.unmasked:
        text = (
            f"has no mask for {len(dataset.unmasked)} of {len(dataset.samples)} photos, such as {dataset.unmasked[0]}"
        )
        problems.append(
            Problem("no-mask", "masks", f"{text}, so they count as good", "Add the masks of those that show a defect")
        )
    return sorted(problems, key=lambda problem: (problem.file, problem.kind))


def unread_photo(file: str) -> Problem:
    """An image whose ending is not read."""
    return Problem("unread-photo", file, "has an ending that is not read", "Save it as PNG or JPEG, or take it out")


def deep_photo(file: str) -> Problem:
    """A photo of which not all bits are used."""
    text = "has more than 8 bits a channel, of which the upper 8 of 16 are used: one of 12 bits is nearly black"
    return Problem("deep-photo", file, text, "Export it with 8 bits, scaled to their range")


def _duplicate(sample: Sample, other: Sample) -> Problem:
    """Two photos of the same bytes; their labels are the same, or contradict each other."""
    same, hint = f"is the same photo as {other.path}", "Keep one of the two"
    if sample.defect != other.defect:
        text = f"{same}, and is of the class {sample.defect}, the other of {other.defect}"
        return Problem("contradictory-duplicate", sample.path, text, "Keep the one with the right label")
    if sample.masks or other.masks:
        with suppress(BadMaskError, BadPhotoError):  # each is named on its own
            if not np.array_equal(read_mask(sample), read_mask(other)):
                text = f"{same}, and their masks differ"
                return Problem("contradictory-duplicate", sample.path, text, "Keep the one with the right mask")
    return Problem("duplicate-photo", sample.path, same, hint)


def _broken_links(test: Path) -> list[str]:
    """What may have been a folder of `test/`."""
    children = test.iterdir() if test.is_dir() else ()
    return [f"{test.name}/{child.name}" for child in children if child.is_symlink() and not child.exists()]


def _problems_of(dataset: Dataset, sample: Sample) -> list[Problem]:
    problems = []
    try:
        read_photo(sample.photo)
    except BadPhotoError as error:
        return [Problem("unreadable-photo", sample.path, error.problem, error.hint)]
    if is_deep(sample.photo):
        problems.append(deep_photo(sample.path))
    if sample.official_split == "train" and not sample.is_good:
        problems.append(
            Problem("defect-in-train", sample.path, "is not under train/good/", "Move it to test/, with its mask")
        )
    elif not sample.is_good:
        try:
            covered = float(read_mask(sample).mean())
            grey = read_grey(sample)
        except (BadMaskError, BadPhotoError) as error:
            file = Path(error.file).relative_to(dataset.root).as_posix()
            kind = error.kind if isinstance(error, BadMaskError) else "unreadable-photo"
            problems.append(Problem(kind, file, error.problem, error.hint))
        else:
            if grey is not None:
                text = (
                    f"has grey values in {grey.share:.1%} of its defect pixels, and any value but 0 is defect: "
                    f"{counted(grey.instances, 'instance')}, {grey.faint} without a pixel above {MIDDLE}"
                )
                hint = f"Convert with --threshold {MIDDLE} where its edges are soft, which gives {grey.above}"
                if not grey.above:
                    hint = "Keep it so, if the values are numbers such as 1 and 2"
                problems.append(Problem("grey-mask", sample.mask_paths[0], text, hint))
            if covered > NEARLY_ALL:
                text, hint = f"marks {covered:.0%} of its photo".replace("%", " %"), "Swap black and white, if so"
                problems.append(Problem("inverted-mask", sample.mask_paths[0], f"{text}: is it inverted?", hint))
    else:
        problems += [
            Problem("mask-for-good", file, "is a mask of a photo that counts as good", "Remove it, or move the photo")
            for file in sample.mask_paths
        ]
    return problems
