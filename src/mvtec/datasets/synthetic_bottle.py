"""Draws a bottle neck from above, sound or with a defect of one of three types.

A sketch of what MVTec AD's category bottle shows, made of nothing but numbers: a dark glass ring on a bright table,
rings of reflected light, one amber arc, the black opening. No pixel comes from a photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Radii as shares of the photo's side.
OUTER, AMBER, RIM, OPENING = 0.44, 0.355, 0.30, 0.225
_GLASS = np.array([62.0, 52.0, 50.0], np.float32)  # BGR, as everywhere below
_MIN_CHANGE = 10.0  # grey levels by which a defect pixel differs at least from the sound one


@dataclass(frozen=True)
class Drawing:
    """A drawn photo.

    Attributes:
        photo: uint8 H×W×3 BGR, camera noise included.
        mask: bool H×W, true exactly where the defect changed the picture.
        sound: float32 H×W×3: the picture without defect and noise.
        marred: float32 H×W×3: the picture with defect and without noise.
    """

    photo: npt.NDArray[np.uint8]
    mask: Mask
    sound: Image
    marred: Image


@dataclass(frozen=True)
class _Neck:
    """Where the bottle stands: polar coordinates of every pixel around its own centre, in sides of the photo."""

    side: int
    radius: Image
    angle: Image
    rng: np.random.Generator

    def cloud(self, cells: int) -> Image:
        """Smooth noise in [0, 1], about `cells` bumps across the photo."""
        coarse = self.rng.random((cells + 3, cells + 3), dtype=np.float32)
        return np.clip(cv2.resize(coarse, (self.side, self.side), interpolation=cv2.INTER_CUBIC), 0, 1)

    def ripple(self, waves: int) -> Image:
        """Smooth noise in about [-1, 1] along the angle, the same at every radius."""
        total = np.zeros_like(self.angle)
        for wave in range(1, waves + 1):
            total += self.rng.normal() / wave**0.5 * np.cos(wave * self.angle + self.rng.uniform(0, 2 * np.pi))
        return (total / (2.2 * np.log(waves + 1))).astype(np.float32)

    def from_angle(self, start: float) -> Image:
        """Signed angle from `start`, in (-π, π]."""
        return np.mod(self.angle - np.float32(start) + np.pi, 2 * np.pi) - np.float32(np.pi)


def draw(defect: str, side: int, rng: np.random.Generator) -> Drawing:
    """Draw one photo of `side`×`side` pixels.

    Args:
        defect: `good` or a key of `DEFECTS`.
        side: Width and height in pixels.
        rng: Source of all that varies.
    """
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    centre = side * (0.5 + rng.uniform(-0.012, 0.012, 2))
    dx, dy = (x + 0.5 - centre[0]) / side, (y + 0.5 - centre[1]) / side
    neck = _Neck(side, np.hypot(dx, dy).astype(np.float32), np.arctan2(dy, dx).astype(np.float32), rng)
    sound = _sound_neck(neck)
    mask, marred = np.zeros((side, side), bool), sound
    if defect in DEFECTS:
        mask, painted = DEFECTS[defect](neck, sound)
        mask = _without_specks(mask)
        marred = _apply(sound, painted, mask)
    noisy = cv2.GaussianBlur(rng.normal(0, 3.0, sound.shape).astype(np.float32), (0, 0), 0.6) + marred
    return Drawing(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), mask, sound, marred)


def _sound_neck(neck: _Neck) -> Image:
    r = neck.radius
    table = np.float32(252) - 14 * neck.cloud(2)
    image = np.repeat(table[..., None], 3, axis=2)
    light = neck.rng.uniform(-np.pi, np.pi)
    glow = 0.5 + 0.5 * np.cos(neck.from_angle(light))

    glass = np.repeat((0.75 + 0.25 * glow)[..., None], 3, axis=2) * _GLASS
    for at, width, gain in ((0.425, 0.008, 34), (0.405, 0.006, -22), (0.385, 0.009, 40), (0.368, 0.005, -18)):
        glass += _ring(r, at + neck.rng.normal(0, 0.001), width)[..., None] * gain * (0.5 + 0.5 * glow[..., None])
    inner = ((r < 0.285) & (r > 0.245)).astype(np.float32)
    glass += (inner * 34 * neck.cloud(max(8, neck.side // 6)))[..., None] * np.array([1.0, 1.0, 0.8], np.float32)
    glass += (_ring(r, RIM, 0.005) * (24 + 20 * neck.ripple(9)))[..., None]
    amber = _ring(r, AMBER + 0.002 * neck.ripple(4), 0.0035) * np.clip(0.6 + neck.ripple(24), 0.05, 1.6)
    glass += amber[..., None] * np.array([40, 92, 170], np.float32)
    for _ in range(3):
        along = neck.from_angle(light + neck.rng.normal(0, 0.5)) / neck.rng.uniform(0.04, 0.12)
        glass += (_ring(r, neck.rng.choice([0.33, AMBER, 0.27]), 0.004) * np.exp(-(along**2)) * 170)[..., None]

    opening = np.repeat((14 + 34 * np.exp(-((r / 0.06) ** 2)))[..., None], 3, axis=2).astype(np.float32)
    opening = opening * np.array([1.15, 0.95, 0.9], np.float32)
    opening += _ring(r, OPENING - 0.004, 0.003)[..., None] * np.array([10, 18, 55], np.float32)
    image = _blend(image, glass.astype(np.float32), _step(np.float32(OUTER) - r, 1.5 / neck.side))
    image = _blend(image, opening, _step(OPENING - r, 1.5 / neck.side))
    return np.clip(image, 0, 255).astype(np.float32)


def _broken_large(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    """A large part of the mouth is gone: a ragged sector from the opening far out."""
    half_width = neck.rng.uniform(0.5, 1.6)
    ragged = np.abs(neck.from_angle(neck.rng.uniform(-np.pi, np.pi))) + 0.12 * (neck.cloud(14) - 0.5)
    outer = neck.rng.uniform(0.36, 0.43) + 0.03 * neck.ripple(12)
    inner = OPENING - neck.rng.uniform(0.0, 0.02) + 0.012 * neck.ripple(15)
    mask = (ragged < half_width) & (neck.radius < outer) & (neck.radius > inner)
    return mask, _shards(neck, sound, facets=70, sparkle=0.05)


def _broken_small(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    """One to three chips out of the inner edge, near each other; one may leave a sound island."""
    start = neck.rng.uniform(-np.pi, np.pi)
    mask = np.zeros_like(neck.radius, bool)
    for _ in range(neck.rng.choice([1, 1, 1, 2, 3])):
        half_width = neck.rng.uniform(0.1, 0.3)
        ragged = np.abs(neck.from_angle(start)) + 0.1 * (neck.cloud(20) - 0.5)
        depth = neck.rng.uniform(0.05, 0.1) * np.sqrt(np.clip(1 - (ragged / half_width) ** 2, 0, 1))
        edge = OPENING - 0.006 + 0.006 * neck.ripple(20)
        mask |= (ragged < half_width) & (neck.radius > edge) & (neck.radius < edge + depth)
        start += neck.rng.choice([-1, 1]) * (half_width + neck.rng.uniform(0.3, 0.7))
    if neck.rng.random() < 0.3:
        mask &= neck.cloud(30) < 0.93
    return mask, _shards(neck, sound, facets=260, sparkle=0.3)


def _contamination(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    """Something lies in the bottle or sticks to it: cloth, a thread, a film with a hole, or fluff in several pieces."""
    shapes = (_cloth, _thread, _film, _fluff)
    return shapes[neck.rng.integers(len(shapes))](neck, sound)


def _cloth(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    x, y = _around(neck, 0.12)
    angle = np.arctan2(y, x)
    size = neck.rng.uniform(0.07, 0.16)
    phase = neck.rng.uniform(0, 2 * np.pi, 5)
    outline = size * (1 + 0.2 * sum(np.cos((k + 2) * angle + p) / (k + 1) for k, p in enumerate(phase)))
    mask = np.hypot(x, y) < outline
    weave = 70 + 60 * neck.cloud(5) + 30 * neck.cloud(max(6, neck.side // 5))
    return mask, weave[..., None] * np.array([0.95, 0.9, 0.9], np.float32) + 0 * sound


def _thread(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    steps = np.linspace(0, 1, 60)
    turns = np.cumsum(neck.rng.normal(0, 0.09, 60)) + neck.rng.uniform(0, 2 * np.pi)
    length = neck.rng.uniform(0.25, 0.5)
    start = neck.side * (0.5 + neck.rng.uniform(-0.2, 0.1, 2))
    points = start[:, None] + np.cumsum(np.stack([np.cos(turns), np.sin(turns)]), axis=1) * length * neck.side / 60
    canvas = np.zeros((neck.side, neck.side), np.uint8)
    thick = neck.side * neck.rng.uniform(0.008, 0.025)
    for step, (x, y) in zip(steps, points.T, strict=True):
        cv2.circle(canvas, (int(x), int(y)), max(1, round(thick * (1 - 0.6 * step))), 1, -1)
    twist = 0.55 + 0.45 * np.sin(neck.angle * 60 + neck.radius * 500)
    colour = np.array(neck.rng.choice([[70, 80, 200], [200, 205, 210], [60, 140, 190]]), np.float32)
    return canvas.astype(bool), twist[..., None] * colour + 0 * sound


def _film(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    outer = OPENING * neck.rng.uniform(0.6, 0.95) + 0.01 * neck.ripple(6)
    inner = OPENING * neck.rng.uniform(0.15, 0.4) + 0.012 * neck.ripple(5)
    mask = (neck.radius < outer) & (neck.radius > inner)
    colour = np.array([30, 75, 125], np.float32) * (0.6 + 0.6 * neck.cloud(4))[..., None]
    return mask, 0.35 * sound + colour


def _fluff(neck: _Neck, sound: Image) -> tuple[Mask, Image]:
    x, y = _around(neck, 0.3)
    spread = neck.rng.uniform(0.05, 0.1)
    density = np.exp(-(x**2 + y**2) / spread**2) * neck.cloud(28)
    mask = density > neck.rng.uniform(0.35, 0.5)
    if not mask.any():
        mask = density >= density.max() * 0.8
    return mask, 0.3 * sound + (110 + 90 * neck.cloud(40))[..., None]


Painter = Callable[[_Neck, Image], tuple[Mask, Image]]
DEFECTS: dict[str, Painter] = {
    "broken_large": _broken_large,
    "broken_small": _broken_small,
    "contamination": _contamination,
}


def _around(neck: _Neck, reach: float) -> tuple[Image, Image]:
    """x and y of every pixel around a random point at most `reach` from the centre, in sides of the photo."""
    to, at = neck.rng.uniform(-np.pi, np.pi), reach * np.sqrt(neck.rng.random())
    x = neck.radius * np.cos(neck.angle) - np.float32(at * np.cos(to))
    y = neck.radius * np.sin(neck.angle) - np.float32(at * np.sin(to))
    return x, y


def _shards(neck: _Neck, sound: Image, facets: int, sparkle: float) -> Image:
    """Broken glass: flat facets of different brightness, some of which catch the light."""
    seeds = neck.rng.integers(0, neck.side, (facets, 2))
    canvas = np.full((neck.side, neck.side), 255, np.uint8)
    canvas[seeds[:, 1], seeds[:, 0]] = 0
    _, label = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    shade = neck.rng.uniform(20, 85, facets + 1).astype(np.float32)
    bright = neck.rng.random(facets + 1) < sparkle
    shade[bright] = neck.rng.uniform(150, 240, int(bright.sum()))
    tint = np.where(neck.rng.random(facets + 1) < 0.3, 0.6, 0.95).astype(np.float32)
    facet = shade[label] * (0.7 + 0.6 * neck.cloud(60))
    return np.stack([facet * tint[label], facet * (0.4 + 0.6 * tint[label]), facet], axis=2) + 0.1 * sound


def _apply(sound: Image, painted: Image, mask: Mask) -> Image:
    """Paint the defect inside its mask, where it differs from the sound picture by 10 grey levels at least."""
    painted = np.clip(painted, 0, 255).astype(np.float32)
    too_alike = np.abs(painted - sound).max(axis=2) < _MIN_CHANGE
    away = np.where(sound > 128, sound - _MIN_CHANGE, sound + _MIN_CHANGE)
    painted = np.where(too_alike[..., None], away, painted)
    return np.where(mask[..., None], painted, sound).astype(np.float32)


def _without_specks(mask: Mask) -> Mask:
    """Drop pieces of fewer than 0.02 % of the photo's pixels, as an annotator would; the largest always stays."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = np.zeros(count, bool)
    keep[1:] = (areas >= mask.size * 0.0002) | (areas == areas.max())
    return keep[labels]


def _ring(radius: Image, at: float | Image, width: float) -> Image:
    return np.exp(-(((radius - at) / width) ** 2)).astype(np.float32)


def _step(distance: Image, width: float) -> Image:
    return np.clip(distance / np.float32(width) + 0.5, 0, 1)


def _blend(below: Image, above: Image, share: Image) -> Image:
    return below + (above - below) * share[..., None]
