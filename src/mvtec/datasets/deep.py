"""Finds photos with more than 8 bits a channel that are nearly black to every model.

Photos are read with 8 bits, of 16 the upper 8. A camera of 12 bits fills the lower 12 of 16: white becomes 15 of 255.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mvtec.datasets.images import BadPhotoError, is_deep, read_photo
from mvtec.words import counted

DARK = 64  # of 255: below it lie all photos of cameras of 14 bits and less
_SHARE = 0.001  # of the pixels may be brighter: reflections, dead pixels
_MOST_DECODED = 50  # photos, so that a command starts at once


def nearly_black(photos: Iterable[Path]) -> str | None:
    """The warning about photos with more than 8 bits that are nearly black in 8; None without one.

    Args:
        photos: The photos; of each the header is read, and of those with more than 8 bits at most 50 are decoded,
            evenly spread. Photos that cannot be read are passed over.
    """
    deep = [photo for photo in sorted(photos) if photo.is_file() and is_deep(photo)]
    step = max(1, -(-len(deep) // _MOST_DECODED))
    found = [(photo, top) for photo in deep[::step] if (top := _brightest(photo)) < DARK]
    if not found:
        return None
    example, top = found[0]
    looked = len(deep[::step])
    of_these = "" if looked == len(deep) else f" ({looked} of them were looked at)"
    return (
        f"{counted(len(deep), 'photo')} with more than 8 bits a channel{of_these}: {len(found)} nearly black to the "
        f"model, which sees the upper 8 of 16 bits, such as {example} (values up to {top} of 255); export with 8 bits, "
        "scaled to their range"
    )


def _brightest(photo: Path) -> int:
    """The grey level in 8 bits that all but a thousandth of a photo's values stay below; 255 of one not readable."""
    try:
        return int(np.quantile(read_photo(photo), 1 - _SHARE))
    except BadPhotoError:
        return 255
