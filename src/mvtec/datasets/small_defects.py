"""Says which defects are hardly left of a photo that is scaled for a network, where masks tell how large they are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import cv2
import numpy as np

from mvtec.datasets.images import BadPhotoError
from mvtec.datasets.masks import BadMaskError, read_mask
from mvtec.datasets.samples import Sample

_MANY = 0.1  # of the photos of a class: so many are worth a warning
_SHARE = 0.95  # of all photos: so many are to have a defect of `least` pixels at the size that is proposed


def defect_sides(samples: Iterable[Sample]) -> dict[str, list[float]]:
    """How wide the largest defect of each photo is, by class, as a share of the photo.

    Args:
        samples: Photos; those without a mask that can be read are passed over.

    Returns:
        For each class and photo the shorter side of the box of the mask's largest region; its width over the photo's
        width, or its height over the photo's height.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if not sample.mask_paths:
            continue
        try:
            mask = read_mask(sample)
        except (BadMaskError, BadPhotoError):  # the masks are not learnt from
            continue
        _, _, regions, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        if len(regions) > 1:  # the first one is the background
            largest = max(regions[1:], key=lambda region: int(region[cv2.CC_STAT_AREA]))
            width, height = int(largest[cv2.CC_STAT_WIDTH]), int(largest[cv2.CC_STAT_HEIGHT])
            found[sample.defect].append(min(width / mask.shape[1], height / mask.shape[0]))
    return dict(sorted(found.items()))


def say_small(sides: dict[str, list[float]], imgsz: int, least: int) -> str | None:
    """The sentence on defects that are hardly seen; None if there are few.

    Args:
        sides: As `defect_sides` returns them.
        imgsz: Photos are scaled to a square of so many pixels.
        least: A defect narrower than so many pixels is hardly seen.
    """
    small = {name: sum(side * imgsz < least for side in own) for name, own in sides.items()}
    if not any(count > _MANY * len(sides[name]) for name, count in small.items()):
        return None
    named = ", ".join(f"{name} {count} of {len(sides[name])}" for name, count in small.items() if count)
    return (
        f"at {imgsz} pixels the largest defect of some photos is narrower than {least} pixels ({named}), and is hardly "
        f"seen; 95 of 100 photos have one at {_imgsz_for(sides, least)} pixels"
    )


def _imgsz_for(sides: dict[str, list[float]], least: int) -> int:
    wanted = sorted(least / side for own in sides.values() for side in own)
    return math.ceil(wanted[math.ceil(len(wanted) * _SHARE) - 1] / 32) * 32
