"""A small valid input of each reader, made once, and the command that reads it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import make_category, noise, write_png


@dataclass(frozen=True)
class Input:
    """What one reader reads.

    Attributes:
        command: The command line, with the folder of the inputs as the current one.
        file: The file that is damaged.
        output: What the command writes, and what our own readers must take back; None where it writes nothing.
    """

    command: tuple[str, ...]
    file: str
    output: str | None = "out.json"


_OUT = ("--out", "out.json")
INPUTS = {
    "coco": Input(("convert", "coco-to-yolo", "i.json", "--images", "widget", "--out", "out"), "i.json", "out"),
    "coco-boxes": Input(
        ("convert", "coco-to-yolo", "boxes.json", "--images", "widget", "--out", "out"), "boxes.json", "out"
    ),
    "coco-to-cvat": Input(("convert", "coco-to-cvat", "i.json", "--out", "out.xml"), "i.json", "out.xml"),
    "coco-to-voc": Input(("convert", "coco-to-voc", "i.json", "--out", "out"), "i.json", "out"),
    "coco-to-labelstudio": Input(("convert", "coco-to-labelstudio", "i.json", *_OUT), "i.json", "out.json"),
    "yolo-label": Input(("convert", "yolo-to-coco", "yolo", *_OUT), "yolo/labels/train/crack_001.txt"),
    "yolo-boxes": Input(("convert", "yolo-to-coco", "yolo-boxes", *_OUT), "yolo-boxes/labels/train/crack_001.txt"),
    "yolo-yaml": Input(("convert", "yolo-to-coco", "yolo", *_OUT), "yolo/data.yaml"),
    "label-studio": Input(("convert", "labelstudio-to-coco", "ls.json", "--images", "widget", *_OUT), "ls.json"),
    "label-studio-shapes": Input(("convert", "labelstudio-to-coco", "shapes.json", *_OUT), "shapes.json"),
    "cvat": Input(("convert", "cvat-to-coco", "c.xml", *_OUT), "c.xml"),
    "cvat-shapes": Input(("convert", "cvat-to-coco", "shapes.xml", *_OUT), "shapes.xml"),
    "voc-xml": Input(("convert", "voc-to-coco", "voc", *_OUT), "voc/Annotations/crack_001.xml"),
    "voc-png": Input(("convert", "voc-to-coco", "voc", *_OUT), "voc/SegmentationObject/crack_001.png"),
    "semantic": Input(("convert", "semantic-to-coco", "semantic", *_OUT), "semantic/masks/crack_001.png"),
    "mask": Input(("convert", "masks-to-coco", "widget", *_OUT), "widget/ground_truth/crack/001_mask.png"),
    "photo": Input(("convert", "masks-to-coco", "widget", *_OUT), "widget/test/crack/001.png"),
    "split": Input(("convert", "masks-to-coco", "widget", "--split", "split.json", *_OUT), "split.json", None),
    "check-mask": Input(("datasets", "check", "widget"), "widget/ground_truth/crack/001_mask.png", None),
    "check-photo": Input(("datasets", "check", "widget"), "widget/test/crack/001.png", None),
    "split-photo": Input(("datasets", "split", "widget", *_OUT), "widget/test/crack/001.png", None),
    "info-photo": Input(("datasets", "info", "widget"), "widget/test/crack/001.png", None),
    "visa": Input(("convert", "masks-to-coco", "visa", *_OUT), "visa/image_anno.csv"),
    "loco": Input(("convert", "masks-to-coco", "loco", *_OUT), "loco/defects_config.json"),
    "truth": Input(("evaluate", "boxes", "i.json", "found.json", "--resamples", "0"), "i.json", None),
    "results": Input(("evaluate", "boxes", "i.json", "found.json", "--resamples", "0"), "found.json", None),
    "mask-results": Input(
        ("evaluate", "masks", "i.json", "found-masks.json", "--resamples", "0"), "found-masks.json", None
    ),
}


def make_inputs(root: Path) -> None:
    """Write a valid input of every reader into `root`."""
    from mvtec.cli.commands import app

    make_category(root / "widget", per_class=2)
    coco, photos = str(root / "i.json"), str(root / "widget")
    for words in (
        ["convert", "masks-to-coco", photos, "--out", coco],
        ["convert", "coco-to-yolo", coco, "--images", photos, "--out", str(root / "yolo"), "--task", "segment"],
        ["convert", "coco-to-yolo", coco, "--images", photos, "--out", str(root / "yolo-boxes")],
        ["convert", "coco-to-labelstudio", coco, "--out", str(root / "ls.json")],
        ["convert", "coco-to-cvat", coco, "--out", str(root / "c.xml")],
        ["convert", "coco-to-voc", coco, "--images", photos, "--out", str(root / "voc")],
        ["convert", "coco-to-semantic", coco, "--images", photos, "--out", str(root / "semantic")],
        ["datasets", "split", photos, "--out", str(root / "split.json"), "--test-fraction", "0.5"],
    ):
        with pytest.raises(SystemExit) as stop:
            app(words)
        assert stop.value.code == 0, words
    content = json.loads((root / "i.json").read_bytes())
    boxes = [{**one, "segmentation": [], "area": one["bbox"][2] * one["bbox"][3]} for one in content["annotations"]]
    (root / "boxes.json").write_text(json.dumps({**content, "annotations": boxes}, indent=1))
    found = [{**{key: one[key] for key in ("image_id", "category_id", "bbox")}, "score": 0.5} for one in boxes]
    (root / "found.json").write_text(json.dumps(found, indent=1))
    masks = [
        {**one, "segmentation": own["segmentation"]} for one, own in zip(found, content["annotations"], strict=True)
    ]
    (root / "found-masks.json").write_text(json.dumps(masks, indent=1))
    (root / "shapes.xml").write_text(_CVAT_SHAPES)
    (root / "shapes.json").write_text(json.dumps(_label_studio_shapes(), indent=1))
    _make_visa(root / "visa")
    _make_loco(root / "loco")


_CVAT_SHAPES = """<annotations><version>1.1</version><meta><task><labels><label><name>crack</name></label>
<label><name>stain</name></label></labels></task></meta>
<image id="0" name="a.png" width="48" height="40">
<box label="crack" occluded="0" xtl="3.00" ytl="5.00" xbr="13.00" ybr="10.00" z_order="0"></box>
<polygon label="stain" occluded="0" points="20.00,20.00;30.00,20.00;30.00,28.00;20.00,28.00" z_order="0"></polygon>
<mask label="crack" rle="0, 4, 2, 4" left="30" top="5" width="5" height="2" z_order="0"></mask></image>
<image id="1" name="b.png" width="48" height="40"></image></annotations>
"""


def _label_studio_shapes() -> list[dict[str, object]]:
    base = {"original_width": 48, "original_height": 40, "image_rotation": 0, "from_name": "label", "to_name": "image"}
    box = {"x": 10.0, "y": 10.0, "width": 25.0, "height": 20.0, "rotation": 0, "rectanglelabels": ["crack"]}
    outline = {"points": [[50, 50], [75, 50], [75, 80]], "polygonlabels": ["stain"]}
    result = [
        {**base, "id": "r1", "type": "rectanglelabels", "value": box},
        {**base, "id": "r2", "type": "polygonlabels", "value": outline},
    ]
    return [
        {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [{"id": 1, "result": result}]},
        {"id": 2, "data": {"image": "/data/upload/1/b.png"}, "annotations": [{"id": 2, "result": [result[0]]}]},
    ]


def _make_visa(root: Path) -> None:
    rows = [["image", "label", "mask"]]
    for number, (folder, label) in enumerate([("Normal", "normal"), ("Anomaly", "scratch"), ("Anomaly", "dent")]):
        photo = f"Data/Images/{folder}/{number:03}.JPG"
        write_png(root / f"Data/Images/{folder}/{number:03}.png", noise(number))
        (root / f"Data/Images/{folder}/{number:03}.png").rename(root / photo)
        mask = f"Data/Masks/Anomaly/{number:03}.png" if folder == "Anomaly" else ""
        if mask:
            pixels = noise(number)[:, :, 0] * 0
            pixels[5:9, 4:12] = 255
            write_png(root / mask, pixels)
        rows.append([f"visa/{photo}", label, f"visa/{mask}" if mask else ""])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    (root / "image_anno.csv").write_text(text.getvalue())


def _make_loco(root: Path) -> None:
    write_png(root / "train/good/000.png", noise(1))
    write_png(root / "test/good/000.png", noise(2))
    write_png(root / "test/logical_anomalies/000.png", noise(3))
    mask = noise(3)[:, :, 0] * 0
    mask[5:9, 4:12] = 250
    write_png(root / "ground_truth/logical_anomalies/000/000.png", mask)
    entry = {"defect_name": "missing", "pixel_value": 250, "saturation_threshold": 10, "relative_saturation": False}
    (root / "defects_config.json").write_text(json.dumps([entry], indent=1))
