"""FPR95 against a plain count, with ties and photos without a score."""

from __future__ import annotations

import numpy as np
import pytest

from mvtec.evaluate.bootstrap import draw_photos
from mvtec.evaluate.good_or_defect import false_alarms


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
    found = false_alarms(defective, np.array([*bad, *good]), draw_photos(47, 200, 0))
    assert found.value == pytest.approx(_plain(bad, good))
    assert found.n == 17
    assert found.low <= found.value <= found.high
    if seed >= 2:  # more than 5 % of the bad ones have no score: every photo raises an alarm
        assert found.value == 1


def test_no_alarm_in_four_photos_is_no_certainty():
    defective = np.array([True] * 20 + [False] * 4)
    found = false_alarms(defective, np.linspace(1, 0, 24), draw_photos(24, 200, 0))
    assert (found.value, found.low) == (0, 0)
    assert found.high > 0.4


def test_photos_of_one_kind_have_none():
    assert false_alarms(np.array([True, True]), np.array([0.1, 0.2]), []).value is None
    assert false_alarms(np.array([False]), np.array([0.1]), []).value is None
