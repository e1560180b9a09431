"""COCO files as other tools and accidents leave them: read exactly, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.errors import InputError

BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 15, 15, 10], "area": 150, "segmentation": []}
TRUE_BOX = "0 0.45833333 0.44444444 0.25000000 0.22222222\n"  # of 60×45
NEITHER = "its segmentation is neither RLE nor polygons"
THIN = [[10, 10.1, 30, 10.1, 30, 10.2, 10, 10.2]]  # between two rows of pixel centres


@pytest.fixture
def write(tmp_path: Path):
    """Writes a COCO file of the photo p.png, 60×45, which lies beside it."""
    write_png(tmp_path / "p.png", noise(1, 45, 60))

    def written(*annotations: dict[str, Any], name: str = "i.json", **keys: Any) -> Path:
        content = {
            "images": [{"id": 1, "file_name": "p.png", "width": 60, "height": 45}],
            "annotations": [{**BOX, "id": n, **one} for n, one in enumerate(annotations, start=1)],
            "categories": [{"id": 1, "name": "dent"}],
        }
        (tmp_path / name).write_text(json.dumps({**content, **keys}))
        return tmp_path / name

    return written


def labels(out: Path) -> str:
    return "".join(file.read_text() for file in sorted((out / "labels").rglob("*.txt")))


@pytest.mark.parametrize("value", ['""', "{}", "0", "NaN", "Infinity", "null", "false", '"none"'])
@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_damaged_list_is_refused(write, key: str, value: str):
    file = write({}, **{key: "@"})
    file.write_text(file.read_text().replace('"@"', value))
    with pytest.raises(InputError, match=f'its "{key}" is .*, not a list. The file is damaged'):
        read_coco(file)


@pytest.mark.parametrize("key", ["id", "image_id", "category_id"])
@pytest.mark.parametrize("value", [True, False, 1 << 63, str(1 << 64)])
def test_an_id_that_is_no_64_bit_number_is_refused(write, key: str, value: Any):
    with pytest.raises(InputError, match=r"i\.json: .*annotation"):
        read_coco(write({key: value}))


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize("value", [True, 0, 1 << 31, str(1 << 64)])
def test_a_size_that_no_photo_has_is_refused(write, side: str, value: Any):
    image = {"id": 1, "file_name": "p.png", "width": 60, "height": 45, side: value}
    with pytest.raises(InputError, match=side):
        read_coco(write({}, images=[image]))


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_list_is_refused(write, key: str):
    file = write({})
    content = json.loads(file.read_text())
    del content[key]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f'it has no "{key}"') as caught:
        read_coco(file)
    assert ('write "annotations": []' in str(caught.value)) == (key == "annotations")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"bbox": []}, "has neither a bbox nor a segmentation to take it from", id="empty_box"),
        pytest.param({"bbox": [20, 15, 15]}, "cannot be read: bbox.3", id="three_numbers"),
        pytest.param({"bbox": [20, 15, 15, 10, 45]}, "cannot be read: bbox", id="turned_box_of_five_numbers"),
        pytest.param({"bbox": [20, 15, -15, 10]}, "has a box without area", id="negative_width"),
        pytest.param({"bbox": [20, 15, 0, 10]}, "has a box without area", id="no_width"),
        pytest.param({"iscrowd": 2}, "cannot be read: iscrowd", id="iscrowd_of_two"),
        pytest.param({"category_id": None}, "cannot be read: category_id", id="no_category"),
        pytest.param({"category_id": 7}, "has the category 7, which is not in the file", id="unknown_category"),
        pytest.param({"segmentation": ""}, NEITHER, id="text_as_segmentation"),
        pytest.param({"segmentation": {}}, NEITHER, id="empty_object"),
        pytest.param({"segmentation": [0]}, NEITHER, id="number_in_list"),
        pytest.param({"segmentation": [[1, 1, 9, 9]]}, NEITHER, id="four_numbers"),
        pytest.param(
            {"segmentation": {"size": [45, 60], "counts": [5, 5]}},
            "is no run-length encoding of its size",
            id="short_rle",
        ),
        pytest.param(
            {"attributes": {"rotation": "left"}},
            "has attributes.rotation 'left'",
            id="odd_rotation",
        ),
    ],
)
def test_an_annotation_that_breaks_a_rule_is_named_and_can_be_left_out(write, tmp_path, mvtec, change, complaint):
    file = write({}, change)
    words = ["convert", "coco-to-yolo", file, "--images", tmp_path]
    failed = mvtec(*words, "--out", tmp_path / "a")
    assert failed.code == 2
    assert f"annotation 2 of p.png: {complaint}" in failed.err
    assert "--on-error skip" in failed.err
    left = mvtec(*words, "--out", tmp_path / "b", "--on-error", "skip")
    assert left.code == 0
    assert labels(tmp_path / "b") == TRUE_BOX
    receipt = json.loads((tmp_path / "b" / "conversion.json").read_text())
    assert receipt["objects"]["left_out"]["by_kind"] == {"annotation not readable": 1}


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"images": [{"id": 1, "file_name": "", "width": 60, "height": 45}]}, "images.0.file_name"),
        ({"images": [{"id": 1, "file_name": "p.png", "width": 0, "height": 45}]}, "images.0.width (p.png)"),
        ({"categories": [{"id": 1, "name": " "}]}, "categories.0.name"),
        ({"images": []}, "refers to an image that is not in the file"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(write, keys: dict[str, Any], complaint: str):
    with pytest.raises(InputError) as caught:
        read_coco(write({}, **keys))
    assert complaint in str(caught.value)


def test_an_empty_box_is_taken_from_the_polygon(write, tmp_path: Path, mvtec):
    polygon = [[20, 15, 35, 15, 35, 25, 20, 25]]
    for number, box in enumerate(([], [20, 15, 0, 0], None)):
        file = write({"bbox": box, "segmentation": polygon})
        out = tmp_path / f"y{number}"
        assert mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", out).code == 0
        assert labels(out) == TRUE_BOX


def test_a_polygon_too_thin_to_paint_does_not_stop_a_conversion_to_boxes(write, tmp_path: Path, mvtec):
    file = write({"segmentation": THIN})
    words = ["convert", "coco-to-yolo", file, "--images", tmp_path]
    assert mvtec(*words, "--out", tmp_path / "a").code == 0
    assert labels(tmp_path / "a") == TRUE_BOX
    segment = mvtec(*words, "--out", tmp_path / "b", "--task", "segment")
    assert segment.code == 2
    assert "marks no pixel" in segment.err


def test_the_given_box_is_that_of_the_mask_to_within_a_pixel(write, tmp_path: Path, mvtec):
    polygon = [[20, 15, 35, 15, 35, 25, 20, 25]]
    file = write({"bbox": [20.4, 14.6, 14.2, 10.1], "segmentation": polygon})
    assert mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y").code == 0
    assert labels(tmp_path / "y") == TRUE_BOX


@pytest.mark.parametrize("command", ["coco-to-masks", "coco-to-cvat", "coco-to-labelstudio", "coco-to-semantic"])
def test_a_box_that_becomes_a_mask_is_weighed(write, tmp_path: Path, mvtec, command: str):
    file = write({"bbox": [0, 0, 40, 40], "segmentation": [[10, 10, 14, 10, 14, 14, 10, 14]]})
    out = tmp_path / "out"
    outcome = mvtec("convert", command, file, "--out", out, "--min-iou", 0.5)
    assert outcome.code == 1
    assert "1 given box is not the box of the mask" in outcome.err
    assert "worst 0.0100 in p.png" in outcome.out  # 4×4 of 40×40


@pytest.mark.parametrize("points", [[10, 10, 30, 10, 30, 20], [30, 20, 30, 10, 10, 10]], ids=["clockwise", "against"])
def test_a_missing_area_is_computed_whichever_way_the_points_go_round(write, points: list[int]):
    file = write({"segmentation": [points], "bbox": [10, 10, 20, 10], "area": None})
    assert read_coco(file).annotations[0].area == 100  # half of 20 × 10


def test_a_turned_box_is_its_polygon_and_the_upright_box_around_it(write, tmp_path: Path, mvtec):
    file = write({"bbox": [10, 20, 40, 5], "attributes": {"rotation": 45.0}})
    words = ["convert", "coco-to-yolo", file, "--images", tmp_path]
    done = mvtec(*words, "--out", tmp_path / "a")
    assert "1 of the boxes in i.json are turned" in done.err
    # (40 + 5) / sqrt(2) = 31.8198 wide and high, about the centre (30, 22.5)
    assert labels(tmp_path / "a") == "0 0.50000000 0.50000000 0.53033000 0.70710667\n"
    assert mvtec(*words, "--out", tmp_path / "b", "--task", "segment").code == 0
    content = json.loads((tmp_path / "b/annotations/instances_train.json").read_text())
    assert content["annotations"][0]["area"] == pytest.approx(200, abs=10)  # 40 × 5
    for out in ("a", "b"):  # what was turned is not turned again
        again = mvtec(
            "convert",
            "coco-to-cvat",
            tmp_path / out / "annotations/instances_train.json",
            "--out",
            tmp_path / f"{out}.xml",
        )
        assert (again.code, "turned" in again.err) == (0, False)


def test_the_root_of_all_categories_is_not_a_class(write, tmp_path: Path, mvtec):
    tree = [
        {"id": 0, "name": "parts", "supercategory": "none"},
        {"id": 1, "name": "dent", "supercategory": "parts"},
        {"id": 2, "name": "bent", "supercategory": "parts"},
    ]
    for number, (names, count) in enumerate([(tree, 2), ([*tree[:1], {"id": 1, "name": "dent"}], 2), (tree[:2], 1)]):
        file = write({}, categories=names)
        out = tmp_path / f"y{number}"
        done = mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", out)
        assert (out / "data.yaml").read_text().count("\n  ") == count
        assert ("the category parts is left out" in done.err) == (number != 1)


def test_classes_are_numbered_by_their_ids_and_a_change_is_said(write, tmp_path: Path, mvtec):
    names = [{"id": 9, "name": "bent"}, {"id": 3, "name": "dent"}]
    file = write({"category_id": 3}, {"category_id": 9}, categories=names)
    done = mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y")
    assert "category ids become class numbers: 3 → 0 (dent), 9 → 1 (bent)" in done.err
    assert [line[0] for line in labels(tmp_path / "y").splitlines()] == ["0", "1"]


def test_a_part_may_list_fewer_categories(write, tmp_path: Path, mvtec):
    both = [{"id": 1, "name": "bent"}, {"id": 2, "name": "dent"}]
    train = write({"category_id": 2}, categories=both)
    write_png(tmp_path / "v.png", noise(2, 45, 60))
    images = [{"id": 1, "file_name": "v.png", "width": 60, "height": 45}]
    val = write({}, name="v.json", categories=[{"id": 1, "name": "dent"}], images=images)
    words = ["convert", "coco-to-yolo", train, "--val", val, "--images", tmp_path]
    done = mvtec(*words, "--out", tmp_path / "y")
    assert done.code == 0
    assert "does not list bent" in done.err
    assert (tmp_path / "y/labels/val/v.txt").read_text()[0] == "1"
    write({}, name="v.json", categories=[{"id": 1, "name": "stain"}], images=images)
    failed = mvtec(*words, "--out", tmp_path / "z")
    assert failed.code == 2
    assert "has other categories than the train part: stain" in failed.err


def test_photos_lie_beside_the_file_of_their_part(write, tmp_path: Path, mvtec):
    files = []
    for part in ("train", "valid"):
        (tmp_path / part).mkdir()
        files.append(write({}).rename(tmp_path / part / "_annotations.coco.json"))
        write_png(tmp_path / part / "p.png", noise(3 if part == "train" else 4, 45, 60))
    (tmp_path / "p.png").unlink()
    words = ["convert", "coco-to-yolo", files[0], "--val", files[1], "--images", tmp_path, "--images-by", "copy"]
    done = mvtec(*words, "--out", tmp_path / "y")
    assert done.code == 0
    assert "shares" not in done.err
    for part, own in (("train", "train"), ("val", "valid")):
        assert (tmp_path / f"y/images/{part}/p.png").read_bytes() == (tmp_path / own / "p.png").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "..\\..\\media\\upload\\4\\cb0618f6-a b.png",
        "/srv/data/upload/4/a%20b.png",
        "https://host/x/a%20b.png?s=1",
        "/data/local-files/?d=x\\a b.png",
    ],
)
def test_a_path_that_leads_nowhere_is_found_by_name(write, tmp_path: Path, mvtec, name: str):
    images = [{"id": 1, "file_name": name, "width": 60, "height": 45}]
    file = write({}, images=images)
    write_png(tmp_path / "photos/deep/a b.png", noise(1, 45, 60))
    words = ["convert", "coco-to-yolo", file, "--images", tmp_path / "photos"]
    done = mvtec(*words, "--out", tmp_path / "y")
    assert done.code == 0
    assert "1 photo of i.json found by name alone" in done.err
    assert "deep/a b.png is taken" in done.err
    write_png(tmp_path / "photos/a b.png", noise(1, 45, 60))
    several = mvtec(*words, "--out", tmp_path / "z")
    assert several.code == 2
    assert "holds 2 photos of that name: a b.png, deep/a b.png" in several.err


def test_two_images_of_one_photo_are_refused(write, tmp_path: Path, mvtec):
    images = [{"id": n, "file_name": f"{n}/p.png", "width": 60, "height": 45} for n in (1, 2)]
    file = write({}, images=images)
    failed = mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y")
    assert failed.code == 2
    assert "1/p.png and 2/p.png both lead to the photo" in failed.err


def test_keypoints_are_counted(write, tmp_path: Path, mvtec):
    file = write({"keypoints": [1, 2, 2], "num_keypoints": 1})
    done = mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y")
    assert "1 annotation of i.json with keypoints, which are not kept" in done.err


@pytest.mark.parametrize("command", ["coco-to-yolo", "coco-to-masks", "coco-to-semantic"])
def test_a_box_where_masks_are_wanted_can_be_left_out(write, tmp_path: Path, mvtec, command: str):
    file = write({}, {"segmentation": [[20, 15, 35, 15, 35, 25, 20, 25]]})
    words = ["convert", command, file, "--images", tmp_path]
    words += ["--task", "segment"] if command == "coco-to-yolo" else []
    failed = mvtec(*words, "--out", tmp_path / "a")
    assert failed.code == 2
    assert "annotation 1 of p.png: has a box and no mask" in failed.err
    left = mvtec(*words, "--out", tmp_path / "b", "--on-error", "skip")
    assert "objects: 2 read, 1 written, 1 left out (1 annotation not readable)" in left.out


def test_categories_that_differ_in_spaces_stay_two_classes_and_are_said(write, tmp_path: Path, mvtec):
    file = write({}, {"category_id": 2}, categories=[{"id": 1, "name": "dent"}, {"id": 2, "name": "Dent "}])
    done = mvtec("convert", "coco-to-yolo", file, "--images", tmp_path, "--out", tmp_path / "y")
    assert "the categories 'dent' and 'Dent ' differ only in spaces or case" in done.err
    assert [line[0] for line in labels(tmp_path / "y").splitlines()] == ["0", "1"]


def test_masks_that_would_fill_the_memory_are_refused(write, tmp_path: Path, mvtec, monkeypatch):
    monkeypatch.setattr("mvtec.convert.instances.MOST_MARKED", 250)
    square = {"segmentation": [[20, 15, 35, 15, 35, 25, 20, 25]]}  # 150 pixels
    done = mvtec("convert", "coco-to-cvat", write(square), "--out", tmp_path / "one.xml")
    assert done.code == 0
    done = mvtec("convert", "coco-to-cvat", write(square, square), "--out", tmp_path / "two.xml")
    assert done.code == 2
    assert "the masks of p.png take more than 250 pixels together" in done.err


def test_a_name_that_is_no_valid_address_is_a_missing_photo(write, tmp_path: Path, mvtec):
    images = [{"id": 1, "file_name": "http://[::1/gone.png", "width": 60, "height": 45}]
    done = mvtec("convert", "coco-to-yolo", write({}, images=images), "--images", tmp_path, "--out", tmp_path / "y")
    assert done.code == 2
    assert "no such photo" in done.err
