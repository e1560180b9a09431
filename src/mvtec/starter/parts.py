"""The drawn parts: shapes cut out of surfaces, laid on a table. Those without a shape fill the photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.starter.surfaces import SURFACES, Image, cloud, colour

Mask = npt.NDArray[np.bool_]
Shape = Callable[[int, np.random.Generator], npt.NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Part:
    """A part without a defect.

    Attributes:
        picture: float32 side×side×3, BGR, 0 to 255.
        mask: bool side×side, where the part is.
        table: float32 side×side×3: what lies under it; for a texture, what shows where some of it is missing.
    """

    picture: Image
    mask: Mask
    table: Image


def _canvas(side: int) -> npt.NDArray[np.uint8]:
    return np.zeros((side, side), np.uint8)


def _middle(side: int, rng: np.random.Generator) -> tuple[int, int]:
    return int(side * rng.uniform(0.46, 0.54)), int(side * rng.uniform(0.46, 0.54))


def _disc(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.circle(_canvas(side), _middle(side, rng), int(side * rng.uniform(0.3, 0.46)), 1, -1))


def _ring(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    mask, middle, radius = _canvas(side), _middle(side, rng), side * rng.uniform(0.32, 0.46)
    cv2.circle(mask, middle, int(radius), 1, -1)
    cv2.circle(mask, middle, int(radius * rng.uniform(0.3, 0.75)), 0, -1)
    return mask


def _polygon(
    side: int, rng: np.random.Generator, corners: int, radius: float, squeeze: float = 1.0
) -> npt.NDArray[np.uint8]:
    angles = rng.uniform(0, 6.3) + np.arange(corners) * 2 * np.pi / corners
    points = np.stack([np.cos(angles), squeeze * np.sin(angles)], axis=1) * radius * side + np.array(_middle(side, rng))
    return np.asarray(cv2.fillPoly(_canvas(side), [points.astype(np.int32)], 1))


def _plate(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    (w, h), middle = side * rng.uniform(0.45, 0.85, 2), _middle(side, rng)
    corners = cv2.boxPoints((middle, (float(w), float(h)), float(rng.uniform(0, 90))))
    return np.asarray(cv2.fillPoly(_canvas(side), [corners.astype(np.int32)], 1))


def _drilled_plate(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    mask = _plate(side, rng)
    rows, columns = np.nonzero(cv2.erode(mask, np.ones((25, 25), np.uint8)))
    for at in rng.integers(max(1, len(rows)), size=int(rng.integers(1, 6))) if len(rows) else []:
        cv2.circle(mask, (int(columns[at]), int(rows[at])), int(side * rng.uniform(0.015, 0.05)), 0, -1)
    return mask


def _nut(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    mask = _polygon(side, rng, 6, rng.uniform(0.32, 0.45))
    y, x = (axis.mean() for axis in np.nonzero(mask))
    cv2.circle(mask, (int(x), int(y)), int(side * rng.uniform(0.12, 0.22)), 0, -1)
    return mask


def _gear(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    mask, (x, y), radius = _canvas(side), _middle(side, rng), side * rng.uniform(0.28, 0.38)
    teeth = int(rng.integers(8, 24))
    angles = np.linspace(0, 2 * np.pi, teeth * 4, endpoint=False) + rng.uniform(0, 1)
    reach = np.tile([1.0, 1.0, 1.18, 1.18], teeth) * radius
    points = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
    cv2.fillPoly(mask, [points.astype(np.int32)], 1)
    cv2.circle(mask, (x, y), int(radius * rng.uniform(0.15, 0.4)), 0, -1)
    return mask


def _capsule(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    x, y = _middle(side, rng)
    angle, length, width = rng.uniform(0, np.pi), side * rng.uniform(0.2, 0.32), side * rng.uniform(0.18, 0.36)
    dx, dy = int(length * np.cos(angle)), int(length * np.sin(angle))
    return np.asarray(cv2.line(_canvas(side), (x - dx, y - dy), (x + dx, y + dy), 1, int(width)))


def _rod(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    x, y = _middle(side, rng)
    angle, length = rng.uniform(0, np.pi), side * rng.uniform(0.35, 0.6)
    dx, dy = int(length * np.cos(angle)), int(length * np.sin(angle))
    return np.asarray(
        cv2.line(_canvas(side), (x - dx, y - dy), (x + dx, y + dy), 1, int(side * rng.uniform(0.06, 0.16)))
    )


def _screw(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    mask, (x, y), angle = _canvas(side), _middle(side, rng), rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    start, end = np.array([x, y]) - along * side * 0.35, np.array([x, y]) + along * side * 0.35
    width = side * rng.uniform(0.07, 0.11)
    cv2.line(mask, tuple(start.astype(int).tolist()), tuple(end.astype(int).tolist()), 1, int(width))
    for step in np.linspace(0.25, 1, int(rng.integers(8, 16))):
        at = start + (end - start) * step
        cv2.circle(mask, tuple(at.astype(int).tolist()), int(width * 0.62), 1, -1)
    cv2.circle(mask, tuple(start.astype(int).tolist()), int(width * 1.1), 1, -1)
    return mask


def _bracket(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    low, high, wide = side * rng.uniform(0.12, 0.2), side * rng.uniform(0.75, 0.88), side * rng.uniform(0.15, 0.28)
    points = np.array(
        [[low, low], [low + wide, low], [low + wide, high - wide], [high, high - wide], [high, high], [low, high]]
    )
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(0, 360)), 0.9)
    points = points @ turn[:, :2].T + turn[:, 2]
    return np.asarray(cv2.fillPoly(_canvas(side), [points.astype(np.int32)], 1))


def _blob(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A nut, a bean, a stone: round and uneven."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    uneven = 1 + 0.25 * cloud(side, 3, rng)
    return (np.hypot(x, y * rng.uniform(1, 1.5)) < side * 0.38 * uneven).astype(np.uint8)


def _ellipse(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    axes = (int(side * rng.uniform(0.3, 0.45)), int(side * rng.uniform(0.18, 0.3)))
    return np.asarray(cv2.ellipse(_canvas(side), _middle(side, rng), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1))


def _triangle(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return _polygon(side, rng, 3, rng.uniform(0.38, 0.5))


def _octagon(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return _polygon(side, rng, 8, rng.uniform(0.32, 0.45), rng.uniform(0.7, 1))


# Name: shape (None for a texture), and the surfaces it comes in.
PARTS: dict[str, tuple[Shape | None, tuple[str, ...]]] = {
    "bottle": (_disc, ("glass",)),
    "wafer": (_disc, ("smooth", "mesh")),
    "coin": (_disc, ("turned", "cast")),
    "tablet": (_disc, ("paper", "smooth")),
    "cap": (_disc, ("smooth", "leather")),
    "washer": (_ring, ("brushed", "turned")),
    "seal": (_ring, ("smooth", "leather")),
    "bearing": (_ring, ("turned", "glass")),
    "nut": (_nut, ("brushed", "cast")),
    "plastic nut": (_nut, ("smooth",)),
    "gear": (_gear, ("cast", "turned")),
    "plastic gear": (_gear, ("smooth",)),
    "plate": (_plate, ("brushed", "smooth")),
    "card": (_plate, ("paper", "weave")),
    "board": (_plate, ("wood",)),
    "slab": (_plate, ("granite", "cast")),
    "drilled plate": (_drilled_plate, ("brushed", "cast")),
    "panel": (_drilled_plate, ("smooth", "leather")),
    "capsule": (_capsule, ("smooth", "paper")),
    "rod": (_rod, ("brushed", "wood")),
    "cable": (_rod, ("weave", "smooth")),
    "screw": (_screw, ("turned", "cast")),
    "bracket": (_bracket, ("brushed", "smooth")),
    "bean": (_blob, ("wood", "smooth")),
    "stone": (_blob, ("granite", "cast")),
    "lens": (_ellipse, ("glass", "smooth")),
    "soap": (_ellipse, ("paper", "smooth")),
    "wedge": (_triangle, ("wood", "brushed")),
    "tile": (_octagon, ("granite", "paper")),
    "metal sheet": (None, ("brushed", "turned")),
    "casting": (None, ("cast",)),
    "cloth": (None, ("weave",)),
    "grid": (None, ("mesh",)),
    "plank": (None, ("wood",)),
    "hide": (None, ("leather",)),
    "floor": (None, ("granite",)),
    "sheet": (None, ("paper",)),
    "foil": (None, ("smooth",)),
}


def draw_part(name: str, side: int, rng: np.random.Generator) -> Part:
    """A part of `PARTS`, shaded, on its table.

    Args:
        name: Its name.
        side: Width and height of the photo in pixels.
        rng: Source of all that varies.
    """
    shape, surfaces = PARTS[name]
    surface = SURFACES[surfaces[int(rng.integers(len(surfaces)))]](side, rng)
    table = (colour(rng, 10, 250, 8) + rng.uniform(0, 8) * cloud(side, 5, rng)[..., None]).astype(np.float32)
    if shape is None:
        return Part(surface, np.ones((side, side), bool), table)
    mask = shape(side, rng)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    bevel = rng.uniform(2, 12)
    rim = np.clip(1 - depth / bevel, 0, 1)
    # Light from one side: the bevel is bright towards it and dark away from it.
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(depth, (0, 0), 2))
    angle = rng.uniform(0, 6.3)
    light = (slope_x * np.cos(angle) + slope_y * np.sin(angle)) * rim * rng.uniform(10, 60)
    surface = surface - light[..., None].astype(np.float32)
    shadow = cv2.GaussianBlur(np.roll(mask, (3, 4), axis=(0, 1)).astype(np.float32), (0, 0), 5) * rng.uniform(0, 0.4)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)[..., None]
    picture = table * (1 - shadow[..., None]) * (1 - soft) + surface * soft
    return Part(np.clip(picture, 0, 255).astype(np.float32), mask.astype(bool), table)
