"""Datumaro, Label Studio's converter and supervision read what we write, and we read what they write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, write_png

from mvtec.convert.formats.coco.files import CocoDataset, read_coco
from mvtec.convert.pixels.rle import decode_rle

Found = list[tuple[str, tuple[float, ...], bytes | None]]


@pytest.fixture
def coco(category: Category, tmp_path: Path, mvtec) -> Path:
    """A category with a ring, a thin scratch and a single pixel among its masks."""
    mask = np.zeros((40, 48))
    mask[2:20, 2:20] = 255
    mask[6:12, 6:12] = 0
    mask[30, 5:40] = 255
    mask[38, 46] = 255
    write_png(category.mask("crack", 0), mask)
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json").code == 0
    return tmp_path / "i.json"


def truth_of(coco: Path) -> dict[str, Found]:
    content = read_coco(coco)
    names = content.category_names()
    return {
        image.file_name: sorted(
            (names[a.category_id], tuple(a.bbox), decode_rle(a.segmentation).tobytes())
            for a in content.annotations
            if a.image_id == image.id
        )
        for image in content.images
    }


def datumaro_found(root: Path, format_name: str, **options: str) -> dict[str, Found]:
    """By the name of each photo: the masks Datumaro sees with their boxes, or the boxes where it sees no mask."""
    datumaro = pytest.importorskip("datumaro", reason="Datumaro is not installed")
    from pycocotools import mask as coco_mask

    data = datumaro.Dataset.import_from(str(root), format_name, **options)
    labels = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    found: dict[str, Found] = {}
    for item in data:
        entries: Found = []
        kinds = {annotation.type.name for annotation in item.annotations}
        for annotation in item.annotations:
            label, box = (
                labels[annotation.label],
                tuple(float(v) for v in annotation.get_bbox()) if hasattr(annotation, "get_bbox") else (),
            )
            if annotation.type.name == "mask":
                mask = np.asarray(annotation.image).astype(bool)
                ys, xs = np.nonzero(mask)
                box = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
                entries.append((label, tuple(map(float, box)), mask.tobytes()))
            elif annotation.type.name == "polygon":
                rle = coco_mask.merge(coco_mask.frPyObjects([list(annotation.points)], 40, 48))
                entries.append((label, box, coco_mask.decode(rle).astype(bool).tobytes()))
            elif annotation.type.name == "bbox" and not kinds & {"mask", "polygon"}:
                entries.append((label, tuple(round(v, 2) for v in box), None))
        found[item.id.replace("/", "_")] = sorted(entries, key=lambda entry: entry[:2])
    return found


def without_masks(truth: dict[str, Found]) -> dict[str, Found]:
    return {name: [(label, box, None) for label, box, _ in found] for name, found in truth.items()}


def named(truth: dict[str, Found], prefix: str = "") -> dict[str, Found]:
    """With the names that Datumaro gives photos: `test/crack/000.png` becomes `test_crack_000`, less `prefix`."""
    return {name.removesuffix(".png").replace("/", "_").removeprefix(prefix): found for name, found in truth.items()}


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_datumaro_reads_our_coco(coco: Path, category: Category, tmp_path: Path, mvtec, segmentation: str):
    root = tmp_path / "coco"
    shutil.copytree(category.root / "test", root / "images" / "all" / "test")
    out = root / "annotations" / "instances_all.json"
    words = ["convert", "masks-to-coco", category.root, "--segmentation", segmentation, "--out", out]
    assert mvtec(*words).code == 0
    (root / "annotations" / "instances_all.conversion.json").unlink()
    assert datumaro_found(root, "coco_instances") == named(truth_of(coco))


def test_datumaro_reads_our_voc(coco: Path, category: Category, tmp_path: Path, mvtec):
    """It refuses links that lead out of the folder, so the photos are copied."""
    words = ["--images", category.root, "--images-by", "copy", "--out", tmp_path / "voc"]
    assert mvtec("convert", "coco-to-voc", coco, *words).code == 0
    (tmp_path / "voc" / "conversion.json").unlink()
    truth = named(truth_of(coco), "test_")
    assert datumaro_found(tmp_path / "voc", "voc_segmentation") == truth
    found = datumaro_found(tmp_path / "voc", "voc_detection", coordinate_mode="voc-one-based")
    assert found == without_masks(truth)


def test_datumaro_reads_our_cvat(coco: Path, category: Category, tmp_path: Path, mvtec):
    shutil.copytree(category.root / "test", tmp_path / "cvat" / "images" / "test")
    assert mvtec("convert", "coco-to-cvat", coco, "--out", tmp_path / "cvat" / "annotations.xml").code == 0
    assert datumaro_found(tmp_path / "cvat", "cvat") == named(truth_of(coco))


def test_datumaro_reads_our_yolo_boxes(coco: Path, category: Category, tmp_path: Path, mvtec):
    words = ["--images", category.root, "--images-by", "copy", "--out", tmp_path / "yolo"]
    assert mvtec("convert", "coco-to-yolo", coco, *words).code == 0
    assert datumaro_found(tmp_path / "yolo", "yolo") == without_masks(named(truth_of(coco), "test_"))


@pytest.mark.parametrize(("format_name", "back"), [("cvat", "cvat-to-coco"), ("voc", "voc-to-coco")])
def test_we_read_what_datumaro_writes(
    coco: Path, category: Category, tmp_path: Path, mvtec, format_name: str, back: str
):
    """Its CVAT has a box beside each mask, its VOC colours instead of numbers and boxes from 0."""
    datumaro = pytest.importorskip("datumaro", reason="Datumaro is not installed")
    root = tmp_path / "coco"
    shutil.copytree(category.root / "test", root / "images" / "all" / "test")
    (root / "annotations").mkdir()
    shutil.copy(coco, root / "annotations" / "instances_all.json")
    data = datumaro.Dataset.import_from(str(root), "coco_instances")
    data.export(str(tmp_path / "theirs"), format_name, save_media=True)
    source = next((tmp_path / "theirs").rglob("*.xml")) if format_name == "cvat" else tmp_path / "theirs"
    words = ["--from-zero"] if format_name == "voc" else []
    outcome = mvtec("convert", back, source, "--out", tmp_path / "again.json", *words)
    assert outcome.code == 0, outcome.err
    again = read_coco(tmp_path / "again.json")
    boxes_only = {annotation.id for annotation in again.annotations if not annotation.segmentation}
    kept = CocoDataset.model_validate(
        again.model_dump() | {"annotations": [a for a in again.annotations if a.id not in boxes_only]}
    )
    (tmp_path / "kept.json").write_text(json.dumps(kept.to_json()))
    truth = {name.removeprefix("test/"): found for name, found in truth_of(coco).items()}
    found = {"/".join(name.split("/")[-2:]): entries for name, entries in truth_of(tmp_path / "kept.json").items()}
    assert found == truth
    if format_name == "cvat":
        assert len(boxes_only) == len(kept.annotations)


def test_label_studios_converter_paints_our_brush_strokes(coco: Path, tmp_path: Path, mvtec):
    brush = pytest.importorskip("label_studio_converter.brush", reason="Label Studio's converter is not installed")
    assert mvtec("convert", "coco-to-labelstudio", coco, "--out", tmp_path / "ls.json").code == 0
    found: dict[str, Found] = {}
    for task in json.loads((tmp_path / "ls.json").read_text()):
        name = task["data"]["image"].removeprefix("/data/local-files/?d=")
        results = [{**result, **result["value"]} for result in task["annotations"][0]["result"]]
        layers = brush.decode_from_annotation("brush", results)
        masks = sorted((label.split("-")[1], (layer > 0).tobytes()) for label, layer in layers.items())
        found[name] = [(label, (), mask) for label, mask in masks]
    truth = {name: sorted((label, (), mask) for label, _, mask in entries) for name, entries in truth_of(coco).items()}
    assert found == truth


def test_we_read_the_brush_strokes_of_label_studios_converter(coco: Path, category: Category, tmp_path: Path, mvtec):
    brush = pytest.importorskip("label_studio_converter.brush", reason="Label Studio's converter is not installed")
    tasks = []
    for name, found in truth_of(coco).items():
        results = [
            {
                "type": "brushlabels",
                "original_width": 48,
                "original_height": 40,
                "value": {
                    "format": "rle",
                    "rle": brush.mask2rle(np.frombuffer(mask, np.uint8).reshape(40, 48) * np.uint8(255)),
                    "brushlabels": [label],
                },
            }
            for label, _, mask in found
        ]
        tasks.append({"data": {"image": f"/data/local-files/?d={name}"}, "annotations": [{"result": results}]})
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    words = ["--images", category.root, "--out", tmp_path / "again.json"]
    assert mvtec("convert", "labelstudio-to-coco", tmp_path / "export.json", *words).code == 0
    assert truth_of(tmp_path / "again.json") == truth_of(coco)


def test_rectangles_and_polygons_of_label_studio(tmp_path: Path, mvtec):
    """Percent of 48×40; an uploaded photo has a hash before its name."""
    size = {"original_width": 48, "original_height": 40}
    rectangle = {"x": 25.0, "y": 50.0, "width": 50.0, "height": 25.0, "rotation": 0, "rectanglelabels": ["crack"]}
    polygon = {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "polygonlabels": ["stain"]}
    results = [
        {"type": "rectanglelabels", **size, "value": rectangle},
        {"type": "polygonlabels", **size, "value": polygon},
    ]
    task = {"data": {"image": "/data/upload/3/0a1b2c3d-000.png"}, "annotations": [{"result": results}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    words = ["convert", "labelstudio-to-coco", tmp_path / "export.json", "--out", tmp_path / "i.json"]
    assert mvtec(*words).code == 0
    content = read_coco(tmp_path / "i.json")
    assert [image.file_name for image in content.images] == ["000.png"]
    assert [(a.bbox, a.area) for a in content.annotations] == [((12, 20, 24, 10), 240), ((0, 0, 24, 20), 480)]
    rectangle["rotation"] = 90  # about its upper left corner: 24×10 from (12, 20) becomes 10×24 to its left
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert mvtec(*words, "--overwrite").code == 0
    turned = read_coco(tmp_path / "i.json").annotations[0]
    assert (turned.bbox, turned.area) == ((2, 20, 10, 20), 200)  # 4 rows are below the photo


def test_supervision_reads_our_voc_boxes(coco: Path, category: Category, tmp_path: Path, mvtec):
    import supervision as sv

    words = ["--images", category.root, "--images-by", "copy", "--out", tmp_path / "voc"]
    assert mvtec("convert", "coco-to-voc", coco, *words).code == 0
    data = sv.DetectionDataset.from_pascal_voc(str(tmp_path / "voc/JPEGImages"), str(tmp_path / "voc/Annotations"))
    truth = named(truth_of(coco), "test_")
    for path, _, detections in data:
        expected = sorted((x, y, x + w, y + h) for _, (x, y, w, h), _ in truth[Path(path).stem])
        assert sorted(map(tuple, detections.xyxy.tolist())) == expected
