"""Lays pixels into a photo so that nothing outside the mask changes: the mask stays exact."""

from __future__ import annotations

import cv2
import numpy as np

from mvtec.synthesize.cutout import Placed
from mvtec.synthesize.foreground import Photo

_FEATHER = 2.0  # pixels, inside the mask, over which one picture becomes the other


def paste(photo: Photo, placed: Placed) -> Photo:
    """The defect over the photo, its rim softened inwards.

    Args:
        photo: uint8 H×W×3.
        placed: The defect.
    """
    depth = cv2.distanceTransform(placed.mask.astype(np.uint8), cv2.DIST_L2, 5)
    share = np.clip(depth / _FEATHER, 0, 1)[..., None]
    mixed = photo * (1 - share) + placed.pixels * share
    return _only_inside(photo, np.clip(mixed + 0.5, 0, 255).astype(np.uint8), placed)


def poisson(photo: Photo, placed: Placed) -> Photo:
    """The defect's gradients within the photo's own colours (Pérez et al., *Poisson Image Editing*, SIGGRAPH 2003).

    Args:
        photo: uint8 H×W×3.
        placed: The defect.
    """
    mask = placed.mask.astype(np.uint8) * 255
    mask[[0, -1]] = 0  # OpenCV wants a rim of one pixel around it
    mask[:, [0, -1]] = 0
    x, y, w, h = cv2.boundingRect(mask)
    if w < 3 or h < 3:
        return paste(photo, placed)
    cloned = cv2.seamlessClone(placed.pixels, photo, mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
    return _only_inside(photo, np.asarray(cloned, np.uint8), placed)


def _only_inside(photo: Photo, changed: Photo, placed: Placed) -> Photo:
    return np.where(placed.mask[..., None], changed, photo)
