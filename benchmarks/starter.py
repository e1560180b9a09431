"""How well the starter weights find drawn defects that they have not seen, and name them.

    python benchmarks/starter.py [--weights FILE] [--photos 500]

The photos are those that the training would draw next. AP50 is over the ten mechanisms, where the weights know them;
"found" is AP50 with all of them taken as one class, so that a wrong name costs nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mvtec.convert.coco import CocoDataset
from mvtec.detect.model import load_model
from mvtec.detect.weights import STARTER_FILE
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.predictions import Judged
from mvtec.offline import quiet
from mvtec.starter.scene import NAMES, draw_scene

SEEN = 40_000  # photos of `make starter`


def judged(images: list[Any], annotations: list[Any], results: list[Any], one_class: bool) -> Judged:
    names = ["defect"] if one_class else NAMES
    truth = {
        "images": images,
        "annotations": [{**one, "category_id": 1} if one_class else one for one in annotations],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    found = [{**one, "category_id": 1} if one_class else one for one in results]
    return Judged(CocoDataset.model_validate(truth), truth, found, None, ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=STARTER_FILE)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--side", type=int, default=256)
    arguments = parser.parse_args()
    side = arguments.side
    images: list[Any] = []
    annotations: list[Any] = []
    results: list[Any] = []
    with quiet(Path("/dev/null")):
        model = load_model(str(arguments.weights))
        for number in range(arguments.photos):
            scene = draw_scene((0, SEEN + number), side)
            images.append({"id": number, "file_name": f"{number}.png", "width": side, "height": side})
            for mechanism, box in zip(scene.mechanisms, scene.boxes_xywh.tolist(), strict=True):
                annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": mechanism + 1, "bbox": box}
                annotations.append({**annotation, "area": box[2] * box[3], "iscrowd": 0})
            said = model.predict(scene.photo, imgsz=side, conf=0.001, max_det=100, verbose=False)[0].boxes
            for (x, y, x1, y1), score, mechanism in zip(
                said.xyxy.tolist(), said.conf.tolist(), said.cls.int().tolist(), strict=True
            ):
                box = [x, y, x1 - x, y1 - y]
                results.append({"image_id": number, "category_id": mechanism + 1, "bbox": box, "score": score})
    found = evaluate_boxes(judged(images, annotations, results, one_class=True))
    shown = {}
    if len(model.names) > 1:
        named = evaluate_boxes(judged(images, annotations, results, one_class=False))
        shown = {name: metric.text() for name, metric in named.items() if name in ("AP50", "AP") or name[:5] == "AP50/"}
    print(
        json.dumps(
            {"photos": len(images), "defects": len(annotations), **shown, "found": found["AP50"].text()}, indent=1
        )
    )


if __name__ == "__main__":
    main()
