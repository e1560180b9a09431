"""How well starter weights find drawn defects that they have not seen, and name them.

    python benchmarks/starter.py [--weights FILE] [--against FILE] [--photos 500]

The photos are those that the training would draw next. AP50 is over the ten mechanisms, where the weights know them;
"found" is AP50 with all of them taken as one class, for boxes as well, so that neither a wrong name nor a second name
for a box costs anything. With --against the difference to what other weights find, over the same resamples.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.detect.model import load_model
from mvtec.detect.weights import STARTER_FILE
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.paired_differences import paired_differences
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.offline import quiet
from mvtec.starter.scene import NAMES, Scene, draw_scene

SEEN = 40_000  # photos of `make starter`


def judged(model: Any, scenes: Sequence[Scene], side: int, *, one_class: bool) -> EvaluationInput:
    """What a model says of the scenes, and the truth: by mechanism, or all as one class."""
    names = ["defect"] if one_class else NAMES
    truth: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": side, "height": side} for number in range(len(scenes))
        ],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    results: list[Any] = []
    for number, scene in enumerate(scenes):
        for mechanism, box in zip(scene.mechanisms, scene.boxes_xywh.tolist(), strict=True):
            annotation = {"id": len(truth["annotations"]) + 1, "image_id": number, "bbox": box, "iscrowd": 0}
            label = 1 if one_class else mechanism + 1
            truth["annotations"].append({**annotation, "category_id": label, "area": box[2] * box[3]})
        said = model.predict(scene.photo, imgsz=side, conf=0.001, max_det=100, agnostic_nms=one_class, verbose=False)[
            0
        ].boxes
        for (x, y, x1, y1), score, label in zip(
            said.xyxy.tolist(), said.conf.tolist(), said.cls.int().tolist(), strict=True
        ):
            box = [x, y, x1 - x, y1 - y]
            results.append(
                {"image_id": number, "category_id": 1 if one_class else label + 1, "bbox": box, "score": score}
            )
    return EvaluationInput(CocoDataset.model_validate(truth), truth, results, None, ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=STARTER_FILE)
    parser.add_argument("--against", type=Path, help="other weights")
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--side", type=int, default=256)
    arguments = parser.parse_args()
    side = arguments.side
    scenes = [draw_scene((0, SEEN + number), side) for number in range(arguments.photos)]
    said: dict[str, Any] = {"photos": len(scenes), "defects": sum(len(scene.masks) for scene in scenes)}
    with quiet(Path("/dev/null")):
        model = load_model(str(arguments.weights))
        if len(model.names) > 1:
            named = evaluate_boxes(judged(model, scenes, side, one_class=False))
            said |= {
                name: metric.text() for name, metric in named.items() if name in ("AP50", "AP") or name[:5] == "AP50/"
            }
        own = judged(model, scenes, side, one_class=True)
        said["found"] = evaluate_boxes(own)["AP50"].text()
        if arguments.against is not None:
            other = judged(load_model(str(arguments.against)), scenes, side, one_class=True)
            said["found by the others"] = evaluate_boxes(other)["AP50"].text()
            said["difference"] = paired_differences([own], [other], resamples=5000)["AP50"].text()
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
