"""Which photos of a data set can be used: a mask that belongs to no photo, or breaks a rule, is never passed over.

A photo whose mask has another name would count as good, defect and all. So such a mask stops a command; where errors
are to be skipped, the photos that it may belong to are left out and named.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mvtec.datasets.images import photo_size_wh, read_photo
from mvtec.datasets.masks import BadMaskError, read_mask
from mvtec.datasets.samples import Dataset, Sample
from mvtec.errors import InputError

_ADDED = re.compile(r"[\W_]*(masks?|segmentation|seg|gt|ground_?truth|labels?|annotation|anno)$")


def check_pairs(dataset: Dataset) -> None:
    """Refuse a data set with masks that belong to no photo.

    Raises:
        BadMaskError: There is one.
    """
    for error in orphan_errors(dataset):
        raise error


def orphan_errors(dataset: Dataset) -> list[BadMaskError]:
    """The error of each mask that belongs to no photo."""
    alike = _alike(dataset)
    errors = []
    for mask in dataset.orphan_masks:
        meant = alike.get(mask, [])
        meant_by = f" ({meant[0]} has no mask: is it meant?)" if meant else ""
        hint = "Name it after its photo, or remove it"
        errors.append(BadMaskError("orphan-mask", dataset.root / mask, f"belongs to no photo{meant_by}", hint))
    return errors


def suspects(dataset: Dataset) -> dict[str, str]:
    """Photos that count as good and may be those of masks that belong to no photo, with such a mask.

    They are those of nearly the same name. Where there is none, they are all that count as good for want of a mask.
    """
    alike = _alike(dataset)
    found = {photo: mask for mask in dataset.orphan_masks for photo in alike.get(mask, [])}
    for mask in dataset.orphan_masks:
        if mask not in alike:
            found = dict.fromkeys(dataset.unmasked, mask) | found
    return found


def suspect_error(sample: Sample, mask: str) -> BadMaskError:
    """The error of a photo that is left out because a mask of no photo may be its own."""
    problem = f"counts as good for want of a mask, and {mask}, which belongs to no photo, may be its mask"
    return BadMaskError("orphan-mask", sample.photo, problem, "Name the mask after its photo")


@dataclass(frozen=True)
class LeftOut:
    """A photo or mask that is left out.

    Attributes:
        error: Why.
        photo: The photo, or the mask that belongs to no photo, relative to the data set's folder.
        lost: The defect types that are lost with it; none with a good photo.
    """

    error: InputError
    photo: str
    lost: tuple[str, ...]


def usable(
    dataset: Dataset, *, skip_errors: bool, on_sample: Callable[[], None] = lambda: None
) -> tuple[Dataset, list[LeftOut]]:
    """The data set less the labelled photos that a conversion would refuse, and what is left out.

    Args:
        dataset: The data set.
        skip_errors: Leave out what breaks a rule, instead of stopping; photos are decoded then, else masks alone.
        on_sample: Called after each sample.

    Raises:
        InputError: A photo or mask breaks a rule, and `skip_errors` is false.
    """
    left_out = orphans(dataset)
    if left_out and not skip_errors:
        raise left_out[0].error.or_skip()
    doubtful, doubled = suspects(dataset), doubled_names(dataset)
    kept = []
    for sample in dataset.samples:
        try:
            if sample.path in doubtful:
                raise suspect_error(sample, doubtful[sample.path])
            check_sample(sample, doubled=doubled)
            if skip_errors:
                read_photo(sample.photo)
            kept.append(sample)
        except InputError as error:
            if not skip_errors:
                raise error.or_skip() from error
            left_out.append(LeftOut(error, sample.path, () if sample.is_good else (sample.defect,)))
        on_sample()
    return replace(dataset, samples=tuple(kept), orphan_masks=()), left_out


def orphans(dataset: Dataset) -> list[LeftOut]:
    """The masks that belong to no photo, of the type that their folder names."""
    found = []
    for mask, error in zip(dataset.orphan_masks, orphan_errors(dataset), strict=True):
        folder = mask.split("/")[-2]
        found.append(LeftOut(error, mask, (folder if folder in dataset.defects else "defect",)))
    return found


def check_sample(sample: Sample, *, doubled: dict[str, str]) -> None:
    """Refuse a sample that a conversion would refuse.

    Raises:
        InputError: Its photo's size cannot be read, or its name or mask breaks a rule.
    """
    check_names(sample, doubled)
    if not sample.is_good:
        if sample.official_split == "test":
            read_mask(sample)
        return
    photo_size_wh(sample.photo)
    if sample.masks:
        raise mask_for_good(sample)


def check_names(sample: Sample, doubled: dict[str, str]) -> None:
    """Refuse a sample whose photo or mask shares its name with another one, see `doubled_names`.

    Raises:
        InputError: It does.
    """
    for path in (sample.path, *sample.mask_paths):
        if path in doubled:
            raise InputError(sample.root / path, f"has the name of {doubled[path]}", "Rename or remove one of the two")


def mask_for_good(sample: Sample) -> BadMaskError:
    """The error of a good photo that has a mask."""
    problem = "is a mask of a photo that counts as good"
    return BadMaskError("mask-for-good", sample.masks[0], problem, "Remove it, or move the photo")


def doubled_names(dataset: Dataset) -> dict[str, str]:
    """Each photo and mask whose name another one has, too, with that."""
    pairs = (*dataset.doubled, *dataset.doubled_masks)
    return {path: other for pair in pairs for path, other in (pair, pair[::-1])}


def _alike(dataset: Dataset) -> dict[str, list[str]]:
    """For masks that belong to no photo the photos without a mask that have nearly their name, in a folder like theirs.

    `08` is nearly `8`, `8_seg` is, and names that differ in letters' case or Unicode form.
    """
    if not dataset.orphan_masks:
        return {}
    without: dict[tuple[str, str], list[str]] = {}
    for sample in dataset.labelled:
        if not sample.mask_paths:
            without.setdefault(_near(sample.path), []).append(sample.path)
    return {mask: without[_near(mask)] for mask in dataset.orphan_masks if _near(mask) in without}


def _near(path: str) -> tuple[str, str]:
    """The folder that tells the type, none in `images/` and `masks/` themselves, and what nearly equal names share."""
    parts = path.split("/")
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", Path(parts[-1]).stem).casefold())
    return (parts[-2] if len(parts) > 2 else "", re.sub(r"(?<!\d)0+(?=\d)", "", _ADDED.sub("", name)))
