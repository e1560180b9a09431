"""Predictions of other tools: ids by name, classes by name, annotation files, a report; nothing scores 0 in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import noise, write_png

from mvtec.errors import InputError, LeakError
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.mask_pairs import pair_masks
from mvtec.evaluate.masks import evaluate_masks
from mvtec.evaluate.predictions import load

BOXES = {1: (6, 5, 15, 10), 2: (12, 10, 15, 10), 3: (18, 15, 15, 10)}
STEMS = {1: "002", 2: "003", 3: "004", 4: "005"}


class Case:
    """Four photos of 60×45, three of them with a dent, and perfect results for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth: dict[str, Any] = {
            "images": [
                {"id": n, "file_name": f"{stem}.png", "width": 60, "height": 45} for n, stem in STEMS.items()
            ],
            "annotations": [
                {"id": n, "image_id": n, "category_id": 1, "bbox": box, "area": 150, "iscrowd": 0,
                 "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]}
                for n, box in BOXES.items() for x, y, w, h in [box]
            ],
            "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "crack"}],
        }  # fmt: skip
        self.results: Any = [
            {"image_id": n, "category_id": 1, "bbox": box, "score": 0.9,
             "segmentation": self.truth["annotations"][n - 1]["segmentation"]}
            for n, box in BOXES.items()
        ]  # fmt: skip

    def write(self) -> tuple[Path, Path]:
        for name, content in (("truth.json", self.truth), ("p.json", self.results)):
            (self.folder / name).write_text(json.dumps(content))
        return self.folder / "truth.json", self.folder / "p.json"

    def ap(self) -> float | None:
        return evaluate_boxes(load(*self.write()), resamples=0)["AP"].value

    def as_annotations(self) -> None:
        """The results as an annotation file with ids of its own, crack before dent."""
        self.results = {
            "images": [{**image, "id": 50 - image["id"]} for image in self.truth["images"]],
            "annotations": [{**one, "image_id": 50 - one["image_id"], "category_id": 2} for one in
                            self.truth["annotations"]],
            "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "dent"}],
        }  # fmt: skip


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.mark.parametrize("key", ["both", "text", "name"])
def test_ultralytics_save_json_is_scored_by_name(case: Case, key: str):
    for result in case.results:
        stem = STEMS[result["image_id"]]
        if key != "text":
            result["file_name"] = f"{stem}.png"
        result["image_id"] = int(stem) if key == "both" else stem
        if key == "name":
            del result["image_id"]
    files = case.write()
    assert evaluate_boxes(load(*files), resamples=0)["AP"].value == pytest.approx(1)
    figures = evaluate_masks(pair_masks(*files), resamples=0)
    assert (figures["IoU"].value, figures["AP"].value) == (1, pytest.approx(1))
    assert key == "name" or any("image ids" in line for line in load(*files).warnings)


def test_a_name_that_contradicts_its_id_is_refused(case: Case):
    case.results[0]["file_name"] = "004.png"  # id 1 is 002.png
    with pytest.raises(InputError, match=r"image_id 1 with file_name 004\.png; in .* 1 is 002\.png"):
        load(*case.write())


def test_a_truth_with_two_images_of_one_name_is_refused(case: Case):
    case.truth["images"][3]["file_name"] = "002.png"
    with pytest.raises(InputError, match=r"truth\.json: has two images of the name 002\.png"):
        load(*case.write())
    with pytest.raises(InputError, match=r"two images of the name 002\.png"):
        pair_masks(*case.write())
    case.truth["images"][3]["file_name"] = "./002.png"
    with pytest.raises(InputError, match="two images of the name"):
        load(*case.write())


def test_categories_that_count_from_0_are_refused_with_the_reason(case: Case):
    for result in case.results:
        result["category_id"] = 0
    with pytest.raises(InputError, match=r"category 0, which .* does not have \(it has 1 to 2\)\. .* add 1 to each"):
        load(*case.write())
    case.results[0]["category_id"] = 91
    with pytest.raises(InputError, match="predicts category 0"):
        load(*case.write())


def test_categories_that_count_from_1_where_the_truth_counts_from_0_are_refused_with_the_reason(case: Case):
    for category in case.truth["categories"]:
        category["id"] -= 1
    for annotation in case.truth["annotations"]:
        annotation["category_id"] -= 1
    case.results[0]["category_id"] = 2
    with pytest.raises(InputError, match=r"category 2, .* seem to count from 1: subtract 1 from each category_id"):
        load(*case.write())


@pytest.mark.parametrize(
    "content", [{}, {"predictions": []}, {"labels": [0], "scores": [0.5], "bboxes": [[1, 2, 3, 4]]}]
)
@pytest.mark.parametrize("command", ["boxes", "masks"])
def test_an_object_of_another_tool_is_refused_with_what_is_wanted(case: Case, mvtec, command: str, content: Any):
    case.results = content
    outcome = mvtec("evaluate", command, *case.write())
    assert outcome.code == 2
    assert "p.json: is neither a list of COCO results nor a COCO annotation file" in outcome.err


@pytest.mark.parametrize("score", ["0.5", [0.5]])
@pytest.mark.parametrize("command", ["boxes", "masks"])
def test_a_score_that_is_not_a_number_is_refused(case: Case, mvtec, command: str, score: Any):
    case.as_annotations()
    case.results["annotations"][1]["score"] = score
    outcome = mvtec("evaluate", command, *case.write())
    assert outcome.code == 2
    assert "annotation 2 has the score" in outcome.err


def test_a_score_that_is_null_counts_as_none(case: Case):
    case.as_annotations()
    for annotation in case.results["annotations"]:
        annotation["score"] = None
    (warning,) = load(*case.write()).warnings
    assert "3 of 3 annotations" in warning


def test_categories_are_told_by_name_where_results_have_it(case: Case):
    for result in case.results:
        result |= {"category_id": 0, "category_name": "dent"}
    assert case.ap() == pytest.approx(1)
    assert any("classes are told by category_name" in line for line in load(*case.write()).warnings)
    for result in case.results:
        result["category_id"] = 2
    with pytest.raises(InputError, match=r"category_id 2 with category_name dent; in .* 2 is crack"):
        load(*case.write())


def test_shifted_categories_that_all_exist_are_named(case: Case):
    for result in case.results:
        result["category_id"] = 2
    assert any("Boxes of category 2 (crack) lie 3 times on dent (1)" in line for line in load(*case.write()).warnings)


def test_an_annotation_file_is_taken_as_predictions(case: Case):
    case.as_annotations()
    assert case.ap() == pytest.approx(1)
    (warning,) = load(*case.write()).warnings
    assert "3 of 3 annotations of " in warning
    assert "count with score 1" in warning
    for one in case.results["annotations"]:
        one["attributes"] = {"score": one["id"] / 10}
    judged = load(*case.write())
    assert (judged.warnings, [result["score"] for result in judged.results]) == ((), [0.1, 0.2, 0.3])
    for one in case.results["annotations"]:
        one["score"] = 0.7
    assert [result["score"] for result in load(*case.write()).results] == [0.7, 0.7, 0.7]


def test_an_annotation_file_finds_photos_by_the_end_of_their_path(case: Case):
    case.as_annotations()
    for image in case.results["images"]:
        image["file_name"] = f"upload/{image['file_name']}"
    files = case.write()
    assert evaluate_boxes(load(*files), resamples=0)["AP"].value == pytest.approx(1)
    assert evaluate_masks(pair_masks(*files), resamples=0)["IoU"].value == 1


def test_an_annotation_file_that_does_not_fit_is_refused(case: Case):
    case.as_annotations()
    lost = case.results["images"].pop()  # the good photo: whether it was asked about is not known
    with pytest.raises(InputError, match=r"lacks 1 of the 4 images .* such as 005\.png"):
        load(*case.write())
    case.results["images"].append({**lost, "width": 61})
    with pytest.raises(InputError, match=r"005\.png with 61×45 pixels, .* with 60×45"):
        load(*case.write())
    case.results["images"][-1] = lost
    case.results["categories"][1]["name"] = "nick"
    with pytest.raises(InputError, match="has the class nick"):
        load(*case.write())
    case.results["categories"][1]["name"] = "dent"
    case.results["info"] = {"seen_in_training": ["002.png"]}
    with pytest.raises(LeakError, match=r"trained on 002\.png"):
        load(*case.write())


def test_a_photo_with_a_crowd_alone_is_neither_good_nor_defective(case: Case, mvtec):
    case.truth["annotations"].append(
        {"id": 9, "image_id": 4, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 1}
    )
    case.truth["images"].append({"id": 5, "file_name": "006.png", "width": 60, "height": 45})
    case.results.append({"image_id": 4, "category_id": 1, "bbox": [30, 30, 5, 5], "score": 0.95})
    files = case.write()
    found = evaluate_boxes(load(*files))["FPR95"]
    assert (found.value, found.n) == (0, 1)  # 006.png alone is good, and has no box
    outcome = mvtec("evaluate", "boxes", *files, "--json")
    content = json.loads(outcome.out)
    assert {(point["defective"], point["good"]) for point in content["operating_points"]} == {(3, 1)}
    assert any("1 photo with a crowd alone, such as 005.png" in line for line in content["notes"])


def test_predictions_of_another_tool_get_a_report(case: Case, mvtec):
    files = case.write()
    page = case.folder / "report.html"
    outcome = mvtec("evaluate", "boxes", *files, "--report", page)
    assert (outcome.code, outcome.out) == (2, "")  # before anything is counted
    assert "--report: shows the photos; nothing says where they are. Give their folder as --images." in outcome.err
    photos = case.folder / "photos"
    for number, stem in enumerate(STEMS.values()):
        write_png(photos / f"{stem}.png", noise(number, 45, 60))
    (photos / "005.png").rename(photos / "away.png")
    outcome = mvtec("evaluate", "boxes", *files, "--report", page, "--images", photos)
    assert (outcome.code, outcome.out) == (2, "")
    assert "lacks 1 of the 4 photos to show, such as 005.png" in outcome.err
    (photos / "away.png").rename(photos / "005.png")
    outcome = mvtec("evaluate", "boxes", *files, "--report", page, "--images", photos, "--resamples", 50)
    assert (outcome.code, "AP50" in outcome.out) == (0, True)
    assert "002.png" in page.read_text()


def test_what_was_counted_is_printed_though_the_report_fails(case: Case, mvtec):
    photos = case.folder / "photos"
    for stem in STEMS.values():
        (photos / f"{stem}.png").parent.mkdir(exist_ok=True)
        (photos / f"{stem}.png").write_bytes(b"no photo")
    words = ("evaluate", "boxes", *case.write(), "--report", case.folder / "r.html", "--images", photos)
    outcome = mvtec(*words, "--resamples", 0)
    assert (outcome.code, "AP50" in outcome.out) == (2, True)
    assert not (case.folder / "r.html").exists()
    outcome = mvtec(*words, "--resamples", 0, "--json")
    content = json.loads(outcome.out)
    assert (outcome.code, content["outputs"], content["metrics"]["AP"]["value"]) == (2, [], pytest.approx(1))
