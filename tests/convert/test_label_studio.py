"""Label Studio exports: which annotation counts, which shapes are read, and what is refused or said by its name."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_png

from mvtec.convert.formats.coco.files import CocoDataset, read_coco
from mvtec.convert.formats.label_studio.read_export import read_label_studio
from mvtec.convert.pixels.brush import encode_brush
from mvtec.convert.pixels.rle import decode_rle
from mvtec.convert.receipt import Receipt

SIZE = {"original_width": 60, "original_height": 45}


def rectangle(label: str = "dent", **own: Any) -> dict[str, Any]:
    """15×10 pixels at (20, 15) unless told otherwise."""
    value = {"x": 100 / 3, "y": 100 / 3, "width": 25, "height": 200 / 9, "rotation": 0, "rectanglelabels": [label]}
    return {"id": "r1", "type": "rectanglelabels", **SIZE, "value": value | own}


def task(*results: dict[str, Any], name: str = "a.png", **of_annotation: Any) -> dict[str, Any]:
    return {"data": {"image": name}, "annotations": [{"id": 1, "result": list(results), **of_annotation}]}


def export(path: Path, *tasks: Any) -> Path:
    path.write_text(json.dumps(tasks))
    return path


def read(tmp_path: Path, mvtec, *tasks: Any, words: tuple[Any, ...] = ()) -> tuple[CocoDataset, str]:
    source = export(tmp_path / "ls.json", *tasks)
    done = mvtec("convert", "labelstudio-to-coco", source, "--out", tmp_path / "o.json", "--overwrite", *words)
    assert done.code == 0, done.err
    return read_coco(tmp_path / "o.json"), done.err


def annotation(number: int, x: float, **more: Any) -> dict[str, Any]:
    return {"id": number, "result": [rectangle(x=100 * x / 60)], **more}


@pytest.mark.parametrize(
    ("annotations", "x", "said"),
    [
        pytest.param(
            [annotation(1, 1, updated_at="2024-01-01T10:00:00Z", ground_truth=True), annotation(2, 5)],
            1,
            "of a.png annotation 1 with the star",
            id="the_star",
        ),
        pytest.param(
            [
                annotation(1, 1, created_at="2024-01-01T10:00:00Z", updated_at="2024-03-01T10:00:00.5Z"),
                annotation(2, 5, created_at="2024-02-01T10:00:00Z", updated_at="2024-02-01T10:00:00Z"),
            ],
            1,
            "of a.png annotation 1)",
            id="the_newest",
        ),
        pytest.param(
            [annotation(1, 1, ground_truth=True, was_cancelled=True), annotation(2, 5), annotation(3, 9)],
            9,
            "of a.png annotation 3)",
            id="not_a_cancelled_one",
        ),
    ],
)
def test_of_several_annotations_the_starred_else_the_newest_is_taken(
    tmp_path: Path, mvtec, annotations: list[dict[str, Any]], x: float, said: str
):
    content, err = read(tmp_path, mvtec, {"data": {"image": "a.png"}, "annotations": annotations})
    assert [one.bbox for one in content.annotations] == [(x, 15, 15, 10)]
    assert f"1 task with several annotations: the one with the star is taken, else the newest ({said}" in err


def test_predictions_are_not_annotations(tmp_path: Path, mvtec):
    looked_at = {"data": {"image": "b.png"}, "annotations": [], "predictions": [{"result": [rectangle()]}]}
    content, err = read(tmp_path, mvtec, task(rectangle()), looked_at)
    assert [one.file_name for one in content.images] == ["a.png"]
    assert "the task of b.png has predictions of a model and no annotation" in err


def test_a_photo_that_is_not_there_stops_or_is_left_out_by_name(tmp_path: Path, mvtec):
    write_png(tmp_path / "photos" / "a.png", np.zeros((45, 60, 3)))
    source = export(tmp_path / "ls.json", task(rectangle()), task(rectangle(), name="/data/upload/2/9f3a1c2d-gone.png"))
    words = ["convert", "labelstudio-to-coco", source, "--images", tmp_path / "photos", "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert done.code == 2
    assert "gone.png: no such photo" in done.err
    done = mvtec(*words, "--on-error", "skip")
    assert done.code == 0
    assert [one.file_name for one in read_coco(tmp_path / "o.json").images] == ["a.png"]
    assert json.loads((tmp_path / "o.conversion.json").read_text())["objects"]["left_out"]["n"] == 1


def test_a_rectangle_is_turned_about_its_corner_and_an_ellipse_about_its_centre(tmp_path: Path, mvtec):
    """In pixels, not in percent: the photo is not square."""
    turned = rectangle(rotation=90)  # 15×10 at (20, 15): 10×15 to the left of its corner
    value = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 90, "ellipselabels": ["pit"]}
    ellipse = {
        "type": "ellipselabels",
        **SIZE,
        "value": value,
    }  # half axes 6 and 4.5, turned to 4.5 and 6
    content, _ = read(tmp_path, mvtec, task(turned, ellipse))
    assert (content.annotations[0].bbox, content.annotations[0].area) == ((10, 15, 10, 15), 150)
    ys, xs = np.mgrid[0:45, 0:60] + 0.5
    expected = ((xs - 30) / 4.5) ** 2 + ((ys - 22.5) / 6) ** 2 <= 1
    np.testing.assert_array_equal(decode_rle(content.annotations[1].segmentation), expected)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "keypoint": (
        {"type": "keypointlabels", **SIZE, "value": {"x": 1, "y": 1, "keypointlabels": ["a"]}},
        "keypointlabels",
    ),
    "video": ({"type": "videorectangle", "value": {"sequence": []}}, "videorectangle"),
    "paragraphs": ({"type": "paragraphlabels", "value": {"paragraphlabels": ["a"]}}, "paragraphlabels"),
    "text": ({"id": "t", "type": "labels", "value": {"start": 1, "labels": ["a"]}}, "labels is not a brush"),
    "negative": (rectangle(width=-5), "rectangle without area"),
    "no_end": (rectangle(width=float("inf")), "rectangle without area"),
    "labels_number": (rectangle(rectanglelabels=5), "labels that are not a list of names"),
    "labels_object": (rectangle(rectanglelabels=[{"a": 1}]), "labels that are not a list of names"),
    "labels_blank": (rectangle(label=" "), "labels that are not a list of names"),
    "no_label": (rectangle(rectanglelabels=[]), "has 0 labels"),
    "two_labels": (rectangle(rectanglelabels=["a", "b"]), "has 2 labels"),
    "other_size": (rectangle() | {"original_width": 61}, "61×45"),
    "turned_photo": (rectangle() | {"image_rotation": 90}, "was drawn on the photo turned by 90 degrees"),
    "brush": ({"type": "brushlabels", **SIZE, "value": {"rle": [0, 0, 1], "brushlabels": ["a"]}}, "cut off"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_result_that_cannot_be_read_stops_and_can_be_left_out(kind: str, tmp_path: Path, mvtec):
    result, complaint = REFUSED[kind]
    write_png(tmp_path / "p" / "a.png", np.zeros((45, 60, 3)))
    write_png(tmp_path / "p" / "b.png", np.zeros((45, 60, 3)))
    source = export(tmp_path / "ls.json", task(rectangle("good one"), name="b.png"), task(result))
    words = ["convert", "labelstudio-to-coco", source, "--images", tmp_path / "p", "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert complaint in done.err
    done = mvtec(*words, "--on-error", "skip")
    assert done.code == 0, done.err
    assert [one.file_name for one in read_coco(tmp_path / "o.json").images] == ["b.png"]
    assert "a.png: is 60×45" in done.err if kind == "other_size" else "a.png lost all its objects" in done.err


def test_a_label_drawn_apart_and_what_is_said_of_a_shape_are_its_own(tmp_path: Path, mvtec):
    shape = {"id": "s", "type": "rectangle", **SIZE, "value": rectangle()["value"] | {"rectanglelabels": None}}
    label = {"id": "s", "type": "labels", **SIZE, "value": {"labels": ["pit"]}}
    choice = {"id": "s", "type": "choices", "from_name": "severity", "value": {"choices": ["high"]}}
    relation = {"type": "relation", "from_id": "s", "to_id": "s", "direction": "right"}
    rating = {"id": "p", "type": "rating", "from_name": "stars", "value": {"rating": 3}}
    content, err = read(tmp_path, mvtec, task(shape, label, choice, relation, rating))
    assert [category.name for category in content.categories] == ["pit"]
    assert [(one.bbox, one.attributes) for one in content.annotations] == [((20, 15, 15, 10), {"severity": "high"})]
    assert "results that are not shapes are not kept: 1 rating, 1 relation" in err


def test_a_photo_with_a_choice_alone_is_not_good(tmp_path: Path, mvtec):
    write_png(tmp_path / "p" / "a.png", np.zeros((45, 60, 3)))
    choice = {"type": "choices", "value": {"choices": ["scrap"]}}
    source = export(tmp_path / "ls.json", task(choice))
    words = ["convert", "labelstudio-to-coco", source, "--images", tmp_path / "p", "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert done.code == 2
    assert "a.png has the choice 'scrap' and no shape" in done.err
    choice["value"] = {"choices": ["Good"]}
    export(tmp_path / "ls.json", task(choice))
    assert mvtec(*words).code == 0


def test_percent_beyond_the_photo_is_cut_and_counted(tmp_path: Path, mvtec):
    content, err = read(tmp_path, mvtec, task(rectangle(x=90, width=40)))
    assert content.annotations[0].bbox == (54, 15, 6, 10)
    assert "1 box reaches out of the photo" in err


def test_json_min_is_read_as_json_is(tmp_path: Path, mvtec):
    value = {**rectangle()["value"], **SIZE}
    record = {"image": "/data/upload/1/1a2b3c4d-a.png", "id": 7, "label": [value], "updated_at": "2024-01-01T10:00:00Z"}
    newer = record | {"annotation_id": 3, "label": [value | {"x": 0}], "updated_at": "2024-02-01T10:00:00Z"}
    content, err = read(tmp_path, mvtec, newer, record | {"annotation_id": 2})
    assert [one.file_name for one in content.images] == ["a.png"]
    assert [one.bbox for one in content.annotations] == [(0, 15, 15, 10)]
    assert "of a.png annotation 3)" in err
    mask = np.zeros((45, 60), bool)
    mask[3:9, 4:8] = True
    brush = {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["pit"], **SIZE}
    content, _ = read(tmp_path, mvtec, {"image": "a.png", "id": 1, "annotation_id": 2, "tool": [brush]})
    np.testing.assert_array_equal(decode_rle(content.annotations[0].segmentation), mask)


@pytest.mark.parametrize("url", ["http://[::1/x.png", "https://[bad].png"])
def test_an_address_that_is_not_valid_is_named(tmp_path: Path, mvtec, url: str):
    source = export(tmp_path / "ls.json", task(rectangle(), name=url))
    done = mvtec("convert", "labelstudio-to-coco", source, "--out", tmp_path / "o.json")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "task 1 names its photo by an address that is not valid" in done.err


@pytest.mark.parametrize(
    "content",
    [
        '[{"data": {"image": "\\ud800.png"}, "annotations": []}]',
        '[{"data": 5}]',
        '[{"data": {"image": "a.png"}, "annotations": {"result": 3}}]',
        '[{"data": {"image": "a.png"}, "annotations": [{"result": [{"type": 3, "value": 5}]}]}]',
        "[" * 100_000,
        '{"a": 1}',
        "[]",
    ],
)
def test_a_file_of_wrong_types_is_one_line(tmp_path: Path, mvtec, content: str):
    (tmp_path / "ls.json").write_text(content)
    done = mvtec("convert", "labelstudio-to-coco", tmp_path / "ls.json", "--out", tmp_path / "o.json")
    assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_a_file_of_another_format_is_named(tmp_path: Path, mvtec):
    (tmp_path / "i.json").write_text('{"images": [], "annotations": [], "categories": []}')
    done = mvtec("convert", "labelstudio-to-coco", tmp_path / "i.json", "--out", tmp_path / "o.json")
    assert done.code == 2
    assert "is a COCO annotation file, not a Label Studio export" in done.err


def test_a_brush_of_many_pixels_takes_memory_for_what_is_marked_alone(tmp_path: Path):
    """4096² pixels with a mark of 5: all four channels as numbers took 16 bytes a pixel before, 268 MB."""
    side = 1 << 12
    mask = np.zeros((side, side), bool)
    mask[100, 7:12] = True
    size = {"original_width": side, "original_height": side}
    brush = {"type": "brushlabels", **size, "value": {"rle": encode_brush(mask), "brushlabels": ["pit"]}}
    source = export(tmp_path / "ls.json", task(brush))
    tracemalloc.start()
    (found,) = read_label_studio(source, None, Receipt(""))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.box_xywh for one in found.instances] == [(7, 100, 5, 1)]
    assert peak < 4 << 20


def test_a_photo_whose_path_leads_nowhere_is_found_by_its_name_and_this_is_said(tmp_path: Path, mvtec):
    write_png(tmp_path / "p" / "line 2" / "a.png", np.zeros((45, 60, 3)))
    source = export(tmp_path / "ls.json", task(rectangle(), name="/data/local-files/?d=server/9/a.png"))
    words = ["convert", "labelstudio-to-coco", source, "--images", tmp_path / "p", "--out", tmp_path / "o.json"]
    done = mvtec(*words)
    assert done.code == 0, done.err
    assert [image.file_name for image in read_coco(tmp_path / "o.json").images] == ["line 2/a.png"]
    assert "server/9/a.png leads nowhere, line 2/a.png is taken" in done.err


@pytest.mark.parametrize("address", [" ", "/data/local-files/?d=", "https://host/"])
def test_an_address_without_a_name_is_refused(tmp_path: Path, mvtec, address: str):
    source = export(tmp_path / "ls.json", task(rectangle(), name=address))
    done = mvtec("convert", "labelstudio-to-coco", source, "--out", tmp_path / "o.json")
    assert (done.code, "task 1 names no photo" in done.err) == (2, True)
