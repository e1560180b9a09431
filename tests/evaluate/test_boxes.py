import contextlib
import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_case import judge, random_case

from mvtec.evaluate.boxes import evaluate_boxes, label_sources
from mvtec.evaluate.statistics import coco_metrics
from mvtec.evaluate.statistics.bootstrap import draw_weights
from mvtec.evaluate.statistics.coco_metrics import FIGURES, RECALLS, average_precision, recall
from mvtec.evaluate.statistics.matching import match


def pycocotools_stats(truth, results, tmp_path: Path) -> np.ndarray:
    """The twelve figures, from files, as a user of pycocotools gets them."""
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "truth.json"))
        evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def counted(matches_of, weights, definition_name: str, classes: int) -> np.ndarray:
    """Our own count of a figure over classes, for comparison with pycocotools'."""
    area = next(d.area for d in FIGURES if d.name == definition_name)
    tables = []
    for k in range(classes):
        matches = matches_of[k, area]
        if definition_name.startswith("AR"):
            limit = {"AR1": 1, "AR10": 10}.get(definition_name, 100)
            tables.append(recall(matches, weights, limit).mean(axis=1))
        else:
            table = average_precision(matches, weights)
            tables.append(
                table[:, {"AP50": 0, "AP75": 5}[definition_name]]
                if definition_name[2:].isdigit()
                else table.mean(axis=1)
            )
    with np.errstate(invalid="ignore"):
        return np.array([np.nanmean(row) if not np.isnan(row).all() else -1 for row in np.stack(tables, axis=1)])


@pytest.mark.parametrize("seed", range(12))
def test_the_twelve_figures_are_those_of_pycocotools(seed: int, tmp_path: Path):
    truth, results = random_case(seed)
    stats = pycocotools_stats(truth, results, tmp_path)
    metrics = evaluate_boxes(judge(truth, results), resamples=0)
    for definition, stat in zip(FIGURES, stats, strict=True):
        value = metrics[definition.name].value
        assert (value is None and stat == -1) or value == stat
        ours = counted(match(truth, results).matches, np.ones((1, 8)), definition.name, 3)
        np.testing.assert_allclose(ours, [stat], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_weighted_count_is_a_count_of_the_images_drawn(seed: int, tmp_path: Path):
    truth, results = random_case(seed)
    weights = draw_weights(8, 3, seed)
    matches = match(truth, results).matches
    for row in weights:
        drawn, found = {**truth, "images": [], "annotations": []}, []
        for image, times in zip(truth["images"], row.astype(int), strict=True):
            for _ in range(times):
                number = len(drawn["images"]) + 1
                drawn["images"].append({**image, "id": number})
                for a in truth["annotations"]:
                    if a["image_id"] == image["id"]:
                        drawn["annotations"].append({**a, "id": len(drawn["annotations"]) + 1, "image_id": number})
                found += [{**r, "image_id": number} for r in results if r["image_id"] == image["id"]]
        stats = pycocotools_stats(drawn, found, tmp_path)
        for definition, stat in zip(FIGURES, stats, strict=True):
            np.testing.assert_allclose(counted(matches, row[None], definition.name, 3), [stat], atol=1e-12)


def test_resamples_counted_a_few_at_a_time_have_the_same_average_precision(monkeypatch: pytest.MonkeyPatch):
    truth, results = random_case(2)
    matches, weights = match(truth, results).matches[0, "all"], draw_weights(8, 7, 0)
    at_once = average_precision(matches, weights)
    monkeypatch.setattr(coco_metrics, "CELLS", 2 * len(matches.image))
    np.testing.assert_array_equal(average_precision(matches, weights), at_once)


def test_the_recalls_reached_are_those_that_a_search_finds():
    for total in range(1, 700):
        recalls = np.arange(total + 1) / total
        found = coco_metrics._recalls_reached(recalls)
        np.testing.assert_array_equal(found, np.searchsorted(RECALLS, recalls, side="right"))


def test_per_class_figures_are_those_of_that_class_alone(tmp_path: Path):
    truth, results = random_case(5)
    metrics = evaluate_boxes(judge(truth, results), resamples=0)
    for category in truth["categories"]:
        alone = {
            **truth,
            "annotations": [a for a in truth["annotations"] if a["category_id"] == category["id"]],
            "categories": [category],
        }
        stats = pycocotools_stats(alone, [r for r in results if r["category_id"] == category["id"]], tmp_path)
        for name, stat in zip(("AP", "AP50", "AP75"), stats[:3], strict=True):
            assert metrics[f"{name}/{category['name']}"].value == pytest.approx(stat, abs=1e-12)


def test_the_interval_holds_the_value_and_depends_on_the_seed_alone():
    truth, results = random_case(1, images=40)
    first = evaluate_boxes(judge(truth, results), resamples=300, seed=4)
    assert first == evaluate_boxes(judge(truth, results), resamples=300, seed=4)
    metric = first["AP50"]
    assert 0 <= metric.low < metric.value < metric.high <= 1
    assert (metric.n, metric.instances) == (40, len(truth["annotations"]))
    assert metric.high - metric.low < 0.5
    few = evaluate_boxes(judge(*random_case(1, images=10)), resamples=300, seed=4)["AP50"]
    assert few.high - few.low > metric.high - metric.low


def test_perfect_predictions_have_ap_1_and_none_0():
    truth, _ = random_case(2)
    perfect = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9}
        for a in truth["annotations"]
    ]
    metric = evaluate_boxes(judge(truth, perfect))["AP"]
    assert (metric.value, metric.low, metric.reason) == (pytest.approx(1), None, "no resample differs")
    nothing = evaluate_boxes(judge(truth, []))["AP"]
    assert (nothing.value, nothing.low, nothing.reason) == (0, None, "no resample differs")


