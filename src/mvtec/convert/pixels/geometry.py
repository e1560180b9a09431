"""The rules for boxes and masks, written once; every other file points here.

A mask is a bool array H×W. A pixel (x, y) is the square from (x, y) to (x+1, y+1), its centre at (x+½, y+½).

A box `box_xywh` is `[xmin, ymin, xmax - xmin + 1, ymax - ymin + 1]` in whole pixels and covers the pixels
`x … x+w-1`, `y … y+h-1` (https://cocodataset.org/#format-data). The area is the number of true pixels.

    >>> import numpy as np
    >>> mask = np.zeros((4, 6), bool)
    >>> mask[1:3, 2:5] = True
    >>> [(region.box_xywh, region.area) for region in split_mask(mask)]
    [((2, 1, 3, 2), 6)]

An instance of a mask is one 8-connected region: two pixels that touch at a corner are one instance.

    >>> [region.area for region in split_mask(np.eye(3, dtype=bool))]
    [3]

With a merge gap of g, regions with at most g sound pixels between them, counted along rows, columns or diagonals,
are one instance.

    >>> row = np.array([[1, 0, 0, 1]], bool)
    >>> [r.area for r in split_mask(row)], [r.area for r in split_mask(row, merge_gap=2)]
    ([1, 1], [2])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
BoxXYWH = tuple[int, int, int, int]
BoxFloat = tuple[float, float, float, float]  # x, y, w, h, too
InstancesPer = Literal["component", "image"]

_FEW = 8  # regions


@dataclass(frozen=True, eq=False)
class Region:
    """Some pixels of a photo, at least one.

    Attributes:
        box_xywh: Their tight box.
        area: Their number.
        crop: bool array h×w: the mask inside the box; outside the box there is none.
    """

    box_xywh: BoxXYWH
    area: int
    crop: Mask

    def full(self, size_hw: tuple[int, int]) -> Mask:
        """The region as bool H×W mask of the whole photo."""
        x, y, w, h = self.box_xywh
        mask = np.zeros(size_hw, bool)
        mask[y : y + h, x : x + w] = self.crop
        return mask

    def paint(self, canvas: npt.NDArray[np.uint8], value: int) -> None:
        """Set its pixels of a photo's canvas, uint8 H×W, to a value."""
        x, y, w, h = self.box_xywh
        canvas[y : y + h, x : x + w][self.crop] = value

    def iou(self, other: Region) -> float:
        """Intersection over union of two regions of one photo."""
        x, y = max(self.box_xywh[0], other.box_xywh[0]), max(self.box_xywh[1], other.box_xywh[1])
        right, bottom = (
            min(self.box_xywh[axis] + self.box_xywh[axis + 2], other.box_xywh[axis] + other.box_xywh[axis + 2])
            for axis in (0, 1)
        )
        if right <= x or bottom <= y:
            return 0.0
        both = cv2.bitwise_and(*(region._window(x, y, right, bottom) for region in (self, other)))
        shared = cv2.countNonZero(both)
        return shared / (self.area + other.area - shared)

    def _window(self, x: int, y: int, right: int, bottom: int) -> npt.NDArray[np.uint8]:
        x0, y0, _, _ = self.box_xywh
        return self.crop[y - y0 : bottom - y0, x - x0 : right - x0].view(np.uint8)


def box_iou(one_xywh: BoxFloat, other_xywh: BoxFloat) -> float:
    """Intersection over union of two boxes."""
    if one_xywh == other_xywh:
        return 1.0
    shared = 1.0
    for axis in (0, 1):
        start = max(one_xywh[axis], other_xywh[axis])
        end = min(one_xywh[axis] + one_xywh[axis + 2], other_xywh[axis] + other_xywh[axis + 2])
        shared *= max(0.0, end - start)
    return shared / (one_xywh[2] * one_xywh[3] + other_xywh[2] * other_xywh[3] - shared)


def cut_box(box_xywh: BoxFloat, size_wh: tuple[int, int]) -> BoxFloat | None:
    """What of a box lies in a photo: the box itself where all of it does; None where none of its area does.

    >>> cut_box((-2, 3, 6, 4), (10, 5))
    (0.0, 3, 4.0, 2)
    """
    x, y, w, h = box_xywh
    if x >= 0 and y >= 0 and x + w <= size_wh[0] and y + h <= size_wh[1]:
        return box_xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + w, size_wh[0]), min(y + h, size_wh[1])
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


def box_of(mask: npt.NDArray[Any]) -> BoxXYWH | None:
    """The tight box of all pixels of a bool or uint8 mask H×W that are not zero; None where there is none."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    return (x, y, w, h) if w else None


def region_of(mask: npt.NDArray[Any], at_xy: tuple[int, int] = (0, 0)) -> Region | None:
    """All pixels of a bool or uint8 mask that are not zero as one region, its corner at `at_xy` of the photo."""
    frame = box_of(mask)
    if frame is None:
        return None
    x, y, w, h = frame
    ones = cv2.threshold(mask[y : y + h, x : x + w].view(np.uint8), 0, 1, cv2.THRESH_BINARY)[1]
    return Region((x + at_xy[0], y + at_xy[1], w, h), cv2.countNonZero(ones), ones.view(bool))


def split_mask(mask: npt.NDArray[Any], *, per: InstancesPer = "component", merge_gap: int = 0) -> list[Region]:
    """Divide a mask into instances, in reading order of their boxes: top to bottom, then left to right.

    Args:
        mask: bool or uint8 H×W, contiguous; what is not zero is defect.
        per: `component` for one instance per 8-connected region, `image` for all pixels as one.
        merge_gap: Join regions with at most this many sound pixels between them; 0 joins none.
    """
    whole = region_of(mask)
    if whole is None:
        return []
    if per == "image":
        return [whole]
    crop = whole.crop.view(np.uint8)
    # Growing every pixel by g in all, g split over the two sides, makes pixels with g between them touch.
    sides = (min(merge_gap, crop.shape[0]) + 1, min(merge_gap, crop.shape[1]) + 1)
    grown = cv2.dilate(crop, np.ones(sides, np.uint8)) if merge_gap else crop
    if _is_connected(grown):  # most masks are: they are spared the labelling, which is dear
        return [whole]
    labels, frames = _labelled(grown)
    if merge_gap:
        labels[crop == 0] = 0
    left, top = whole.box_xywh[:2]
    found = (
        region_of(labels[y : y + h, x : x + w] == label, (left + x, top + y))
        for label, (x, y, w, h) in enumerate(frames, start=1)
    )
    regions = [region for region in found if region is not None]
    return sorted(regions, key=lambda region: (region.box_xywh[1], region.box_xywh[0], region.box_xywh, region.area))


def _labelled(mask: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], list[BoxXYWH]]:
    """For each pixel the number of its region, and of each region, from 1, a frame that it is in.

    It is the box where there are many; the boxes cost more than to look for a few in the whole mask.
    """
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count <= _FEW:
        return labels, [(0, 0, mask.shape[1], mask.shape[0])] * (count - 1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return labels, [(x, y, w, h) for x, y, w, h in stats[1:, : cv2.CC_STAT_AREA].tolist()]


def _is_connected(mask: npt.NDArray[Any]) -> bool:
    """Whether the pixels of a mask that are not zero are one 8-connected region."""
    _, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return hierarchy is not None and int((hierarchy[0][:, 3] < 0).sum()) == 1
