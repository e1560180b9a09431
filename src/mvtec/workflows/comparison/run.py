"""`mvtec evaluate compare`: detector, classifier and anomaly detector answer for the same photos, and are judged.

OUT holds:

    plan.json            what the comparison sets out to do
    instances.json       the truth of the photos, with their masks
    folds/               the detectors of the folds, where some were trained
    detector/            predictions.json, provenance.json
    classifier/          classes.json, heat/; of a cross-validation its run
    anomaly/             heat/, where there is one
    comparison.json      every figure, and every photo's answers
    report.html          the page
    run.json             the record: a folder without it is an unfinished comparison
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.receipt import Receipt
from mvtec.datasets.info import describe
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import Split, select, warn_of_unused
from mvtec.devices import choose_device
from mvtec.errors import InputError
from mvtec.evaluate.anomaly_maps import map_shares
from mvtec.evaluate.answers import (
    DEFAULT_THRESHOLD,
    BestBox,
    best_boxes,
    choose_threshold,
    classifier_answers,
    detector_answers,
)
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.compare import compare
from mvtec.evaluate.detector_errors import detector_errors
from mvtec.evaluate.mask_pairs import PairedMasks, pair_masks
from mvtec.evaluate.operating_points import operating_points
from mvtec.evaluate.predictions import EvaluationInput, load
from mvtec.evaluate.statistics.matching import MOST_DETECTIONS, match
from mvtec.files import write_json
from mvtec.run import RunRecord, keep_plan, read_run
from mvtec.workflows.comparison import anomaly_side, classifier_side, detector_side
from mvtec.workflows.comparison.result import (
    ANOMALY,
    CLASSIFIER,
    DETECTOR,
    SPOKEN,
    ComparisonResult,
    Effort,
    comparison_json,
)
from mvtec.workflows.stage import Stage


def begin_comparison(
    out: Path, split: Split, *, detector: Path, classifier: Path, anomaly_run: Path | None = None, cross_validate: bool
) -> None:
    """Write `plan.json`, or see that the unfinished comparison in `out` set out to do the same.

    Raises:
        InputError: It set out to do something else, or one of the runs is none.
    """
    plan = {
        "split": split.hash,
        "cross_validate": cross_validate,
        DETECTOR: read_run(detector).settings | {"weights": read_run(detector).weights},
        CLASSIFIER: read_run(classifier).settings | {"weights": read_run(classifier).weights},
    }
    if anomaly_run is not None:
        record = read_run(anomaly_run)
        plan[ANOMALY] = record.settings | {"weights": record.weights, "train_images": sorted(record.train_images)}
    keep_plan(out, "comparison", plan)


def run_comparison(
    dataset: Dataset,
    split: Split,
    out: Path,
    *,
    detector: Path,
    classifier: Path,
    anomaly_run: Path | None = None,
    cross_validate: bool,
    threshold: float | None = None,
    masks: Path | None = None,
    unrefined: Path | None = None,
    max_detections: int = MOST_DETECTIONS,
    command: list[str],
    stage: Stage,
    seed: int = 0,
) -> ComparisonResult:
    """Ask the sides, and judge them.

    With `cross_validate` the two runs say how to train; a detector and a classifier of each fold answer for the photos
    of the fold, and the score from which on a box counts is chosen on the other folds. Without, the two runs answer
    for the test part; where the split has folds, that score is chosen on detectors trained by them, and else it is
    `DEFAULT_THRESHOLD`. The anomaly detector answers as it is either way.

    Args:
        dataset: The category.
        split: Its split.
        out: The folder, made by `run.prepare_run`; what is finished in it is not done again.
        detector: A run of `mvtec train-detector`.
        classifier: A run of `mvtec train-classifier`.
        anomaly_run: A run of `mvtec train-anomaly`, if there is a third side.
        cross_validate: Judge all photos of the folds.
        threshold: That score, if it is given.
        masks: Masks of `mvtec segment refine` to judge, too.
        unrefined: Others to compare them with.
        max_detections: How many boxes of a photo are taken, and how many of a class count.
        command: The words of the command line, for the records.
        stage: See `workflows.stage.Stage`.
        seed: Seed of the resampling.

    Raises:
        InputError: A run, the split, a photo or the masks are not as they should be.
        LeakError: A side was trained on a photo it is to be judged on.
    """
    like = {
        DETECTOR: read_run(detector, "detector", hint="Give the --out of one as --detector"),
        CLASSIFIER: read_run(classifier, "classifier", hint="Give the --out of one as --classifier"),
    }
    if not (cross_validate or split.test):
        raise InputError("--split", "has no test part to judge on", "Make one with a test part, or give --folds")
    warn_of_unused(dataset, split)
    samples = select(dataset, split, "train" if cross_validate else "test")
    _check_classes(dataset, samples)
    needs_folds = cross_validate or (bool(split.folds) and threshold is None)
    if needs_folds:
        hint = "Give another run" if cross_validate else "Give another run, or --threshold, which needs no folds"
        detector_side.check_unseen(like[DETECTOR], split, hint)
    _, recipe, _, _ = classifier_side.recipe_of(like[CLASSIFIER])
    model = None if cross_validate else classifier_side.load(classifier, samples, split)
    third = None if anomaly_run is None else anomaly_side.load_unseen(anomaly_run, samples)
    with stage("reading the masks", len(samples)) as step:
        truth_file = out / "instances.json"
        receipt = _write_truth(dataset, samples, truth_file, lambda: step(1))
        card = describe(dataset)
    paired = (
        None
        if masks is None
        else (
            pair_masks(truth_file, masks, max_detections=max_detections),
            None if unrefined is None else pair_masks(truth_file, unrefined, max_detections=max_detections),
        )
    )
    truth = {sample.path: sample.defect for sample in samples}
    runs = _train_folds(dataset, split, like[DETECTOR], out, command, stage) if needs_folds else []
    with stage("asking the detector", None):
        if cross_validate:
            predicted = detector_side.ask_folds(
                runs, dataset, split, truth_file, out / DETECTOR, max_detections=max_detections
            )
        else:
            predicted = detector_side.ask(
                detector, dataset.root, truth_file, out / DETECTOR, max_detections=max_detections
            )
    judged = load(truth_file, predicted.file, max_detections=max_detections)
    asked = runs if cross_validate else [detector]
    records = {DETECTOR: read_run(asked[0])}
    with stage("asking the classifier", len(samples)) as step:
        if model is None:
            results, records[CLASSIFIER] = classifier_side.cross_validate(
                dataset, split, like[CLASSIFIER], out / CLASSIFIER, command=command, on_photo=lambda: step(1)
            )
            figures = records[CLASSIFIER].figures
            parameters, seconds_per_photo = int(figures["parameters"]), figures["seconds_per_photo"]
        else:
            results, seconds_per_photo = classifier_side.ask(model, samples, out / CLASSIFIER, on_photo=lambda: step(1))
            records[CLASSIFIER], parameters = like[CLASSIFIER], model.parameters
    efforts = {
        DETECTOR: Effort(
            detector_side.parameters_of(asked[0]),
            sum(map(detector_side.train_seconds, asked)),
            predicted.seconds_per_photo,
            choose_device("auto"),
        ),
        CLASSIFIER: Effort(parameters, records[CLASSIFIER].seconds, seconds_per_photo, "cpu"),
    }
    unlike = None
    if third is not None:
        with stage("asking the anomaly detector", len(samples)) as step:
            unlike = anomaly_side.answer(third, samples, out / ANOMALY, seed=seed, on_photo=lambda: step(1))
        records[ANOMALY] = third.record
        efforts[ANOMALY] = Effort(third.model.parameters, third.record.seconds, unlike.seconds_per_photo, "cpu")
    with stage("judging", None):
        best, matched = best_boxes(judged), match(judged.truth_json, judged.results, max_detections)
        thresholds, how_chosen = _thresholds(dataset, split, out, runs, best, truth, cross_validate, threshold)
        comparison = compare(
            truth,
            sorted({GOOD, *truth.values(), *results.classes, *dataset.defects}),
            (DETECTOR, detector_answers(best, thresholds)),
            (CLASSIFIER, classifier_answers(results)),
            seed=seed,
        )
        used = set(thresholds.values())
        result = ComparisonResult(
            dataset=dataset,
            card=card,
            samples=samples,
            folds=len(split.folds) if cross_validate else 0,
            judged=judged,
            boxes=evaluate_boxes(judged, figures=matched, seed=seed),
            points=operating_points(judged, matched, also=used if len(used) == 1 else ()),
            errors=detector_errors(judged),
            comparison=comparison,
            thresholds=thresholds,
            how_chosen=how_chosen,
            heat=map_shares(out / CLASSIFIER, samples),
            unlike=unlike,
            masks=paired,
            efforts=efforts,
            records=records,
            report_note=recipe.report_note,
            receipt=receipt,
            notes=_notes(records, like, judged, paired, runs),
            seed=seed,
        )
    write_json(out / "comparison.json", comparison_json(result), overwrite=True)
    return result


def _check_classes(dataset: Dataset, samples: Sequence[Sample]) -> None:
    """Photos must be named by the defects in them, as they are not in MVTec LOCO."""
    if others := sorted({sample.defect for sample in samples} - {GOOD, *dataset.defects}):
        raise InputError(
            dataset.root,
            f"calls photos {others[0]}, and the defects in them otherwise, so no box could name a photo",
            "Compare on a category whose photos are named by their defects",
        )


def _write_truth(dataset: Dataset, samples: Sequence[Sample], out: Path, on_sample: Any = lambda: None) -> Receipt:
    """Write just these photos as COCO, named by their paths; one set aside for learning counts like any other."""
    own = tuple(replace(sample, official_split="test") for sample in samples)
    _, receipt = masks_to_coco(
        replace(dataset, samples=own), out, options=InstanceOptions(), overwrite=True, on_sample=on_sample
    )
    return receipt


def _train_folds(
    dataset: Dataset, split: Split, like: RunRecord, out: Path, command: list[str], stage: Stage
) -> list[Path]:
    folds = len(split.folds)
    with stage(f"training the detectors of {folds} folds", None) as step:
        return detector_side.train_folds(
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
    best: dict[str, BestBox],
    truth: dict[str, str],
    cross_validate: bool,
    given: float | None,
) -> tuple[dict[str, float], str]:
    """For each photo the score from which on its best box counts, and where it comes from."""
    if given is not None:
        return dict.fromkeys(truth, given), "given on the command line"
    if cross_validate:
        chosen: dict[str, float] = {}
        for fold in split.folds:
            others = [path for path in truth if path not in set(fold)]
            chosen |= dict.fromkeys(fold, choose_threshold(best, truth, others))
        return chosen, "chosen for each fold on the photos of the other folds"
    if not runs:
        return dict.fromkeys(truth, DEFAULT_THRESHOLD), "fixed beforehand, as the split has no folds to choose it on"
    train, train_file = select(dataset, split, "train"), out / "folds" / "instances.json"
    _write_truth(dataset, train, train_file)
    answers = load(train_file, detector_side.ask_folds(runs, dataset, split, train_file, out / "folds" / DETECTOR).file)
    labels = {sample.path: sample.defect for sample in train}
    score = choose_threshold(best_boxes(answers), labels, labels)
    return dict.fromkeys(truth, score), f"chosen on {len(labels)} train photos, in {len(split.folds)} folds"


def _notes(
    records: dict[str, RunRecord],
    like: dict[str, RunRecord],
    judged: EvaluationInput,
    paired: tuple[PairedMasks, PairedMasks | None] | None,
    runs: list[Path],
) -> tuple[str, ...]:
    notes = [*judged.warnings, *(line for masks in paired or () if masks is not None for line in masks.warnings)]
    if set(like[DETECTOR].train_images) != set(like[CLASSIFIER].train_images) and records[DETECTOR] == like[DETECTOR]:
        notes.append("The two were trained on different photos, so part of the difference may be the photos'.")
    notes += [
        f"The {SPOKEN[side]} was trained from random weights."
        for side, record in records.items()
        if record.weights is None
    ]
    if runs and (changed := detector_side.differences(runs[0], like[DETECTOR])):
        notes.append(
            f"The detectors of the folds differ from the given run in: {', '.join(changed)}. They learn from polygons, "
            "without a val part."
        )
    return tuple(notes)
