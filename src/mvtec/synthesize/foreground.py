"""Where the object is in a photo, so that no defect is put on the bare background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Photo = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_FRAME = 0.02  # of the shorter side: the frame of the photo that is taken for background
_PLAIN = 20.0  # grey levels within which nine tenths of the frame lie where the background is plain
_LEAST, _MOST = 0.05, 0.97  # of the photo: less is no object, more is no background
_PART = 0.1  # of the largest part's area: smaller ones are dirt
_HOLE = 0.01  # of the object's area
_ROUND = 0.93  # of the smallest circle around it: an object that fills more of it is round


@dataclass(frozen=True, eq=False)
class Foreground:
    """An object.

    Attributes:
        mask: bool H×W; all of the photo where no background can be told from it.
        circle: x, y and radius in pixels, of a round object; else None.
    """

    mask: Mask
    circle: tuple[float, float, float] | None


def find_foreground(photo: Photo) -> Foreground:
    """Find the object: what differs from the colour along the photo's frame.

    Args:
        photo: uint8 H×W×3.
    """
    height, width = photo.shape[:2]
    whole = Foreground(np.ones((height, width), bool), None)
    frame = max(2, round(_FRAME * min(height, width)))
    edge = np.ones((height, width), bool)
    edge[frame:-frame, frame:-frame] = False
    colour = np.median(photo[edge], axis=0)
    distance = np.abs(photo.astype(np.float32) - colour.astype(np.float32)).max(axis=2)
    spread = float(np.percentile(distance[edge], 90))
    if spread > _PLAIN:
        return whole
    differs = (cv2.GaussianBlur(distance, (0, 0), 1.5) > max(12.0, 3 * spread)).astype(np.uint8)
    differs = np.asarray(cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    if count < 2:
        return whole
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = [number for number, area in enumerate(areas, start=1) if area > _PART * areas.max()]
    found = _without_small_holes(np.isin(labels, large))
    if not _LEAST <= float(found.mean()) <= _MOST:
        return whole
    return Foreground(found, _circle(found) if len(large) == 1 else None)


def _without_small_holes(mask: Mask) -> Mask:
    """What shines like the background within the object is the object; an opening one sees through is larger."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < _HOLE * mask.sum())
    return np.asarray(mask | (np.isin(labels, small) & ~mask))


def _circle(mask: Mask) -> tuple[float, float, float] | None:
    """x, y and radius of a round object; openings in it do not count."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    (x, y), radius = cv2.minEnclosingCircle(outline)
    is_round = cv2.contourArea(outline) > _ROUND * np.pi * radius**2
    return (float(x), float(y), float(radius)) if is_round else None
