"""`mvtec evaluate compare`: detector and classifier answer for the same photos, and both are judged.

OUT holds:

    plan.json            what the comparison sets out to do
    instances.json       the truth of the photos, with their masks
    folds/               the detectors of the folds, where some were trained
    detector/            predictions.json, provenance.json
    classifier/          classes.json, heat/; of a cross-validation its run
    comparison.json      every figure, and every photo's answers
    report.html          the page
    run.json             the record: a folder without it is an unfinished comparison
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mvtec.compare import classifiers, detectors
from mvtec.convert.class_results import ClassResults
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.receipt import Receipt
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.split import Split, select
from mvtec.errors import InputError
from mvtec.evaluate.answers import (
    DEFAULT_THRESHOLD,
    best_boxes,
    choose_threshold,
    classifier_answers,
    detector_answers,
)
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.compare import Comparison, compare
from mvtec.evaluate.detector_errors import ErrorKind, detector_errors
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged, load
from mvtec.files import json_bytes, read_json, write_json
from mvtec.run import RunRecord, read_run

Stage = Callable[[str, int | None], AbstractContextManager[Callable[..., None]]]
DETECTOR, CLASSIFIER = "detector", "classifier"


@dataclass(frozen=True)
class Effort:
    """What a side costs.

    Attributes:
        parameters: Numbers it has learnt.
        models: How many were trained.
        train_seconds: The time their training took, in all.
        seconds_per_photo: The median from a photo's file to its answer.
    """

    parameters: int
    models: int
    train_seconds: float
    seconds_per_photo: float


@dataclass(frozen=True, eq=False)
class Contest:
    """All that a comparison found.

    Attributes:
        dataset: The category.
        samples: The photos both were judged on.
        folds: The number of folds, or 0 where both were given as they are.
        judged: Truth and boxes.
        boxes: The detector's figures, as `mvtec evaluate boxes` has them.
        errors: The detector's errors, by kind.
        results: What the classifier said.
        comparison: Both, judged on the classes of whole photos.
        thresholds: The score from which on a box counts, for each photo.
        how_chosen: How, in words.
        efforts: By side.
        records: The runs' records, by side.
        receipt: That of the labels.
        notes: What a reader must know before the figures.
    """

    dataset: Dataset
    samples: tuple[Sample, ...]
    folds: int
    judged: Judged
    boxes: dict[str, Metric]
    errors: dict[str, ErrorKind]
    results: ClassResults
    comparison: Comparison
    thresholds: dict[str, float]
    how_chosen: str
    efforts: dict[str, Effort]
    records: dict[str, RunRecord]
    receipt: Receipt
    notes: tuple[str, ...]

    @property
    def threshold(self) -> tuple[float, float]:
        """The lowest and the highest of the thresholds."""
        return min(self.thresholds.values()), max(self.thresholds.values())

    def metrics(self) -> dict[str, Metric]:
        """All figures: those of a side begin with its name."""
        found = {f"{DETECTOR}/{name}": metric for name, metric in self.boxes.items()}
        for side, figures in self.comparison.figures.items():
            found |= {f"{side}/{name}": metric for name, metric in figures.metrics.items()}
        return found | {"accuracy_difference": self.comparison.difference}


def begin_contest(out: Path, split: Split, *, detector: Path, classifier: Path, cross_validate: bool) -> None:
    """Write `plan.json`, or see that the unfinished comparison in `out` set out to do the same.

    Raises:
        InputError: It set out to do something else, or `detector` or `classifier` is no run.
    """
    plan = {
        "split": split.hash,
        "cross_validate": cross_validate,
        DETECTOR: read_run(detector).settings | {"weights": read_run(detector).weights},
        CLASSIFIER: read_run(classifier).settings | {"weights": read_run(classifier).weights},
    }
    path = out / "plan.json"
    if path.is_file():
        if read_json(path, "the plan of a comparison") != json.loads(json_bytes(plan)):
            raise InputError(out, "holds a comparison that began with other photos or runs", "Begin anew: --overwrite")
        return
    write_json(path, plan, overwrite=True)


def run_contest(
    dataset: Dataset,
    split: Split,
    out: Path,
    *,
    detector: Path,
    classifier: Path,
    cross_validate: bool,
    threshold: float | None = None,
    command: list[str],
    stage: Stage,
    seed: int = 0,
) -> Contest:
    """Ask both sides, and judge them.

    With `cross_validate` the two runs say how to train; a detector and a classifier of each fold answer for the photos
    of the fold, and the score from which on a box counts is chosen on the other folds. Without, the two runs answer
    for the test part; where the split has folds, that score is chosen on detectors trained by them, and else it is
    `DEFAULT_THRESHOLD`.

    Args:
        dataset: The category.
        split: Its split.
        out: The folder, made by `run.prepare_run`; what is finished in it is not done again.
        detector: A run of `mvtec train-detector`.
        classifier: A run of `mvtec train-classifier`.
        cross_validate: Judge all photos of the folds.
        threshold: That score, if it is given.
        command: The words of the command line, for the records.
        stage: Called with the name and the number of steps of each stage; its `with` block moves the bar.
        seed: Seed of the resampling.

    Raises:
        InputError: A run, the split or a photo is not as it should be.
        LeakError: A side was trained on a photo it is to be judged on.
    """
    records = {DETECTOR: read_run(detector), CLASSIFIER: read_run(classifier)}
    for side, key, maker in ((DETECTOR, "imgsz", "train-detector"), (CLASSIFIER, "backbone", "train-classifier")):
        if key not in records[side].settings or (side == DETECTOR and "backbone" in records[side].settings):
            raise InputError(f"--{side}", f"is no run of mvtec {maker}", "Give the --out of one")
    if not (cross_validate or split.test):
        raise InputError("--split", "has no test part to judge on", "Make one with a test part, or give --folds")
    samples = select(dataset, split, "train" if cross_validate else "test")
    with stage("reading the masks", len(samples)) as step:
        truth_file = out / "instances.json"
        _, receipt = masks_to_coco(
            replace(dataset, samples=samples),
            truth_file,
            options=InstanceOptions(),
            overwrite=True,
            on_sample=lambda: step(1),
        )
    truth = {sample.path: sample.defect for sample in samples}
    efforts = {}
    runs = _train_folds(dataset, split, records[DETECTOR], out, command, stage) if split.folds else []
    with stage("asking the detector", None):
        if cross_validate:
            predicted = detectors.ask_folds(runs, dataset, split, truth_file, out / DETECTOR)
        else:
            predicted = detectors.ask(detector, dataset.root, truth_file, out / DETECTOR)
    judged = load(truth_file, predicted.file)
    asked = runs if cross_validate else [detector]
    efforts[DETECTOR] = Effort(
        detectors.parameters_of(asked[0]),
        len(asked),
        sum(read_run(run).seconds for run in asked),
        predicted.seconds_per_photo,
    )
    with stage("asking the classifier", len(samples)) as step:
        if cross_validate:
            results, record = classifiers.cross_validate(
                dataset, split, records[CLASSIFIER], out / CLASSIFIER, command=command, on_photo=lambda: step(1)
            )
            figures = record.figures
            efforts[CLASSIFIER] = Effort(
                int(figures["parameters"]), len(split.folds), record.seconds, figures["seconds_per_photo"]
            )
        else:
            results, seconds = classifiers.ask(classifier, samples, split, out / CLASSIFIER, on_photo=lambda: step(1))
            record = records[CLASSIFIER]
            efforts[CLASSIFIER] = Effort(int(record.figures["parameters"]), 1, record.seconds, seconds)
    with stage("judging", None):
        best = best_boxes(judged)
        thresholds, how_chosen = _thresholds(dataset, split, out, runs, best, truth, cross_validate, threshold)
        classes = sorted({*truth.values(), *results.classes, *dataset.defects})
        comparison = compare(
            truth,
            classes,
            (DETECTOR, detector_answers(best, thresholds)),
            (CLASSIFIER, classifier_answers(results)),
            seed=seed,
        )
        contest = Contest(
            dataset=dataset,
            samples=samples,
            folds=len(split.folds) if cross_validate else 0,
            judged=judged,
            boxes=evaluate_boxes(judged, seed=seed),
            errors=detector_errors(judged),
            results=results,
            comparison=comparison,
            thresholds=thresholds,
            how_chosen=how_chosen,
            efforts=efforts,
            records=records,
            receipt=receipt,
            notes=_notes(records, judged, cross_validate),
        )
    write_json(out / "comparison.json", comparison_json(contest), overwrite=True)
    return contest


def _train_folds(
    dataset: Dataset, split: Split, like: RunRecord, out: Path, command: list[str], stage: Stage
) -> list[Path]:
    folds = len(split.folds)
    with stage(f"training the detectors of {folds} folds", None) as step:
        return detectors.train_folds(
            dataset,
            split,
            like,
            out / "folds",
            command=command,
            on_epoch=lambda fold, epoch, epochs: step(completed=fold * epochs + epoch, total=folds * epochs),
        )


def _thresholds(
    dataset: Dataset,
    split: Split,
    out: Path,
    runs: list[Path],
    best: dict[str, Any],
    truth: dict[str, str],
    cross_validate: bool,
    given: float | None,
) -> tuple[dict[str, float], str]:
    """For each photo the score from which on its best box counts, and how it was chosen."""
    if given is not None:
        return dict.fromkeys(truth, given), "as given"
    if cross_validate:
        chosen: dict[str, float] = {}
        for fold in split.folds:
            others = [path for path in truth if path not in set(fold)]
            chosen |= dict.fromkeys(fold, choose_threshold(best, truth, others))
        return chosen, "for each fold on the photos of the other folds"
    if not runs:
        return dict.fromkeys(truth, DEFAULT_THRESHOLD), "fixed beforehand, because the split has no folds to choose on"
    train, train_file = select(dataset, split, "train"), out / "folds" / "instances.json"
    masks_to_coco(replace(dataset, samples=train), train_file, options=InstanceOptions(), overwrite=True)
    answers = load(train_file, detectors.ask_folds(runs, dataset, split, train_file, out / "folds" / DETECTOR).file)
    labels = {sample.path: sample.defect for sample in train}
    score = choose_threshold(best_boxes(answers), labels, labels)
    return dict.fromkeys(truth, score), f"on {len(labels)} train photos, in {len(split.folds)} folds"


def _notes(records: dict[str, RunRecord], judged: Judged, cross_validate: bool) -> tuple[str, ...]:
    notes = list(judged.warnings)
    if not cross_validate and set(records[DETECTOR].train_images) != set(records[CLASSIFIER].train_images):
        notes.append("The two were trained on different photos, so part of the difference may be the photos'.")
    notes += [
        f"The {side} was trained from random weights." for side, record in records.items() if record.weights is None
    ]
    return tuple(notes)


def comparison_json(contest: Contest) -> dict[str, Any]:
    """Every figure and answer, as `comparison.json` holds them; what differs from run to run is in `run.json`."""
    comparison = contest.comparison
    return {
        "photos": {
            path: {"truth": label, **{side: answers.classes[path] for side, answers in comparison.answers.items()}}
            for path, label in comparison.truth.items()
        },
        "metrics": {name: metric.to_json() for name, metric in contest.metrics().items()},
        "mcnemar": {
            "only_detector": len(comparison.only_first),
            "only_classifier": len(comparison.only_second),
            "p_value": comparison.p_value,
        },
        "detector_errors": {
            kind: {"count": error.count, "cost": round(error.cost, 5)} for kind, error in contest.errors.items()
        },
        "confusion": {side: figures.confusion.tolist() for side, figures in comparison.figures.items()},
        "classes": list(comparison.classes),
        "threshold": {"low": contest.threshold[0], "high": contest.threshold[1], "how": contest.how_chosen},
    }


def contest_record(contest: Contest, split: Split, command: list[str], began: float) -> RunRecord:
    """The record that ends a comparison."""
    return RunRecord(
        command=command,
        settings={
            side: {"parameters": effort.parameters, "seconds_per_photo": round(effort.seconds_per_photo, 4)}
            for side, effort in contest.efforts.items()
        },
        data=str(contest.dataset.root.resolve()),
        split=split.hash,
        weights=None,
        train_images={},
        seconds=round(time.perf_counter() - began, 1),
        seconds_per_epoch=None,
        figures={name: metric.value for name, metric in contest.metrics().items() if metric.value is not None},
    )
