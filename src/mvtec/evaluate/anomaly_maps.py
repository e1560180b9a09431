"""Heat maps beside the truth: laid over the photo, and how much of the heat lies in the true mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.class_results import heat_file
from mvtec.datasets.images import Photo
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import Sample
from mvtec.evaluate.statistics.bootstrap import bootstrapped, draw_photos
from mvtec.evaluate.statistics.metric import Metric

AnomalyMap = npt.NDArray[np.float32]
_STRENGTH = 0.45  # of the colour over the photo


@dataclass(frozen=True)
class MapShare:
    """Of one photo.

    Attributes:
        share: The part of the heat that lies in the mask, 0 to 1.
        chance: The part of the photo that the mask covers: what heat spread evenly would have.
    """

    share: float
    chance: float


def read_map(folder: Path, photo: str, size_hw: tuple[int, int]) -> AnomalyMap | None:
    """The heat map of a photo, float32 H×W, 0 to 1, scaled to the photo's size; None where none was kept."""
    path = heat_file(folder, photo)
    if not path.is_file():
        return None
    heat = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if heat is None:
        return None
    return np.asarray(resize_map(np.asarray(heat, np.float32), size_hw) / 255, np.float32)


def resize_map(heat: AnomalyMap, size_hw: tuple[int, int]) -> AnomalyMap:
    """A heat map float32 h×w at another size, with straight lines between its places."""
    height, width = size_hw
    return np.asarray(cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def overlay_map(photo: Photo, heat: AnomalyMap | None) -> Photo:
    """A photo, uint8 H×W×3 in BGR order, with heat, 0 to 1, laid over it; as it is where there is none."""
    if heat is None:
        return photo
    coloured = cv2.applyColorMap(np.asarray(heat * 255, np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.addWeighted(photo, 1 - _STRENGTH, coloured, _STRENGTH, 0), np.uint8)


def map_shares(folder: Path, samples: Sequence[Sample]) -> dict[str, MapShare]:
    """The share of each photo that has a mask, and heat, by its path.

    Raises:
        BadMaskError: A mask breaks a label rule.
    """
    found = {}
    for sample in samples:
        if not sample.masks:
            continue
        mask = read_mask(sample)
        heat = read_map(folder, sample.path, mask.shape)
        if heat is not None and heat.any():
            found[sample.path] = MapShare(float(heat[mask].sum() / heat.sum()), float(mask.mean()))
    return found


def mean_map_shares(shares: Sequence[MapShare], *, resamples: int = 1000, seed: int = 0) -> dict[str, Metric]:
    """`heat_in_mask` and, for comparison, `mask_share`, each the mean over photos with a bootstrap interval."""
    n = len(shares)
    if not n:
        return {name: Metric(None, 0, 0, reason="no photo") for name in ("heat_in_mask", "mask_share")}
    drawn = draw_photos(n, resamples, seed)
    metrics = {}
    for name, values in (
        ("heat_in_mask", np.array([one.share for one in shares])),
        ("mask_share", np.array([one.chance for one in shares])),
    ):
        metrics[name] = bootstrapped(float(values.mean()), n, n, np.array([values[at].mean() for at in drawn]))
    return metrics
