"""The kinds of errors and their cost, against the tool of the paper that defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_case import random_case

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.evaluate.detector_errors import KINDS, detector_errors
from mvtec.evaluate.predictions import EvaluationInput

SHORT = dict(zip(KINDS, ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"), strict=True))


def judged(truth: dict[str, Any], results: list[dict[str, Any]]) -> EvaluationInput:
    return EvaluationInput(CocoDataset.model_validate(truth), truth, results, None, ())


@pytest.mark.parametrize("seed", range(8))
def test_counts_and_costs_are_those_of_tide(seed: int, monkeypatch: pytest.MonkeyPatch):
    # pycocotools' grid of recalls differs from tidecv's in the last bit, which moves a bar where a recall is on it
    monkeypatch.setattr("mvtec.evaluate.statistics.coco_metrics.RECALLS", np.arange(101) / 100)
    tidecv = pytest.importorskip("tidecv")
    from tidecv.data import Data

    truth, results = random_case(seed, images=12)
    theirs, said = Data("truth"), Data("found")
    for category in truth["categories"]:
        theirs.add_class(category["id"], category["name"])
        said.add_class(category["id"], category["name"])
    for image in truth["images"]:
        theirs.add_image(image["id"], image["file_name"])
        said.add_image(image["id"], image["file_name"])
    for annotation in truth["annotations"]:
        theirs.add_ground_truth(annotation["image_id"], annotation["category_id"], annotation["bbox"])
    for result in results:
        said.add_detection(result["image_id"], result["category_id"], result["score"], result["bbox"])
    run = tidecv.TIDE().evaluate(theirs, said, mode=tidecv.TIDE.BOX)
    costs = run.fix_main_errors()
    counts = {kind.short_name: len(errors) for kind, errors in run.error_dict.items()}
    found = detector_errors(judged(truth, results))
    for kind in KINDS:
        cost = next(value for error, value in costs.items() if error.short_name == SHORT[kind])
        assert found[kind].count == counts[SHORT[kind]], kind
        assert found[kind].cost * 100 == pytest.approx(cost, abs=1e-9), kind


def test_each_kind_once():
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (label, box) in enumerate(
                [(1, [0, 0, 10, 10]), (1, [30, 0, 10, 10]), (2, [60, 0, 10, 10]), (2, [0, 60, 10, 10])], start=1
            )
        ],
    }
    said = [
        (1, [0, 0, 10, 10], 0.9),  # found
        (1, [0, 0, 10, 9], 0.8),  # duplicate
        (1, [35, 0, 10, 10], 0.7),  # location: IoU 1/3 with the second
        (1, [60, 0, 10, 10], 0.6),  # class
        (1, [64, 0, 10, 10], 0.5),  # both: IoU 3/7 with the third
        (2, [90, 90, 5, 5], 0.4),  # background
    ]
    results = [{"image_id": 1, "category_id": label, "bbox": box, "score": score} for label, box, score in said]
    found = detector_errors(judged(truth, results))
    assert {kind: error.count for kind, error in found.items()} == dict.fromkeys(KINDS, 1)
    assert found["class"].cost > found["background"].cost == 0


def test_boxes_of_a_class_without_truth_cost_no_more_than_the_figure_sees():
    truth, _ = random_case(2)
    truth["categories"].append({"id": 9, "name": "none of these"})
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9}
        for a in truth["annotations"]
    ]
    stray = {"image_id": truth["images"][0]["id"], "category_id": 9, "bbox": [890, 890, 5, 5], "score": 0.002}
    found = detector_errors(judged(truth, [*results, stray]))
    assert (found["background"].count, found["background"].cost) == (1, 0)


def test_nothing_found_is_all_missed():
    truth, _ = random_case(3)
    found = detector_errors(judged(truth, []))
    assert found["missed"].count == len(truth["annotations"])
    assert found["missed"].cost == 0  # with no detection there is no precision to win
    assert found["class"].count == 0
