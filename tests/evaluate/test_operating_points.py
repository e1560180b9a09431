"""What a detector does from a score on, against plain counts of pycocotools' matches at that score alone."""

from __future__ import annotations

import pytest
from random_case import judge, random_case

from mvtec.evaluate.boxes import evaluate_boxes, out_of_reach
from mvtec.evaluate.operating_points import CATCHING, SHOWN, SILENT, at_default, operating_points
from mvtec.evaluate.statistics.coco_metrics import IOU50
from mvtec.evaluate.statistics.matching import match


def only(truth, scores: dict[int, list[float]]):
    """One box a score, on the first class, in the photos of those ids."""
    results = [
        {"image_id": image, "category_id": 1, "bbox": [5 * n, 5, 30, 30], "score": score}
        for image, own in scores.items()
        for n, score in enumerate(own)
    ]
    return judge(truth, results)


def points_of(judged):
    return operating_points(judged, match(judged.truth_json, judged.results))


def plate(bad: int, good: int):
    """Photos with one crack each, and then good ones."""
    return {
        "info": {},
        "images": [
            {"id": n + 1, "file_name": f"{n}.png", "width": 99, "height": 99, "license": 0} for n in range(bad + good)
        ],
        "annotations": [
            {"id": n + 1, "image_id": n + 1, "category_id": 1, "bbox": [0, 5, 30, 30], "area": 900, "iscrowd": 0}
            for n in range(bad)
        ],
        "categories": [{"id": 1, "name": "crack"}],
    }


@pytest.mark.parametrize("seed", range(6))
def test_the_counts_are_those_of_the_boxes_that_are_left(seed: int):
    truth, results = random_case(seed)
    for point in points_of(judge(truth, results)):
        left = [result for result in results if result["score"] >= point.min_score]
        matches = [one for (_, area), one in match(truth, left).matches.items() if area == "all"]
        assert point.found == sum(int(one.hit[IOU50].sum()) for one in matches)
        assert point.false_boxes == len(left) - point.found
        assert point.instances == len(truth["annotations"])
        bad = {annotation["image_id"] for annotation in truth["annotations"]}
        alarmed = {result["image_id"] for result in left}
        assert (point.caught, point.defective) == (len(bad & alarmed), len(bad))
        assert (point.alarms, point.good) == (len(alarmed - bad), len(truth["images"]) - len(bad))


def test_two_scores_are_chosen_by_the_photos():
    judged = only(plate(20, 3), {**{n: [0.3 + n / 100] for n in range(1, 21)}, 21: [0.41239, 0.2], 22: [0.1]})
    points = points_of(judged)
    assert [point.min_score for point in points] == sorted([*SHOWN, 0.32, 0.413])
    chosen = {point.why: point for point in points if point.why}
    assert (chosen[CATCHING].caught, chosen[CATCHING].alarms) == (19, 1)
    assert chosen[CATCHING].false_alarm_share.value == evaluate_boxes(judged)["FPR95"].value
    assert (chosen[SILENT].caught, chosen[SILENT].alarms) == (9, 0)
    assert chosen[SILENT].sensitivity.text() == "0.450 (0.258 to 0.658)"
    assert at_default(points).found == 20


def test_a_score_that_something_else_chose_is_counted_too():
    judged = only(plate(3, 2), {1: [0.9], 2: [0.33], 4: [0.2]})
    points = {one.min_score: one for one in operating_points(judged, match(judged.truth_json, judged.results), [0.33])}
    assert (points[0.33].caught, points[0.33].alarms, points[0.33].why) == (2, 0, "")
    assert set(SHOWN) < set(points)


def test_where_one_score_does_both_there_is_one_line():
    chosen = [point for point in points_of(only(plate(2, 1), {1: [0.9], 2: [0.801], 3: [0.8]})) if point.why]
    assert [(point.min_score, point.why) for point in chosen] == [(0.801, f"{CATCHING}, {SILENT}")]
    assert (chosen[0].caught, chosen[0].alarms) == (2, 0)


def test_no_score_catches_photos_without_a_box():
    points = points_of(only(plate(2, 1), {1: [0.9]}))
    assert [point.why for point in points if point.why] == [SILENT]
    assert max(point.caught for point in points) == 1


def test_photos_of_one_kind_choose_none():
    for judged in (only(plate(2, 0), {1: [0.9]}), only(plate(0, 2), {1: [0.9]})):
        points = points_of(judged)
        assert [point.min_score for point in points] == list(SHOWN)
        assert None in (points[0].sensitivity.value, points[0].false_alarm_share.value)


def test_a_good_photo_with_the_highest_score_leaves_no_silent_score():
    points = points_of(only(plate(2, 1), {1: [0.9], 2: [0.8], 3: [1.0]}))
    assert [point.why for point in points if point.why] == [CATCHING]
    assert max(point.min_score for point in points) < 1


def test_why_no_score_catches_95_percent():
    assert out_of_reach(only(plate(2, 1), {1: [0.9]})) == "1 of 2 photos with a defect have no box"
    assert out_of_reach(only(plate(2, 1), {1: [0.9], 2: [0.001]})) is None
    assert out_of_reach(only(plate(0, 1), {})) is None
