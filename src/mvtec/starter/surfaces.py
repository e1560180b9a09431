"""What drawn parts are made of: a surface is a picture that fills the photo, in grey levels and colour.

A surface takes the side of the photo and a random generator, and gives float32 side×side×3, BGR, about 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Surface = Callable[[int, np.random.Generator], Image]


def cloud(side: int, cells: float, rng: np.random.Generator, *, stretch: float = 1.0) -> Image:
    """Smooth noise in [-1, 1], about `cells` bumps along the photo, `stretch` times as long as they are wide."""
    across, along = max(2, round(cells)), max(2, round(cells / stretch))
    coarse = rng.uniform(-1, 1, (across + 2, along + 2)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), -1, 1).astype(np.float32)


def turned(picture: Image, degrees: float) -> Image:
    """A picture turned about its middle, mirrored beyond its rim."""
    side = picture.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REFLECT), np.float32)


def colour(rng: np.random.Generator, low: float = 30, high: float = 220, spread: float = 25) -> Image:
    """A colour, BGR: grey with a tint."""
    return np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 5, 250).astype(np.float32)


def _tinted(grey: Image, rng: np.random.Generator, contrast: float, **limits: float) -> Image:
    return (colour(rng, **limits) + contrast * grey[..., None] * rng.uniform(0.85, 1.15, 3)).astype(np.float32)


def smooth(side: int, rng: np.random.Generator) -> Image:
    """Polished or moulded: hardly any structure."""
    return _tinted(cloud(side, 3, rng), rng, rng.uniform(2, 12))


def brushed(side: int, rng: np.random.Generator) -> Image:
    """Brushed metal: long fine lines."""
    lines = cloud(side, side / 2, rng, stretch=rng.uniform(15, 40)) + 0.5 * cloud(side, side / 6, rng, stretch=20)
    return _tinted(turned(lines, rng.uniform(0, 180)), rng, rng.uniform(6, 18), spread=8)


def turned_metal(side: int, rng: np.random.Generator) -> Image:
    """Turned on a lathe: fine circles, with the two bright fans such circles reflect."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side * rng.uniform(0.4, 0.6)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rings = np.sin(radius * rng.uniform(0.8, 2.2)) + cloud(side, 40, rng)
    fans = np.cos(2 * (angle - rng.uniform(0, np.pi))) * rng.uniform(10, 30)
    return (_tinted(rings.astype(np.float32), rng, rng.uniform(3, 8), spread=6) + fans[..., None]).astype(np.float32)


def cast(side: int, rng: np.random.Generator) -> Image:
    """Cast or sandblasted: coarse grain."""
    grain = cloud(side, side / rng.uniform(2, 5), rng) + 0.6 * cloud(side, side / 12, rng)
    return _tinted(grain, rng, rng.uniform(10, 22), spread=8)


def granite(side: int, rng: np.random.Generator) -> Image:
    """Tile or granite: specks of several colours."""
    picture = _tinted(cloud(side, 8, rng), rng, 8)
    for _ in range(int(rng.integers(1, 4))):
        specks = cloud(side, side / rng.uniform(2.5, 7), rng) > rng.uniform(0.35, 0.6)
        picture[specks] = picture[specks] * 0.4 + colour(rng) * 0.6
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), np.float32)


def weave(side: int, rng: np.random.Generator) -> Image:
    """Cloth or carbon fibre: two sets of threads over and under each other."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    period = rng.uniform(6, 16)
    warp = np.abs(np.sin(np.pi * x / period)) * (np.sin(np.pi * y / period) > 0)
    weft = np.abs(np.sin(np.pi * y / period)) * (np.sin(np.pi * x / period) > 0)
    threads = (warp + 0.8 * weft - 0.6).astype(np.float32)
    return _tinted(turned(threads + 0.2 * cloud(side, 60, rng), rng.uniform(0, 180)), rng, rng.uniform(15, 35))


def mesh(side: int, rng: np.random.Generator) -> Image:
    """A grid of wires over something darker."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    period, thick = rng.uniform(14, 30), rng.uniform(0.15, 0.35)
    wires = ((x % period) < thick * period) | ((y % period) < thick * period)
    picture = np.where(wires[..., None], colour(rng, 120, 220), colour(rng, 10, 90)).astype(np.float32)
    return turned(np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.float32), rng.uniform(0, 90))


def wood(side: int, rng: np.random.Generator) -> Image:
    """Wood: wavy grain along one direction."""
    y = np.mgrid[0:side, 0:side][0].astype(np.float32)
    waves = np.sin((y + 18 * cloud(side, 4, rng, stretch=3)) * rng.uniform(0.15, 0.5))
    grain = (waves + 0.5 * cloud(side, side / 3, rng, stretch=25)).astype(np.float32)
    tint = np.array([40, 80, 130], np.float32) * rng.uniform(0.6, 1.5)
    return turned((tint + rng.uniform(8, 20) * grain[..., None]).astype(np.float32), rng.uniform(0, 180))


def leather(side: int, rng: np.random.Generator) -> Image:
    """Leather: cells with dark seams, from the distance to scattered points."""
    points = np.full((side, side), 255, np.uint8)
    count = int(rng.integers(300, 1500))
    points[rng.integers(side, size=count), rng.integers(side, size=count)] = 0
    distance = cv2.distanceTransform(points, cv2.DIST_L2, 3)
    cells = 1 - np.clip(distance / np.percentile(distance, 97), 0, 1)
    return _tinted(cells.astype(np.float32) - 0.5, rng, rng.uniform(15, 40), low=25, high=150)


def paper(side: int, rng: np.random.Generator) -> Image:
    """Paper, board or plaster: bright, with faint fibres."""
    fibres = cloud(side, side / 2, rng, stretch=6) + turned(cloud(side, side / 2, rng, stretch=6), 70)
    return _tinted(fibres, rng, rng.uniform(3, 9), low=140, high=235, spread=10)


def glass(side: int, rng: np.random.Generator) -> Image:
    """Dark glass or lacquer with reflected light: rings around the middle and a few glints."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    picture = np.zeros((side, side, 3), np.float32) + colour(rng, 20, 80, 10)
    for _ in range(int(rng.integers(2, 7))):
        at, width = rng.uniform(0.05, 0.5) * side, rng.uniform(1, 8)
        ring = np.exp(-(((radius - at) / width) ** 2)) * (0.6 + 0.4 * np.cos(angle - rng.uniform(0, 6.3)))
        picture += ring[..., None] * colour(rng, 20, 120, 30)
    return picture


SURFACES: dict[str, Surface] = {
    "smooth": smooth,
    "brushed": brushed,
    "turned": turned_metal,
    "cast": cast,
    "granite": granite,
    "weave": weave,
    "mesh": mesh,
    "wood": wood,
    "leather": leather,
    "paper": paper,
    "glass": glass,
}
