import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, make_category, noise, write_png
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools.coco import COCO

from mvtec.convert.formats.coco.files import read_coco, read_results
from mvtec.convert.from_masks import InstanceOptions, label_samples
from mvtec.convert.pixels.rle import decode_rle, encode_rle
from mvtec.convert.receipt import Receipt
from mvtec.datasets.masks import read_mask
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError

GOLDEN = {
    # masks of conftest.make_category: photo 1 of crack has 10×5 at (3, 5) and 6×3 at (40, 30)
    "test/crack/000.png": [([3, 5, 10, 4], 40)],
    "test/crack/001.png": [([3, 5, 10, 5], 50), ([40, 30, 6, 3], 18)],
    "test/good/000.png": [],
}


def test_boxes_areas_and_names(category: Category, tmp_path: Path, mvtec):
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "instances.json").code == 0
    content = json.loads((tmp_path / "instances.json").read_text())
    assert [(c["id"], c["name"]) for c in content["categories"]] == [(1, "crack"), (2, "stain")]
    assert [image["file_name"] for image in content["images"]] == sorted(
        s.path for s in read_tree(category.root).samples
    )
    assert [image["id"] for image in content["images"]] == list(range(1, 16))
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    id_of = {image["file_name"]: image["id"] for image in content["images"]}
    for name, expected in GOLDEN.items():
        found = [(a["bbox"], a["area"]) for a in content["annotations"] if a["image_id"] == id_of[name]]
        assert found == expected
    assert {a["iscrowd"] for a in content["annotations"]} == {0}
    assert {(image["width"], image["height"]) for image in content["images"]} == {(48, 40)}


def test_pycocotools_gives_every_mask_back(category: Category, tmp_path: Path, mvtec):
    mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json")
    coco = COCO(str(tmp_path / "i.json"))
    for sample in read_tree(category.root).samples:
        image = next(i for i in coco.imgs.values() if i["file_name"] == sample.path)
        union = np.zeros((40, 48), bool)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            union |= coco.annToMask(annotation).astype(bool)
        np.testing.assert_array_equal(union, np.zeros((40, 48), bool) if sample.is_good else read_mask(sample))


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_rle_is_lossless(mask):
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


def test_two_runs_write_the_same_bytes(category: Category, tmp_path: Path, mvtec):
    for name in ("a", "b"):
        mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / f"{name}.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_split_gives_one_file_a_part(category: Category, tmp_path: Path, mvtec):
    mvtec("datasets", "split", category.root, "--out", tmp_path / "split.json")
    outcome = mvtec(
        "convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", "--split", tmp_path / "split.json"
    )
    assert outcome.code == 0
    assert sorted(path.name for path in tmp_path.glob("i_*")) == ["i_test.json", "i_train.json"]
    test, split = read_coco(tmp_path / "i_test.json"), json.loads((tmp_path / "split.json").read_text())
    assert [image.file_name for image in test.images] == split["test"]
    assert test.info["split"] == split["hash"]


@pytest.mark.parametrize(
    ("options", "boxes"),
    [
        pytest.param([], [[3, 5, 10, 5], [40, 30, 6, 3]], id="component"),
        pytest.param(["--instances", "image"], [[3, 5, 43, 28]], id="image"),
        pytest.param(["--merge-gap", "26"], [[3, 5, 10, 5], [40, 30, 6, 3]], id="gap_too_small"),
        pytest.param(["--merge-gap", "27"], [[3, 5, 43, 28]], id="gap_of_27_columns"),
        pytest.param(["--min-area", "18"], [[3, 5, 10, 5], [40, 30, 6, 3]], id="specks_of_18_pixels_kept"),
        pytest.param(["--min-area", "19"], [[3, 5, 10, 5]], id="specks_dropped"),
    ],
)
def test_how_masks_become_instances(category: Category, tmp_path: Path, mvtec, options, boxes):
    outcome = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", *options)
    content = json.loads((tmp_path / "i.json").read_text())
    image = next(i["id"] for i in content["images"] if i["file_name"] == "test/crack/001.png")
    assert [a["bbox"] for a in content["annotations"] if a["image_id"] == image] == boxes
    assert ("4 instances below --min-area were dropped" in outcome.err) == ("19" in options)


