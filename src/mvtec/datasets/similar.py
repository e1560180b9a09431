"""Finds photos that show the same picture, so that a split can keep them together.

Two photos are near-identical when both hold, each thumbnail grey and less its mean:

- their 32×32 thumbnails differ by less than 1.5 grey levels (root mean square). On MVTec AD bottle and capsule the
  nearest two different photos are 3.1 apart; the same photo as JPEG of quality 50, at half size, or with camera noise
  of 6 grey levels is at most 1.3 from itself;
- their 96×96 thumbnails correlate by more than 0.9. Photos of a plain surface have thumbnails that hardly differ, but
  their grain is not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import read_photo
from mvtec.files import sha256_file

COARSE, FINE = 32, 96
MAX_DISTANCE = 1.5
MIN_CORRELATION = 0.9
_ROWS_AT_ONCE = 512


def thumbnails(photo: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float16]]:
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
    group = list(range(len(photos)))
    if len(photos) < 2:
        return group
    vectors = np.empty((len(photos), COARSE * COARSE), np.float32)
    details = np.empty((len(photos), FINE * FINE), np.float16)
    for index, photo in enumerate(photos):
        vectors[index], details[index] = thumbnails(photo)
        on_photo()

    def first_of(index: int) -> int:
        while group[index] != index:
            index = group[index]
        return index

    squares = (vectors**2).sum(axis=1)
    limit = MAX_DISTANCE**2 * vectors.shape[1]
    for start in range(0, len(photos), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        distances = squares[rows, None] + squares[None] - 2 * vectors[rows] @ vectors.T
        for row, column in np.argwhere(distances < limit):
            one, other = start + int(row), int(column)
            if one < other and _correlate(details[one], details[other]):
                a, b = first_of(one), first_of(other)
                group[max(a, b)] = min(a, b)
    return [first_of(index) for index in range(len(photos))]


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


def _correlate(one: npt.NDArray[np.float16], other: npt.NDArray[np.float16]) -> bool:
    a, b = one.astype(np.float32), other.astype(np.float32)
    if np.array_equal(a, b):
        return True
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return scale > 0 and float(a @ b) > MIN_CORRELATION * scale
