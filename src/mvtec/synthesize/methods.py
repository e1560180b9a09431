"""The table of methods: how each one makes a defect and lays it onto a normal photo.

A method has two steps. `fit` learns once from all train defects of one type and returns a `Draw`. A `Draw` makes one
defect for one normal photo. `blend` then lays it onto the photo. A new method is a `fit` and a line in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mvtec.synthesize.blend import paste, poisson
from mvtec.synthesize.cutout import Cutout, Placed, place
from mvtec.synthesize.foreground import Foreground, Mask, Photo
from mvtec.synthesize.textures import cutpaste_defect, fit_outline, perlin_defect

Method: TypeAlias = str  # a name in METHODS


@dataclass(frozen=True, eq=False)
class NormalPhoto:
    """A normal photo of the train part.

    Attributes:
        path: Its path in the data set.
        photo: uint8 H×W×3, BGR.
        foreground: The object in it.
    """

    path: str
    photo: Photo
    foreground: Foreground


@dataclass(frozen=True, eq=False)
class Drawn:
    """A defect for a normal photo.

    Attributes:
        placed: Its pixels and mask.
        sources: The paths of the defect photos it is made of.
    """

    placed: Placed
    sources: list[str]


Draw = Callable[[NormalPhoto, np.random.Generator], Drawn | None]  # None where no position was found


@dataclass(frozen=True)
class SynthesisMethod:
    """A line of the table.

    Attributes:
        fit: Learns from the defects of one type; called once for each type.
        blend: Lays a defect onto a photo; returns the new photo and the mask of the defect in it.
    """

    fit: Callable[[Sequence[Cutout]], Draw]
    blend: Callable[[Photo, Placed], tuple[Photo, Mask]]


def _fit_moved(cutouts: Sequence[Cutout]) -> Draw:
    """A real defect, moved, turned and bent."""

    def draw(normal: NormalPhoto, rng: np.random.Generator) -> Drawn | None:
        cutout = _one_of(cutouts, rng)
        return _drawn(place(cutout, normal.foreground, rng), [cutout.source])

    return draw


def _fit_perlin(cutouts: Sequence[Cutout]) -> Draw:
    """A blob of noise with the texture of a real defect."""

    def draw(normal: NormalPhoto, rng: np.random.Generator) -> Drawn | None:
        cutout = _one_of(cutouts, rng)
        return _drawn(perlin_defect(cutout, normal.foreground, rng), [cutout.source])

    return draw


def _fit_cutpaste(cutouts: Sequence[Cutout]) -> Draw:
    """A piece of the normal photo itself in the shape of a real defect."""

    def draw(normal: NormalPhoto, rng: np.random.Generator) -> Drawn | None:
        cutout = _one_of(cutouts, rng)
        return _drawn(cutpaste_defect(normal.photo, cutout, normal.foreground, rng), [cutout.source])

    return draw


def _fit_quilt(cutouts: Sequence[Cutout]) -> Draw:
    """A new outline of the type, filled with the texture of all its defects."""
    new_defect = fit_outline(cutouts)
    sources = sorted({cutout.source for cutout in cutouts})

    def draw(normal: NormalPhoto, rng: np.random.Generator) -> Drawn | None:
        return _drawn(new_defect(normal.foreground, rng), sources)

    return draw


def _one_of(cutouts: Sequence[Cutout], rng: np.random.Generator) -> Cutout:
    return cutouts[int(rng.integers(len(cutouts)))]


def _drawn(placed: Placed | None, sources: list[str]) -> Drawn | None:
    return None if placed is None else Drawn(placed, sources)


METHODS: dict[Method, SynthesisMethod] = {
    "paste": SynthesisMethod(_fit_moved, paste),
    "poisson": SynthesisMethod(_fit_moved, poisson),
    "perlin": SynthesisMethod(_fit_perlin, paste),
    "cutpaste": SynthesisMethod(_fit_cutpaste, paste),
    "quilt": SynthesisMethod(_fit_quilt, paste),
}
