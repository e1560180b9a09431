"""Defects of new shapes: a mask of noise or a new outline, filled with the texture of real defects of its type.

- `perlin`: thresholded Perlin noise as the mask, as in DRAEM (Zavrtanik et al., ICCV 2021), whose texture comes from
  any picture; ours comes from real defects, because a detector must learn their types.
- `cutpaste`: a piece of the photo itself laid elsewhere, as in CutPaste (Li et al., CVPR 2021), whose pieces are
  rectangles and strips; ours have the shapes of real defects, because a detector must learn their types.
- `quilt`: an outline drawn from what the outlines of the type have in common (principal components of their radii),
  filled by image quilting (Efros and Freeman, SIGGRAPH 2001). It stands where a generative adversarial network was
  proposed: with ten photos of a defect such a network remembers or collapses, while quilting is made of real pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.synthesize.cutout import Cutout, Placed, largest_part, place
from mvtec.synthesize.foreground import Foreground, Mask, Photo

_RADII = 48  # directions in which an outline is measured
_PATCH, _OVERLAP = 40, 10  # pixels, of quilting
_OF_DEFECT = 60  # patches of each defect
_CANDIDATES = 60
_ON_OBJECT = 0.9  # of a defect: one that lies on the object so far has nothing to do with the background
_BEST = 10  # of the candidates one of these is taken: always the best one would be a smooth one
_STAR = 1.3  # times its own area is what the radii of a defect enclose; one that is hollow or bent has more


def perlin_noise(size_hw: tuple[int, int], cells: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Gradient noise of about -1 to 1 (Perlin, SIGGRAPH 1985), with `cells` bumps along the longer side."""
    height, width = size_hw
    step = max(height, width) / cells
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(step)
    angles = rng.uniform(0, 2 * np.pi, (cells + 2, cells + 2))
    row, column = y.astype(np.intp), x.astype(np.intp)
    v, u = y - row, x - column
    corners = []
    for dy in (0, 1):
        for dx in (0, 1):
            angle = angles[row + dy, column + dx]
            corners.append(np.cos(angle) * (u - dx) + np.sin(angle) * (v - dy))
    fade_u, fade_v = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (u, v))
    upper = corners[0] + fade_u * (corners[1] - corners[0])
    lower = corners[2] + fade_u * (corners[3] - corners[2])
    return np.asarray((upper + fade_v * (lower - upper)) * np.sqrt(2), np.float32)


def perlin_defect(model: Cutout, target: Foreground, rng: np.random.Generator) -> Placed | None:
    """A blob of noise about as large as a real defect, with its texture."""
    size = int(model.mask.sum())
    side = int(np.sqrt(size) * 2.2) + 8
    noise = perlin_noise((side, side), int(rng.integers(2, 5)), rng)
    y, x = np.mgrid[0:side, 0:side]
    towards_middle = 1 - np.hypot(y - side / 2, x - side / 2) / (side / 2)
    field = noise + 1.5 * towards_middle
    level = np.partition(field.ravel(), -min(size, field.size))[-min(size, field.size)]
    blob = largest_part(field >= level)
    return _fill(blob, [model], target, rng)


