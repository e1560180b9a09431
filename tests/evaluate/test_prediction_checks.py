"""What is said of predictions that hardly find anything, or of which many do not count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvtec.convert.formats.coco.files import CocoDataset, CocoResult
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.prediction_checks import not_counted, prediction_warnings
from mvtec.evaluate.predictions import load

BOXES = ((60, 50, 150, 100), (120, 100, 30, 40), (300, 20, 50, 60))


def truth(names: tuple[str, ...] = ("a.png", "b.png", "c.png"), classes: tuple[int, ...] = (1, 1, 1)) -> dict[str, Any]:
    """A box on each of three photos of 600×400 pixels."""
    return {
        "images": [{"id": n, "file_name": name, "width": 600, "height": 400} for n, name in enumerate(names, start=1)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": own, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (box, own) in enumerate(zip(BOXES, classes, strict=True), start=1)
        ],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "crack"}, {"id": 3, "name": "stain"}],
    }


def said(
    boxes: Any, ids: tuple[int, ...] = (1, 2, 3), classes: tuple[int, ...] = (1, 1, 1), of: dict[str, Any] | None = None
) -> str:
    results = [
        CocoResult(image_id=number, category_id=own, bbox=box, score=0.9)
        for box, number, own in zip(boxes, ids, classes, strict=True)
    ]
    return " ".join(
        prediction_warnings(CocoDataset.model_validate(of or truth()), results, Path("p.json"), 100, by_name=False)
    )


def test_right_boxes_raise_no_doubt():
    assert said(BOXES) == ""


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        pytest.param(lambda x, y, w, h: (x / 600, y / 400, w / 600, h / 400), "normalised (x, y", id="normalised"),
        pytest.param(
            lambda x, y, w, h: ((x + w / 2) / 600, (y + h / 2) / 400, w / 600, h / 400), "YOLO's way", id="yolo"
        ),
        pytest.param(
            lambda x, y, w, h: (x / 600, y / 400, (x + w) / 600, (y + h) / 400), "normalised corners", id="unit_corners"
        ),
        pytest.param(lambda x, y, w, h: (x, y, x + w, y + h), "corners (x1, y1, x2, y2)", id="corners"),
        pytest.param(lambda x, y, w, h: (x + w / 2, y + h / 2, w, h), "centres (centre x", id="centres"),
        pytest.param(lambda x, y, w, h: (y, x, h, w), "y, x, height, width", id="rows_first"),
        pytest.param(
            lambda x, y, w, h: (x * 640 / 600, y * 640 / 400, w * 640 / 600, h * 640 / 400),
            "scaled to 640 × 640",
            id="stretched",
        ),
        pytest.param(
            lambda x, y, w, h: tuple(side * 1280 / 600 for side in (x, y, w, h)), "longer side was scaled to 1280",
            id="scaled",
        ),
    ],
)  # fmt: skip
def test_the_reading_that_finds_the_defects_is_named(written: Any, reading: str):
    sentence = said([written(*box) for box in BOXES])
    assert "of 3 defects of the truth have a box of their class by IoU 0.5 or more; 3 would, if " in sentence
    assert reading in sentence


def test_boxes_below_a_pixel_are_asked_whether_they_are_normalised():
    assert "all boxes of p.json are smaller than a pixel: are they normalised" in said([(0.5, 0.5, 0.1, 0.1)] * 3)


def test_corners_that_leave_their_photo_are_named_as_such():
    corners = [(310, 210, 590, 390), (320, 220, 580, 380), (330, 230, 570, 370)]
    assert "these may be corners x1, y1, x2, y2" in said(corners)


def test_image_ids_that_are_numbers_in_names_are_named():
    numbered = truth(("002.png", "003.png", "001.png"))
    assert "3 would, if image ids were the numbers that photos are named by" in said(BOXES, (2, 3, 1), of=numbered)


def test_image_ids_that_count_from_another_number_are_named():
    assert "2 would, if image ids were counted from one less" in said(BOXES[1:], (1, 2), classes=(1, 1))


def test_class_ids_that_count_from_another_number_are_named():
    sentence = said(BOXES, classes=(2, 2, 2))
    assert "0 of 3 defects of the truth have a box of their class" in sentence
    assert "3 have one of another class. Boxes of category 2 (crack) lie 3 times on dent (1)" in sentence


def test_two_classes_of_three_that_are_exchanged_are_named():
    sentence = said(BOXES, classes=(2, 1, 3), of=truth(classes=(1, 2, 3)))
    assert "1 of 3 defects of the truth have a box of their class" in sentence
    assert "2 have one of another class. Boxes of category 2 (crack) lie 1 times on dent (1)" in sentence


def test_a_reading_that_finds_twice_as_many_is_named_though_some_fit():
    large = (5, 5, 500, 300)  # as corners and as it is nearly the same
    own = truth()
    own["annotations"][0]["bbox"] = large
    corners = [(x, y, x + w, y + h) for x, y, w, h in (large, *BOXES[1:])]
    sentence = said(corners, of=own)
    assert (
        "1 of 3 defects of the truth have a box of their class by IoU 0.5 or more; 3 would, if boxes were" in sentence
    )
    assert said((BOXES[0], (1, 1, 9, 9), (2, 2, 9, 9))) == ""  # a detector that finds a third raises no doubt


def test_detections_and_labels_that_are_there_twice_are_counted():
    assert "3 of 6 detections of p.json repeat another one" in said(BOXES * 2, (1, 2, 3) * 2, (1,) * 6)
    own = truth()
    own["annotations"] += [{**own["annotations"][0], "id": 9}]
    assert "1 of 4 annotations of the truth repeat another one" in said(BOXES, of=own)


def test_a_truth_with_normalised_boxes_is_named():
    own = truth()
    for one in own["annotations"]:
        one["bbox"] = [side / 600 for side in one["bbox"]]
    assert "boxes of the truth smaller than a pixel: 3 of 3. Are they normalised, from 0 to 1?" in said(BOXES, of=own)


def test_scores_of_0_or_less_are_named():
    results = [
        CocoResult(image_id=n, category_id=1, bbox=box, score=score)
        for n, (box, score) in enumerate(zip(BOXES, (0.0, -2.5, 0.4), strict=True), start=1)
    ]
    (sentence,) = prediction_warnings(CocoDataset.model_validate(truth()), results, Path("p.json"), 100, by_name=False)
    assert sentence.startswith("2 of 3 scores of p.json are not above 0 and at most 1")


def test_boxes_that_find_nothing_in_any_reading_are_described():
    sentence = said([(500, 300, 7, 90)] * 2, (1, 2), classes=(1, 1))
    assert "no detection finds a defect: the highest IoU with one of its class is 0.00; 0 of 2 boxes" in sentence


def test_what_is_beyond_the_number_that_counts_is_said():
    many = [(1, 1)] * 150 + [(1, 2)] * 100 + [(2, 1)] * 101
    sentence = not_counted(many, Path("p.json"), 100)
    assert sentence is not None
    assert sentence.startswith(
        "51 detections on 2 photos of p.json are not counted: of a class in a photo the best 100"
    )
    assert sentence.endswith("--max-detections 150 counts all")
    assert not_counted(many, Path("p.json"), 150) is None


def specks(folder: Path) -> tuple[Path, Path]:
    """150 specks on a photo, all of them found."""
    boxes = [(3 * (n % 20), 5 * (n // 20), 2, 4) for n in range(150)]
    image = {"id": 1, "file_name": "a.png", "width": 60, "height": 45}
    own = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": 8, "iscrowd": 0,
         "segmentation": [[box[0], box[1], box[0] + 2, box[1], box[0] + 2, box[1] + 4, box[0], box[1] + 4]]}
        for n, box in enumerate(boxes, start=1)
    ]  # fmt: skip
    content = {"images": [image], "annotations": own, "categories": [{"id": 1, "name": "speck"}]}
    (folder / "truth.json").write_text(json.dumps(content))
    keys = ("image_id", "category_id", "bbox", "segmentation")
    results = [{key: one[key] for key in keys} | {"score": 1 - n / 1000} for n, one in enumerate(own)]
    (folder / "p.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "p.json"


def test_more_than_100_detections_count_where_it_is_asked(tmp_path: Path, mvtec):
    files = specks(tmp_path)
    as_coco = evaluate_boxes(load(*files), resamples=0)
    assert as_coco["AR100"].value == pytest.approx(100 / 150)
    every = evaluate_boxes(load(*files, max_detections=150), resamples=0)
    assert (every["AP"].value, every["AR150"].value, every["AR150/speck"].value) == pytest.approx((1, 1, 1))
    assert "AR100" not in every
    outcome = mvtec("evaluate", "boxes", *files, "--resamples", 0, "--max-detections", 150, "--cross-check", "--json")
    content = json.loads(outcome.out)
    assert content["operating_points"][0]["found"] == 150
    assert not [line for line in content["warnings"] if "not counted" in line]
    tools = content["cross_check"]["tools"]
    assert {name: round(score["ap50"], 3) for name, score in tools.items() if name != "ultralytics"} == {
        "pycocotools": 1.0,
        "faster-coco-eval": 1.0,
    }


@pytest.mark.parametrize("as_annotations", [False, True])
def test_masks_beyond_100_are_said_and_counted_where_it_is_asked(tmp_path: Path, mvtec, as_annotations: bool):
    truth_file, results = specks(tmp_path)
    given = truth_file if as_annotations else results
    plain = json.loads(mvtec("evaluate", "masks", truth_file, given, "--resamples", 0, "--json").out)
    assert any(line.startswith("50 detections on 1 photo of ") for line in plain["warnings"])
    more = mvtec("evaluate", "masks", truth_file, given, "--resamples", 0, "--max-detections", 150, "--json")
    assert json.loads(more.out)["metrics"]["AP50"]["value"] == pytest.approx(1)
