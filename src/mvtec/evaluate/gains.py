"""By how much one detector is better than another on the same photos, with an interval: both see the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvtec.evaluate.bootstrap import interval
from mvtec.evaluate.boxes import FIGURES, mean_of_classes, photo_scores
from mvtec.evaluate.good_or_defect import alarm_share, draw_photos
from mvtec.evaluate.matching import Floats, match
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged

GAINS = ("AP50", "AP", "AR100", "FPR95")


def gains(
    ours: Sequence[Judged], theirs: Sequence[Judged], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Each figure of `GAINS` of one detector less that of another.

    Photos are drawn anew with replacement, the same for both (paired percentile bootstrap). What another training
    would give is in the interval only as far as there are several trainings, over which the mean is taken first.

    Args:
        ours: The answers of the one, of each of its trainings.
        theirs: Those of the other, on the same photos.
        resamples: How often to draw.
        seed: Seed of the draw.

    Returns:
        The differences; of `FPR95` a negative one is the better.
    """
    photos = len(ours[0].truth.images)
    drawn = [np.arange(photos), *draw_photos(photos, resamples, seed)]
    difference = np.mean([_table(one, drawn) for one in ours], axis=0) - np.mean(
        [_table(one, drawn) for one in theirs], axis=0
    )
    instances = len(ours[0].truth.annotations)
    return {
        name: Metric(float(column[0]), photos, instances, *(interval(column[1:]) or (None, None)))
        if not np.isnan(column[0])
        else Metric(None, photos, instances, reason="undefined for one of the two")
        for name, column in zip(GAINS, difference.T, strict=True)
    }


def _table(judged: Judged, drawn: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """float64 D×4: the figures of `GAINS` for each draw of photos."""
    figures = match(judged.truth_json, judged.results)
    weights = np.stack([np.bincount(at, minlength=figures.images) for at in drawn]).astype(np.float64)
    boxes = [
        mean_of_classes(one, [figures.matches[k, one.area] for k in range(len(figures.names))], weights)
        for name in GAINS[:-1]
        for one in FIGURES
        if one.name == name
    ]
    defective, scores = photo_scores(judged)
    return np.stack([*boxes, np.array([alarm_share(defective[at], scores[at]) for at in drawn])], axis=1)
