"""What goes wrong with a part: each mechanism draws into the picture and says which pixels it has changed.

A mechanism takes the picture as it is (float32 side×side×3), the part and a random generator; it gives the new picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.starter.parts import Mask, Part
from mvtec.starter.surfaces import Image, cloud, colour

Mechanism = Callable[[Image, Part, np.random.Generator], Image]


def _inside(part: Part, rng: np.random.Generator, margin: int = 6) -> tuple[int, int]:
    """A place on the part, x and y, not at its very rim."""
    inner = cv2.erode(part.mask.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    rows, columns = np.nonzero(inner if inner.any() else part.mask)
    at = int(rng.integers(len(rows)))
    return int(columns[at]), int(rows[at])


def _rim(part: Part, rng: np.random.Generator) -> tuple[int, int]:
    """A place on the part's rim; of a texture a place inside."""
    edge = part.mask & ~cv2.erode(part.mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    rows, columns = np.nonzero(edge if edge.any() else part.mask)
    at = int(rng.integers(len(rows)))
    return int(columns[at]), int(rows[at])


def _blob(side: int, at_xy: tuple[int, int], size: float, rng: np.random.Generator, uneven: float = 0.4) -> Mask:
    """An uneven spot of about `size` pixels across."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    dx, dy = x - at_xy[0], y - at_xy[1]
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(1, 2.2)
    u, v = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    edge = size / 2 * (1 + uneven * cloud(side, side / max(size, 8) * 3, rng))
    return np.hypot(u, v * squeeze) < edge


def _size(side: int, rng: np.random.Generator, low: float, high: float) -> float:
    """Pixels, log-uniform between shares of the side: small defects are as frequent as large ones."""
    return float(side * np.exp(rng.uniform(np.log(low), np.log(high))))


def _soft(mask: Mask, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), np.float32)[..., None]


def _walk(
    side: int, start: tuple[int, int], length: float, bend: float, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    """A line that wanders: N×1×2 points."""
    angle, steps = rng.uniform(0, 2 * np.pi), max(3, int(length / 4))
    turns = angle + np.cumsum(rng.normal(0, bend, steps))
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1) * length / steps, axis=0) + np.array(start)
    return np.clip(path, -side, 2 * side).astype(np.int32).reshape(-1, 1, 2)


def chip(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A piece broken off the rim: bright and dark facets."""
    side = picture.shape[0]
    where = _blob(side, _rim(part, rng), _size(side, rng, 0.05, 0.7), rng, 0.6) & part.mask
    facets = np.round(cloud(side, rng.uniform(10, 40), rng) * 2) / 2
    shade = colour(rng, 20, 230) + facets[..., None] * rng.uniform(20, 90)
    return np.asarray(picture + _soft(where, 0.7) * (shade - picture), np.float32)


def crack(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A dark wandering line with branches."""
    side = picture.shape[0]
    drawn = np.zeros((side, side), np.uint8)
    start = _inside(part, rng)
    for number in range(int(rng.integers(1, 4))):
        path = _walk(side, start, _size(side, rng, 0.1, 0.9) / (1 + number), 0.45, rng)
        cv2.polylines(drawn, [path], False, 1, int(rng.integers(1, 3)))
        start = tuple(path[int(rng.integers(len(path))), 0].tolist())
    where = (drawn > 0) & part.mask
    return picture - _soft(where, 0.6) * picture * rng.uniform(0.4, 0.9)


def scratch(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """Thin, nearly straight lines, brighter or darker."""
    side = picture.shape[0]
    drawn = np.zeros((side, side), np.uint8)
    x, y = _inside(part, rng)
    for _ in range(int(rng.integers(1, 4))):
        path = _walk(
            side, (x + int(rng.normal(0, 4)), y + int(rng.normal(0, 4))), _size(side, rng, 0.08, 0.8), 0.04, rng
        )
        cv2.polylines(drawn, [path], False, 1, 1)
    where = (drawn > 0) & part.mask
    return picture + _soft(where, 0.6) * rng.choice([-1, 1]) * rng.uniform(40, 140)


def dent(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A hollow: dark towards the light, bright away from it."""
    side = picture.shape[0]
    height = _soft(_blob(side, _inside(part, rng), _size(side, rng, 0.05, 0.5), rng, 0.2), side * 0.012)[..., 0]
    slope_y, slope_x = np.gradient(height)
    angle = rng.uniform(0, 6.3)
    light = (slope_x * np.cos(angle) + slope_y * np.sin(angle)) * rng.uniform(300, 900)
    return np.where(part.mask[..., None], picture + light[..., None], picture).astype(np.float32)


def stain(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """Something spilt: the surface still shows through."""
    side = picture.shape[0]
    where = _blob(side, _inside(part, rng), _size(side, rng, 0.06, 0.7), rng) & part.mask
    tint = colour(rng, 10, 200, 50) / 255
    return np.asarray(
        picture + _soft(where, rng.uniform(0.8, 4)) * (picture * tint * 1.3 - picture) * rng.uniform(0.5, 1), np.float32
    )


def contamination(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A foreign body lying on it: a fibre, a particle, a crumb."""
    side = picture.shape[0]
    if rng.random() < 0.4:
        drawn = np.zeros((side, side), np.uint8)
        path = _walk(side, _inside(part, rng), _size(side, rng, 0.1, 0.8), 0.25, rng)
        cv2.polylines(drawn, [path], False, 1, int(rng.integers(1, 5)))
        where = drawn > 0
    else:
        where = _blob(side, _inside(part, rng), _size(side, rng, 0.03, 0.5), rng, 0.7)
    shade = colour(rng, 10, 245, 45) + cloud(side, 50, rng)[..., None] * rng.uniform(5, 40)
    return np.asarray(picture + _soft(where & part.mask, 0.7) * (shade - picture), np.float32)


def missing(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A piece that is not there: the table shows."""
    side = picture.shape[0]
    where = _blob(side, _rim(part, rng), _size(side, rng, 0.08, 0.7), rng, 0.3) & part.mask
    shade = _soft(where, 3) * 0.3
    return picture * (1 - shade) + _soft(where, 0.7) * (part.table - picture * (1 - shade))


def burr(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """Too much at the rim: a ragged bright outgrowth."""
    side = picture.shape[0]
    near = _blob(side, _rim(part, rng), _size(side, rng, 0.06, 0.5), rng, 0.3)
    reach = int(max(3, side * rng.uniform(0.012, 0.035)))
    grown = cv2.dilate(part.mask.astype(np.uint8), np.ones((reach, reach), np.uint8)).astype(bool)
    shrunk = cv2.erode(part.mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    ragged = cloud(side, side / 4, rng) > rng.uniform(-0.5, 0.2)
    where = near & grown & ~shrunk & ragged
    if part.mask.all():  # a texture has no rim: a ridge
        where = near & (np.abs(cloud(side, 12, rng)) < 0.12)
    return picture + _soft(where, 0.7) * (colour(rng, 120, 250, 10) - picture)


def discoloration(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """Another colour without an edge: heat, rust, wear."""
    side = picture.shape[0]
    where = _blob(side, _inside(part, rng), _size(side, rng, 0.1, 0.8), rng) & part.mask
    shift = rng.normal(0, 1, 3)
    shift *= rng.uniform(35, 90) / np.linalg.norm(shift)
    mottled = 0.7 + 0.3 * cloud(side, 25, rng)[..., None]
    return (picture + _soft(where, side * rng.uniform(0.01, 0.03)) * shift * mottled).astype(np.float32)


def hole(picture: Image, part: Part, rng: np.random.Generator) -> Image:
    """A round opening: dark, with a lit rim."""
    side = picture.shape[0]
    where = _blob(side, _inside(part, rng), _size(side, rng, 0.03, 0.35), rng, 0.08) & part.mask
    rim = cv2.dilate(where.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~where & part.mask
    lit = picture + _soft(rim, 0.7) * rng.uniform(-30, 70)
    return lit + _soft(where, 0.7) * (part.table * rng.uniform(0, 0.5) - lit)


MECHANISMS: dict[str, Mechanism] = {
    "burr": burr,
    "chip": chip,
    "contamination": contamination,
    "crack": crack,
    "dent": dent,
    "discoloration": discoloration,
    "hole": hole,
    "missing": missing,
    "scratch": scratch,
    "stain": stain,
}
