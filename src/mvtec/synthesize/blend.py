"""Lays pixels into a photo so that nothing outside the mask changes: the mask stays exact."""

from __future__ import annotations

import cv2
import numpy as np

from mvtec.synthesize.cutout import Placed
from mvtec.synthesize.foreground import Mask, Photo

_SEEN = 3  # grey levels
_FEATHER = 2.0  # pixels, inside the mask, over which one picture becomes the other


def paste(photo: Photo, placed: Placed) -> tuple[Photo, Mask]:
    """The defect over the photo, its rim softened inwards.

    Args:
        photo: uint8 H×W×3.
        placed: The defect.

    Returns:
        The new photo, and the mask of the defect in it.
    """
    depth = cv2.distanceTransform(placed.mask.astype(np.uint8), cv2.DIST_L2, 5)
    share = np.clip(depth / min(_FEATHER, float(depth.max())), 0, 1)[..., None]
    mixed = photo * (1 - share) + placed.pixels * share
    return np.where(placed.mask[..., None], np.clip(mixed + 0.5, 0, 255).astype(np.uint8), photo), placed.mask


def is_seen(before: Photo, after: Photo, mask: Mask) -> bool:
    """Whether most of a defect's pixels differ from the photo without it, by more than noise would.

    Args:
        before: uint8 H×W×3.
        after: uint8 H×W×3.
        mask: bool H×W, the defect.
    """
    changed = np.abs(after.astype(np.int16) - before).max(axis=2)[mask]
    return float((changed > _SEEN).mean()) >= 0.5


def poisson(photo: Photo, placed: Placed) -> tuple[Photo, Mask]:
    """The defect's gradients within the photo's own colours (Pérez et al., *Poisson Image Editing*, SIGGRAPH 2003).

    Args:
        photo: uint8 H×W×3.
        placed: The defect.

    Returns:
        The new photo, and the mask of the defect in it. Of a thin line whose colour is most of it hardly anything may
        be seen.
    """
    # OpenCV leaves the outermost pixels of what it clones alone, and wants a rim around it.
    wide = cv2.dilate(placed.mask.astype(np.uint8), np.ones((5, 5), np.uint8))
    framed = cv2.copyMakeBorder(wide * 255, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0)
    source, target = (cv2.copyMakeBorder(one, 4, 4, 4, 4, cv2.BORDER_REFLECT) for one in (placed.pixels, photo))
    x, y, w, h = cv2.boundingRect(framed)
    cloned = cv2.seamlessClone(source, target, framed, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)[4:-4, 4:-4]
    return np.where(placed.mask[..., None], np.asarray(cloned, np.uint8), photo), placed.mask
