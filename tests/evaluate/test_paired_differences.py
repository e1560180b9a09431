"""Paired differences: the difference of the figures themselves, and an interval that knows both saw the same photos."""

from __future__ import annotations

import numpy as np
import pytest
from random_case import judge, random_case

from mvtec.errors import InputError
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.paired_differences import COMPARED_METRICS, paired_differences


def test_it_is_the_difference_of_the_figures():
    truth, results = random_case(3)
    ours, theirs = judge(truth, results), judge(truth, results[::2])
    found = paired_differences([ours], [theirs])
    mine, other = evaluate_boxes(ours, resamples=0), evaluate_boxes(theirs, resamples=0)
    for name in COMPARED_METRICS:
        if found[name].value is None:
            assert None in (mine[name].value, other[name].value)
        else:
            assert found[name].value == pytest.approx(mine[name].value - other[name].value)
            if found[name].reason != "no resample differs":
                assert found[name].low <= found[name].value <= found[name].high
                assert found[name].method == "paired percentile bootstrap over photos"


def test_nothing_is_gained_over_oneself_in_any_resample():
    truth, results = random_case(4)
    one = judge(truth, results)
    found = paired_differences([one], [one])
    for name in ("AP50", "AP", "AR100"):
        assert (found[name].value, found[name].low, found[name].reason) == (0, None, "no resample differs")


def test_answers_for_other_photos_are_refused():
    truth, results = random_case(4)
    other = {**truth, "images": [{**image, "file_name": f"other{image['id']}.png"} for image in truth["images"]]}
    with pytest.raises(InputError, match="other photos"):
        paired_differences([judge(truth, results)], [judge(other, results)])


def test_good_photos_that_never_raise_an_alarm_give_no_interval():
    truth, _ = random_case(4)
    good = [{**truth["images"][0], "id": 900 + number, "file_name": f"good{number}.png"} for number in range(4)]
    silent = judge({**truth, "images": truth["images"] + good}, [])
    found = paired_differences([silent], [silent])["FPR95"]
    assert found.n == 4
    assert (found.value, found.low, found.reason) == (0, None, "no resample differs")


def test_seeds_are_averaged_before_the_difference():
    truth, results = random_case(5)
    one, two = judge(truth, results), judge(truth, results[::3])
    both = paired_differences([one, two], [two])["AP50"].value
    assert both == pytest.approx(np.mean([paired_differences([one], [two])["AP50"].value, 0.0]))
