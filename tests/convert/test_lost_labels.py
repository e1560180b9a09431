"""Labels that a reader could pass over, move or rename without a word: each is refused, read, or said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_category, noise, write_png
from PIL import Image

from mvtec.convert.formats.coco.files import CocoDataset, read_coco
from mvtec.convert.formats.label_studio.tasks import Task, photo_names
from mvtec.datasets.tree import read_tree
from mvtec.files import sha256_file

BOX = "<bndbox><xmin>4</xmin><ymin>6</ymin><xmax>13</xmax><ymax>11</ymax></bndbox>"
OBJECT = f"<object><name>dent</name>{BOX}</object>"
SIZE = "<size><width>48</width><height>40</height></size>"


def voc(
    root: Path, objects: str = OBJECT, *, labels: str = "Annotations/a.xml", photo: str = "JPEGImages/a.png"
) -> Path:
    write_png(root / photo, noise(len(photo)))
    (root / labels).parent.mkdir(parents=True, exist_ok=True)
    (root / labels).write_text(f"<annotation><filename>{Path(photo).name}</filename>{SIZE}{objects}</annotation>")
    return root


def numbers(path: Path, value: int) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[5:11, 3:13] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


@pytest.fixture
def convert(tmp_path: Path, mvtec):
    def run(command: str, source: Path, *words: Any) -> tuple[Any, CocoDataset | None]:
        done = mvtec("convert", command, source, "--out", tmp_path / "o.json", "--overwrite", *words)
        return done, None if done.code else read_coco(tmp_path / "o.json")

    return run


@pytest.mark.parametrize(
    ("objects", "complaint"),
    [
        (f"<objects>{OBJECT}</objects>", "has an <object> that is not right below <annotation>"),
        (f"{OBJECT}<size><object>3</object></size>", "has an <object> that is not right below <annotation>"),
        (OBJECT.replace("object", "Object"), "has a bndbox that is not in an <object>"),
        (f"<object><name>dent</name>{BOX}{BOX}</object>", "it has more than one bndbox"),
    ],
)
def test_voc_boxes_that_no_object_holds_are_refused(tmp_path: Path, convert, objects: str, complaint: str):
    assert complaint in convert("voc-to-coco", voc(tmp_path / "v", objects))[0].err


def test_voc_files_outside_of_annotations_are_read(tmp_path: Path, convert):
    root = voc(voc(tmp_path / "v"), labels="train/b.xml", photo="train/b.png")
    (root / "settings.xml").write_text("<settings/>")
    _, content = convert("voc-to-coco", root)
    assert [image.file_name for image in content.images] == ["JPEGImages/a.png", "train/b.png"]
    assert [one.bbox for one in content.annotations] == [(3, 5, 10, 6)] * 2


def test_voc_masks_without_an_object_make_no_photo_good(tmp_path: Path, convert):
    root = voc(tmp_path / "v")
    write_png(root / "JPEGImages" / "b.png", noise(9))
    numbers(root / "SegmentationObject" / "b.png", 1)
    assert "b.png: is the mask of JPEGImages/b.png, which has no XML file" in convert("voc-to-coco", root)[0].err
    _, content = convert("voc-to-coco", root, "--on-error", "skip")
    assert [image.file_name for image in content.images] == ["JPEGImages/a.png"]
    numbers(root / "SegmentationObject" / "a.png", 2)
    assert "has 1 object, and SegmentationObject has pixels of object 2" in convert("voc-to-coco", root)[0].err


def test_voc_masks_and_photos_that_are_not_read_are_said(tmp_path: Path, convert):
    root = voc(tmp_path / "v")
    numbers(root / "SegmentationClass" / "a.png", 1)
    write_png(root / "other" / "c.png", noise(3))
    (root / "JPEGImages" / "d.gif").write_bytes(b"GIF89a")
    err = convert("voc-to-coco", root)[0].err
    assert "1 XML file with a mask in SegmentationClass and none in SegmentationObject: only the boxes are kept" in err
    assert "1 photo not read, in a folder where no photo has an XML file: other/c.png" in err
    assert "left out (1 .gif): JPEGImages/d.gif" in err


def test_semantic_masks_in_folders_are_read(tmp_path: Path, convert):
    root = tmp_path / "s"
    for name in ("a", "sub/b"):
        write_png(root / f"images/{name}.png", noise(len(name)))
        numbers(root / f"masks/{name}.png", 1)
    (root / "classes.txt").write_text("background\ncrack\n")
    _, content = convert("semantic-to-coco", root)
    assert [image.file_name for image in content.images] == ["images/a.png", "images/sub/b.png"]
    assert [one.bbox for one in content.annotations] == [(3, 5, 10, 6)] * 2


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_semantic_mask_in_the_transparency_is_refused(tmp_path: Path, convert, mode: str):
    root = tmp_path / "s"
    write_png(root / "images/a.png", noise(1))
    numbers(root / "masks/a.png", 255)
    mask = Image.new(mode, (48, 40))
    mask.putalpha(Image.open(root / "masks/a.png"))
    mask.save(root / "masks/a.png")
    (root / "classes.txt").write_text("background\ncrack\n")
    assert "its shape in the transparency" in convert("semantic-to-coco", root)[0].err


def rectangle(x: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["dent"]}
    size = {"original_width": 48, "original_height": 40}
    return {"id": f"r{x}", "type": "rectanglelabels", "to_name": "image", "value": value, **size, **more}


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ({"to_name": "image2"}, "has shapes on several photos (image, image2)"),
        ({"item_index": 1}, "was drawn on page 2 of a task of several photos"),
    ],
)
def test_shapes_of_another_photo_of_a_task_are_not_moved(tmp_path: Path, convert, second: Any, complaint: str):
    result = [rectangle(10, item_index=0), rectangle(40, **second)]
    (tmp_path / "l.json").write_text(json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": result}]}]))
    assert complaint in convert("labelstudio-to-coco", tmp_path / "l.json")[0].err


@pytest.mark.parametrize("choice", ["Defect", {"choices": ["Defect", "Scratch"]}])
def test_a_choice_of_json_min_makes_no_photo_good(tmp_path: Path, convert, choice: Any):
    write_png(tmp_path / "p/a.png", noise(1))
    record = {"image": "/data/upload/1/0a1b2c3d-a.png", "id": 1, "choice": choice, "annotation_id": 1}
    (tmp_path / "l.json").write_text(json.dumps([record]))
    done, _ = convert("labelstudio-to-coco", tmp_path / "l.json", "--images", tmp_path / "p")
    assert "a.png has the choice 'Defect'" in done.err


def test_a_name_with_a_number_sign_stays_whole():
    assert photo_names(Path("l.json"), 1, Task(data={"image": "set/a#1.png"})) == ["set/a#1.png"]


def coco(path: Path, names: list[str], annotations: list[dict[str, Any]], classes: tuple[str, ...] = ("dent",)) -> Path:
    content = {
        "images": [{"id": i, "file_name": name, "width": 48, "height": 40} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": 0, "category_id": 0, **one} for i, one in enumerate(annotations)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
    }
    path.write_text(json.dumps(content))
    return path


def test_normalised_boxes_are_refused(tmp_path: Path, mvtec):
    source = coco(tmp_path / "c.json", ["a.png"], [{"bbox": [0.1, 0.2, 0.3, 0.4]}])
    done = mvtec("convert", "coco-to-cvat", source, "--out", tmp_path / "o.xml")
    assert (done.code, "they seem to be normalised" in done.err) == (2, True)


def test_one_photo_by_two_spellings_is_refused(tmp_path: Path, mvtec):
    source = coco(tmp_path / "c.json", ["./p/a.png", "p\\a.png"], [{"bbox": [3, 5, 10, 6]}])
    done = mvtec("convert", "coco-to-cvat", source, "--out", tmp_path / "o.xml")
    assert "has two images p\\a.png" in done.err


def test_types_that_become_combined_are_said(tmp_path: Path, mvtec):
    shapes = [[[3, 5, 13, 5, 13, 11]], [[20, 20, 30, 20, 30, 30]]]
    annotations = [{"segmentation": shape, "category_id": i} for i, shape in enumerate(shapes)]
    source = coco(tmp_path / "c.json", ["a.png"], annotations, ("dent", "crack"))
    done = mvtec("convert", "coco-to-masks", source, "--out", tmp_path / "o")
    assert "1 photo of several defect types: each is of the type combined now" in done.err


def test_folders_that_are_hardly_meant_as_defect_types_are_said(tmp_path: Path):
    category = make_category(tmp_path / "c", per_class=1)
    write_png(category.root / "train/crack/9.png", noise(99))
    assert read_tree(category.root).notes == ("the photos in train/crack/ are not labelled: move them to test/",)
    write_png(tmp_path / "p/images/train/a.png", noise(1))
    numbers(tmp_path / "p/masks/train/a.png", 255)
    assert read_tree(tmp_path / "p").notes == (
        "the folders train of images/ are taken for defect types, not for parts",
    )


def test_a_text_of_json_min_that_may_be_a_label_makes_no_photo_good(tmp_path: Path, convert):
    write_png(tmp_path / "p/a.png", noise(1))
    write_png(tmp_path / "p/b.png", noise(2))
    shape = {**rectangle(10)["value"], "original_width": 48, "original_height": 40}
    records = [
        {"image": "a.png", "id": 1, "defect": "scratch", "annotation_id": 1, "annotator": 1},
        {"image": "b.png", "id": 2, "annotation_id": 2, "annotator": 1, "batch": "B7", "label": [shape]},
    ]
    (tmp_path / "l.json").write_text(json.dumps(records))
    done, _ = convert("labelstudio-to-coco", tmp_path / "l.json", "--images", tmp_path / "p")
    assert "the task of a.png has no shape, and defect: 'scratch', which may be its label" in done.err
    words = ("--images", tmp_path / "p", "--on-error", "skip", "--json")
    done, content = convert("labelstudio-to-coco", tmp_path / "l.json", *words)
    assert [image.file_name for image in content.images] == ["b.png"]
    assert json.loads(done.out)["receipt"]["objects"]["left_out"]["by_kind"] == {"label not clear": 1}


def test_shapes_on_several_photos_are_counted_as_such(tmp_path: Path, convert):
    result = [rectangle(10), rectangle(40, to_name="image2")]
    tasks = [
        {"data": {"image": "a.png"}, "annotations": [{"result": result}]},
        {"data": {"image": "b.png"}, "annotations": [{"result": [rectangle(10)]}]},
    ]
    (tmp_path / "l.json").write_text(json.dumps(tasks))
    done, _ = convert("labelstudio-to-coco", tmp_path / "l.json", "--on-error", "skip", "--json")
    assert json.loads(done.out)["receipt"]["objects"]["left_out"]["by_kind"] == {"several photos in a task": 2}


def test_an_annotation_of_no_image_stops_or_is_counted_once(tmp_path: Path, mvtec):
    write_png(tmp_path / "a.png", noise(1))
    write_png(tmp_path / "b.png", noise(2))
    box = {"bbox": [3, 5, 10, 6]}
    source = coco(tmp_path / "c.json", ["a.png", "b.png"], [box, {**box, "image_id": 1}, {**box, "image_id": 7}])
    words = ("convert", "coco-to-yolo", source, "--images", tmp_path, "--out", tmp_path / "o")
    done = mvtec(*words)
    assert (done.code, "annotation 2 refers to an image that is not in the file" in done.err) == (2, True)
    (tmp_path / "split.json").write_text(
        json.dumps(
            {
                "format": "mvtec-split/1",
                "category": "c",
                "seed": 0,
                "train": ["a.png"],
                "test": ["b.png"],
                "images": {name: sha256_file(tmp_path / name) for name in ("a.png", "b.png")},
            }
        )
    )
    done = mvtec(*words, "--split", tmp_path / "split.json", "--on-error", "skip", "--json")
    objects = json.loads(done.out)["receipt"]["objects"]
    assert (objects["read"], objects["written"]) == (3, 2)
    assert objects["left_out"]["by_kind"] == {"image not in the file": 1}


def test_regions_to_be_ignored_are_left_out_as_crowds_are(tmp_path: Path, mvtec):
    annotations = [{"bbox": [3, 5, 10, 6]}, {"bbox": [20, 5, 10, 6], "ignore": 1}, {"bbox": [3, 20, 9, 6], "ignore": 0}]
    source = coco(tmp_path / "c.json", ["a.png"], annotations)
    done = mvtec("convert", "coco-to-cvat", source, "--out", tmp_path / "o.xml", "--json")
    objects = json.loads(done.out)["receipt"]["objects"]
    assert (objects["written"], objects["left_out"]["by_kind"]) == (2, {"crowd": 1})


def test_grey_colours_are_not_taken_for_the_palette(tmp_path: Path, convert):
    root = tmp_path / "s"
    write_png(root / "images/a.png", noise(1))
    mask = np.zeros((40, 48, 3), np.uint8)
    mask[5:11, 3:13] = 128
    (root / "masks").mkdir()
    Image.fromarray(mask).save(root / "masks/a.png")
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in ("background", *"abcdefg")))
    assert "has grey colours alone" in convert("semantic-to-coco", root)[0].err
