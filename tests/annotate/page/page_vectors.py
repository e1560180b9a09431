"""Masks, brush strokes and polygons with what pycocotools says of them: the vectors of the page's own tests.

`python tests/annotate/page/page_vectors.py` writes vectors.json anew; a test fails where it is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

VECTORS = Path(__file__).with_name("vectors.json")


def _counts(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run lengths, checked by pycocotools."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    counts = [int(run) for run in np.diff([0, *edges, flat.size])]
    counts = [0, *counts] if flat[0] else counts
    packed = coco_mask.frPyObjects({"size": list(mask.shape), "counts": counts}, *mask.shape)
    assert packed["counts"] == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return counts


def _mask(name: str, mask: np.ndarray) -> dict[str, Any]:
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    height, width = mask.shape
    return {
        "name": name,
        "height": height,
        "width": width,
        "counts": _counts(mask),
        "area": int(coco_mask.area(packed)),
        "bbox": [int(value) for value in coco_mask.toBbox(packed)],
    }


def _masks() -> list[dict[str, Any]]:
    empty = np.zeros((6, 8), bool)
    ring = empty.copy()
    ring[1:5, 2:7] = True
    ring[2:4, 3:6] = False
    corners = empty.copy()
    corners[[0, 0, 5, 5], [0, 7, 0, 7]] = True
    diagonal = np.eye(6, 8, dtype=bool)
    wraps = empty.copy()
    wraps[:, 3:5] = True
    noise = np.random.default_rng(7).random((13, 17)) < 0.4
    named = {"empty": empty, "ring": ring, "corners": corners, "diagonal": diagonal, "wraps": wraps, "noise": noise}
    return [_mask(name, mask) for name, mask in (named | {"full": ~empty}).items()]


def _strokes() -> list[dict[str, Any]]:
    """A pixel belongs to a stroke when its centre lies within the radius of the segment."""
    segments = [(6, 5, 6, 5, 2.25), (2, 3, 14, 8, 1.7), (4, 9, 4, 2, 3), (1, 1, 15, 1, 0.75), (-2, 6, 19, 13, 2.5)]
    found = []
    for ax, ay, bx, by, radius in segments:
        y, x = np.mgrid[0:12, 0:16] + 0.5
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2 if length2 else np.zeros_like(x)
        along = along.clip(0, 1)
        inside = (x - ax - along * (bx - ax)) ** 2 + (y - ay - along * (by - ay)) ** 2 <= radius**2
        segment = {"ax": ax, "ay": ay, "bx": bx, "by": by, "radius": radius}
        found.append({"segment": segment, **_mask("stroke", inside)})
    return found


def _polygons() -> list[dict[str, Any]]:
    """Rectangles on pixel edges, of which pycocotools paints exactly the pixels inside."""
    found = []
    for ring in ([2, 1, 7, 1, 7, 5, 2, 5], [0, 0, 3, 0, 3, 10, 0, 10]):
        packed = coco_mask.merge(coco_mask.frPyObjects([ring], 12, 16))
        bbox = [int(value) for value in coco_mask.toBbox(packed)]
        pixels = np.argwhere(coco_mask.decode(packed))[:, ::-1].tolist()
        found.append({"ring": ring, "area": int(coco_mask.area(packed)), "bbox": bbox, "pixels": pixels})
    return found


def vectors() -> str:
    """The content of vectors.json."""
    content = {"masks": _masks(), "strokes": _strokes(), "polygons": _polygons()}
    return json.dumps(content, sort_keys=True) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(vectors())
