import json
from pathlib import Path
from typing import Any

import pytest
from conftest import noise, write_png
from random_case import judge, random_case

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.convert.provenance import Provenance
from mvtec.errors import InputError, LeakError
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.cross_check import cross_check
from mvtec.evaluate.predictions import EvaluationInput, load


class Files:
    """Truth, results and provenance in one folder, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth, self.results = random_case(0)
        self.provenance: dict[str, Any] = Provenance(
            model="run/weights/last.pt",
            model_sha256="0",
            split=None,
            categories={c["id"]: c["name"] for c in self.truth["categories"]},
            options={},
            image_root=str(folder / "photos"),
            image_ids={i["file_name"]: i["id"] for i in self.truth["images"]},
            image_sha256={},
            seen_in_training=[],
        ).to_json()

    def write(self, *, provenance: bool = True) -> tuple[Path, Path]:
        (self.folder / "truth.json").write_text(json.dumps(self.truth))
        (self.folder / "predictions.json").write_text(json.dumps(self.results))
        if provenance:
            (self.folder / "provenance.json").write_text(json.dumps(self.provenance))
        return self.folder / "truth.json", self.folder / "predictions.json"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_ids_are_brought_to_those_of_the_truth_by_name(files: Files):
    expected = load(*files.write()).results
    files.provenance["image_ids"] = {name: number + 100 for name, number in files.provenance["image_ids"].items()}
    files.provenance["categories"] = {"1": "class2", "2": "class0", "3": "class1"}
    number_of = {"class2": 1, "class0": 2, "class1": 3}
    for result in files.results:
        result["image_id"] += 100
        result["category_id"] = number_of[f"class{result['category_id'] - 1}"]
    assert load(*files.write()).results == expected


def test_without_provenance_photos_without_a_box_are_counted(files: Files):
    first = files.truth["images"][0]["id"]
    files.results = [result for result in files.results if result["image_id"] == first]
    (warning,) = load(*files.write(provenance=False)).warnings
    assert "nor whether it was asked about the 7 of them that have no box" in warning


def test_a_photo_seen_in_training_is_refused_by_name(files: Files):
    files.provenance["seen_in_training"] = ["3.png", "5.png"]
    with pytest.raises(LeakError, match=r"trained on 3\.png and 1 more of these images"):
        load(*files.write())


def test_a_photo_seen_in_training_does_not_matter_where_it_is_not_judged(files: Files):
    files.provenance["seen_in_training"] = ["elsewhere.png"]
    files.provenance["image_ids"]["elsewhere.png"] = 99
    assert load(*files.write()).warnings == (
        f"1 photos were predicted that {files.folder / 'truth.json'} does not have; they are left out",
    )


def test_photos_that_were_not_predicted_are_refused(files: Files):
    del files.provenance["image_ids"]["2.png"]
    with pytest.raises(InputError, match=r"lacks 1 of the 8 images .* such as 2\.png"):
        load(*files.write())


def test_another_class_is_refused(files: Files):
    files.provenance["categories"]["1"] = "dent"
    with pytest.raises(InputError, match="predicts dent"):
        load(*files.write())


def test_bare_results_are_scored_with_a_warning(files: Files):
    judged = load(*files.write(provenance=False))
    assert "cannot be checked" in judged.warnings[0]
    files.results[0]["image_id"] = 77
    with pytest.raises(InputError, match="predicts image 77"):
        load(*files.write(provenance=False))


def test_odd_boxes_and_scores_are_warned_of(files: Files):
    assert load(*files.write()).warnings == ()
    files.results[0]["bbox"] = [10, 10, 1e4, 5]
    files.results[1]["bbox"] = [10, 10, 0, 5]
    files.results[2]["score"] = -1.0
    boxes, scores = load(*files.write()).warnings
    assert boxes.startswith(f"2 of {len(files.results)} boxes of ")
    assert scores.startswith(f"1 of {len(files.results)} scores of ")


def test_a_truth_that_nothing_can_match_is_refused(files: Files):
    files.truth["annotations"][0]["bbox"] = [0, 0, -5, 3]
    with pytest.raises(InputError, match=r"truth\.json: annotation \d+ has a box without area"):
        load(*files.write())


def test_another_split_is_a_warning(files: Files):
    files.truth["info"] = {"split": "a"}
    files.provenance["split"] = "b"
    assert "another split" in load(*files.write()).warnings[0]


def test_the_command_prints_figures_and_json(files: Files, mvtec):
    truth, results = files.write()
    outcome = mvtec("evaluate", "boxes", truth, results)
    assert outcome.code == 0
    assert "AP50" in outcome.out
    content = json.loads(mvtec("evaluate", "boxes", truth, results, "--json").out)
    assert set(content) >= {"command", "inputs", "outputs", "metrics", "warnings"}
    assert set(content["metrics"]["AP50/class0"]) == {"value", "n", "instances", "low", "high", "reason", "method"}


def test_a_leak_is_one_line_and_exit_2(files: Files, mvtec):
    files.provenance["seen_in_training"] = ["3.png"]
    outcome = mvtec("evaluate", "boxes", *files.write())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert "trained on 3.png." in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_the_cross_check_explains_every_difference(files: Files, mvtec):
    pytest.importorskip("faster_coco_eval")
    files.results.append({**files.results[0], "score": 0.0001})
    content = json.loads(mvtec("evaluate", "boxes", *files.write(), "--cross-check", "--json").out)
    tools, steps = content["cross_check"]["tools"], content["cross_check"]["steps"]
    assert tools["pycocotools"]["ap"] == content["metrics"]["AP"]["value"]
    assert tools["faster-coco-eval"]["ap"] == pytest.approx(tools["pycocotools"]["ap"], abs=1e-9)
    assert tools["ultralytics"] != tools["pycocotools"]
    assert steps[-1]["score"] == tools["ultralytics"]
    assert [step["name"] for step in steps] == [
        "confidence floor",
        "maxDets",
        "interpolation",
        "matching",
        "empty classes",
    ]
    assert f"1 of {len(files.results)} detections go" in steps[0]["explanation"]
    text = mvtec("evaluate", "boxes", *files.write(), "--cross-check").out
    assert "interpolation: AP50" in text


def test_the_report_shows_every_photo(files: Files, mvtec, tmp_path: Path):
    for number in range(8):
        write_png(tmp_path / "photos" / f"{number}.png", noise(number, 900, 900))
    outcome = mvtec("evaluate", "boxes", *files.write(), "--report", tmp_path / "report.html")
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 8
    assert "http://" not in page
    assert "https://" not in page
    (tmp_path / "photos" / "3.png").unlink()
    outcome = mvtec("evaluate", "boxes", *files.write(), "--report", tmp_path / "other.html")
    assert outcome.code == 2
    assert "3.png" in outcome.err
    assert not (tmp_path / "other.html").exists()


def test_names_in_the_report_are_escaped(files: Files, mvtec, tmp_path: Path):
    files.truth["categories"][0]["name"] = files.provenance["categories"]["1"] = "<script>alert(1)</script>"
    for number in range(8):
        write_png(tmp_path / "photos" / f"{number}.png", noise(number, 900, 900))
    mvtec("evaluate", "boxes", *files.write(), "--report", tmp_path / "report.html")
    assert "<script>" not in (tmp_path / "report.html").read_text()


def test_a_truth_with_annotation_id_0_is_renumbered(files: Files):
    expected = evaluate_boxes(load(*files.write()), resamples=0)
    for annotation in files.truth["annotations"]:
        annotation["id"] -= 1
    judged = load(*files.write())
    assert "annotation with id 0" in judged.warnings[0]
    assert evaluate_boxes(judged, resamples=0) == expected


def test_another_photo_of_the_same_name_is_refused(files: Files):
    files.truth["images"][2]["sha256"] = "a"
    files.provenance["image_sha256"] = {"2.png": "a"}
    load(*files.write())
    files.provenance["image_sha256"] = {"2.png": "b"}
    with pytest.raises(InputError, match=r"another photo of the name 2\.png"):
        load(*files.write())


def test_the_cross_check_beyond_100_detections_blames_max_dets_alone():
    pytest.importorskip("faster_coco_eval")
    box = [100, 100, 50, 50]
    truth = {
        "info": {},
        "images": [{"id": 1, "file_name": "a", "width": 900, "height": 900}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "crack"}],
    }
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [500 + n, 500, 20, 20], "score": 0.9 - n / 1000} for n in range(150)
    ]
    results.append({"image_id": 1, "category_id": 1, "bbox": box, "score": 0.5})  # found, as the 151st
    checked = cross_check(EvaluationInput(CocoDataset.model_validate(truth), truth, results, None, ()))
    scores = {step.name: step.score.ap50 for step in checked.steps}
    assert checked.tools["pycocotools"].ap50 == 0
    assert scores["maxDets"] == pytest.approx(1 / 151)
    assert scores["matching"] == pytest.approx(scores["interpolation"], abs=1e-9)


def test_the_cross_check_says_what_ultralytics_makes_of_crowds():
    truth, results = random_case(6)
    plain = cross_check(judge(truth, results)).steps
    assert "crowd" not in plain[3].explanation
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = int(annotation["category_id"] == 1)
    checked = cross_check(judge(truth, results)).steps
    crowds = sum(annotation["iscrowd"] for annotation in truth["annotations"])
    assert f"knows no crowd: a box on one of the {crowds} here" in checked[3].explanation
    assert "class0" in checked[4].explanation  # nothing of it but crowds


def test_only_photos_that_are_shown_are_read(files: Files, mvtec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(8):
        write_png(tmp_path / "photos" / f"{number}.png", noise(number, 900, 900))
    monkeypatch.setattr("mvtec.evaluate.report.detector_page.MAX_CARDS", 2)
    read = []
    monkeypatch.setattr("mvtec.evaluate.report.gallery.data_uri", lambda photo: read.append(photo.name) or "data:,")
    assert mvtec("evaluate", "boxes", *files.write(), "--report", tmp_path / "report.html").code == 0
    assert len(read) == 2
    assert "6 more not shown" in (tmp_path / "report.html").read_text()


def test_results_of_another_tool_beside_a_provenance_are_refused(files: Files):
    own = files.results[0]
    for key in ("image_id", "category_id"):
        files.results = [{**own, key: 99}]
        with pytest.raises(InputError, match=r"99, which the provenance\.json beside it does not have"):
            load(*files.write())
