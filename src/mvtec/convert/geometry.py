"""The rules for boxes and masks, written once; every other file points here.

A mask is a bool array H×W. A pixel (x, y) is the square from (x, y) to (x+1, y+1), its centre at (x+½, y+½).

A box `box_xywh` is `[xmin, ymin, xmax - xmin + 1, ymax - ymin + 1]` in whole pixels and covers the pixels
`x … x+w-1`, `y … y+h-1` (https://cocodataset.org/#format-data). The area is the number of true pixels.

    >>> import numpy as np
    >>> mask = np.zeros((4, 6), bool)
    >>> mask[1:3, 2:5] = True
    >>> [(i.box_xywh, i.area) for i in split_mask(mask)]
    [((2, 1, 3, 2), 6)]

An instance is one 8-connected region: two pixels that touch at a corner are one instance.

    >>> [i.area for i in split_mask(np.eye(3, dtype=bool))]
    [3]

With a merge gap of g, regions with at most g sound pixels between them, counted along rows, columns or diagonals,
are one instance.

    >>> row = np.array([[1, 0, 0, 1]], bool)
    >>> [i.area for i in split_mask(row)], [i.area for i in split_mask(row, merge_gap=2)]
    ([1, 1], [2])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
BoxXYWH = tuple[int, int, int, int]
InstancesPer = Literal["component", "image"]


@dataclass(frozen=True, eq=False)
class Instance:
    """One instance's pixels.

    Attributes:
        box_xywh: Its tight box.
        area: The number of its pixels.
        crop: bool array h×w: the mask inside the box; outside the box there is none.
    """

    box_xywh: BoxXYWH
    area: int
    crop: Mask

    def full(self, size_hw: tuple[int, int]) -> Mask:
        """The instance as bool H×W mask of the whole photo."""
        x, y, w, h = self.box_xywh
        mask = np.zeros(size_hw, bool)
        mask[y : y + h, x : x + w] = self.crop
        return mask


def box_of(mask: Mask) -> BoxXYWH | None:
    """The tight box of all true pixels; None where there is none."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    return (x, y, w, h) if w else None


def split_mask(mask: Mask, *, per: InstancesPer = "component", merge_gap: int = 0) -> list[Instance]:
    """Divide a mask into instances, in reading order of their boxes: top to bottom, then left to right.

    Args:
        mask: bool H×W.
        per: `component` for one instance per 8-connected region, `image` for all pixels as one.
        merge_gap: Join regions with at most this many sound pixels between them; 0 joins none.
    """
    frame = box_of(mask)
    if frame is None:
        return []
    if per == "image":
        return [_instance(mask, frame)]
    x0, y0, width, height = frame
    crop = np.ascontiguousarray(mask[y0 : y0 + height, x0 : x0 + width]).view(np.uint8)
    if merge_gap:
        # Growing every pixel by g in all, g split over the two sides, makes pixels with g between them touch.
        grown = cv2.dilate(crop, np.ones((merge_gap + 1, merge_gap + 1), np.uint8))
        count, labels = cv2.connectedComponents(grown, connectivity=8)
        labels[crop == 0] = 0
    else:
        count, labels = cv2.connectedComponents(crop, connectivity=8)
    instances = []
    for label in range(1, count):
        one = labels == label
        inner = box_of(one)
        if inner is not None:
            instance = _instance(one, inner)
            x, y, w, h = instance.box_xywh
            instances.append(Instance((x + x0, y + y0, w, h), instance.area, instance.crop))
    return sorted(
        instances, key=lambda instance: (instance.box_xywh[1], instance.box_xywh[0], instance.box_xywh, instance.area)
    )


def _instance(mask: Mask, box_xywh: BoxXYWH) -> Instance:
    x, y, w, h = box_xywh
    crop = mask[y : y + h, x : x + w].copy()
    return Instance(box_xywh, int(crop.sum()), crop)