def test_what_one_photo_holds_has_no_interval():
    truth, results = random_case(1)
    truth["categories"].append({"id": 9, "name": "rare"})
    first = truth["images"][0]["id"]
    for n in range(2):
        rare = {"id": 900 + n, "image_id": first, "category_id": 9, "bbox": [5, 5 + 40 * n, 30, 30], "area": 900}
        truth["annotations"].append({**rare, "iscrowd": 0})
    results.append({"image_id": first, "category_id": 9, "bbox": [5, 5, 30, 30], "score": 0.5})
    results.append({"image_id": truth["images"][1]["id"], "category_id": 9, "bbox": [5, 5, 9, 9], "score": 0.6})
    rare = evaluate_boxes(judge(truth, results))["AP50/rare"]
    assert (rare.instances, rare.low, rare.reason) == (2, None, "one photo")
    assert 0 < rare.value < 1


def test_an_undefined_figure_says_why():
    truth, results = random_case(2)
    truth = copy.deepcopy(truth)
    for annotation in truth["annotations"]:
        annotation["area"] = 200_000
    metric = evaluate_boxes(judge(truth, results))["AP_small"]
    assert (metric.value, metric.reason) == (None, "no instance of small size")
    truth["annotations"] = []
    assert evaluate_boxes(judge(truth, results))["AP"].reason == "no instance"
    one = evaluate_boxes(judge(*random_case(3, images=1)))["AP"]
    assert (one.low, one.reason) == (None, "one photo")


def test_whose_labels_they_are_is_told_apart():
    truth, results = random_case(3)
    assert label_sources(judge(truth, results)) == {}
    said = [
        {"source": "person", "reviewed": True},
        {"source": "sam", "reviewed": True},
        {"source": "sam", "reviewed": True, "edited": True},
        {"source": "detector", "reviewed": False},
    ]
    first = truth["annotations"][0]
    truth["annotations"] = [{**first, "id": n, "attributes": one} for n, one in enumerate(said, start=1)]
    truth["annotations"].append({**first, "id": 9})
    assert label_sources(judge(truth, results)) == {
        "drawn by a person": 1,
        "of detector, looked at by nobody": 1,
        "of sam, accepted by a person": 1,
        "of sam, corrected by a person": 1,
        "of unknown origin": 1,
    }
