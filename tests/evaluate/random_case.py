"""Truth and predictions drawn at random, as pycocotools takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.evaluate.predictions import EvaluationInput


def random_case(
    seed: int, *, images: int = 8, classes: int = 3, instances: int = 4
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Boxes of all sizes, three jittered detections for each, some of the wrong class; no two scores are the same."""
    rng = np.random.default_rng(seed)
    truth: dict[str, Any] = {
        "info": {},
        "images": [{"id": n + 1, "file_name": f"{n}.png", "width": 900, "height": 900} for n in range(images)],
        "annotations": [],
        "categories": [{"id": n + 1, "name": f"class{n}"} for n in range(classes)],
    }
    results = []
    for image in truth["images"]:
        for _ in range(rng.integers(0, instances)):
            x, y, w, h = (int(v) for v in (*rng.integers(0, 500, 2), *rng.integers(5, 300, 2)))
            label = int(rng.integers(1, classes + 1))
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": image["id"],
                    "category_id": label,
                    "bbox": [x, y, w, h],
                    "area": int(w * h * rng.uniform(0.3, 1)),
                    "iscrowd": 0,
                }
            )
            for _ in range(3):
                jitter = rng.normal(0, 0.1, 4) * [w, h, w, h]
                box = np.abs(np.array([x, y, w, h]) + jitter)
                wrong = rng.random() < 0.2
                results.append(
                    {
                        "image_id": image["id"],
                        "category_id": int(rng.integers(1, classes + 1)) if wrong else label,
                        "bbox": [float(v) for v in box],
                        "score": float(rng.random()),
                    }
                )
    return truth, results


def judge(truth, results) -> EvaluationInput:
    return EvaluationInput(CocoDataset.model_validate(truth), truth, results, None, ())
