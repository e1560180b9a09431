"""How well an anomaly detector tells good from defective photos, and sound from defective pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.anomaly_maps import AnomalyMap, resize_map
from mvtec.evaluate.statistics.bootstrap import bootstrapped, draw_photos, draw_weights
from mvtec.evaluate.statistics.good_or_defect import (
    PhotoPoint,
    auroc,
    catching_score,
    false_alarms,
    to_three_places,
    yes_or_no,
)
from mvtec.evaluate.statistics.matching import Floats
from mvtec.evaluate.statistics.metric import Metric
from mvtec.evaluate.statistics.pixels import PixelTable, count_pixels, histogram_edges

DEFECT = "defect"  # what is said of a photo whose defect has no name
OWN, SILENT = "the detector's own threshold", "no good photo here reaches it"
CATCHING, CATCHING_ALL = "95 % of these bad photos reach it", "all of these bad photos reach it"
OF_DEFECT = ("image_auroc", "sensitivity", "pixel_auroc", "aupro")


@dataclass(frozen=True, eq=False)
class AnomalyFigures:
    """What came of it.

    Attributes:
        metrics: `image_auroc`, `pixel_auroc` and `aupro` with bootstrap intervals over photos, `FPR95`;
            `binary_accuracy`, `sensitivity` and `specificity` at the threshold with Wilson's; then those of `OF_DEFECT`
            for each defect type, against all good photos, as `aupro/crack`.
        truth: The class of each photo by its path.
        scores: Its score.
        answers: `good` or `defect`.
        threshold: A photo is called defective above it.
        points: What raises an alarm at the threshold, and at scores that these photos choose, by rising score.
    """

    metrics: dict[str, Metric]
    truth: dict[str, str]
    scores: dict[str, float]
    answers: dict[str, str]
    threshold: float
    points: tuple[PhotoPoint, ...] = ()

    def margin(self, path: str) -> float:
        """How far a photo's score is on the right side of the threshold, as a share of it; below 0 it is wrong."""
        above = self.scores[path] / self.threshold - 1
        return -above if self.truth[path] == GOOD else above


def evaluate_anomaly(
    samples: Sequence[Sample],
    maps: Mapping[str, AnomalyMap],
    threshold: float,
    *,
    resamples: int = 1000,
    seed: int = 0,
    on_photo: Callable[[], None] = lambda: None,
) -> AnomalyFigures:
    """Score heat maps.

    Args:
        samples: The photos, at least one.
        maps: The heat of each by its path, float32 h×w of any size; its maximum is the photo's score.
        threshold: Above it a photo counts as defective.
        resamples: How often to draw; 0 for no bootstrap intervals.
        seed: Seed of the draw.
        on_photo: Called after each photo whose pixels are counted.

    Raises:
        BadMaskError: A mask is missing or breaks a label rule.
    """
    ordered = sorted(samples, key=lambda sample: sample.path)
    truth = {sample.path: sample.defect for sample in ordered}
    scores = {path: float(maps[path].max()) for path in truth}
    answers = {path: DEFECT if score > threshold else GOOD for path, score in scores.items()}
    edges, counts = histogram_edges([maps[path] for path in truth]), []
    for sample in ordered:
        mask = None if sample.is_good else read_mask(sample)
        size_hw = photo_size_wh(sample.photo)[::-1] if mask is None else mask.shape
        counts.append(count_pixels(resize_map(maps[sample.path], size_hw), mask, edges))
        on_photo()

    def areas(chosen: list[int]) -> dict[str, Metric]:
        paths = [ordered[number].path for number in chosen]
        defective = np.array([truth[path] != GOOD for path in paths])
        own = np.array([scores[path] for path in paths], np.float64)
        drawn = draw_photos(len(paths), resamples, seed)
        found = {"image_auroc": auroc(defective, own, drawn)}
        table = PixelTable.of([counts[number] for number in chosen])
        weights = draw_weights(len(paths), resamples, seed) if resamples and len(paths) > 1 else None
        for name, figure in (("pixel_auroc", table.auroc), ("aupro", table.aupro)):
            value = float(figure(np.ones((1, len(paths))))[0])
            regions = int(table.regions.sum())
            if np.isnan(value):
                found[name] = Metric(None, len(paths), regions, reason="pixels of one kind only")
                continue
            resampled = None if weights is None else np.concatenate([figure(row) for row in _chunks(weights)])
            found[name] = bootstrapped(value, len(paths), regions, resampled)
        return found

    good = [number for number, sample in enumerate(ordered) if sample.is_good]
    said = yes_or_no(truth, answers)
    defective = np.array([not sample.is_good for sample in ordered])
    every = np.array([scores[sample.path] for sample in ordered], np.float64)
    alarms = false_alarms(defective, every, resamples, seed)
    metrics = areas(list(range(len(ordered)))) | {"FPR95": alarms} | said
    for defect in sorted({label for label in truth.values() if label != GOOD}):
        own = [number for number, sample in enumerate(ordered) if sample.defect == defect]
        of_defect = areas(sorted([*good, *own]))
        of_defect["sensitivity"] = yes_or_no({ordered[number].path: defect for number in own}, answers)["sensitivity"]
        metrics |= {f"{name}/{defect}": of_defect[name] for name in OF_DEFECT}
    return AnomalyFigures(metrics, truth, scores, answers, threshold, _points(defective, every, threshold))


def _points(defective: npt.NDArray[np.bool_], scores: Floats, threshold: float) -> tuple[PhotoPoint, ...]:
    """Of the detector's own threshold, and where the photos are of both kinds, of three that they choose.

    Those are the highest scores that 95 % and all of the defective photos reach, and the lowest that no good photo
    reaches, each to three places, towards more alarms and towards fewer.
    """
    why: dict[float, list[str]] = {float(np.nextafter(threshold, np.inf)): [OWN]}  # an alarm is above it
    if 0 < defective.sum() < len(defective):
        for score, reason in ((catching_score(defective, scores), CATCHING), (scores[defective].min(), CATCHING_ALL)):
            why.setdefault(to_three_places(float(score)), []).append(reason)
        silent = to_three_places(float(scores[~defective].max())) + 0.001
        why.setdefault(round(silent, 3), []).append(SILENT)
    points = []
    for least in sorted(why):
        alarm = scores >= least
        points.append(
            PhotoPoint(
                min_score=threshold if OWN in why[least] else least,
                why=", ".join(why[least]),
                caught=int(alarm[defective].sum()),
                defective=int(defective.sum()),
                alarms=int(alarm[~defective].sum()),
                good=int((~defective).sum()),
            )
        )
    return tuple(points)


def _chunks(weights: Floats) -> list[Floats]:
    """Some resamples at a time: their curves are long."""
    return np.array_split(weights, max(1, len(weights) // 100))
