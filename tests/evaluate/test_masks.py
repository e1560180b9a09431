"""`mvtec evaluate masks` against figures counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Category
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mvtec.convert.pixels.geometry import region_of
from mvtec.convert.pixels.rle import encode_rle
from mvtec.errors import InputError, LeakError
from mvtec.evaluate.mask_pairs import boundary_iou, pair_masks
from mvtec.evaluate.masks import evaluate_masks, worst


def rectangle(x: int, y: int, w: int, h: int) -> np.ndarray:
    mask = np.zeros((40, 48), bool)
    mask[y : y + h, x : x + w] = True
    return mask


def coco(path: Path, instances: list[tuple[int, int, np.ndarray | None, list[float]]], **more: object) -> Path:
    """Photos 1 to 3 and instances of (photo, class, mask, box)."""
    annotations = [
        {
            "id": number,
            "image_id": photo,
            "category_id": label,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            **({} if mask is None else {"segmentation": encode_rle(mask)}),
        }
        for number, (photo, label, mask, box) in enumerate(instances, start=more.pop("first", 1))
    ]
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 48, "height": 40} for n in (1, 2, 3)],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "stain"}],
        "annotations": annotations,
        **more,
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return coco(
        tmp_path / "truth.json",
        [
            (1, 1, rectangle(0, 0, 10, 10), [0, 0, 10, 10]),
            (1, 2, rectangle(20, 20, 10, 10), [20, 20, 10, 10]),
            (2, 1, rectangle(5, 5, 20, 10), [5, 5, 20, 10]),
        ],
    )


def test_the_truth_itself_scores_one(truth: Path):
    metrics = evaluate_masks(pair_masks(truth, truth))
    for name in ("IoU", "Dice", "boundary_IoU", "IoU_image", "Dice_image", "AP", "AP50", "IoU/crack", "IoU/stain"):
        assert metrics[name].value == pytest.approx(1.0)
    assert (metrics["IoU"].n, metrics["IoU"].instances) == (2, 3)
    assert (metrics["IoU/stain"].n, metrics["IoU/stain"].instances) == (1, 1)


def test_figures_counted_by_hand(truth: Path, tmp_path: Path):
    predictions = coco(
        tmp_path / "p.json",
        [
            (1, 1, rectangle(0, 0, 10, 5), [0, 0, 10, 10]),  # half of it: IoU 0.5
            (1, 2, rectangle(30, 20, 10, 10), [30, 20, 10, 10]),  # beside it: 0
            (2, 1, None, [5, 5, 20, 20]),  # a box of twice the height: 0.5
        ],
    )
    paired = pair_masks(truth, predictions)
    metrics = evaluate_masks(paired, pair_masks(truth, truth))
    assert metrics["IoU"].value == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert metrics["Dice"].value == pytest.approx(2 * (2 / 3) / 3)
    assert metrics["IoU/crack"].value == pytest.approx(0.5)
    assert metrics["IoU/stain"].value == 0
    assert metrics["IoU_filled_box"].value == pytest.approx((1 + 0 + 0.5) / 3)
    assert metrics["IoU_image"].value == pytest.approx((50 / 300 + 0.5) / 2)
    assert metrics["IoU_unrefined"].value == 1
    assert metrics["AP50"].value == pytest.approx((1.0 + 0) / 2, abs=0.01)
    assert metrics["IoU"].low <= metrics["IoU"].value <= metrics["IoU"].high
    assert [pair.iou for pair in worst(paired, 2)] == [0, 0.5]


def test_the_ap_of_masks_is_counted_with_the_iou_of_masks(tmp_path: Path):
    """Truth and prediction have one box. The masks share 40 of 100 pixels: no match at 0.5."""
    thin = rectangle(0, 0, 10, 3) | rectangle(0, 9, 10, 1)
    truth = coco(tmp_path / "truth.json", [(1, 1, thin, [0, 0, 10, 10])])
    predictions = coco(tmp_path / "p.json", [(1, 1, rectangle(0, 0, 10, 10), [0, 0, 10, 10])])
    metrics = evaluate_masks(pair_masks(truth, predictions))
    assert metrics["IoU"].value == pytest.approx(0.4)
    assert (metrics["AP50"].value, metrics["AP"].value) == (0, 0)


def test_other_ids_are_paired_one_to_one_within_class_and_photo(truth: Path, tmp_path: Path):
    predictions = coco(
        tmp_path / "p.json",
        [
            (1, 1, rectangle(20, 20, 10, 10), [20, 20, 10, 10]),  # right place, wrong class
            (1, 2, rectangle(20, 20, 10, 8), [20, 20, 10, 8]),
            (1, 2, rectangle(20, 20, 10, 10), [20, 20, 10, 10]),  # the better of two
        ],
        first=50,
    )
    paired = pair_masks(truth, predictions)
    assert [pair.iou for pair in paired.pairs] == [0.0, 1.0, 0.0]


def test_false_masks_lower_the_iou_of_their_photo(truth: Path, tmp_path: Path):
    exact = [
        (1, 1, rectangle(0, 0, 10, 10), [0, 0, 10, 10]),
        (1, 2, rectangle(20, 20, 10, 10), [20, 20, 10, 10]),
        (2, 1, rectangle(5, 5, 20, 10), [5, 5, 20, 10]),
    ]
    false = [
        (1, 1, rectangle(30, 0, 10, 20), [30, 0, 10, 20]),
        (2, 2, rectangle(5, 5, 20, 10), [5, 5, 20, 10]),  # another class on the same pixels
        (3, 1, rectangle(0, 0, 48, 40), [0, 0, 48, 40]),  # on a good photo, which has no IoU
    ]
    metrics = evaluate_masks(pair_masks(truth, coco(tmp_path / "p.json", [*exact, *false])))
    assert metrics["IoU"].value == 1
    assert metrics["IoU_image"].value == pytest.approx((200 / 400 + 1) / 2)
    assert metrics["Dice_image"].value == pytest.approx((2 * 0.5 / 1.5 + 1) / 2)
    assert metrics["IoU_image/crack"].value == pytest.approx((100 / 300 + 1) / 2)
    assert metrics["IoU_image/stain"].value == 1


def test_ids_that_only_happen_to_be_the_truths_pair_nothing(tmp_path: Path):
    first, second = rectangle(0, 0, 10, 10), rectangle(20, 20, 10, 10)
    two = [(1, 1, first, [0, 0, 10, 10]), (1, 1, second, [20, 20, 10, 10])]
    there = coco(tmp_path / "two.json", two)
    swapped = coco(tmp_path / "p.json", two[::-1])
    assert evaluate_masks(pair_masks(there, swapped))["IoU"].value == 1
    content = json.loads(swapped.read_text())
    for annotation in content["annotations"]:  # refined from boxes that only have the truth's ids
        annotation["attributes"] = {"prompt_bbox": annotation["bbox"]}
    swapped.write_text(json.dumps(content))
    assert evaluate_masks(pair_masks(there, swapped))["IoU"].value == 1
    boxes = [annotation["bbox"] for annotation in content["annotations"]]
    for annotation, box in zip(content["annotations"], boxes[::-1], strict=True):  # refined from the truth's own boxes
        annotation["attributes"] = {"prompt_bbox": box}
    swapped.write_text(json.dumps(content))
    assert evaluate_masks(pair_masks(there, swapped))["IoU"].value == 0


@pytest.mark.parametrize("seed", range(6))
def test_one_resample_is_no_interval_and_no_error(truth: Path, seed: int):
    metrics = evaluate_masks(pair_masks(truth, truth), resamples=1, seed=seed)
    assert metrics.pop("false_alarm_share").low == 0  # Wilson's, which draws nothing
    for metric in metrics.values():
        assert metric.low is None
        assert metric.reason


def test_results_below_the_score_are_not_paired(truth: Path, tmp_path: Path):
    result = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.2}
    (tmp_path / "r.json").write_text(json.dumps([result]))
    assert evaluate_masks(pair_masks(truth, tmp_path / "r.json"))["IoU"].value == 0
    low = evaluate_masks(pair_masks(truth, tmp_path / "r.json", min_score=0.1))
    assert low["IoU"].value == pytest.approx(1 / 3)
    assert low["AP50"].value == pytest.approx(0.25, abs=0.01)  # half of crack's instances


def test_boundary_iou_sees_the_rim_alone():
    """2 % of the diagonal of 400×300 is 10 pixels."""
    size_hw = (300, 400)
    one, other = np.zeros(size_hw, bool), np.zeros(size_hw, bool)
    one[50:250, 50:250] = True
    other[50:250, 50:250] = True
    other[70:230, 70:230] = False
    regions = region_of(one), region_of(other)
    assert boundary_iou(regions[0], regions[0], size_hw) == 1
    assert regions[0].iou(regions[1]) == pytest.approx(1 - 160**2 / 200**2)
    rim = 200**2 - 180**2
    both_rims = 200**2 - 160**2  # the ring is 20 wide, so all of it is rim
    assert boundary_iou(*regions, size_hw) == pytest.approx(rim / both_rims)


def test_a_model_that_saw_the_photos_is_refused(truth: Path, tmp_path: Path):
    predictions = coco(tmp_path / "p.json", [], info={"seen_in_training": ["2.png", "9.png"]})
    with pytest.raises(LeakError, match=r"trained on 2\.png"):
        pair_masks(truth, predictions)


def test_what_does_not_fit_is_named(truth: Path, tmp_path: Path):
    content = json.loads(truth.read_text())
    content["images"][0]["file_name"] = "elsewhere.png"
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"lacks 1 photos .* such as 1\.png"):
        pair_masks(truth, tmp_path / "p.json")
    boxes = coco(tmp_path / "boxes.json", [(1, 1, None, [0, 0, 5, 5])])
    with pytest.raises(InputError, match="has no mask"):
        pair_masks(boxes, truth)
    kept = json.loads(truth.read_text())
    kept["annotations"][0]["attributes"] = {"needs_review": True}
    (tmp_path / "k.json").write_text(json.dumps(kept))
    assert "1 instances" in pair_masks(truth, tmp_path / "k.json").warnings[0]
    scaled = json.loads(truth.read_text())
    scaled["images"][0] |= {"width": 24, "height": 20}
    (tmp_path / "s.json").write_text(json.dumps(scaled))
    with pytest.raises(InputError, match=r"has 1\.png with 24×20 pixels, .*truth\.json with 48×40"):
        pair_masks(truth, tmp_path / "s.json")
    other = json.loads(truth.read_text())
    other["annotations"][0]["segmentation"]["size"] = [20, 24]
    (tmp_path / "o.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"an instance of 1\.png: its segmentation is not 48×40 pixels"):
        pair_masks(truth, tmp_path / "o.json")


def test_a_prediction_without_a_mask_is_taken_for_its_box_and_said_to_be(truth: Path, tmp_path: Path):
    boxes = json.loads(truth.read_text())
    del boxes["annotations"][0]["segmentation"]
    (tmp_path / "b.json").write_text(json.dumps(boxes))
    paired = pair_masks(truth, tmp_path / "b.json")
    assert paired.warnings == (f"1 instances of {tmp_path / 'b.json'} have no mask; the filled box stands for it",)
    assert [pair.iou for pair in paired.pairs] == [1, 1, 1]


def test_the_command_and_its_page(category: Category, tmp_path: Path, mvtec):
    truth = tmp_path / "i.json"
    assert mvtec("convert", "masks-to-coco", category.root, "--out", truth).code == 0
    page = tmp_path / "masks.html"
    words = ["evaluate", "masks", truth, truth]
    assert mvtec(*words, "--report", page).code == 2
    done = mvtec(*words, "--report", page, "--images", category.root, "--unrefined", truth, "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)["metrics"]
    assert metrics["IoU_image"]["value"] == 1
    assert set(metrics["IoU/crack"]) == {"value", "n", "instances", "low", "high", "reason", "method"}
    text = page.read_text()
    assert text.count("<svg") == 4 * 10  # boxes, truth, unrefined, masks
    assert "test/crack/000.png" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert mvtec(*words).out.startswith("10 photos, 14 instances")


def test_masks_on_good_photos_are_counted_named_and_shown_first(category: Category, tmp_path: Path, mvtec):
    truth = tmp_path / "i.json"
    assert mvtec("convert", "masks-to-coco", category.root, "--out", truth).code == 0
    content = json.loads(truth.read_text())
    labelled = {annotation["image_id"] for annotation in content["annotations"]}
    goods = [image for image in content["images"] if image["id"] not in labelled]
    false = {
        "id": 900,
        "image_id": goods[0]["id"],
        "category_id": 1,
        "bbox": [0, 0, 9, 9],
        "area": 81,
        "iscrowd": 0,
        "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]],
    }
    silent = json.loads(mvtec("evaluate", "masks", truth, truth, "--json").out)
    assert silent["metrics"]["false_alarm_share"]["value"] == 0
    predictions = tmp_path / "p.json"
    predictions.write_text(json.dumps(content | {"annotations": [*content["annotations"], false]}))
    page = tmp_path / "masks.html"
    said = json.loads(
        mvtec("evaluate", "masks", truth, predictions, "--json", "--report", page, "--images", category.root).out
    )
    share = said["metrics"]["false_alarm_share"]
    assert (share["value"], share["n"]) == (1 / len(goods), len(goods))
    assert share["low"] < share["value"] < share["high"]
    assert said["good_with_a_mask"] == [goods[0]["file_name"]]
    text = page.read_text()
    assert f"<b>1 of {len(goods)}</b>" in text
    assert text.index("good, a false alarm") < text.index("crack, IoU")
    printed = mvtec("evaluate", "masks", truth, predictions).out
    assert f"good photos with a mask: 1 of {len(goods)}, such as {goods[0]['file_name']}" in printed


def test_good_photos_that_were_not_asked_about_are_no_silence(truth: Path, tmp_path: Path):
    asked = json.loads(truth.read_text())
    asked["images"] = asked["images"][:2]
    (tmp_path / "p.json").write_text(json.dumps(asked))
    assert evaluate_masks(pair_masks(truth, truth))["false_alarm_share"].n == 1
    metric = evaluate_masks(pair_masks(truth, tmp_path / "p.json"))["false_alarm_share"]
    assert (metric.value, metric.reason) == (None, "no good photo")


def test_equal_scores_have_no_ap_where_their_order_decides(truth: Path, tmp_path: Path):
    exact = [
        (1, 1, rectangle(0, 0, 10, 10), [0, 0, 10, 10]),
        (1, 2, rectangle(20, 20, 10, 10), [20, 20, 10, 10]),
        (2, 1, rectangle(5, 5, 20, 10), [5, 5, 20, 10]),
    ]
    false = (3, 1, rectangle(0, 0, 20, 20), [0, 0, 20, 20])
    predictions = coco(tmp_path / "p.json", [*exact, false], first=50)
    metrics = evaluate_masks(pair_masks(truth, predictions))
    for name in ("AP", "AP50"):
        assert (metrics[name].value, metrics[name].reason) == (None, "all scores of a class are equal")
    content = json.loads(predictions.read_text())
    for annotation, score in zip(content["annotations"], (0.9, 0.8, 0.7, 0.1), strict=True):
        annotation["attributes"] = {"predicted_iou": score}
    predictions.write_text(json.dumps(content))
    assert evaluate_masks(pair_masks(truth, predictions))["AP"].value == pytest.approx(1)


def test_crowds_count_as_for_pycocotools(tmp_path: Path):
    """A mask in a crowd of its class is neither right nor false; one of another class is false."""
    own, crowd = rectangle(0, 0, 10, 10), rectangle(20, 20, 20, 15)
    truth = coco(tmp_path / "t.json", [(1, 1, own, [0, 0, 10, 10]), (1, 1, crowd, [20, 20, 20, 15])])
    content = json.loads(truth.read_text())
    content["annotations"][1]["iscrowd"] = 1
    truth.write_text(json.dumps(content))
    inside = (1, 1, rectangle(22, 22, 5, 5), [22, 22, 5, 5])
    for label, iou in ((1, 1.0), (2, 100 / 125)):
        results = [
            {"image_id": 1, "category_id": number, "segmentation": encode_rle(mask), "score": score}
            for number, mask, score in ((1, own, 0.5), (label, inside[2], 0.9))
        ]
        (tmp_path / "r.json").write_text(json.dumps(results))
        metrics = evaluate_masks(pair_masks(truth, tmp_path / "r.json"))
        judge = COCOeval(COCO(truth), COCO(truth).loadRes(str(tmp_path / "r.json")), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        assert metrics["AP"].value == pytest.approx(judge.stats[0])
        assert metrics["IoU_image"].value == pytest.approx(iou)


def test_ids_pair_only_what_was_made_of_the_instance(truth: Path, tmp_path: Path):
    """Boxes drawn by another hand and refined have prompts, too, and the ids may be the truth's in another order."""
    content = json.loads(truth.read_text())
    one, other = content["annotations"][0], content["annotations"][2]
    one["image_id"], one["bbox"], one["segmentation"] = 2, [30, 30, 8, 8], encode_rle(rectangle(30, 30, 8, 8))
    truth.write_text(json.dumps(content))
    one["id"], other["id"] = other["id"], one["id"]
    for annotation in content["annotations"]:
        annotation["attributes"] = {"prompt_bbox": annotation["bbox"]}
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert [pair.iou for pair in pair_masks(truth, tmp_path / "p.json").pairs] == [1.0, 1.0, 1.0]


