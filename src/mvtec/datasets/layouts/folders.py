"""What the layouts share: which files are images, and which mask belongs to which photo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mvtec.datasets.samples import GOOD, IMAGE_SUFFIXES, Dataset, Sample
from mvtec.errors import InputError


def images_in(root: Path, folder: str, *, deep: bool = False) -> list[str]:
    """The image files of `root/folder`, relative to `root` in posix form, sorted.

    Hidden files (`._000.png` of a Mac's archive) are no photos.

    Args:
        root: The data set's folder.
        folder: The folder in it; one that is missing holds nothing.
        deep: Look into folders in it, too.

    Raises:
        InputError: A name is not UTF-8, and so could not be written into any annotation file.
    """
    top = root / folder
    if not top.is_dir():
        return []
    found = []
    for file in top.rglob("*") if deep else top.iterdir():
        relative = file.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in file.relative_to(top).parts)
        if file.suffix.lower() in IMAGE_SUFFIXES and not hidden:
            try:
                relative.encode("utf-8")
            except UnicodeEncodeError as error:
                name = str(file).encode("utf-8", "replace").decode()
                raise InputError(name, "has a name that is not UTF-8", "Rename it") from error
            found.append(relative)
    return sorted(found)


def folders_in(root: Path, folder: str) -> list[str]:
    """The names of the folders in `root/folder`, sorted, hidden ones left out."""
    top = root / folder
    if not top.is_dir():
        return []
    return sorted(child.name for child in top.iterdir() if child.is_dir() and not child.name.startswith("."))


def stem(path: str) -> str:
    """`000` of `test/crack/000.png`."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def by_stem(masks: Iterable[str], ending: str) -> dict[str, str]:
    """Each mask by the stem of its photo, `<stem><ending>`; of two for one photo, the first by name."""
    found: dict[str, str] = {}
    for mask in masks:
        if stem(mask).endswith(ending):
            found.setdefault(stem(mask).removesuffix(ending), mask)
    return found


class NoLabelledPhotoError(InputError):
    """A folder that looks like a category and has no labelled photo where its layout has them."""


def dataset(root: Path, layout: str, samples: list[Sample], masks: Iterable[str]) -> Dataset:
    """A data set of `samples`; of `masks`, those that none of them has are orphans.

    Raises:
        NoLabelledPhotoError: There is no labelled photo.
    """
    if not any(sample.official_split == "test" for sample in samples):
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise NoLabelledPhotoError(
            root, f"holds no labelled photo where the layout {layout} has them", f"Put photos there ({kinds})"
        )
    samples = sorted(samples, key=lambda sample: sample.path)
    used = {mask for sample in samples for mask in sample.mask_paths}
    unused = sorted(set(masks) - used)
    taken = {_mask_name(mask): mask for mask in used}
    types: set[str] = set()
    for sample in samples:
        if sample.official_split == "test":
            types.update(sample.defect_of_value.values() or [sample.defect])
    return Dataset(
        root=root,
        category=root.resolve().name,
        layout=layout,
        samples=tuple(samples),
        defects=tuple(sorted(types - {GOOD})),
        orphan_masks=tuple(mask for mask in unused if _mask_name(mask) not in taken),
        doubled_masks=tuple((mask, taken[_mask_name(mask)]) for mask in unused if _mask_name(mask) in taken),
        doubled=_doubled(samples),
    )


def _mask_name(mask: str) -> str:
    """A mask's path without what it may end in beside its photo's name."""
    return mask.rsplit(".", 1)[0].removesuffix("_mask")


def _doubled(samples: list[Sample]) -> tuple[tuple[str, str], ...]:
    first: dict[str, str] = {}
    doubled = []
    for sample in samples:
        other = first.setdefault(sample.path.rsplit(".", 1)[0], sample.path)
        if other != sample.path:
            doubled.append((sample.path, other))
    return tuple(doubled)
