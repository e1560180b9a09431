"""How well good photos are told from defective ones, whatever the defect: by a score, and by yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvtec.datasets.samples import GOOD
from mvtec.evaluate.statistics.bootstrap import bootstrapped, weights_of
from mvtec.evaluate.statistics.matching import Floats
from mvtec.evaluate.statistics.metric import Metric
from mvtec.evaluate.statistics.shares import share

RECALL = 0.95
_SHARES = 10  # drawn of each threshold's posterior
_CELLS = 2**20  # of a table of resamples to have in hand at once
PROPAGATED = "Monte Carlo propagation of the threshold and of Jeffreys' posterior"


@dataclass(frozen=True)
class PhotoPoint:
    """What raises an alarm where photos of at least one score do.

    Attributes:
        min_score: The score.
        why: Why it was chosen; empty for a round one.
        caught: How many defective photos raise an alarm.
        defective: Of how many.
        alarms: How many good photos raise one.
        good: Of how many.
    """

    min_score: float
    why: str
    caught: int
    defective: int
    alarms: int
    good: int

    @property
    def sensitivity(self) -> Metric:
        """The share of defective photos that raise an alarm, with Wilson's 95 % interval."""
        return share(self.caught, self.defective)

    @property
    def false_alarm_share(self) -> Metric:
        """The share of good photos that raise an alarm, with Wilson's 95 % interval."""
        return share(self.alarms, self.good)

    def to_json(self) -> dict[str, Any]:
        shares = {"sensitivity": self.sensitivity, "false_alarm_share": self.false_alarm_share}
        return asdict(self) | {name: metric.to_json() for name, metric in shares.items()}


def auroc(defective: npt.NDArray[np.bool_], scores: Floats, drawn: list[npt.NDArray[np.int64]]) -> Metric:
    """Area under the ROC curve of N photos.

    Args:
        defective: bool N.
        scores: float64 N, higher for a defect.
        drawn: Resamples, each the numbers of N photos; the interval is of those that hold both kinds.
    """
    if defective.all() or not defective.any():
        return Metric(None, len(scores), len(scores), reason="photos of one kind only")
    weights = np.concatenate([np.ones((1, len(scores))), weights_of(drawn, len(scores))])
    areas = _roc_areas(defective, scores, weights)
    return bootstrapped(float(areas[0]), len(scores), len(scores), areas[1:])


def _roc_areas(defective: npt.NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """float64 R: the share of pairs of a defective and a good photo in which the first scores higher; a tie is half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    bad, good = (np.add.reduceat(weights[:, order] * kind[order], starts, axis=1) for kind in (defective, ~defective))
    below = np.cumsum(good, axis=1) - good
    pairs = bad.sum(axis=1) * good.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((bad * (below + good / 2)).sum(axis=1) / pairs, np.float64)


def false_alarms(defective: npt.NDArray[np.bool_], scores: Floats, resamples: int, seed: int) -> Metric:
    """The share of good photos that raise an alarm where 95 % of the defective ones do: the field's FPR95.

    The threshold is the highest score that at least 95 % of the defective photos reach. Where more than 5 % of them
    have the lowest score there is, as photos without any box have, every photo reaches it.

    Two things are uncertain: the threshold, by the defective photos, and the share above it, by the good ones. The
    interval propagates both (Monte Carlo, JCGM 101:2008, *Propagation of distributions*): the threshold of defective
    photos drawn anew with replacement, then shares drawn from Jeffreys' posterior Beta(k + ½, n - k + ½) of the k of n
    good photos that reach it (Brown, Cai & DasGupta, *Interval Estimation for a Binomial Proportion*, 2001). Its lower
    end is 0 where no good photo ever raises an alarm, its upper end 1 where all do.

    Args:
        defective: bool N.
        scores: float64 N, higher for a defect.
        resamples: How many thresholds to draw; 0 for no interval.
        seed: Seed of the draw.

    Returns:
        The share; its n is the number of good photos.

    >>> false_alarms(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1]), 0, 0).value
    0.5
    """
    good = np.sort(scores[~defective])
    n = len(good)
    if not 0 < n < len(scores):
        return Metric(None, n, n, reason="photos of one kind only")
    value = alarm_share(defective, scores)
    if not resamples:
        return Metric(value, n, n, reason="no resampling")
    random, bad = np.random.default_rng(seed), scores[defective]
    rows = max(1, _CELLS // len(bad))
    parts = [min(rows, resamples - at) for at in range(0, resamples, rows)]
    thresholds = np.concatenate(
        [_reached_by_most(bad[random.integers(0, len(bad), (count, len(bad)))]) for count in parts]
    )
    alarms = n - np.searchsorted(good, thresholds, side="left")
    shares = random.beta(alarms + 0.5, n - alarms + 0.5, (_SHARES, resamples))
    low, high = np.percentile(shares, [2.5, 97.5])
    low, high = (0.0 if not alarms.any() else low), (1.0 if (alarms == n).all() else high)
    return Metric(value, n, n, min(float(low), value), max(float(high), value), method=PROPAGATED)


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
    return float(_reached_by_most(scores[None, defective])[0])


def _reached_by_most(scores: Floats) -> Floats:
    """Of scores R×N, N > 0, the highest of each row that at least 95 % of them reach."""
    at = scores.shape[1] - int(np.ceil(RECALL * scores.shape[1]))
    return np.asarray(np.partition(scores, at, axis=1)[:, at], np.float64)


def to_three_places(score: float) -> float:
    """A score cut to three places.

    >>> to_three_places(0.12999)
    0.129
    """
    return float(np.floor(round(score * 1000, 6)) / 1000)


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
