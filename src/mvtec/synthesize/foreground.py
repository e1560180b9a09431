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
    contours, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return whole
    outline = max(contours, key=cv2.contourArea)
    filled = np.zeros((height, width), np.uint8)
    cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    share = float(filled.mean())
    if not _LEAST <= share <= _MOST:
        return whole
    (x, y), radius = cv2.minEnclosingCircle(outline)
    is_round = cv2.contourArea(outline) > _ROUND * np.pi * radius**2
    return Foreground(filled.astype(bool), (float(x), float(y), float(radius)) if is_round else None)
