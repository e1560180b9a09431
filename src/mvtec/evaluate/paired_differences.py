"""By how much one detector is better than another on the same photos, with an interval: both see the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvtec.errors import InputError
from mvtec.evaluate.boxes import photo_scores, truth_scores
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.bootstrap import PAIRED_BOOTSTRAP, bootstrapped, draw_photos
from mvtec.evaluate.statistics.coco_metrics import FIGURES, Tables, figures_with
from mvtec.evaluate.statistics.good_or_defect import alarm_share
from mvtec.evaluate.statistics.matching import Floats, match
from mvtec.evaluate.statistics.metric import Metric

_UNDEFINED = "undefined for one of the two"
COMPARED_METRICS = ("AP50", "AP", "AR100", "FPR95")


def paired_differences(
    ours: Sequence[EvaluationInput], theirs: Sequence[EvaluationInput], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Each figure of `COMPARED_METRICS` of one detector less that of another.

    Photos are drawn anew with replacement, the same for both (paired percentile bootstrap). Of several trainings the
    mean is taken first; how much trainings differ is not in the interval. Where no resample differs, as where all or
    none of the good photos raise an alarm, there is none.

    Args:
        ours: The answers of the one, of each of its trainings.
        theirs: Those of the other, on the same photos.
        resamples: How often to draw.
        seed: Seed of the draw.

    Returns:
        The differences; of `FPR95` a negative one is the better, and its n is the number of good photos.

    Raises:
        InputError: They are not about the same photos.
    """
    first = _photos(ours[0])
    if any(_photos(one) != first for one in (*ours, *theirs)):
        raise InputError("the two detectors", "have answered for other photos", "Give answers for the same photos")
    photos = len(first)
    drawn = [np.arange(photos), *draw_photos(photos, resamples, seed)]
    mine, other = (np.mean([_table(one, drawn) for one in side], axis=0) for side in (ours, theirs))
    instances = len(ours[0].truth.annotations)
    good = int((~photo_scores(ours[0])[0]).sum())
    found = {}
    for name, column in zip(COMPARED_METRICS, (mine - other).T, strict=True):
        n, of = (good, good) if name == "FPR95" else (photos, instances)
        found[name] = (
            Metric(None, n, of, reason=_UNDEFINED)
            if np.isnan(column[0])
            else bootstrapped(float(column[0]), n, of, column[1:], PAIRED_BOOTSTRAP)
        )
    return found


def _photos(judged: EvaluationInput) -> list[tuple[int, str]]:
    return [(image.id, image.file_name) for image in judged.truth.images]


def _table(judged: EvaluationInput, drawn: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """float64 D×4: the figures of `COMPARED_METRICS` for each draw of photos."""
    figures = match(judged.truth_json, judged.results, judged.max_detections)
    weights = np.stack([np.bincount(at, minlength=figures.images) for at in drawn]).astype(np.float64)
    resampled = Tables(figures, weights)
    of_name = dict(zip((figure.name for figure in FIGURES), figures_with(judged.max_detections), strict=True))
    boxes = [resampled.mean(of_name[name], range(len(figures.names))) for name in COMPARED_METRICS[:-1]]
    defective, scores, counts = truth_scores(judged)
    kept = [at[counts[at]] for at in drawn]
    return np.stack([*boxes, np.array([alarm_share(defective[at], scores[at]) for at in kept])], axis=1)
