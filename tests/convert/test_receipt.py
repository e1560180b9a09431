import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, write_png

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
    write_png(category.mask("stain", 2), np.zeros((40, 48)))
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json")
    words = ["--split", tmp_path / "s.json", "--on-error", "skip", "--task", "segment", "--json"]
    outcome = mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "yolo", *words)
    assert outcome.code == 0
    receipt = json.loads((tmp_path / "yolo" / "conversion.json").read_text())
    assert json.loads(outcome.out)["receipt"] == receipt
    assert len(receipt["skipped"]) == 1
    assert "002_mask.png: marks no pixel" in receipt["skipped"][0]
    assert receipt["reader"] == "Ultralytics, polygons"
    assert receipt["iou"]["worst"] == 1.0


def test_tolerance_wants_polygons(category: Category, tmp_path: Path, mvtec):
    outcome = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", "--tolerance", 1)
    assert outcome.code == 2
    assert "Give --segmentation polygon" in outcome.err
