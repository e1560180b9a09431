"""By how much one detector is better than another on the same photos, with an interval: both see the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mvtec.errors import InputError
from mvtec.evaluate.bootstrap import bootstrapped, draw_photos, interval
from mvtec.evaluate.boxes import photo_scores
from mvtec.evaluate.classes import wilson
from mvtec.evaluate.coco_figures import FIGURES, Tables
from mvtec.evaluate.good_or_defect import alarm_share
from mvtec.evaluate.matching import Floats, match
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged

_UNDEFINED = "undefined for one of the two"
GAINS = ("AP50", "AP", "AR100", "FPR95")


def gains(
    ours: Sequence[Judged], theirs: Sequence[Judged], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Metric]:
    """Each figure of `GAINS` of one detector less that of another.

    Photos are drawn anew with replacement, the same for both (paired percentile bootstrap). Of several trainings the
    mean is taken first; how much trainings differ is not in the interval. That of `FPR95` covers two: the bootstrap's,
    and Newcombe's for the difference of two shares (method 10, 1998), because resamples of photos of which all or none
    raise an alarm never have others.

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
    found = {
        name: bootstrapped(float(column[0]), photos, instances, column[1:])
        if not np.isnan(column[0])
        else Metric(None, photos, instances, reason=_UNDEFINED)
        for name, column in zip(GAINS[:-1], (mine - other).T[:-1], strict=True)
    }
    good = photos - int(photo_scores(ours[0])[0].sum())
    return found | {GAINS[-1]: _of_shares(mine[:, -1], other[:, -1], good)}


def _photos(judged: Judged) -> list[tuple[int, str]]:
    return [(image.id, image.file_name) for image in judged.truth.images]


def _of_shares(ours: Floats, theirs: Floats, good: int) -> Metric:
    """The difference of two shares of the good photos, the first of each column, its interval as `gains` says."""
    mine, other = float(ours[0]), float(theirs[0])
    if np.isnan(mine - other):
        return Metric(None, good, good, reason=_UNDEFINED)
    ends = interval((ours - theirs)[1:])
    if ends is None:
        return bootstrapped(mine - other, good, good, (ours - theirs)[1:])
    (mine_low, mine_high), (low, high) = (wilson(round(share * good), good) for share in (mine, other))
    below = mine - other - float(np.hypot(mine - mine_low, high - other))
    above = mine - other + float(np.hypot(mine_high - mine, other - low))
    return Metric(mine - other, good, good, min(ends[0], below), max(ends[1], above))


def _table(judged: Judged, drawn: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """float64 D×4: the figures of `GAINS` for each draw of photos."""
    figures = match(judged.truth_json, judged.results)
    weights = np.stack([np.bincount(at, minlength=figures.images) for at in drawn]).astype(np.float64)
    resampled = Tables(figures, weights)
    of_name = {figure.name: figure for figure in FIGURES}
    boxes = [resampled.mean(of_name[name], range(len(figures.names))) for name in GAINS[:-1]]
    defective, scores = photo_scores(judged)
    return np.stack([*boxes, np.array([alarm_share(defective[at], scores[at]) for at in drawn])], axis=1)
