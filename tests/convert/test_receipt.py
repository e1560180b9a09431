import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Category, noise, write_png

from mvtec.convert.receipt import Receipt


def test_mean_worst_and_where():
    receipt = Receipt("a reader")
    receipt.add("a.png", ["crack", "stain"], [1.0, 0.5])
    receipt.add("b.png", ["crack"], [0.75])
    receipt.add("c.png", [], [])
    content = receipt.to_json()
    assert content["images"] == 3
    assert content["instances"] == {"crack": 2, "stain": 1}
    assert content["iou"] == {
        "n": 3,
        "mean": 0.75,
        "worst": 0.5,
        "worst_instances": [
            {"file": "a.png", "defect": "stain", "iou": 0.5},
            {"file": "b.png", "defect": "crack", "iou": 0.75},
        ],
    }
    assert "mean IoU 0.7500 of 3, worst 0.5000 in a.png" in receipt.lines()[1]
    assert receipt.meets(0.5)
    assert not receipt.meets(0.51)


def test_only_the_worst_are_kept_and_the_first_of_equals():
    receipt = Receipt("a reader")
    for number in range(1000):
        receipt.add(f"{number:04}.png", ["crack"], [0.9 if number % 2 else 1.0])
    worst = receipt.to_json()["iou"]["worst_instances"]
    assert [entry["file"] for entry in worst] == [f"{number:04}.png" for number in range(1, 41, 2)]
    assert receipt.mean_iou == pytest.approx(0.95)


def test_nothing_to_compare():
    receipt = Receipt("a reader")
    receipt.add("good.png", [], [])
    assert receipt.meets(1.0)
    assert receipt.to_json()["iou"] == {"n": 0, "mean": None, "worst": None, "worst_instances": []}
    assert receipt.lines() == ["1 photo, no instances (none)"]


@pytest.fixture
def diagonal(category: Category) -> Category:
    """A mask that polygons with a tolerance cannot give back."""
    mask = np.zeros((40, 48))
    for row in range(30):
        mask[row, row : row + 3 + row % 3] = 255
    write_png(category.mask("crack", 0), mask)
    return category


def test_min_iou_fails_a_lossy_conversion_and_keeps_it(diagonal: Category, tmp_path: Path, mvtec):
    command = ["convert", "masks-to-coco", diagonal.root, "--segmentation", "polygon", "--overwrite"]
    out = tmp_path / "i.json"
    assert mvtec(*command, "--out", out, "--min-iou", 1).code == 0
    outcome = mvtec(*command, "--out", out, "--tolerance", 2, "--min-iou", 0.99)
    assert outcome.code == 1
    assert "below --min-iou 0.99" in outcome.err
    assert "worst" in outcome.out
    receipt = json.loads((tmp_path / "i.conversion.json").read_text())
    assert receipt["iou"]["worst"] < 0.99
    assert receipt["iou"]["worst_instances"][0]["file"] == "test/crack/000.png"
    assert out.exists()


def test_the_receipt_is_in_the_json_and_the_folder(category: Category, tmp_path: Path, mvtec):
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json")
    write_png(category.mask("stain", 2), np.zeros((40, 48)))
    words = ["--split", tmp_path / "s.json", "--on-error", "skip", "--task", "segment", "--json"]
    outcome = mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo", *words)
    assert outcome.code == 0
    receipt = json.loads((tmp_path / "yolo" / "conversion.json").read_text())
    assert json.loads(outcome.out)["receipt"] == receipt
    assert len(receipt["skipped"]) == 1
    assert "002_mask.png: marks no pixel" in receipt["skipped"][0]
    assert receipt["reader"] == "Ultralytics, polygons"
    assert receipt["objects"]["left_out"]["by_defect"] == {"stain": 1}
    assert (receipt["iou"]["worst"], receipt["iou"]["worst_instances"][1:]) == (0, [])


def test_tolerance_wants_polygons(category: Category, tmp_path: Path, mvtec):
    outcome = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", "--tolerance", 1)
    assert outcome.code == 2
    assert "Give --segmentation polygon" in outcome.err


def _coco(path: Path, *annotations: dict[str, Any], photos: int = 1) -> Path:
    """A COCO file of photos p0.png, p1.png, … of 60×45 pixels, which are drawn beside it."""
    images = [{"id": n, "file_name": f"p{n}.png", "width": 60, "height": 45} for n in range(photos)]
    for number in range(photos):
        write_png(path.parent / f"p{number}.png", noise(number, 45, 60))
    labels = [{"id": n, "image_id": 0, "category_id": 1, **one} for n, one in enumerate(annotations, start=1)]
    content = {"images": images, "annotations": labels, "categories": [{"id": 1, "name": "dent"}]}
    path.write_text(json.dumps(content))
    return path


