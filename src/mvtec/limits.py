"""The largest files and photos that are read: checked from a file's header or size, before memory is taken for it."""

from __future__ import annotations

from pathlib import Path

from mvtec.errors import InputError

MOST_PIXELS = 1 << 28  # of a photo or mask: 16,384 × 16,384; decoded with three channels it takes 0.8 GB
MOST_MARKED = 1 << 30  # pixels in the boxes of all masks of one photo; each takes a byte
MOST_SIDE = 1 << 20  # pixels; what OpenCV opens
MOST_JSON_BYTES = 2 << 30  # of a JSON or XML file
MOST_TEXT_BYTES = 64 << 20  # of a YAML file, a label file, a list


def is_too_large(size_wh: tuple[int, int]) -> bool:
    """Whether a photo or mask of this width and height in pixels is larger than any that is read."""
    width, height = size_wh
    return max(size_wh) > MOST_SIDE or width * height > MOST_PIXELS


def check_size(source: Path, name: str, size_wh: tuple[int, int]) -> None:
    """Refuse the size that a file states for a photo, before memory is taken for it.

    Args:
        source: The file that states it.
        name: The photo.
        size_wh: Its width and height in pixels.

    Raises:
        InputError: A side is less than a pixel, or there are more than `MOST_PIXELS`.
    """
    if min(size_wh) < 1 or is_too_large(size_wh):
        width, height = size_wh
        raise InputError(
            source,
            f"{name} has a stated size of {width}×{height} pixels",
            f"Correct its size; photos of 1 to {MOST_PIXELS:,} pixels are read",
        )
