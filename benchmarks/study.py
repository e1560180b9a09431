"""What helps a detector that has tens of defect photos: starting weights, and synthetic defects, with one budget.

    python benchmarks/study.py --out study [--data DIR] [--arms scratch,starter,coco,starter+poisson,…] [--seeds 3]
        [--jobs 8]

An arm is a start (`scratch`; `starter`: the weights that come with mvtec; `coco`: the weights file of --coco; `own`:
that of --own, whose architecture it is, too, such as another one of `make starter`) and
perhaps a method of `mvtec datasets synthesize`, which adds --per-defect photos of each type to the train part of each
fold. Every arm looks at as many photos in all: with twice the photos it takes half the epochs. In each of five folds
over all labelled photos a detector is trained that does not see the fold, and answers for it. Each line has an arm's
figures with 95 % intervals over photos, and its gains over the same resamples: with synthesis over the same start
without, and else over scratch; and over the arm that --over names. A last line has the mean gain of all methods, which
is less at the mercy of single trainings. Finished runs are kept in OUT: it can be interrupted, and arms can be added.

What an arm answered for each fold is kept in --answers, too (`benchmarks/study/`), and a fold whose answers are there,
for the same photos, weights and settings, is judged by them and not trained again. Those of another machine, which is
another training of the same seed, are in a folder of their own (`h200/`); with --also both are taken, of each arm.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.provenance import read_provenance
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Split, make_split
from mvtec.datasets.tree import read_tree
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start, find_start
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.paired_differences import paired_differences
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import json_bytes, sha256_json, staged_file
from mvtec.reading import read_json
from mvtec.run import keep_plan
from mvtec.synthesize.make import check_methods
from mvtec.synthesize.methods import METHODS
from mvtec.workflows.comparison.detector_side import ask
from mvtec.workflows.imbalance.configurations import Configuration, budget, plan_of, train_fold, write_truth

FOLDS = 5
SHARED = Path(__file__).parents[2] / "shared"
BOTTLE = Path(os.environ.get("MVTEC_SHARED_DATA", SHARED / "data")) / "mvtec_ad" / "bottle"
STARTS = ("scratch", "starter", "coco", "own")
ARMS = [*STARTS, *(f"{start}+{method}" for start in STARTS for method in METHODS)]


def figures(judged: list[EvaluationInput]) -> dict[str, str]:
    """Of the first training each figure with its interval; of more, their values."""
    every = [evaluate_boxes(one) for one in judged]
    names = [
        name for name in every[0] if name in ("AP50", "AP", "AR100", "FPR95") or name.startswith(("AP50/", "AR100/"))
    ]
    return {
        name: every[0][name].text()
        + "".join(f"; {metrics[name].value:.3f}" for metrics in every[1:] if metrics[name].value is not None)
        for name in names
    }


def learn_and_answer(
    arm: Configuration, fold: int, dataset: Dataset, split: Split, truth: Path, out: Path
) -> list[list[float]]:
    """Train the detector that does not see a fold, and ask it about the fold: the rows that `write_answers` keeps."""
    run = train_fold(arm, fold, dataset, truth, out, command=["benchmarks/study.py", arm.name])
    folder = out / arm.name / f"predictions{fold}"
    answer = ask(run, dataset.root, truth, folder, photos=split.folds[fold])
    came = read_provenance(answer.file)
    assert came is not None
    assert not came.seen_in_training, f"{run} has seen photos of its fold"
    assert came.categories == read_coco(truth).category_names(), f"{run} has other classes"
    boxes = read_json(answer.file, "COCO results")
    return [[one["image_id"], one["category_id"], *one["bbox"], one["score"]] for one in boxes]


def learn_all(
    todo: list[tuple[Configuration, int]], jobs: int, dataset: Dataset, split: Split, truth: Path, out: Path
) -> Iterator[tuple[Configuration, int, list[list[float]]]]:
    """`learn_and_answer` for each arm and fold, `jobs` at a time, as they come."""
    if jobs == 1:
        for arm, fold in todo:
            yield arm, fold, learn_and_answer(arm, fold, dataset, split, truth, out)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        begun = {
            pool.submit(learn_and_answer, arm, fold, dataset, split, truth, out): (arm, fold) for arm, fold in todo
        }
        for done in as_completed(begun):
            yield *begun[done], done.result()


def read_kept(file: Path) -> dict[str, Any]:
    """What `write_answers` wrote; nothing where there is no such file."""
    return json.loads(gzip.decompress(file.read_bytes())) if file.is_file() else {}


def read_answers(file: Path, plan: dict[str, Any]) -> dict[str, list[list[float]]]:
    """The answers of each fold that `write_answers` wrote; none where they are those of another plan."""
    kept = read_kept(file)
    return kept["folds"] if kept.get("plan") == json.loads(json_bytes(plan)) else {}


def write_answers(file: Path, plan: dict[str, Any], folds: dict[str, list[list[float]]]) -> None:
    """Keep what an arm answered, by fold: of each box image id, category id, x, y, w, h in pixels, score."""
    with staged_file(file, overwrite=True) as staged:
        staged.write_bytes(gzip.compress(json_bytes({"plan": plan, "folds": folds}), mtime=0))


def judged_by(folds: dict[str, list[list[float]]], truth: Path) -> EvaluationInput:
    """The answers of all folds as results, with the truth."""
    results = [
        {"image_id": row[0], "category_id": row[1], "bbox": row[2:6], "score": row[6]}
        for _, rows in sorted(folds.items())
        for row in rows
    ]
    content = read_coco(truth)
    return EvaluationInput(content, content.to_json(), results, None, ())


def signed(metric: Metric) -> str:
    if metric.value is None or metric.low is None:
        return metric.text()
    return f"{metric.value:+.3f} ({metric.low:+.3f} to {metric.high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=BOTTLE)
    parser.add_argument("--coco", type=Path, default=SHARED / "weights" / "yolov5n_coco_backbone.pt")
    parser.add_argument("--own", type=Path, help="weights to begin with in the arms called own")
    parser.add_argument("--model", default="yolov5n.yaml", help="the architecture of scratch and coco")
    parser.add_argument("--answers", type=Path, default=Path(__file__).with_name("study"))
    parser.add_argument("--also", type=Path, help="answers of another machine, to be judged with them")
    parser.add_argument("--arms", default=",".join(arm for arm in ARMS if not arm.startswith("own")))
    parser.add_argument("--over", choices=ARMS, help="show the gains over this arm, too; it must be one of --arms")
    parser.add_argument("--per-defect", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once; a GPU has room for many")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--imgsz", type=int, default=Recipe.imgsz)
    parser.add_argument("--freeze", type=int, default=Recipe.freeze, help="layers to keep as they are")
    arguments = parser.parse_args()
    root, out, names = arguments.data, arguments.out, arguments.arms.split(",")
    if unknown := [name for name in names if name not in ARMS]:
        sys.exit(f"error: --arms: there is no {unknown[0]}. Give some of {', '.join(ARMS)}.")
    if arguments.over not in (None, *names):
        sys.exit(f"error: --over: {arguments.over} is not one of --arms. Add it there.")
    if any(name.startswith("coco") for name in names) and not arguments.coco.is_file():
        sys.exit(f"error: {arguments.coco}: no such weights file. Check the path after --coco.")
    if any(name.startswith("own") for name in names) and (arguments.own is None or not arguments.own.is_file()):
        sys.exit(f"error: --own: {arguments.own or 'nothing'} is no weights file. Give the one that own begins with.")
    starts = {
        "scratch": lambda: Start(arguments.model, None),
        "starter": lambda: find_start("starter"),
        "coco": lambda: Start(arguments.model, arguments.coco),
        "own": lambda: find_start(weights=arguments.own),
    }
    recipe = Recipe(epochs=arguments.epochs, imgsz=arguments.imgsz, freeze=arguments.freeze)
    dataset = read_tree(root)
    split = make_split(dataset, test_fraction=0, folds=FOLDS)
    parts = tuple(split.held_out(fold) for fold in range(FOLDS))
    truth = write_truth(dataset, split, out / "truth.json")
    arms: list[tuple[str, Configuration]] = []
    for seed in range(arguments.seeds):
        for name in names:
            start, _, method = name.partition("+")
            arm = Configuration(
                name + (f"-seed-{seed}" if seed else ""),
                starts[start](),
                replace(recipe, seed=seed),
                parts,
                budget(recipe, parts),
                check_methods([method])[0] if method else None,
                arguments.per_defect,
            )
            arms.append((name, arm))
    plans = {arm.name: plan_of(arm, truth) for _, arm in arms}
    files = {name: f"{name}-{sha256_json(plan)[:8]}.json.gz" for name, plan in plans.items()}
    judged: dict[str, list[EvaluationInput]] = {name: [] for name in names}
    for name, arm in arms if arguments.also is not None else ():
        also = read_answers(arguments.also / files[arm.name], plans[arm.name])
        if len(also) < FOLDS:
            sys.exit(f"error: {arguments.also}: has not all answers of such a {arm.name}. Leave it out of --arms.")
        judged[name].append(judged_by(also, truth))
    answers = {name: read_answers(arguments.answers / files[name], plan) for name, plan in plans.items()}
    todo = [(arm, fold) for _, arm in arms for fold in range(FOLDS) if str(fold) not in answers[arm.name]]
    for name in {arm.name for arm, _ in todo}:
        keep_plan(out / name, "arm", plans[name])  # before folds that run side by side look for it
    for arm, fold, rows in learn_all(todo, arguments.jobs, dataset, split, truth, out):
        answers[arm.name][str(fold)] = rows
        write_answers(arguments.answers / files[arm.name], plans[arm.name], answers[arm.name])
        print(f"{arm.name}: fold {fold + 1} of {FOLDS}", file=sys.stderr, flush=True)
    for name in names:
        own = [judged_by(answers[arm.name], truth) for of_name, arm in arms if of_name == name]
        judged[name] = own + judged[name]
    for name in names:
        start, _, method = name.partition("+")
        line = {"arm": name, "trainings": len(judged[name]), **figures(judged[name])}
        for base in dict.fromkeys([start if method else "scratch", arguments.over]):
            if base != name and base in judged:
                gained = paired_differences(judged[name], judged[base], resamples=5000)
                line |= {f"{figure} over {base}": signed(metric) for figure, metric in gained.items()}
        print(json.dumps(line))
    for start in STARTS:
        methods = [name for name in names if name.startswith(f"{start}+")]
        if start in judged and len(methods) > 1:
            every = [one for name in methods for one in judged[name]]
            gained = paired_differences(every, judged[start], resamples=5000)
            line = {f"{figure} over {start}": signed(metric) for figure, metric in gained.items()}
            print(json.dumps({"arm": f"mean of {', '.join(methods)}", **line}))


if __name__ == "__main__":
    main()
