"""Finds photos that show the same picture, so that a split can keep them together.

Two photos are near-identical when both hold, each thumbnail grey and less its mean, one of them turned by quarters or
mirrored in any of the eight ways:

- their 32×32 thumbnails differ by less than 1.5 grey levels (root mean square). On MVTec AD bottle and capsule the
  nearest two different photos are 3.1 apart; the same photo as JPEG of quality 50, at half size, or with camera noise
  of 6 grey levels is at most 1.3 from itself;
- their 96×96 thumbnails correlate by more than 0.9. Photos of a plain surface have thumbnails that hardly differ, but
  their grain is not the same.

Pairs are found by blocks of rows. What all eight turns have in common, the mean of a thumbnail's turns, is a point of
an eighth of the numbers, and the points of two near-identical photos are nearer still: only pairs that pass this test,
by both thumbnails, and are not yet in one group, are compared turn by turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import read_photo
from mvtec.errors import InputError
from mvtec.files import sha256_file

COARSE, FINE = 32, 96
MAX_DISTANCE = 1.5
MIN_CORRELATION = 0.9
_ROWS_AT_ONCE = 256
_SLACK = 1e-3  # of float32, so that the first test passes over no pair

Floats = npt.NDArray[np.float32]


def thumbnails(photo: Path) -> tuple[Floats, npt.NDArray[np.float16]]:
    """The photo as two vectors of grey levels with mean zero: float32 of 32·32, float16 of 96·96.

    Raises:
        BadPhotoError: The photo cannot be read.
    """
    grey = cv2.cvtColor(read_photo(photo), cv2.COLOR_BGR2GRAY).astype(np.float32)
    coarse, fine = (cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA) for side in (COARSE, FINE))
    return (coarse - coarse.mean()).ravel(), (fine - fine.mean()).astype(np.float16).ravel()


def group_similar(photos: Sequence[Path], on_photo: Callable[[], None] = lambda: None) -> list[int]:
    """Number the groups of near-identical photos.

    Args:
        photos: The photos, each decoded once.
        on_photo: Called after each photo is decoded, for a progress bar.

    Returns:
        For each photo the index of the first photo of its group: its own where it is like no earlier one.

    Raises:
        BadPhotoError: A photo cannot be read.
    """
    if len(photos) < 2:
        return list(range(len(photos)))
    coarse = np.empty((len(photos), COARSE * COARSE), np.float32)
    fine = np.empty((len(photos), FINE * FINE), np.float16)
    for index, photo in enumerate(photos):
        coarse[index], fine[index] = thumbnails(photo)
        on_photo()
    return group_thumbnails(coarse, fine)


def group_thumbnails(coarse: Floats, fine: npt.NDArray[np.float16]) -> list[int]:
    """As `group_similar`, of the thumbnails of the photos: float32 N×1024 and float16 N×9216."""
    group = np.arange(len(coarse))
    coarse_points, fine_points = _points(coarse, COARSE, unit=False), _points(fine, FINE, unit=True)
    furthest = MAX_DISTANCE**2 * coarse.shape[1]
    for rows, columns in _blocks(len(coarse)):
        apart = group[rows, None] != group[None, columns]
        apart &= np.arange(rows.start, rows.stop)[:, None] < np.arange(columns.start, columns.stop)[None]
        if not apart.any():
            continue
        apart &= _squares(coarse_points[rows], coarse_points[columns]) < furthest * (1 + _SLACK)
        if not apart.any():
            continue
        apart &= _squares(fine_points[rows], fine_points[columns]) < 2 * (1 - MIN_CORRELATION) + _SLACK
        for row in np.flatnonzero(apart.any(axis=1)):
            one = rows.start + int(row)
            others = columns.start + np.flatnonzero(apart[row])
            others = others[group[others] != group[one]]
            for other in others[_are_alike(coarse, fine, one, others)]:
                _join(group, one, int(other))
    return group.tolist()


def _join(group: npt.NDArray[np.intp], one: int, other: int) -> None:
    """Make one group of those of two photos; it has the number of its first."""
    a, b = sorted((int(group[one]), int(group[other])))
    group[group == b] = a


def _blocks(count: int) -> Iterator[tuple[slice, slice]]:
    """The upper triangle of all pairs, block by block."""
    starts = range(0, count, _ROWS_AT_ONCE)
    for start in starts:
        for other in starts[start // _ROWS_AT_ONCE :]:
            yield slice(start, min(start + _ROWS_AT_ONCE, count)), slice(other, min(other + _ROWS_AT_ONCE, count))


def _squares(ones: Floats, others: Floats) -> Floats:
    """The squared distance of each pair of points."""
    sums = (ones**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    return np.asarray(sums - 2 * (ones @ others.T), np.float32)


def _points(vectors: npt.NDArray[np.floating], side: int, *, unit: bool) -> Floats:
    """The mean of the eight turns of each thumbnail, without what is there twice; equal for turned thumbnails.

    A number that stands for k pixels is multiplied by √k: distances are those of the means.

    Args:
        vectors: N×(side·side).
        side: Pixels.
        unit: Scale each thumbnail to length 1 first; one without any contrast becomes 0.
    """
    half = side // 2
    rows, columns = np.tril_indices(half)
    weights = np.sqrt(np.where(rows == columns, 4, 8)).astype(np.float32)
    points = np.empty((len(vectors), len(rows)), np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = vectors[start : start + _ROWS_AT_ONCE].astype(np.float32).reshape(-1, side, side)
        if unit:
            length = np.sqrt((block**2).sum(axis=(1, 2), keepdims=True))
            block = np.divide(block, length, out=np.zeros_like(block), where=length > 0)
        block = (block + block[:, ::-1])[:, :half]
        block = (block + block[:, :, ::-1])[:, :, :half]
        mean = (block + block.transpose(0, 2, 1)) / 8
        points[start : start + len(block)] = mean[:, rows, columns] * weights
    return points


def _turns(vector: npt.NDArray[np.floating], side: int) -> Floats:
    """A thumbnail in all eight ways: 8×(side·side)."""
    square = vector.astype(np.float32).reshape(side, side)
    ways = [np.rot90(way, quarters) for way in (square, square[:, ::-1]) for quarters in range(4)]
    return np.stack(ways).reshape(8, -1)


def _are_alike(
    coarse: Floats, fine: npt.NDArray[np.float16], one: int, others: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Of some photos, which are near-identical to the photo `one` in any of its eight turns."""
    limit = MAX_DISTANCE**2 * coarse.shape[1]
    near = _squares(coarse[others], _turns(coarse[one], COARSE)) < limit
    alike = np.zeros(len(others), bool)
    candidates = np.flatnonzero(near.any(axis=1))
    if len(candidates):
        ways = _turns(fine[one], FINE)
        found = fine[others[candidates]].astype(np.float32)
        scale = np.sqrt((ways[0] @ ways[0]) * (found**2).sum(axis=1))[:, None]
        correlate = (scale > 0) & (found @ ways.T > MIN_CORRELATION * scale)
        correlate |= ~found.any(axis=1, keepdims=True) & ~ways[0].any()  # two photos of one colour
        alike[candidates] = (correlate & near[candidates]).any(axis=1)
    return alike


