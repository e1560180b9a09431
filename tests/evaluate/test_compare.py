"""Answers of whole photos, the threshold, and the comparison of two sides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import make_category

from mvtec.convert.class_results import class_results, heat_file
from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.datasets.tree import read_tree
from mvtec.evaluate.anomaly_maps import MapShare, map_shares, mean_map_shares, read_map
from mvtec.evaluate.answers import (
    Answers,
    BestBox,
    best_boxes,
    choose_threshold,
    classifier_answers,
    detector_answers,
)
from mvtec.evaluate.compare import compare
from mvtec.evaluate.predictions import EvaluationInput


def test_the_best_box_names_the_photo():
    truth = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 9, "height": 9} for n in (1, 2, 3)],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}],
        "annotations": [],
    }
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.3},
        {"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 0.6},
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.2},
    ]
    best = best_boxes(EvaluationInput(CocoDataset.model_validate(truth), truth, results, None, ()))
    assert best == {"1.png": BestBox(0.6, "stain"), "2.png": BestBox(0.2, "crack"), "3.png": BestBox(0.0, "good")}
    said = detector_answers(best, {"1.png": 0.6, "2.png": 0.25, "3.png": 0.25})
    assert said.classes == {"1.png": "stain", "2.png": "good", "3.png": "good"}
    assert said.defect_score == {"1.png": 0.6, "2.png": 0.2, "3.png": 0.0}


def test_the_threshold_is_the_middle_of_the_best():
    best = {name: BestBox(score, "crack") for name, score in zip("abcd", (0.1, 0.2, 0.5, 0.9), strict=True)}
    truth = {"a": "good", "b": "good", "c": "crack", "d": "crack"}
    assert choose_threshold(best, truth, "abcd") == pytest.approx(0.35)
    assert choose_threshold(best, truth, "cd") == pytest.approx(0.25)  # all of 0 to 0.5 are right
    assert choose_threshold({"a": BestBox(0.0, "good")}, {"a": "good"}, "a") == 0.5


def test_a_classifier_is_as_sure_of_a_defect_as_it_is_not_of_good():
    results = class_results(["crack", "good"], {"a": "crack", "b": "good"}, {"a": [0.9, 0.1], "b": [0.6, 0.4]})
    said = classifier_answers(results)
    assert said.classes == {"a": "crack", "b": "crack"}
    assert said.defect_score == pytest.approx({"a": 0.9, "b": 0.6})


def test_two_sides():
    truth = {f"{n:02}": "good" if n < 5 else "crack" for n in range(15)}
    first = Answers(dict(truth), {path: float(label == "crack") for path, label in truth.items()})
    wrong = {f"{n:02}": "good" for n in range(5, 14)}
    second = Answers({**truth, **wrong}, {path: int(path) / 20 for path in truth})
    found = compare(truth, ["crack", "good"], ("one", first), ("two", second))
    assert found.figures["one"].metrics["accuracy"].value == 1
    assert found.figures["two"].metrics["accuracy"].value == pytest.approx(6 / 15)
    assert found.figures["two"].metrics["image_auroc"].value == 1
    assert (found.only_first, found.only_second) == (tuple(sorted(wrong)), ())
    assert found.p_value == pytest.approx(2 * 0.5**9)  # nine throws, all heads
    assert found.difference.value == pytest.approx(9 / 15)
    assert 0 < found.difference.low < 9 / 15 < found.difference.high < 1
    same = compare(truth, ["crack", "good"], ("one", first), ("two", first))
    assert (same.p_value, same.difference.value) == (1.0, 0.0)
    assert same.difference.low < -0.1  # that fifteen photos are answered alike says little of others


def test_photos_of_one_kind_have_no_auroc():
    answers = Answers({"a": "crack", "b": "crack"}, {"a": 0.5, "b": 0.6})
    found = compare({"a": "crack", "b": "crack"}, ["crack", "good"], ("one", answers), ("two", answers))
    assert found.figures["one"].metrics["image_auroc"].value is None


def test_the_share_of_the_heat(tmp_path: Path):
    category = make_category(tmp_path / "widget", per_class=2)
    samples = read_tree(category.root).labelled
    defects = [sample for sample in samples if sample.masks]
    for sample in defects:
        mask = cv2.imread(str(sample.masks[0]), cv2.IMREAD_GRAYSCALE)
        target = heat_file(tmp_path, sample.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), mask if sample.path.endswith("000.png") else np.full_like(mask, 200))
    shares = map_shares(tmp_path, samples)
    assert set(shares) == {sample.path for sample in defects}
    for path, share in shares.items():
        assert share.share == pytest.approx(1.0 if path.endswith("000.png") else share.chance, abs=1e-6)
    assert shares["test/crack/000.png"].chance == pytest.approx(10 * 4 / (40 * 48))
    figures = mean_map_shares(list(shares.values()))
    assert figures["heat_in_mask"].n == 4
    assert figures["heat_in_mask"].value > figures["mask_share"].value
    assert mean_map_shares([])["heat_in_mask"].value is None
    assert mean_map_shares([MapShare(0.5, 0.1)])["heat_in_mask"].low is None
    assert read_map(tmp_path, "test/good/000.png", (4, 4)) is None
