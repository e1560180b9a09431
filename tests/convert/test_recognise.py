"""A file of another format is refused by the name of that format, and the line says what reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign import coco

SHAPE = {"label": "dent", "points": [[20, 15], [35, 25]], "shape_type": "rectangle"}
VIA = {"filename": "a.png", "size": 12, "regions": [], "file_attributes": {}}
PANOPTIC = {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1, "bbox": [2, 1, 5, 4]}]}

FILES: dict[str, tuple[Any, str, str]] = {
    "labelme": ({"version": "5.4.1", "shapes": [SHAPE], "imagePath": "a.png"}, "a LabelMe file", "labelme2coco"),
    "via_project": ({"_via_settings": {}, "_via_img_metadata": {"a.png12": VIA}}, "a VIA project file", "as COCO"),
    "via": ({"a.png12": VIA}, "a VIA annotation file", "as COCO"),
    "datumaro": ({"info": {}, "categories": {"label": {}}, "items": []}, "a Datumaro file", "datum convert"),
    "supervisely": ({"size": {"height": 4, "width": 6}, "objects": [], "tags": []}, "a Supervisely file", "as COCO"),
    "panoptic": ({"images": [], "annotations": [PANOPTIC], "categories": []}, "a COCO panoptic file", "panopticapi"),
    "createml": ([{"image": "a.png", "annotations": []}], "a CreateML file", "Roboflow"),
    "label_studio": ([{"data": {"image": "a.png"}, "annotations": []}], "a Label Studio export", "labelstudio-to-coco"),
    "json_min": ([{"image": "a.png", "id": 1, "annotation_id": 2}], "(JSON-MIN)", "labelstudio-to-coco"),
    "results": (
        [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
        "a COCO results file",
        "asked",
    ),
    "cvat": ("<annotations><image id='0'/></annotations>", "a CVAT for images file", "cvat-to-coco"),
    "video": ("<annotations><track id='0'/></annotations>", "a CVAT for video file", "Export CVAT for images"),
    "voc": ("<?xml version='1.0'?><annotation><object/></annotation>", "a Pascal VOC file", "voc-to-coco"),
}


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_another_format_is_named_by_the_reader_of_coco(kind: str, tmp_path: Path, mvtec):
    content, name, advice = FILES[kind]
    done = mvtec("convert", "coco-to-cvat", written(tmp_path / "i.json", content), "--out", tmp_path / "o.xml")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert name in done.err
    assert "not a COCO annotation file" in done.err
    assert advice in done.err


def test_a_damaged_file_of_the_format_itself_keeps_its_own_error(tmp_path: Path, mvtec):
    source = coco(tmp_path / "i.json", {"bbox": [1, 2, "wide", 4]})
    done = mvtec("convert", "coco-to-cvat", source, "--out", tmp_path / "o.xml")
    assert done.code == 2
    assert "annotation 1 of a.png: cannot be read: bbox.2" in done.err


def test_a_file_of_no_known_format_keeps_the_readers_error(tmp_path: Path, mvtec):
    done = mvtec("convert", "coco-to-cvat", written(tmp_path / "i.json", {"a": 1}), "--out", tmp_path / "o.xml")
    assert done.code == 2
    assert 'it has no "images"' in done.err
