"""Annotation files as another tool may have written them, for tests to spoil."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def coco(path: Path, *annotations: dict[str, Any], name: str = "a.png", **more: Any) -> Path:
    """One photo of 48×40 pixels, and annotations of a box each unless they say otherwise."""
    plain = {"image_id": 1, "category_id": 1, "bbox": [5, 6, 10, 8], "area": 80, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": name, "width": 48, "height": 40}],
        "annotations": [{"id": n, **plain, **own} for n, own in enumerate(annotations, start=1)],
        "categories": [{"id": 1, "name": "crack"}],
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def labels_of(folder: Path) -> list[list[float]]:
    (file,) = (folder / "labels" / "train").iterdir()
    return [[float(word) for word in line.split()] for line in file.read_text().splitlines()]
