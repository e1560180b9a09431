"""A real defect cut out of its photo, and laid onto another one: moved, turned, bent and recoloured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.synthesize.foreground import Foreground, Mask, Photo

_TRIES = 30
_INSIDE = 0.5  # of a pixel that is moved: from which share on it is the defect's
_INSIDE_THIN = 0.2  # of a line one pixel wide, which would fall to pieces
_MAIN_PART = 0.9  # of a moved defect, in one piece
_BEND = 0.05  # of the defect's size: how far its points move


@dataclass(frozen=True, eq=False)
class Cutout:
    """A defect.

    Attributes:
        photo: uint8 H×W×3, the whole photo it is in.
        mask: bool H×W, its pixels: one instance.
        foreground: The object in that photo.
        source: The photo's path in the data set.
    """

    photo: Photo
    mask: Mask
    foreground: Foreground
    source: str

    @property
    def share_on_object(self) -> float:
        """The part of the defect that lies on the object, 0 to 1."""
        return float(self.foreground.mask[self.mask].mean())


@dataclass(frozen=True, eq=False)
class Placed:
    """A defect where it is to be.

    Attributes:
        pixels: uint8 H×W×3, its pixels; what lies outside the mask means nothing.
        mask: bool H×W.
    """

    pixels: Photo
    mask: Mask


def place(cutout: Cutout, target: Foreground, rng: np.random.Generator) -> Placed | None:
    """Lay a defect onto an object, at most as far on the background as it was.

    On a round object it is turned around the centre by any angle, and keeps about its distance from it; on others it is
    turned a little and moved to anywhere on the object.

    Args:
        cutout: The defect.
        target: The object in the photo it is to be in; of the same size as the defect's photo, or another.
        rng: Source of all that varies.

    Returns:
        The defect; None if no place was found.
    """
    height, width = target.mask.shape
    ratio = float(np.sqrt(target.mask.size / cutout.mask.size))  # between photos of two sizes
    bent_x, bent_y = _bending(cutout.mask, rng)
    photo = cv2.remap(cutout.photo, bent_x, bent_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    mask = cv2.remap(cutout.mask.astype(np.float32), bent_x, bent_y, cv2.INTER_LINEAR)
    for _ in range(_TRIES):
        matrix = _around(cutout.foreground, target, rng) or _anywhere(cutout.mask, target, ratio, rng)
        moved = _in_one_piece(cv2.warpAffine(mask, np.array(matrix), (width, height), flags=cv2.INTER_LINEAR))
        area = int(moved.sum())
        if area < max(1.0, 0.3 * ratio**2 * int(cutout.mask.sum())):
            continue  # most of it lies outside the photo
        if float(target.mask[moved].mean()) < min(0.98, cutout.share_on_object - 0.02):
            continue
        pixels = cv2.warpAffine(
            photo, np.array(matrix), (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return Placed(_recoloured(np.asarray(pixels, np.uint8), rng), moved)
    return None


def _in_one_piece(shares: npt.NDArray[Any]) -> Mask:
    """The pixels of a moved defect, less specks; of one that falls to pieces the largest part of all that it touches.

    Args:
        shares: float32 H×W, 0 to 1, how much of each pixel is the defect's.
    """
    moved = shares > _INSIDE
    main = largest_part(moved)
    if main.sum() >= _MAIN_PART * moved.sum():
        return main
    return largest_part(shares > _INSIDE_THIN)


def largest_part(mask: Mask) -> Mask:
    """The largest 8-connected part of a mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _bending(mask: Mask, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where each pixel comes from: smooth, by up to a twentieth of the defect's size."""
    height, width = mask.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    _, _, w, h = cv2.boundingRect(mask.view(np.uint8))
    size = max(w, h)
    cells = max(2, round(2 * max(height, width) / max(size, 8)))
    reach = _BEND * size
    field = rng.uniform(-reach, reach, (2, min(cells, 64) + 2, min(cells, 64) + 2)).astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in field)
    return x + dx, y + dy


def _around(source: Foreground, target: Foreground, rng: np.random.Generator) -> list[list[float]] | None:
    """The 2×3 matrix from one round object to another, turned around the centre; None if one is not round."""
    if source.circle is None or target.circle is None:
        return None
    x, y, radius = source.circle
    to_x, to_y, to_radius = target.circle
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    scale = to_radius / radius * rng.uniform(0.92, 1.08)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[a * mirror, -b], [b * mirror, a]])
    shift = np.array([to_x, to_y]) - turn @ np.array([x, y])
    return [[*turn[0].tolist(), float(shift[0])], [*turn[1].tolist(), float(shift[1])]]


def _anywhere(mask: Mask, target: Foreground, ratio: float, rng: np.random.Generator) -> list[list[float]]:
    """The 2×3 matrix that turns a defect a little, scales it about `ratio`, and brings it to a place of the object."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    middle = np.array([x + w / 2, y + h / 2])
    rows, columns = np.nonzero(target.mask)
    at = int(rng.integers(len(rows)))
    angle, mirror = np.deg2rad(rng.uniform(-20, 20)), rng.choice([-1.0, 1.0])
    scale = rng.uniform(0.8, 1.2) * ratio
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[a * mirror, -b], [b * mirror, a]])
    shift = np.array([columns[at], rows[at]]) - turn @ middle
    return [[*turn[0].tolist(), float(shift[0])], [*turn[1].tolist(), float(shift[1])]]


def _recoloured(pixels: Photo, rng: np.random.Generator) -> Photo:
    """A little brighter or darker, and where the photo has colours of a slightly other one."""
    light, tint = rng.uniform(0.88, 1.12), rng.normal(0, 0.02, 3)
    has_colours = bool((pixels != pixels[..., :1]).any())
    gain = light * (1 + (tint if has_colours else tint[0]))
    return np.clip(pixels * gain + rng.normal(0, 3), 0, 255).astype(np.uint8)
