"""Drops the small pieces of a mask and fills its small holes, as SAM's own `min_mask_region_area` does.

A piece is an 8-connected region of the mask, a hole a 4-connected region of the background that the mask surrounds. Of
a mask whose pieces are all small the largest stays.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import Mask, box_of


def count_pieces(mask: Mask) -> int:
    """The number of 8-connected regions of a bool mask H×W."""
    return cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1


def without_small_parts(mask: Mask, min_piece: int, min_hole: int) -> Mask:
    """The mask without its pieces of fewer than `min_piece` pixels and its holes of fewer than `min_hole`.

    Args:
        mask: bool H×W; it is not changed.
        min_piece: Pixels.
        min_hole: Pixels.
    """
    frame = box_of(mask)
    if frame is None or max(min_piece, min_hole) <= 1:
        return mask
    x, y, w, h = frame
    crop = np.pad(mask[y : y + h, x : x + w], 1)
    if min_hole > 1:
        labels, areas = _regions(~crop, 4)
        areas[labels[0, 0]] = min_hole  # what lies around the mask
        crop |= (areas < min_hole)[labels]
    if min_piece > 1:
        labels, areas = _regions(crop, 8)
        areas[0] = 0
        crop &= (areas >= min(min_piece, int(areas.max())))[labels]
    tidy = np.zeros_like(mask)
    tidy[y : y + h, x : x + w] = crop[1:-1, 1:-1]
    return tidy


def _regions(mask: Mask, connectivity: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """A label for each pixel, int32 h×w, and the area of each label; 0 is what is not in the mask, and has no limit."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=connectivity)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int32)
    areas[0] = np.iinfo(np.int32).max
    return labels.astype(np.int32, copy=False), areas