def cutpaste_defect(photo: Photo, model: Cutout, target: Foreground, rng: np.random.Generator) -> Placed | None:
    """A piece of the photo's own object in the shape of a real defect, laid where such a defect could be."""
    placed = place(model, target, rng)
    if placed is None:
        return None
    rows, columns = np.nonzero(target.mask)
    to_y, to_x = (axis.mean() for axis in np.nonzero(placed.mask))
    at = int(rng.integers(len(rows)))
    shift = np.array([[1, 0, to_x - columns[at]], [0, 1, to_y - rows[at]]], np.float32)
    moved = cv2.warpAffine(photo, shift, photo.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    jittered = np.clip(moved * rng.uniform(0.7, 1.3) + rng.normal(0, 8), 0, 255).astype(np.uint8)
    return Placed(jittered, placed.mask)


def fit_outline(models: Sequence[Cutout]) -> Callable[[Foreground, np.random.Generator], Placed | None]:
    """Learn the outlines of a type, for new defects that are filled with quilted texture of its real ones.

    Where most of them are no stars, such as arcs of a ring, radii say little of their outlines: a real one is moved.
    """
    stars = [model.mask for model in models if _star_area(_radii(model.mask)) < _STAR * model.mask.sum()]

    def new_defect(target: Foreground, rng: np.random.Generator) -> Placed | None:
        if len(stars) > len(models) / 2:
            return _fill(new_outline(stars, rng), models, target, rng)
        placed = place(models[int(rng.integers(len(models)))], target, rng)
        if placed is None:
            return None
        x, y, w, h = cv2.boundingRect(placed.mask.view(np.uint8))
        pixels = np.zeros_like(placed.pixels)
        pixels[y : y + h, x : x + w] = quilt(models, (h, w), rng)
        return Placed(pixels, placed.mask)

    return new_defect


def new_outline(masks: Sequence[Mask], rng: np.random.Generator) -> Mask:
    """An outline that could be one of these: their mean radii, and a random part of how they vary.

    Args:
        masks: bool H×W each, of one instance.
        rng: Source of all that varies.

    Returns:
        bool h×w, tight.
    """
    logs = np.log(np.stack([_radii(mask) for mask in masks]))
    mean = logs.mean(axis=0)
    _, values, axes = np.linalg.svd(logs - mean, full_matrices=False)
    spread = values / np.sqrt(max(1, len(masks) - 1))
    kept = min(6, len(masks) - 1)
    drawn = mean + (np.clip(rng.normal(size=kept), -1.5, 1.5) * spread[:kept]) @ axes[:kept]
    radii = np.roll(np.exp(drawn), int(rng.integers(_RADII)))
    angles = np.arange(_RADII) * 2 * np.pi / _RADII
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    points = np.round(points - points.min(axis=0) + 1).astype(np.int32)
    canvas = np.zeros(points.max(axis=0)[::-1] + 2, np.uint8)
    cv2.fillPoly(canvas, [points], 1)
    return canvas.astype(bool)


def _radii(mask: Mask) -> npt.NDArray[np.float64]:
    """How far a mask reaches from its centre of mass in each direction, pixels, at least 1."""
    rows, columns = np.nonzero(mask)
    dy, dx = rows - rows.mean(), columns - columns.mean()
    direction = (np.arctan2(dy, dx) / (2 * np.pi) * _RADII).round().astype(np.intp) % _RADII
    radii = np.zeros(_RADII)
    np.maximum.at(radii, direction, np.hypot(dy, dx))
    known = np.flatnonzero(radii)
    if not len(known):  # a single pixel
        return np.ones(_RADII)
    return np.maximum(np.interp(np.arange(_RADII), known, radii[known], period=_RADII), 1.0)


def _star_area(radii: npt.NDArray[np.float64]) -> float:
    """The area that radii enclose, pixels."""
    return float((radii * np.roll(radii, -1)).sum() * np.sin(2 * np.pi / _RADII) / 2)


def _fill(blob: Mask, models: Sequence[Cutout], target: Foreground, rng: np.random.Generator) -> Placed | None:
    """A mask with quilted texture, where its model's like would be."""
    model = models[int(rng.integers(len(models)))]
    ratio = float(np.sqrt(target.mask.size / model.mask.size))  # between photos of two sizes
    if ratio != 1:
        size_wh = [max(1, round(side * ratio)) for side in blob.shape[::-1]]
        blob = cv2.resize(blob.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    h, w = blob.shape
    height, width = target.mask.shape
    rows, columns = _places(model, target, rng)
    for at in rng.permutation(len(rows))[:30]:
        top, left = int(rows[at] - h / 2), int(columns[at] - w / 2)
        mask = np.zeros((height, width), bool)
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + h, height), min(left + w, width)
        if y1 <= y0 or x1 <= x0:
            continue
        mask[y0:y1, x0:x1] = blob[y0 - top : y1 - top, x0 - left : x1 - left]
        if model.share_on_object > _ON_OBJECT:
            mask &= target.mask
        if mask.sum() < 0.7 * blob.sum():
            continue
        mask = largest_part(mask)
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[y0:y1, x0:x1] = quilt(models, (y1 - y0, x1 - x0), rng)
        return Placed(pixels, mask)
    return None


def _places(
    model: Cutout, target: Foreground, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns where a defect's middle may be: on a round object as far from its centre as the model's."""
    rows, columns = np.nonzero(target.mask)
    if model.foreground.circle is None or target.circle is None:
        return rows, columns
    x, y, radius = model.foreground.circle
    at_y, at_x = (axis.mean() for axis in np.nonzero(model.mask))
    distance = np.hypot(at_x - x, at_y - y) / radius * target.circle[2]
    angles = rng.uniform(0, 2 * np.pi, 30)
    found_y = np.clip(target.circle[1] + distance * np.sin(angles), 0, target.mask.shape[0] - 1)
    found_x = np.clip(target.circle[0] + distance * np.cos(angles), 0, target.mask.shape[1] - 1)
    return found_y.astype(np.intp), found_x.astype(np.intp)


def quilt(models: Sequence[Cutout], size_hw: tuple[int, int], rng: np.random.Generator) -> Photo:
    """A picture made of patches of real defects that fit each other where they overlap.

    Efros and Freeman's quilting, with the cut of least difference in each overlap replaced by a soft one.

    Args:
        models: The defects.
        size_hw: Height and width of the picture.
        rng: Source of all that varies.

    Returns:
        uint8 H×W×3.
    """
    patches = np.concatenate([_patches(model) for model in models])
    height, width = size_hw
    step = _PATCH - _OVERLAP
    canvas = np.zeros((height + 2 * _PATCH, width + 2 * _PATCH, 3), np.float32)
    ramp = np.clip((np.arange(_PATCH) + 0.5) / _OVERLAP, 0, 1)
    for top in range(0, height, step):
        for left in range(0, width, step):
            under = canvas[top : top + _PATCH, left : left + _PATCH]
            choice = patches[rng.integers(len(patches), size=_CANDIDATES)].astype(np.float32)
            soft_y = ramp if top else np.ones(_PATCH)
            soft_x = ramp if left else np.ones(_PATCH)
            share = np.minimum.outer(soft_y, soft_x)[..., None].astype(np.float32)
            seam = (share < 1).astype(np.float32)
            errors = (((choice - under) * seam) ** 2).sum(axis=(1, 2, 3))
            taken = int(rng.choice(errors.argsort()[:_BEST]))
            canvas[top : top + _PATCH, left : left + _PATCH] = under * (1 - share) + choice[taken] * share
    return np.clip(canvas[:height, :width] + 0.5, 0, 255).astype(np.uint8)


@lru_cache(maxsize=512)
def _patches(model: Cutout) -> Photo:
    """uint8 N×P×P×3: squares of a real defect; where it holds none, its pixels are mirrored beyond its rim."""
    x, y, w, h = cv2.boundingRect(model.mask.view(np.uint8))
    mask = model.mask[y : y + h, x : x + w].astype(np.uint8)
    crop = np.ascontiguousarray(model.photo[y : y + h, x : x + w])
    filled = cv2.inpaint(crop, 1 - mask, 3, cv2.INPAINT_TELEA) if not mask.all() else crop
    pad = max(0, _PATCH + 1 - min(h, w))
    filled = cv2.copyMakeBorder(np.asarray(filled), 0, pad, 0, pad, cv2.BORDER_REFLECT)
    inside = cv2.copyMakeBorder(mask, 0, pad, 0, pad, cv2.BORDER_REFLECT)
    window = (_PATCH, _PATCH)
    sums = cv2.boxFilter(inside.astype(np.float32), -1, window, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    sums = sums[: filled.shape[0] - _PATCH, : filled.shape[1] - _PATCH]
    rows, columns = np.nonzero(sums >= min(0.9, float(sums.max())))
    taken = np.random.default_rng(0).integers(len(rows), size=_OF_DEFECT)
    return np.stack([filled[rows[at] : rows[at] + _PATCH, columns[at] : columns[at] + _PATCH] for at in taken])