def group_identical(photos: Sequence[Path], on_photo: Callable[[], None] = lambda: None) -> list[int]:
    """As `group_similar`, of photos whose files are the same byte for byte."""
    first_with: dict[str, int] = {}
    group = []
    for index, photo in enumerate(photos):
        group.append(first_with.setdefault(sha256_file(photo), index))
        on_photo()
    return group


def like_none_of(photos: Sequence[Path], others: Sequence[Path]) -> list[bool]:
    """For each photo whether it shows the same picture as none of the others.

    Raises:
        BadPhotoError: A photo cannot be read.
    """
    groups = group_similar([*others, *photos])
    taken = set(groups[: len(others)])
    return [group not in taken for group in groups[len(others) :]]


def keys_of_names(names: Sequence[str], pattern: str) -> list[str]:
    """The key of each name: what the first group of a regular expression matches in it, or the whole match.

    Raises:
        InputError: The pattern is not valid, or matches nothing in a name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError("--group-by", f"{pattern} is not a regular expression ({error})", "Correct it") from error
    keys = []
    for name in names:
        match = compiled.search(name)
        if match is None:
            hint = f"Give one that matches each path; '{pattern}|.*' keeps the others apart"
            raise InputError("--group-by", f"{pattern} matches nothing in {name}", hint)
        group = match[1] if compiled.groups else None
        keys.append(match[0] if group is None else group)
    return keys


def merged(groups: Sequence[int], keys: Sequence[str]) -> list[int]:
    """Groups of photos, numbered by their first one, where photos of one key are in one group, too."""
    first_of_key: dict[str, int] = {}
    joined = np.array(groups)
    for index, key in enumerate(keys):
        _join(joined, first_of_key.setdefault(key, index), index)
    return joined.tolist()
