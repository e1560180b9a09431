"""What fine-tuning SAM is worth: every defect photo is judged once, by a model that has not seen it.

    python benchmarks/segment_folds.py [--data DIR] --out FOLDER [--folds 5] [options of mvtec segment finetune]

The defect photos are divided into folds; each fold in turn is the test part of a split without val, and the model is
trained on the others with the settings given, which are not chosen here. The masks of all folds together are then
scored as one file, beside those of the published model, with the boxes of the truth and with boxes whose sides are
moved by up to a tenth of their size. Finished folds are kept in FOLDER, so it can be interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from mvtec.convert.formats.coco.files import read_coco, write_coco
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.files import write_json
from mvtec.segment.examples import jitter

JITTER = 0.1


def mvtec(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "mvtec", *map(str, words)], check=True)


def jittered(annotations: Path, out: Path) -> Path:
    """The same boxes, drawn less carefully."""
    random = np.random.default_rng(0)
    content = read_coco(annotations)
    for annotation in content.annotations:
        x, y, w, h = annotation.bbox
        x1, y1, x2, y2 = jitter(np.array([x, y, x + w, y + h], np.float64), JITTER, random).tolist()
        annotation.bbox = (x1, y1, x2 - x1, y2 - y1)
    write_coco(out, content, overwrite=True)
    return out


def only(annotations: Path, photos: set[str], out: Path) -> Path:
    """The part of an annotation file that is about some photos."""
    content = read_coco(annotations)
    content.images = [image for image in content.images if image.file_name in photos]
    numbers = {image.id for image in content.images}
    content.annotations = [own for own in content.annotations if own.image_id in numbers]
    write_coco(out, content, overwrite=True)
    return out


def merge(parts: list[Path], out: Path) -> Path:
    """The refined files of all folds as one."""
    contents = [read_coco(part) for part in parts]
    merged = contents[0]
    merged.images = sorted((image for content in contents for image in content.images), key=lambda image: image.id)
    merged.annotations = sorted((own for content in contents for own in content.annotations), key=lambda own: own.id)
    write_coco(out, merged, overwrite=True)
    return out


def main() -> None:
    shared = Path(__file__).parents[2] / "shared"
    os.environ.setdefault("MVTEC_WEIGHTS", str(shared / "weights"))
    data = Path(os.environ.get("MVTEC_SHARED_DATA", shared / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data / "mvtec_ad" / "bottle")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    arguments, options = parser.parse_known_args()
    root, out = arguments.data, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    dataset: Dataset = read_tree(root)
    defects = replace(dataset, samples=tuple(sample for sample in dataset.samples if sample.masks))
    truth = out / "truth.json"
    masks_to_coco(defects, truth, options=InstanceOptions(), overwrite=True)
    prompts = {"exact": truth, "jittered": jittered(truth, out / "jittered.json")}
    split = make_split(defects, test_fraction=0, folds=arguments.folds)
    found: dict[tuple[str, int], list[Path]] = {}
    for number, fold in enumerate(split.folds):
        rest = tuple(path for path in split.train if path not in set(fold))
        write_json(
            out / f"split{number}.json", replace(split, train=rest, test=fold, folds=()).to_json(), overwrite=True
        )
        run = out / f"run{number}"
        if not (run / "run.json").is_file():
            words = ["--resume"] if (run / "weights" / "last.pt").is_file() else ["--overwrite"]
            mvtec("segment", "finetune", root, "--split", out / f"split{number}.json", "--out", run, *options, *words)
        for name, boxes in prompts.items():
            own = only(boxes, set(fold), out / f"{name}-{number}.json")
            for views in (1, 8):
                refined = out / f"{name}-{views}-{number}.json"
                words = ["--images", root, "--weights", run, "--views", views, "--overwrite"]
                mvtec("segment", "refine", own, "--out", refined, *words)
                found.setdefault((name, views), []).append(refined)
    for (name, views), parts in found.items():
        merged = merge(parts, out / f"{name}-{views}.json")
        zero_shot = out / f"{name}-zero-shot.json"
        mvtec("segment", "refine", prompts[name], "--images", root, "--out", zero_shot, "--overwrite")
        print(f"\n== {name} boxes, {views} views, {arguments.folds} folds", flush=True)
        mvtec("evaluate", "masks", truth, merged, "--unrefined", zero_shot)
    print(json.dumps({"folds": [len(fold) for fold in split.folds], "options": options}))


if __name__ == "__main__":
    main()
