"""Plain readers of what a user's file says, written without the package: what a conversion must not lose or invent."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from pycocotools import mask as coco_mask

Label = tuple[str, str, tuple[int, ...] | None]  # the photo's stem, the class, the box x, y, w, h in whole pixels


class UnreadableError(ValueError):
    """The file does not say which labels there are."""


def labels_said(name: str, root: Path) -> Counter[Label] | None:
    """Each label that the input named `name` gives; None where there is no plain reader for it.

    Raises:
        UnreadableError: It cannot be said: a conversion that ends well has guessed.
    """
    reader = _READERS.get(name)
    if reader is None:
        return None
    try:
        return Counter(reader(root))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, ET.ParseError, yaml.YAMLError) as error:
        raise UnreadableError(str(error)) from error


def labels_written(*files: Path) -> Counter[Label]:
    """Each label of COCO files that a conversion wrote."""
    return Counter(label for file in files for label in _coco(file))


def without_boxes(labels: Counter[Label]) -> Counter[tuple[str, str]]:
    return Counter(
        {key: sum(n for (*own, _), n in labels.items() if tuple(own) == key) for key in {k[:2] for k in labels}}
    )


def _coco(file: Path) -> list[Label]:
    content = json.loads(file.read_bytes(), object_pairs_hook=_no_key_twice)
    if not all(type(content[key]) is list for key in ("images", "annotations", "categories")):
        raise ValueError("a list is missing")
    images = {image["id"]: image["file_name"] for image in content["images"]}
    classes = {category["id"]: str(category["name"]) for category in content["categories"]}
    labels = []
    for one in content["annotations"]:
        box = one.get("bbox")
        if isinstance(one.get("segmentation"), dict):
            box = coco_mask.toBbox(one["segmentation"]).tolist()
        labels.append((_stem(images[one["image_id"]]), classes[one["category_id"]], _whole(box)))
    return labels


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _stem(name: str) -> str:
    """The name of a photo as the conversion of the inputs makes it: `test/crack/000.png` is `crack_000`."""
    parts = name.replace("\\", "/").rsplit(".", 1)[0].split("/")
    return "_".join(part for part in parts[-2:] if part not in ("test", "train", "val", "images", "JPEGImages", "1"))


def _whole(box: Any) -> tuple[int, ...] | None:
    if not isinstance(box, list) or len(box) != 4:
        return None
    return tuple(round(number) for number in box)


def _yolo(root: Path) -> list[Label]:
    content = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8"))
    names = content["names"]
    if not isinstance(names, dict):
        names = dict(enumerate(names))
    labels = []
    for file in sorted(root.glob("labels/*/*.txt")):
        for line in file.read_text(encoding="utf-8-sig").splitlines():
            if words := line.split():
                index, *numbers = map(float, words)
                x, y, w, h = (number * side for number, side in zip(numbers[:4], (48, 40, 48, 40), strict=True))
                box = _whole([x - w / 2, y - h / 2, w, h]) if len(numbers) == 4 else None
                labels.append((file.stem, str(names[index]), box))
    return labels


def _cvat(file: Path) -> list[Label]:
    labels: list[Label] = []
    for image in ET.fromstring(file.read_bytes()).iter("image"):
        for shape in image:
            box = None
            if shape.tag == "box":
                x, y, right, bottom = (float(shape.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
                box = _whole([x, y, right - x, bottom - y])
            labels.append((_stem(image.attrib["name"]), shape.attrib["label"], box))
    return labels


def _voc(root: Path) -> list[Label]:
    labels: list[Label] = []
    for file in sorted((root / "Annotations").glob("*.xml")):
        top = ET.fromstring(file.read_bytes())
        for one in top.iter("object"):
            labels.append((file.stem, str(one.findtext("name")), None))
    return labels


def _label_studio(file: Path) -> list[Label]:
    labels: list[Label] = []
    for task in json.loads(file.read_bytes(), object_pairs_hook=_no_key_twice):
        annotations = task.get("annotations", [])  # without one nobody labelled the photo
        for one in annotations[0]["result"] if annotations else []:
            kind = one["type"]
            labels += [(_stem(task["data"]["image"]), name, None) for name in one["value"][kind]]
    return labels


_READERS = {
    "coco": lambda root: _coco(root / "i.json"),
    "coco-boxes": lambda root: _coco(root / "boxes.json"),
    "yolo-label": lambda root: _yolo(root / "yolo"),
    "yolo-boxes": lambda root: _yolo(root / "yolo-boxes"),
    "yolo-yaml": lambda root: _yolo(root / "yolo"),
    "cvat": lambda root: _cvat(root / "c.xml"),
    "cvat-shapes": lambda root: _cvat(root / "shapes.xml"),
    "voc-xml": lambda root: _voc(root / "voc"),
    "label-studio-shapes": lambda root: _label_studio(root / "shapes.json"),
}
