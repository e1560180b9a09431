"""What the layouts share: which files are images, and which mask belongs to which photo."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from mvtec.datasets.listing import is_folder, list_images, scan
from mvtec.datasets.samples import GOOD, IMAGE_SUFFIXES, Dataset, Sample
from mvtec.errors import InputError


def images_in(root: Path, folder: str, *, deep: bool = False) -> list[str]:
    """The image files of `root/folder`, relative to `root` in posix form, sorted; see `list_images`.

    Raises:
        InputError: A folder cannot be read, or a name is not UTF-8.
    """
    return list(list_images(root, folder, deep=deep).images)


def photos_by_type(root: Path, folder: str, layout: str, leave_out: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The photos of `root/folder`, which has one folder for each defect type, by type; no type is without photos.

    Args:
        root: The data set's folder.
        folder: The folder in it, such as `test`.
        layout: The layout's name, for error lines.
        leave_out: Folders in it that are of no defect type.

    Raises:
        InputError: A photo lies beside the folders, or in a folder within one, and would be passed over.
    """
    found: dict[str, list[str]] = {}
    loose = []
    for photo in images_in(root, folder, deep=True):
        kind, *below = photo.removeprefix(f"{folder}/").split("/")
        if kind in leave_out:
            continue
        if not below:
            loose.append(photo)
        elif len(below) > 1:
            problem = f"lies in a folder of {folder}/{kind}/, where the layout {layout} has none"
            raise InputError(root / photo, problem, f"Move such photos up into {folder}/{kind}/, and their masks")
        else:
            found.setdefault(kind, []).append(photo)
    if found and loose:
        raise InputError(
            root / loose[0],
            f"lies beside the folders of defect types in {folder}/, so its type is not known",
            "Move it into the folder of its type",
        )
    return found


def folders_in(root: Path, folder: str) -> list[str]:
    """The names of the folders in `root/folder`, sorted, hidden ones left out.

    Raises:
        InputError: The folder cannot be read.
    """
    top = root / folder
    return [entry.name for entry in scan(top) if is_folder(Path(entry.path))] if is_folder(top) else []


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


def as_spelt(mask_of: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Masks by the names of their photos, where one of the two may have the other Unicode form of an umlaut.

    Names that are the same letter for letter belong together; of what is left over, names that are the same in NFC,
    where that is one photo and one mask.

    Args:
        mask_of: Masks by the names that they have.
        names: The names of the photos.
    """
    wanted = set(names)
    found = {name: mask_of[name] for name in wanted & mask_of.keys()}
    photos: dict[str, set[str]] = {}
    masks: dict[str, set[str]] = {}
    for left, by_form in ((wanted - found.keys(), photos), (mask_of.keys() - found.keys(), masks)):
        for name in left:
            by_form.setdefault(unicodedata.normalize("NFC", name), set()).add(name)
    for form in photos.keys() & masks.keys():
        if len(photos[form]) == 1 and len(masks[form]) == 1:
            found[min(photos[form])] = mask_of[min(masks[form])]
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
