"""Heat maps against masks, pixel by pixel: AUROC and AUPRO, from histograms, so that no map is kept at full size.

Bergmann et al., *The MVTec Anomaly Detection Dataset*, International Journal of Computer Vision 129, 2021: the
per-region overlap (PRO) at a threshold is the mean, over all defect regions, of the share of a region that is above it;
AUPRO is the area under PRO over the false positive rate of sound pixels, up to a rate of 0.3, divided by 0.3. A region
is 8-connected.

The histogram has a bin for each distinct heat where there are few. Else its edges are quantiles of the maps as the
model gives them, 4,096 of them, so that a step along the curve is about 1 in 4,096 pixels wide wherever it is; between
the steps the curve is taken as straight. A photo takes 100 kB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import Mask, split_mask
from mvtec.evaluate.anomaly_maps import AnomalyMap
from mvtec.evaluate.statistics.matching import Floats

FPR_LIMIT = 0.3
_EDGES = 4096


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """Of one photo, by bin of heat from the coldest to the hottest.

    Attributes:
        sound: float64 B, its sound pixels.
        defective: float64 B, its defective pixels.
        overlap: float64 B, of each region the share of its pixels, summed over its regions.
        regions: How many regions it has.
    """

    sound: Floats
    defective: Floats
    overlap: Floats
    regions: int


def histogram_edges(maps: Iterable[AnomalyMap]) -> Floats:
    """The edges between the bins, ascending, float64; see the head of this file."""
    values = np.unique(np.concatenate([heat.ravel() for heat in maps]))
    if len(values) <= _EDGES:
        return values.astype(np.float64)
    every = np.concatenate([heat.ravel() for heat in maps])
    return np.unique(np.quantile(every, np.linspace(0, 1, _EDGES)))


def count_pixels(heat: AnomalyMap, mask: Mask | None, edges: Floats) -> PixelCounts:
    """Sort the pixels of one photo into bins.

    Args:
        heat: float32 H×W, of the photo's size.
        mask: bool H×W, true where a defect is; None for a good photo.
        edges: As `histogram_edges` gives them.
    """
    bins = np.searchsorted(edges, heat, side="right")

    def histogram(chosen: npt.NDArray[np.intp]) -> Floats:
        return np.bincount(chosen.ravel(), minlength=len(edges) + 1).astype(np.float64)

    if mask is None:
        empty = np.zeros(len(edges) + 1)
        return PixelCounts(histogram(bins), empty, empty, 0)
    overlap, regions = np.zeros(len(edges) + 1), split_mask(mask)
    for region in regions:
        x, y, w, h = region.box_xywh
        overlap += histogram(bins[y : y + h, x : x + w][region.crop]) / region.area
    return PixelCounts(histogram(bins[~mask]), histogram(bins[mask]), overlap, len(regions))


@dataclass(frozen=True, eq=False)
class PixelTable:
    """The counts of several photos, a row each, hottest bin first.

    Attributes:
        sound: float64 I×B.
        defective: float64 I×B.
        overlap: float64 I×B.
        regions: float64 I.
    """

    sound: Floats
    defective: Floats
    overlap: Floats
    regions: Floats

    @staticmethod
    def of(counts: list[PixelCounts]) -> PixelTable:
        """The table of at least one photo."""

        def rows(name: str) -> Floats:
            return np.stack([getattr(photo, name)[::-1] for photo in counts])

        return PixelTable(
            rows("sound"), rows("defective"), rows("overlap"), np.array([photo.regions for photo in counts], np.float64)
        )

    def auroc(self, weights: Floats) -> Floats:
        """float64 R, for weights of the photos R×I; NaN where a resample has no pixel of one kind."""
        return area(_curve(weights @ self.sound), _curve(weights @ self.defective), 1.0)

    def aupro(self, weights: Floats) -> Floats:
        """As `auroc`."""
        total = weights @ self.regions
        with np.errstate(divide="ignore", invalid="ignore"):
            overlap = np.cumsum(weights @ self.overlap, axis=1) / total[:, None]
        return area(_curve(weights @ self.sound), np.pad(overlap, ((0, 0), (1, 0))), FPR_LIMIT) / FPR_LIMIT


def _curve(counts: Floats) -> Floats:
    """Of counts R×B the share up to each bin, from 0 to 1: R×(B+1); NaN where there is nothing to share."""
    sums = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums / sums[:, -1:], np.float64)


def area(x: Floats, y: Floats, limit: float) -> Floats:
    """The area under curves R×P from x = 0 to `limit`, with straight lines between their points.

    >>> area(np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 1.0, 1.0]]), 0.25).tolist()
    [0.0625]
    """
    left, width = x[:, :-1], np.diff(x, axis=1)
    inside = np.clip(limit - left, 0, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(width > 0, np.diff(y, axis=1) * inside / width, 0.0)
    return np.asarray((inside * (y[:, :-1] + rise / 2)).sum(axis=1), np.float64)