_SMALL = [[10, 10, 14, 10, 14, 14, 10, 14]]  # 4×4 pixels
_BOX = {"bbox": [10, 10, 20, 20], "segmentation": []}


@pytest.mark.parametrize(
    ("task", "worst", "replaced"),
    [
        pytest.param("detect", 1.0, 0, id="the_box_is_kept"),
        pytest.param("segment", 16 / 1600, 1, id="the_mask_is_kept"),
    ],
)
def test_a_given_box_that_is_not_that_of_the_mask(tmp_path: Path, mvtec, task: str, worst: float, replaced: int):
    file = _coco(tmp_path / "i.json", {"bbox": [0, 0, 40, 40], "segmentation": _SMALL})
    command = ["convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y", "--task", task]
    outcome = mvtec(*command, "--min-iou", 0.5)
    receipt = json.loads((tmp_path / "y" / "conversion.json").read_text())
    assert receipt["iou"]["worst"] == pytest.approx(worst)
    assert receipt["objects"]["replaced"]["n"] == replaced
    assert outcome.code == (1 if replaced else 0)
    if replaced:
        assert receipt["objects"]["replaced"]["worst"]["given"] == [0, 0, 40, 40]
        assert receipt["objects"]["replaced"]["worst"]["written"] == [10, 10, 4, 4]
        assert "1 given box is not the box of the mask" in outcome.err
    else:
        assert (tmp_path / "y/labels/train/p0.txt").read_text() == "0 0.33333333 0.44444444 0.66666667 0.88888889\n"


def test_a_box_that_is_cut_by_nine_tenths_is_weighed(tmp_path: Path, mvtec):
    file = _coco(tmp_path / "i.json", {"bbox": [-36, 5, 40, 10], "segmentation": []})
    command = ["convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y"]
    outcome = mvtec(*command, "--min-iou", 0.5)
    assert outcome.code == 1
    receipt = json.loads((tmp_path / "y" / "conversion.json").read_text())
    assert receipt["iou"]["worst"] == pytest.approx(0.1)
    assert receipt["objects"]["cut"]["n"] == 1
    assert receipt["objects"]["cut"]["worst"]["written"] == [0, 5, 4, 10]
    assert "given -36, 5, 40, 10, written 0, 5, 4, 10, IoU 0.1000" in outcome.err


def test_an_object_that_is_left_out_has_no_iou(tmp_path: Path, mvtec):
    bad = {"bbox": [10, 10, 0, 5], "segmentation": []}
    file = _coco(tmp_path / "i.json", _BOX, bad, {**_BOX, "image_id": 1}, {**_BOX, "iscrowd": 1}, photos=2)
    (tmp_path / "p1.png").unlink()
    command = ["convert", "coco-to-yolo", file, "--images", tmp_path, "--on-error", "skip", "--overwrite"]
    outcome = mvtec(*command, "--out", tmp_path / "y", "--min-iou", 0.01)
    assert outcome.code == 1
    assert "objects: 4 read, 1 written, 3 left out" in outcome.out
    content = json.loads((tmp_path / "y" / "conversion.json").read_text())
    assert content["objects"]["read"] == 4
    assert content["objects"]["written"] == 1
    assert content["objects"]["left_out"] == {
        "n": 3,
        "by_kind": {"annotation not readable": 1, "crowd": 1, "photo missing": 1},
        "by_defect": {"dent": 3},
    }
    assert content["iou"]["n"] == 4
    assert content["iou"]["mean"] == 0.25
    assert content["iou"]["worst"] == 0


def test_a_photo_that_lost_all_its_objects_is_not_a_good_one(tmp_path: Path, mvtec):
    bad = {"bbox": [10, 10, 0, 5], "segmentation": [], "image_id": 1}
    file = _coco(tmp_path / "i.json", _BOX, bad, photos=3)
    command = ["convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y", "--on-error", "skip"]
    outcome = mvtec(*command)
    assert outcome.code == 0
    assert sorted(path.name for path in (tmp_path / "y/images/train").iterdir()) == ["p0.png", "p2.png"]
    assert "p1.png lost all its objects and is left out" in outcome.err


@pytest.mark.parametrize("command", ["coco-to-yolo", "coco-to-cvat", "coco-to-labelstudio", "coco-to-voc"])
def test_a_conversion_that_leaves_all_out_is_an_error_and_writes_nothing(tmp_path: Path, mvtec, command: str):
    bad = {"bbox": [10, 10, 0, 5], "segmentation": []}
    file = _coco(tmp_path / "i.json", bad, {**bad, "image_id": 1}, photos=2)
    photos = ["--images", tmp_path] if command == "coco-to-yolo" else []
    outcome = mvtec("convert", command, file, *photos, "--out", tmp_path / "out", "--on-error", "skip")
    assert outcome.code == 2
    assert "no photo is left to write; first:" in outcome.err
    assert not (tmp_path / "out").exists()
