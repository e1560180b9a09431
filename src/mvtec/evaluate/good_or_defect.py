"""How well good photos are told from defective ones, whatever the defect: by a score, and by yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from mvtec.datasets.samples import GOOD
from mvtec.evaluate.bootstrap import bootstrapped, interval
from mvtec.evaluate.classes import share
from mvtec.evaluate.matching import Floats
from mvtec.evaluate.metric import Metric

RECALL = 0.95


def auroc(defective: npt.NDArray[np.bool_], scores: Floats, drawn: list[npt.NDArray[np.int64]]) -> Metric:
    """Area under the ROC curve of N photos.

    Args:
        defective: bool N.
        scores: float64 N, higher for a defect.
        drawn: Resamples, each the numbers of N photos; the interval is of those that hold both kinds.
    """
    if defective.all() or not defective.any():
        return Metric(None, len(scores), len(scores), reason="photos of one kind only")
    both = [at for at in drawn if 0 < int(defective[at].sum()) < len(at)]
    resampled = np.array([roc_auc_score(defective[at], scores[at]) for at in both] or [np.nan] * len(drawn))
    return bootstrapped(float(roc_auc_score(defective, scores)), len(scores), len(scores), resampled)


def false_alarms(defective: npt.NDArray[np.bool_], scores: Floats, drawn: list[npt.NDArray[np.int64]]) -> Metric:
    """The share of good photos that raise an alarm where 95 % of the defective ones do: the field's FPR95.

    The threshold is the highest score that at least 95 % of the defective photos reach. Where more than 5 % of them
    have the lowest score there is, as photos without any box have, every photo reaches it.

    The interval covers two: the bootstrap's, in which the threshold varies with the defective photos, and Wilson's of
    the share at the threshold found, since resamples of good photos without any alarm never have one.

    Args:
        defective: bool N.
        scores: float64 N, higher for a defect.
        drawn: Resamples, each the numbers of N photos; those count that hold both kinds.

    Returns:
        The share; its n is the number of good photos.

    >>> false_alarms(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1]), []).value
    0.5
    """
    good = int((~defective).sum())
    if not 0 < good < len(scores):
        return Metric(None, good, good, reason="photos of one kind only")

    found = share(int(_alarms(defective, scores).sum()), good)
    both = [at for at in drawn if 0 < int(defective[at].sum()) < len(at)]
    ends = interval(np.array([alarm_share(defective[at], scores[at]) for at in both])) if both else None
    if ends is None or found.low is None or found.high is None:
        return found
    return replace(found, low=min(ends[0], found.low), high=max(ends[1], found.high))


def alarm_share(defective: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The value of `false_alarms` alone; NaN where all photos are of one kind."""
    return float("nan") if defective.all() or not defective.any() else float(_alarms(defective, scores).mean())


def _alarms(defective: npt.NDArray[np.bool_], scores: Floats) -> npt.NDArray[np.bool_]:
    """Which of the good photos reach the score that 95 % of the defective ones reach."""
    return np.asarray(scores[~defective] >= catching_score(defective, scores))


def catching_score(defective: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The highest score that at least 95 % of the defective photos reach, of which there is one or more.

    >>> catching_score(np.array([True, True, False]), np.array([0.9, 0.4, 0.5]))
    0.4
    """
    bad = np.sort(scores[defective])
    return float(bad[len(bad) - int(np.ceil(RECALL * len(bad)))])


def yes_or_no(truth: Mapping[str, str], answers: Mapping[str, str]) -> dict[str, Metric]:
    """The shares of photos that are rightly called good or not, whatever defect is named.

    Args:
        truth: The class of each photo, by its path; anything but `good` is a defect.
        answers: What was said of each.

    Returns:
        `binary_accuracy` of all, `sensitivity` of the defective and `specificity` of the good photos, each with
        Wilson's 95 % interval.

    >>> found = yes_or_no({"a": "good", "b": "crack"}, {"a": "stain", "b": "stain"})
    >>> {name: metric.value for name, metric in found.items()}
    {'binary_accuracy': 0.5, 'sensitivity': 1.0, 'specificity': 0.0}
    """
    right = {path: (answers[path] == GOOD) == (label == GOOD) for path, label in truth.items()}
    bad = [right[path] for path, label in truth.items() if label != GOOD]
    good = [right[path] for path, label in truth.items() if label == GOOD]
    return {
        "binary_accuracy": share(sum(right.values()), len(right)),
        "sensitivity": share(sum(bad), len(bad)),
        "specificity": share(sum(good), len(good)),
    }