def test_a_bad_mask_stops_the_conversion_or_is_left_out(category: Category, tmp_path: Path, mvtec):
    write_png(category.mask("stain", 2), np.zeros((40, 48)))
    command = ["convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json"]
    outcome = mvtec(*command)
    assert outcome.code == 2
    assert "002_mask.png: marks no pixel." in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "i.json").exists()
    outcome = mvtec(*command, "--on-error", "skip")
    assert outcome.code == 0
    assert "left out" in outcome.err
    assert len(read_coco(tmp_path / "i.json").images) == 14


def test_every_published_box_and_area_of_bottle(real_bottle: Path, published_boxes: Path, tmp_path: Path, mvtec):
    """68 boxes of 63 photos, drawn by others: asimniaz-ai/MVTec_detailed_annotations."""
    assert mvtec("convert", "masks-to-coco", real_bottle, "--out", tmp_path / "i.json").code == 0
    dataset = read_coco(tmp_path / "i.json")
    published = json.loads(published_boxes.read_text())["bottle"]
    assert (len(published), sum(len(entry["boxes"]) for entry in published)) == (63, 68)
    id_of = {image.file_name: image.id for image in dataset.images}
    for entry in published:
        mine = [a for a in dataset.annotations if a.image_id == id_of[f"test/{entry['defect']}/{entry['image']}"]]
        assert sorted(list(a.bbox) for a in mine) == sorted(entry["boxes"])
        assert sum(a.area for a in mine) == entry["area"]
    assert len(dataset.annotations) == 68


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "is not valid JSON", id="no_json"),
        pytest.param("[]", "not a COCO annotation file", id="a_list"),
        pytest.param('{"images": [], "annotations": []}', 'it has no "categories"', id="no_categories"),
        pytest.param(
            '{"images": [], "categories": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, '
            '"bbox": [0, 0, 1, 1], "area": 1}]}',
            "annotation 1 refers to an image",
            id="dangling",
        ),
        pytest.param(
            '{"images": [{"id": 1, "file_name": "a", "width": 1, "height": 1}, '
            '{"id": 1, "file_name": "b", "width": 1, "height": 1}], "annotations": [], "categories": []}',
            "image id 1 is used twice",
            id="twice",
        ),
    ],
)
def test_a_broken_annotation_file_is_named(tmp_path: Path, content: str, message: str):
    (tmp_path / "i.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_coco(tmp_path / "i.json")


def test_a_result_with_a_nan_is_refused(tmp_path: Path):
    (tmp_path / "p.json").write_text('[{"image_id": 1, "category_id": 1, "bbox": [0, 0, NaN, 1], "score": 0.5}]')
    with pytest.raises(InputError, match="not a COCO results file"):
        read_results(tmp_path / "p.json")


def test_unknown_keys_pass_through(tmp_path: Path):
    content = {
        "images": [{"id": 1, "file_name": "a", "width": 1, "height": 1, "camera": "left"}],
        "annotations": [],
        "categories": [],
        "licenses": [{"name": "x"}],
    }
    (tmp_path / "i.json").write_text(json.dumps(content))
    again = read_coco(tmp_path / "i.json").to_json()
    assert again["images"][0]["camera"] == "left"
    assert again["licenses"] == [{"name": "x"}]


def test_the_fixture_is_what_the_golden_numbers_say(tmp_path: Path):
    mask = read_mask(
        next(s for s in read_tree(make_category(tmp_path / "w").root).samples if s.path.endswith("crack/001.png"))
    )
    assert mask.sum() == 50 + 18


def test_a_part_of_an_older_split_is_never_removed_and_stops_the_new_one(category: Category, tmp_path: Path, mvtec):
    """A person may have corrected it; beside the new train part its photos would be seen twice."""
    mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json", "--folds", 2)
    command = ["convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", "--split", tmp_path / "s.json"]
    assert mvtec(*command, "--fold", 0).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("i_*")}
    assert sorted(before) == ["i_test.json", "i_train.json", "i_val.json"]
    done = mvtec(*command, "--overwrite")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "i_val.json: is there, and the new set has no val part" in done.err
    assert {path.name: path.read_bytes() for path in tmp_path.glob("i_*")} == before
    (tmp_path / "i_val.json").unlink()
    assert mvtec(*command, "--overwrite").code == 0
    assert sorted(path.name for path in tmp_path.glob("i_*")) == ["i_test.json", "i_train.json"]