def test_results_as_coco_has_them_and_empty_masks(truth: Path, tmp_path: Path):
    results = [
        {"image_id": 1, "category_id": 1, "segmentation": encode_rle(rectangle(0, 0, 10, 10)), "score": 0.9},
        {"image_id": 3, "category_id": 1, "segmentation": encode_rle(np.zeros((40, 48), bool)), "score": 0.95},
    ]
    (tmp_path / "r.json").write_text(json.dumps(results))
    paired = pair_masks(truth, tmp_path / "r.json")
    assert [pair.iou for pair in paired.pairs] == [1.0, 0.0, 0.0]
    assert paired.good_with_a_mask == ()
    assert "1 mask of" in " ".join(paired.warnings)
    judge = COCOeval(COCO(truth), COCO(truth).loadRes(str(tmp_path / "r.json")), "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert evaluate_masks(paired)["AP"].value == pytest.approx(judge.stats[0])


def test_the_score_of_an_annotation_counts(truth: Path, tmp_path: Path, mvtec):
    content = json.loads(truth.read_text())
    for annotation, score in zip(content["annotations"], (0.9, 0.8, 0.1), strict=True):
        annotation["score"] = score
        annotation["attributes"] = {"predicted_iou": "" if score > 0.5 else None}  # as an editor may leave it
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert [pair.iou for pair in pair_masks(truth, tmp_path / "p.json").pairs] == [1.0, 1.0, 0.0]
    assert evaluate_masks(pair_masks(truth, tmp_path / "p.json", min_score=0))["AP"].value == pytest.approx(1)
    outcome = mvtec("evaluate", "masks", truth, tmp_path / "p.json", "--min-score", "25")
    assert (outcome.code, "--min-score" in outcome.err) == (2, True)


def test_what_is_odd_about_the_unrefined_is_said_too(truth: Path, tmp_path: Path, mvtec):
    boxes = coco(tmp_path / "b.json", [(1, 1, None, [0, 0, 10, 10])])
    outcome = mvtec("evaluate", "masks", truth, truth, "--unrefined", boxes)
    assert "1 instances of" in outcome.err
    assert "b.json have no mask" in outcome.err
