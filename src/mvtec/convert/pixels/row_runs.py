"""Masks as runs of pixels along the rows, as CVAT and Label Studio keep them: made to regions in memory for their box.

A file of a few bytes can state a photo of many pixels; only the box around what it marks is painted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import Region, region_of

Positions = npt.NDArray[np.int64]


def region_of_row_runs(
    starts: Positions, stops: Positions, width: int, at_xy: tuple[int, int] = (0, 0)
) -> Region | None:
    """The region of runs of pixels; None if they hold none.

    Args:
        starts: Where each run begins, counted along the rows of a frame, in ascending order.
        stops: One past where each run ends; no run reaches into the next.
        width: The width of the frame in pixels.
        at_xy: The frame's corner in the photo.

    >>> region = region_of_row_runs(np.array([7, 11]), np.array([9, 12]), 5)
    >>> region.box_xywh, region.area
    ((1, 1, 3, 2), 3)
    """
    some = stops > starts
    starts, stops = starts[some], stops[some]
    if not len(starts):
        return None
    top, bottom = int(starts[0]) // width, int(stops[-1] - 1) // width + 1
    left, right = int((starts % width).min()), int(((stops - 1) % width).max()) + 1
    if (starts // width != (stops - 1) // width).any():  # a run goes on in the next row
        left, right = 0, width
    within = (starts // width - top) * (right - left) + starts % width - left
    pixels = np.zeros((bottom - top) * (right - left), np.uint8)
    for start, stop in zip(within.tolist(), (within + stops - starts).tolist(), strict=True):
        pixels[start:stop] = 1
    return region_of(pixels.reshape(bottom - top, right - left), (at_xy[0] + left, at_xy[1] + top))
