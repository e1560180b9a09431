"""Masks as single polygons, for YOLO segmentation labels.

OpenCV traces a region through the centres of its border pixels, and `cv2.fillPoly` paints a polygon together with its
edge, so the traced contour gives back exactly the region it came from. A YOLO label holds one polygon, so holes and
further parts are reached over bridges: the way there and the way back are the same line of pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.geometry import Instance

Points = npt.NDArray[np.int32]


def bridged_polygon(instance: Instance) -> Points:
    """One closed polygon around an instance, holes left out and separate parts joined.

    Returns:
        int32 N×2 of pixel indices (x, y) in the photo, N ≥ 1; painted with `cv2.fillPoly` they are the instance, but
        for bridges that must cross sound pixels between separate parts.
    """
    x, y, _, _ = instance.box_xywh
    found, hierarchy = cv2.findContours(instance.crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        raise ValueError("an instance has at least one pixel")
    contours = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in found]
    holes_of: dict[int, list[Points]] = {}
    for index, (_, _, _, parent) in enumerate(hierarchy[0]):
        if parent >= 0:
            holes_of.setdefault(int(parent), []).append(contours[index])
    outers = [index for index, (_, _, _, parent) in enumerate(hierarchy[0]) if parent < 0]
    parts = [_join_all(contours[index], holes_of.get(index, [])) for index in outers]
    parts.sort(key=lambda part: (-len(part), part.tolist()))
    return _join_all(parts[0], parts[1:]) + np.array([x, y], np.int32)


def _join_all(polygon: Points, others: list[Points]) -> Points:
    """Visit each of `others` from the polygon built so far, the nearest first."""
    waiting = list(others)
    while waiting:
        bridges = [_shortest_bridge(polygon, other) for other in waiting]
        nearest = min(range(len(waiting)), key=lambda index: bridges[index])
        _, at, start = bridges[nearest]
        other = np.roll(waiting.pop(nearest), -start, axis=0)
        polygon = np.concatenate([polygon[: at + 1], other, other[:1], polygon[at:]])
    return polygon


def _shortest_bridge(polygon: Points, other: Points) -> tuple[int, int, int]:
    """(squared length, index in `polygon`, index in `other`) of the nearest pair of points."""
    best = (np.iinfo(np.int64).max, 0, 0)
    for index, point in enumerate(other):
        squares = ((polygon.astype(np.int64) - point) ** 2).sum(axis=1)
        at = int(squares.argmin())
        best = min(best, (int(squares[at]), at, index))
    return best
