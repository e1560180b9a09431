"""What helps a detector that has tens of defect photos: starting weights, and synthetic defects, with one budget.

    python benchmarks/study.py --out study [--data DIR] [--arms scratch,coco,coco+paste,…] [--seeds 1]

An arm is a start (`scratch`, or `coco`: the weights file of --coco) and perhaps a method of `mvtec datasets
synthesize`, which adds --per-defect photos of each type to the train part of each fold. Every arm sees as many photos
in all: with twice the photos it takes half the epochs. In each of five folds over all labelled photos a detector is
trained that does not see the fold, and answers for it. The table has each arm's figures with 95 % intervals over
photos, and its gain over the same start without synthesis, over the same resamples. Finished runs are kept in OUT: it
can be interrupted, and arms can be added.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mvtec.compare.detectors import ask
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.split import make_split, read_split
from mvtec.datasets.tree import read_tree
from mvtec.detect.recipe import Recipe
from mvtec.evaluate.bootstrap import average_precision, draw_weights, interval, recall
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.matching import match
from mvtec.evaluate.predictions import Judged, load
from mvtec.files import read_json, sha256_file, write_json

FOLDS = 5
SHARED = Path(__file__).parents[2] / "shared"


@dataclass(frozen=True)
class Arm:
    """What is compared: a start, a method of synthesis or none, and a seed."""

    start: str
    method: str | None
    seed: int

    @property
    def name(self) -> str:
        return self.start + (f"+{self.method}" if self.method else "") + (f" seed {self.seed}" if self.seed else "")

    @property
    def plain(self) -> Arm:
        """The same without synthesis."""
        return Arm(self.start, None, self.seed)

    def folder(self, out: Path) -> Path:
        return out / self.name.replace(" ", "-")


def mvtec(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "mvtec", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def train_fold(arm: Arm, root: Path, out: Path, fold: int, coco: Path, per_defect: int, model: str) -> Path:
    """The run of one fold; a finished one is kept."""
    folder = arm.folder(out)
    run = folder / f"fold{fold}"
    if (run / "run.json").is_file():
        return run
    split, data, epochs = out / f"split{fold}.json", root, Recipe().epochs
    if arm.method is not None:
        data = folder / f"data{fold}"
        if not data.is_dir():
            words = ["--split", split, "--out", data, "--method", arm.method, "--per-defect", per_defect]
            mvtec("datasets", "synthesize", root, *words, "--seed", arm.seed)
        before, split = len(read_split(split).train), data / "split.json"
        epochs = max(1, round(epochs * before / len(read_split(split).train)))
    start = ["--from-scratch"] if arm.start == "scratch" else ["--weights", coco]
    again = ["--resume"] if (run / "weights" / "last.pt").is_file() else ["--overwrite"]
    words = ["--split", split, "--model", model, *start, "--epochs", epochs, "--seed", arm.seed, *again]
    mvtec("train-detector", data, "--out", run, *words)
    return run


def predictions_of(arm: Arm, root: Path, out: Path, runs: list[Path]) -> Path:
    """One results file of all folds, each photo by the detector that has not seen it."""
    results = []
    for fold, run in enumerate(runs):
        photos = read_split(out / f"split{fold}.json").test
        asked = ask(run, root, out / "truth.json", arm.folder(out) / f"predictions{fold}", photos=photos)
        results += read_json(asked.file, "COCO results")
    path = arm.folder(out) / "results.json"
    write_json(path, results, overwrite=True)
    return path


def figure(judged: Judged, name: str, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """AP50, AP or AR100 of each resample, the mean over the classes it holds."""
    figures = match(judged.truth_json, judged.results)
    of_class = [figures.matches[k, "all"] for k in range(len(figures.names))]
    if name == "AR100":
        table = [recall(matches, weights, 100).mean(axis=1) for matches in of_class]
    else:
        every = [average_precision(matches, weights) for matches in of_class]
        table = [one[:, 0] if name == "AP50" else one.mean(axis=1) for one in every]
    return np.asarray(np.nanmean(np.stack(table), axis=0))


def gain(arm: Judged, plain: Judged, name: str) -> str:
    """A figure of one less that of the other, with the interval over resamples that both see."""
    images = len(arm.truth.images)
    weights = np.concatenate([np.ones((1, images)), draw_weights(images, 1000, 0)])
    found = figure(arm, name, weights) - figure(plain, name, weights)
    ends = interval(found[1:])
    return f"{found[0]:+.3f}" + (f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else "")


def _check_plan(out: Path, arguments: argparse.Namespace, split: str) -> None:
    """Runs made with other options are no runs of this study."""
    plan = {
        "split": split,
        "model": arguments.model,
        "coco": sha256_file(arguments.coco) if arguments.coco.is_file() else None,
        "per_defect": arguments.per_defect,
        "recipe": asdict(Recipe()),
    }
    path = out / "plan.json"
    if path.is_file() and read_json(path, "the plan of a study") != plan:
        sys.exit(f"error: {out}: was begun with other options or photos. Give another --out.")
    write_json(path, plan, overwrite=True)


def main() -> None:
    data = Path(os.environ.get("MVTEC_SHARED_DATA", SHARED / "data")) / "mvtec_ad" / "bottle"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--coco", type=Path, default=SHARED / "weights" / "yolov5n_coco_backbone.pt")
    parser.add_argument("--model", default="yolov5n.yaml")
    parser.add_argument("--arms", default="coco,coco+paste,coco+poisson,coco+perlin,coco+quilt,coco+cutpaste,scratch")
    parser.add_argument("--per-defect", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    root, out = arguments.data, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    dataset = read_tree(root)
    _check_plan(out, arguments, make_split(dataset, test_fraction=0, folds=FOLDS).hash)
    if not (out / "truth.json").is_file():
        masks_to_coco(dataset, out / "truth.json", options=InstanceOptions())
    split = make_split(dataset, test_fraction=0, folds=FOLDS)
    for fold in range(FOLDS):
        write_json(out / f"split{fold}.json", split.held_out(fold).to_json(), overwrite=True)
    judged: dict[Arm, Judged] = {}
    for seed in range(arguments.seeds):
        # What is gained over comes first.
        for words in sorted(arguments.arms.split(","), key=lambda words: "+" in words):
            start, _, method = words.partition("+")
            arm = Arm(start, method or None, seed)
            runs = [
                train_fold(arm, root, out, fold, arguments.coco, arguments.per_defect, arguments.model)
                for fold in range(FOLDS)
            ]
            judged[arm] = load(out / "truth.json", predictions_of(arm, root, out, runs))
            metrics = evaluate_boxes(judged[arm])
            shown = {name: metrics[name].text() for name in ("AP50", "AP", "AR100", "FPR95")}
            shown |= {name: metric.text() for name, metric in metrics.items() if name.startswith("AP50/")}
            if arm.plain != arm and arm.plain in judged:
                for name in ("AP50", "AP", "AR100"):
                    shown[f"{name} gain"] = gain(judged[arm], judged[arm.plain], name)
            print(json.dumps({"arm": arm.name, **shown}), flush=True)


if __name__ == "__main__":
    main()