def test_an_image_keeps_its_masks_while_the_next_are_decoded(category: Category):
    """Masks of one size are decoded into the same memory; other sizes and depths between them change nothing."""
    wide, colour = np.zeros((20, 90)), np.zeros((40, 48, 3))
    wide[4:9, 50:80] = colour[1:30, 2:7] = 255
    write_png(category.mask("crack", 1), wide)
    write_png(category.photo("crack", 1), noise(99, 20, 90))
    write_png(category.mask("crack", 3), colour)
    dataset = read_tree(category.root)
    at_once = list(label_samples(dataset, dataset.samples, InstanceOptions(), Receipt("nobody"), lambda image: image))
    assert len(at_once) == 15
    for image, sample in zip(at_once, dataset.samples, strict=True):
        if not sample.is_good:
            kept = np.any([instance.region.full(image.size_hw) for instance in image.instances], axis=0)
            np.testing.assert_array_equal(kept, read_mask(sample))


def test_values_above_the_threshold_are_defect_the_threshold_itself_is_not(category: Category, tmp_path: Path, mvtec):
    edge = np.zeros((40, 48))
    edge[5:20, 3:20] = 100
    edge[8:18, 5:15] = 101
    write_png(category.mask("crack", 0), edge)
    out = tmp_path / "a.json"
    assert mvtec("convert", "masks-to-coco", category.root, "--out", out, "--threshold", "100").code == 0
    assert read_coco(out).annotations[0].bbox == (5, 8, 10, 10)


def test_masks_of_16_bits_have_the_same_middle(category: Category, tmp_path: Path, mvtec):
    soft = np.zeros((40, 48), np.uint16)
    soft[5:20, 3:20] = 3000
    soft[8:18, 5:15] = 65535
    category.mask("crack", 0).write_bytes(cv2.imencode(".png", soft)[1].tobytes())
    words = ["convert", "masks-to-coco", category.root, "--out"]
    assert "1 mask has grey values" in mvtec(*words, tmp_path / "a.json").err
    assert mvtec(*words, tmp_path / "b.json", "--threshold", "127").code == 0
    boxes = [read_coco(tmp_path / name).annotations[0].bbox for name in ("a.json", "b.json")]
    assert boxes == [(3, 5, 17, 15), (5, 8, 10, 10)]


def test_numbers_of_16_bits_that_would_fit_into_8_are_not_divided(category: Category, tmp_path: Path, mvtec):
    low = np.zeros((40, 48), np.uint16)
    low[5:20, 3:20] = 200
    category.mask("crack", 0).write_bytes(cv2.imencode(".png", low)[1].tobytes())
    words = ["convert", "masks-to-coco", category.root, "--out", tmp_path / "a.json", "--threshold", "127"]
    assert mvtec(*words).code == 0
    assert read_coco(tmp_path / "a.json").annotations[0].area == 15 * 17


def test_of_two_masks_of_a_photo_none_is_taken(category: Category, tmp_path: Path, mvtec):
    other = category.mask("crack", 0).with_suffix(".bmp")
    write_png(other, np.ones((40, 48)))
    done = mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "a.json")
    assert done.code == 2
    assert "000_mask.bmp" in done.err
    assert "000_mask.png" in done.err
    words = ["--out", tmp_path / "b.json", "--on-error", "skip"]
    assert "14 photos" in mvtec("convert", "masks-to-coco", category.root, *words).out


def test_receipts_of_one_stem_lie_side_by_side(category: Category, tmp_path: Path, mvtec):
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "k.json").code == 0
    assert mvtec("convert", "coco-to-cvat", tmp_path / "k.json", "--out", tmp_path / "k.xml").code == 0
    receipts = [json.loads((tmp_path / f"{name}.conversion.json").read_text()) for name in ("k", "k.xml")]
    assert ["pycocotools" in receipt["reader"] for receipt in receipts] == [True, False]
