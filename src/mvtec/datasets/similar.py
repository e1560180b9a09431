"""Finds photos that show the same picture, so that a split can keep them together.

Two photos are near-identical when their grey 32×32 thumbnails, each less its mean, differ by less than 1.5 grey
levels (root mean square). On MVTec AD bottle and capsule the nearest two different photos are 3.1 apart; the same
photo as JPEG of quality 50, at half size, or with camera noise of 6 grey levels is at most 1.3 from itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import read_photo

THUMBNAIL = 32
MAX_DISTANCE = 1.5
_ROWS_AT_ONCE = 512


def thumbnail(photo: Path) -> npt.NDArray[np.float32]:
    """The photo as float32 vector of 32·32 grey levels with mean zero.

    Raises:
        BadPhotoError: The photo cannot be read.
    """
    grey = cv2.cvtColor(read_photo(photo), cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (small - small.mean()).ravel()


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
    vectors = np.empty((len(photos), THUMBNAIL * THUMBNAIL), np.float32)
    for index, photo in enumerate(photos):
        vectors[index] = thumbnail(photo)
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
            a, b = first_of(start + int(row)), first_of(int(column))
            group[max(a, b)] = min(a, b)
    return [first_of(index) for index in range(len(photos))]
