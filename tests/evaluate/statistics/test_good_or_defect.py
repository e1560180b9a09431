"""FPR95 against a plain count, with ties and photos without a score; areas and F1 against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binom
from sklearn.metrics import f1_score, roc_auc_score

from mvtec.evaluate.classes import score_answers
from mvtec.evaluate.statistics.bootstrap import draw_photos
from mvtec.evaluate.statistics.good_or_defect import auroc, false_alarms


def _plain(bad: list[float], good: list[float]) -> float:
    """The share of good photos at the highest threshold that catches 95 % of the bad ones."""
    for threshold in sorted({*bad, *good}, reverse=True):
        if sum(score >= threshold for score in bad) >= 0.95 * len(bad):
            return sum(score >= threshold for score in good) / len(good)
    raise AssertionError


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_counting_gives(seed: int):
    random = np.random.default_rng(seed)
    bad = np.round(random.uniform(0.2, 1, 30), 1).tolist()
    good = np.round(random.uniform(0, 0.8, 17), 1).tolist()
    bad[:seed] = [0.0] * seed  # photos without any box
    defective = np.array([True] * 30 + [False] * 17)
    found = false_alarms(defective, np.array([*bad, *good]), 200, 0)
    assert found.value == pytest.approx(_plain(bad, good))
    assert found.n == 17
    assert found.low <= found.value <= found.high
    if seed >= 2:  # more than 5 % of the bad ones have no score: every photo raises an alarm
        assert found.value == 1


def test_no_alarm_in_four_photos_is_no_certainty():
    defective = np.array([True] * 20 + [False] * 4)
    found = false_alarms(defective, np.linspace(1, 0, 24), 200, 0)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(beta(0.5, 4.5).ppf(0.975), abs=0.03)  # Jeffreys' interval of 0 of 4


def test_the_interval_propagates_the_threshold_and_the_share():
    """With very many good photos that of the threshold is left: its order statistics (binomial), here of 40 photos."""
    bad, good = np.linspace(0.5, 0.9, 40), np.linspace(0, 1, 20_001)
    found = false_alarms(np.array([True] * 40 + [False] * 20_001), np.concatenate([bad, good]), 4000, 0)
    # the 3rd lowest of 40 drawn anew is at or below the k-th lowest where at least 3 of 40 draws are among the k lowest
    below = [1 - binom(40, k / 40).cdf(2) for k in range(1, 41)]
    low, high = (next(k for k, share in enumerate(below) if share >= end) for end in (0.025, 0.975))
    assert found.low == pytest.approx(1 - bad[high], abs=0.012)
    assert found.high == pytest.approx(1 - bad[low], abs=0.012)
    assert found.method == "Monte Carlo propagation of the threshold and of Jeffreys' posterior"


@pytest.mark.parametrize("seed", range(3))
def test_areas_of_resamples_are_those_of_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    defective = random.random(25) < 0.4
    scores = np.round(random.random(25) + 0.3 * defective, 1)  # with ties
    drawn = draw_photos(25, 60, seed)
    both = [at for at in drawn if 0 < defective[at].sum() < 25]
    areas = [roc_auc_score(defective[at], scores[at]) for at in both]
    found = auroc(defective, scores, drawn)
    assert found.value == pytest.approx(roc_auc_score(defective, scores))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])))


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_of_resamples_is_that_of_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    names = np.array(["good", "crack", "stain", "never"])
    true, said = names[random.integers(0, 3, 30)], names[random.integers(0, 3, 30)]
    true[true == "stain"] = np.where(random.random((true == "stain").sum()) < 0.8, "crack", "stain")
    paths = [f"{n:02}" for n in range(30)]
    found = score_answers(
        dict(zip(paths, true, strict=True)),
        dict(zip(paths, said, strict=True)),
        names.tolist(),
        resamples=60,
        seed=seed,
    ).metrics["macro_f1"]
    values = [f1_score(true[at], said[at], average="macro", zero_division=0.0) for at in draw_photos(30, 60, seed)]
    assert found.value == pytest.approx(f1_score(true, said, average="macro", zero_division=0.0))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_photos_of_one_kind_have_none():
    assert false_alarms(np.array([True, True]), np.array([0.1, 0.2]), 0, 0).value is None
    assert false_alarms(np.array([False]), np.array([0.1]), 0, 0).value is None
