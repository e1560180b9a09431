"""Finds every problem of a data set before a model learns from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mvtec.datasets.images import NEARLY_ALL, BadMaskError, BadPhotoError, grey_share, is_deep, read_mask, read_photo
from mvtec.datasets.layouts.folders import folders_in
from mvtec.datasets.samples import Dataset, Sample
from mvtec.files import sha256_file

_UNREAD = frozenset({".avif", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2"})  # endings of images


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and how to mend it.

    Attributes:
        kind: What sort of problem, a fixed word such as `empty-mask`.
        file: The file at fault, relative to the data set's folder.
        problem: What is wrong with it.
        mend: What to do.
    """

    kind: str
    file: str
    problem: str
    mend: str

    @property
    def is_warning(self) -> bool:
        """Whether the data set can be used as it is, if that is what is meant."""
        return self.kind in ("grey-mask", "inverted-mask", "deep-photo", "no-mask")


def check(dataset: Dataset, on_sample: Callable[[], None] = lambda: None) -> list[Problem]:
    """Open every photo and mask, and list what is wrong, sorted by file.

    Args:
        dataset: The data set.
        on_sample: Called after each sample, for a progress bar.
    """
    problems = []
    first_with: dict[str, str] = {}
    for sample in dataset.samples:
        found = _problems_of(dataset, sample)
        problems += found
        if not any(problem.kind == "unreadable-photo" for problem in found):
            other = first_with.setdefault(sha256_file(sample.photo), sample.path)
            if other != sample.path:
                problems.append(
                    Problem("duplicate-photo", sample.path, f"is the same photo as {other}", "Keep one of the two")
                )
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
        Problem("orphan-mask", mask, "belongs to no photo", "Name it after its photo, or remove it")
        for mask in dataset.orphan_masks
    ]
    problems += [
        Problem("unread-photo", file, "has an ending that is not read", "Save it as PNG or JPEG, or take it out")
        for file in _unread(dataset)
    ]
    problems += [
        Problem("broken-link", path, "is a link to nothing, and counts as not there", "Mend the link, or remove it")
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


def _unread(dataset: Dataset) -> list[str]:
    """Images beside the photos, or in a folder of `test/` of their own, that have an ending no photo has."""
    folders = {sample.photo.parent for sample in dataset.samples}
    folders |= {dataset.root / "test" / name for name in folders_in(dataset.root, "test")}
    return [
        file.relative_to(dataset.root).as_posix()
        for folder in folders
        for file in folder.iterdir()
        if file.suffix.lower() in _UNREAD and not file.name.startswith(".")
    ]


def _broken_links(test: Path) -> list[str]:
    """What may have been a folder of `test/`."""
    children = test.iterdir() if test.is_dir() else ()
    return [f"{test.name}/{child.name}" for child in children if child.is_symlink() and not child.exists()]


def _problems_of(dataset: Dataset, sample: Sample) -> list[Problem]:
    problems = []
    try:
        read_photo(sample.photo)
    except BadPhotoError as error:
        return [Problem("unreadable-photo", sample.path, error.problem, error.mend)]
    if is_deep(sample.photo):
        text = "has more than 8 bits a channel, of which the upper 8 of 16 are used: one of 12 bits is nearly black"
        problems.append(Problem("deep-photo", sample.path, text, "Export it with 8 bits, scaled to their range"))
    if sample.official_split == "train" and not sample.is_good:
        problems.append(
            Problem("defect-in-train", sample.path, "is not under train/good/", "Move it to test/, with its mask")
        )
    elif not sample.is_good:
        try:
            covered = float(read_mask(sample).mean())
            share = grey_share(sample)
        except (BadMaskError, BadPhotoError) as error:
            file = Path(error.file).relative_to(dataset.root).as_posix()
            kind = error.kind if isinstance(error, BadMaskError) else "unreadable-photo"
            problems.append(Problem(kind, file, error.problem, error.mend))
        else:
            if share:
                text = f"has grey values in {share:.1%} of its defect pixels, and any value but 0 is defect"
                mend = "Convert with --threshold 127 where its edges are soft; numbers such as 1 and 2 are all defect"
                problems.append(Problem("grey-mask", sample.mask_paths[0], text, mend))
            if covered > NEARLY_ALL:
                text, mend = f"marks {covered:.0%} of its photo".replace("%", " %"), "Swap black and white, if so"
                problems.append(Problem("inverted-mask", sample.mask_paths[0], f"{text}: is it inverted?", mend))
    else:
        problems += [
            Problem("mask-for-good", file, "is a mask of a photo that counts as good", "Remove it, or move the photo")
            for file in sample.mask_paths
        ]
    return problems


def without_unreadable(dataset: Dataset) -> tuple[Dataset, list[str]]:
    """The data set less the photos that cannot be decoded, and the error line of each."""
    kept, lines = [], []
    for sample in dataset.samples:
        try:
            read_photo(sample.photo)
            kept.append(sample)
        except BadPhotoError as error:
            lines.append(str(error))
    return replace(dataset, samples=tuple(kept)), lines
