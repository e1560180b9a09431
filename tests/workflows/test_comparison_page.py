"""What the page of a comparison says in sentences, and in which order it shows photos."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mvtec.evaluate.answers import Answers
from mvtec.evaluate.compare import compare
from mvtec.evaluate.detector_errors import ErrorKind
from mvtec.evaluate.report.gallery import Box, Card
from mvtec.evaluate.statistics.metric import Metric
from mvtec.workflows.comparison.page import differing_photos, verdict
from mvtec.workflows.comparison.result import CLASSIFIER, DETECTOR


def result(truth: dict[str, str], detector: dict[str, str], classifier: dict[str, str]) -> Any:
    """What `verdict` and `differing_photos` look at."""
    sides = {
        name: Answers(said, {path: float(label != "good") for path, label in said.items()})
        for name, said in ((DETECTOR, detector), (CLASSIFIER, classifier))
    }
    comparison = compare(truth, ["crack", "good"], *sides.items(), resamples=10)
    return SimpleNamespace(
        comparison=comparison,
        samples=list(truth),
        unlike=None,
        threshold_text="0.004 to 0.086",
        boxes={"AP50": Metric(0.5, 4, 3, 0.2, 0.8)},
        calls={name: side.classes for name, side in sides.items()},
        errors={"missed": ErrorKind(0, 0.0)},
    )


BOX = (0.0, 0.0, 5.0, 5.0)
TRUTH = {"a": "crack", "b": "crack", "c": "good", "d": "good"}
CARDS = [
    Card("a", Path("a"), (9, 9), (Box(BOX, "crack", None, "found"),), (Box(BOX, "crack", 0.9, "right"),)),
    Card("b", Path("b"), (9, 9), (Box(BOX, "crack", None, "missed"),), ()),
    Card("c", Path("c"), (9, 9), (), (Box(BOX, "crack", 0.1, "false"),)),
    Card("d", Path("d"), (9, 9), (), ()),
]


def test_the_summary_speaks_of_the_boxes_that_the_cards_show():
    said = verdict(result(TRUTH, TRUTH | {"b": "good", "c": "crack"}, TRUTH), CARDS)
    assert "from score 0.004 to 0.086 the detector finds 1 of 2 defects with 1 false box; its AP50" in said[1]
    assert said[2].startswith("Good or not: the detector raises 1 false alarm on 2 good photos")


def test_a_tie_is_called_one():
    other = result(TRUTH, TRUTH | {"a": "good"}, TRUTH | {"b": "good"})
    assert verdict(other, CARDS)[0] == "Naming: classifier and detector both give 3 of 4 photos the right class."


def test_a_small_p_is_not_zero():
    truth = {str(n): "crack" for n in range(15)}
    none = dict.fromkeys(truth, "good")
    assert "(McNemar p < 0.001)" in verdict(result(truth, truth, none), [])[0]
    assert result(TRUTH, TRUTH, TRUTH | {"a": "good"}).comparison.p_text == "p = 1.000"


def test_what_one_side_alone_names_right_comes_first_and_good_photos_ahead():
    truth = {"a": "crack", "b": "crack", "c": "crack", "d": "good"}
    found = result(truth, {"a": "good", "b": "crack", "c": "crack", "d": "good"}, dict.fromkeys(truth, "stain"))
    assert differing_photos(found) == ["d", "b", "c", "a"]  # both are wrong on a
