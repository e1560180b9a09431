"""Shapes of other tools that have an exact meaning in pixels: boxes that are turned, and ellipses.

Angles are degrees, clockwise as one looks at the photo, as Label Studio and CVAT count them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, inf, radians, sin
from pathlib import Path

import numpy as np

from mvtec.convert.formats.coco.segmentation import region_of_polygons
from mvtec.convert.instances import Instance
from mvtec.convert.pixels.geometry import BoxFloat, Region, cut_box
from mvtec.convert.pixels.row_runs import region_of_row_runs
from mvtec.convert.receipt import Receipt
from mvtec.words import counted

_LEAST, _MOST = 1e-3, 1e7  # pixels; outside of them an ellipse is not one of a photo


def turned_box(box_xywh: BoxFloat, degrees: float, about_xy: tuple[float, float]) -> list[float]:
    """The four corners x, y, x, y, … of a box that is turned about a point, in pixels.

    CVAT turns a box about its centre, Label Studio about its upper left corner.

    >>> [round(number) for number in turned_box((10, 20, 4, 2), 90, (10, 20))]
    [10, 20, 10, 24, 8, 24, 8, 20]
    """
    x, y, w, h = box_xywh
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))
    corners: list[float] = []
    for left, top in ((x, y), (x + w, y), (x + w, y + h), (x, y + h)):
        across, down = left - about_xy[0], top - about_xy[1]
        corners += [about_xy[0] + across * cosine - down * sine, about_xy[1] + across * sine + down * cosine]
    return corners


def hull(corners: Sequence[float]) -> BoxFloat:
    """The upright box around corners x, y, x, y, …."""
    xs, ys = corners[0::2], corners[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def outlined(label: str, region: Region | None, hull_xywh: BoxFloat, size_wh: tuple[int, int]) -> Instance | None:
    """An instance of painted pixels; its box is that of the outline where that leaves the photo: the cut is counted."""
    if region is None:
        return None
    if cut_box(hull_xywh, size_wh) == hull_xywh:
        return Instance.of(label, region)
    return Instance(label, hull_xywh, region)


def note_painted(count: int, source: Path, receipt: Receipt) -> None:
    """Let the receipt say how many ellipses and turned boxes of a file are written as their pixels."""
    if count:
        what = f"{counted(count, 'shape')} of {source.name} that are ellipses or turned boxes"
        receipt.notes.append(f"{what}: their pixels are written, and the upright box around them")


def turned(
    label: str, box_xywh: BoxFloat, degrees: float, about_xy: tuple[float, float], size_wh: tuple[int, int]
) -> Instance | None:
    """A box that is turned: by quarters a box again, else the pixels of its polygon; None if it marks none.

    Raises:
        ValueError: It is too far from the photo.
    """
    if not degrees:
        return Instance(label, box_xywh)
    corners = turned_box(box_xywh, degrees, about_xy)
    if degrees % 90 == 0:
        x, y, w, h = (round(side, 4) for side in hull(corners))
        return Instance(label, (x, y, w, h))
    return outlined(label, region_of_polygons([corners], size_wh[::-1]), hull(corners), size_wh)


def ellipse_region(
    centre_xy: tuple[float, float], radii_xy: tuple[float, float], degrees: float, size_wh: tuple[int, int]
) -> Region | None:
    """The pixels of a photo whose centre lies in an ellipse or on its edge; None if there are none.

    Args:
        centre_xy: Its centre, pixels.
        radii_xy: Its half axes before it is turned, pixels.
        degrees: How far it is turned about its centre.
        size_wh: Width and height of the photo in pixels.

    Raises:
        ValueError: It has no area, or no end.
    """
    if not all(_LEAST <= radius <= _MOST for radius in radii_xy) or not max(map(abs, centre_xy)) < inf:
        raise ValueError("has an ellipse without area, or without end")
    width, height = size_wh
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))
    flat, steep = (1 / radius**2 for radius in radii_xy)
    # a·u² + b·u·v + c·v² ≤ 1 for a point u, v from the centre; solved for u on each row of pixel centres
    a = cosine**2 * flat + sine**2 * steep
    b = 2 * cosine * sine * (flat - steep)
    c = sine**2 * flat + cosine**2 * steep
    rows = np.arange(height)
    v = rows + 0.5 - centre_xy[1]
    inside = (b * v) ** 2 - 4 * a * (c * v**2 - 1)
    rows, v, root = rows[inside >= 0], v[inside >= 0], np.sqrt(inside[inside >= 0])
    first = np.ceil(centre_xy[0] + (-b * v - root) / (2 * a) - 0.5).clip(0, width).astype(np.int64)
    stop = (np.floor(centre_xy[0] + (-b * v + root) / (2 * a) - 0.5) + 1).clip(0, width).astype(np.int64)
    return region_of_row_runs(rows * width + first, rows * width + stop, width)
