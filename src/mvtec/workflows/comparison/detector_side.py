"""Detectors of a cross-validation: one a fold, each like a given run, each asked about photos it has not seen."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.provenance import PROVENANCE, Provenance, read_provenance
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Split
from mvtec.detect.model import load_model
from mvtec.detect.plan import seen_by, start_and_recipe
from mvtec.detect.predict import PredictOptions, predict
from mvtec.detect.prepare import yolo_folder_for
from mvtec.detect.recipe import Recipe
from mvtec.detect.source import Source
from mvtec.detect.train import train
from mvtec.detect.weights import Start
from mvtec.errors import LeakError
from mvtec.evaluate.statistics.matching import MOST_DETECTIONS
from mvtec.files import sha256_json, staged_folder, write_json
from mvtec.reading import read_json
from mvtec.run import RunRecord, checkpoint_of, is_begun, prepare_run, read_run

OnEpoch = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Predicted:
    """Predictions, and what they took.

    Attributes:
        file: The results.
        seconds_per_photo: The median, from the file to the boxes.
    """

    file: Path
    seconds_per_photo: float


def train_folds(
    dataset: Dataset, split: Split, like: RunRecord, out: Path, *, command: list[str], on_epoch: OnEpoch
) -> list[Path]:
    """Train a detector for each fold of a split, which it does not see; finished ones are kept, one begun goes on.

    Args:
        dataset: The category.
        split: Its split, with folds.
        like: The record of the run whose model, weights and settings to use.
        out: The folder that the runs are made in.
        command: The words of the command line, for the records.
        on_epoch: Told the fold, and in it the epoch and the number of epochs.

    Returns:
        The runs, in the order of the folds.

    Raises:
        InputError: The weights that `like` began with are not there any more, or a photo or mask breaks a rule.
    """
    start, recipe = start_and_recipe(like)
    runs = []
    for number in range(len(split.folds)):
        runs.append(out / f"fold{number}")
        told = partial(_tell, on_epoch, number)
        train_on(dataset.root, split.held_out(number), runs[-1], start, recipe, command=command, on_epoch=told)
    return runs


def check_unseen(like: RunRecord, split: Split, hint: str = "Give another run") -> None:
    """See that what a run began with has seen no photo of the folds, before detectors like it are trained for them.

    Raises:
        LeakError: It has.
        WeightsError: It is not there any more.
    """
    start, _ = start_and_recipe(like)
    if seen := set(seen_by(start)) & {split.images[path] for fold in split.folds for path in fold}:
        raise LeakError("the detector", f"began with weights that have seen {len(seen)} of these photos", hint)


def train_on(
    root: Path,
    part: Split,
    run: Path,
    start: Start,
    recipe: Recipe,
    *,
    command: list[str],
    on_epoch: Callable[[int, int, dict[str, float]], None],
) -> None:
    """Train a detector on a split's train part; a finished run is kept, one begun goes on.

    Args:
        root: The category.
        part: Its split.
        run: The run's folder; the split is written beside it.
        start: What to begin with.
        recipe: How to train.
        command: The words of the command line, for the record.
        on_epoch: As `detect.train.train` calls it.
    """
    if (run / "run.json").is_file():
        return
    file = run.with_name(f"{run.name}-split.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, part.to_json(), overwrite=True)
    resume = is_begun(run)
    prepare_run(run, resume=resume, overwrite=not resume)
    folder = yolo_folder_for(root, run, file)
    train(folder, run, start=start, recipe=recipe, resume=resume, command=command, on_epoch=on_epoch)


def _tell(on_epoch: OnEpoch, fold: int, epoch: int, epochs: int, _losses: dict[str, float]) -> None:
    on_epoch(fold, epoch, epochs)


def ask(
    run: Path,
    root: Path,
    truth: Path,
    out: Path,
    *,
    photos: Iterable[str] | None = None,
    max_detections: int = MOST_DETECTIONS,
) -> Predicted:
    """Ask a detector about photos.

    Args:
        run: The detector.
        root: The data set's folder.
        truth: The annotation file whose photos, and their ids, are meant.
        out: The folder to make.
        photos: Only those of them; None for all.
        max_detections: How many detections of a photo to take.
    """
    wanted = None if photos is None else set(photos)
    images = [image for image in read_coco(truth).images if wanted is None or image.file_name in wanted]
    ends = [time.perf_counter()]
    predict(
        run,
        Source(root, tuple((root / image.file_name, image) for image in images), truth),
        out,
        options=PredictOptions(draw=False, max_detections=max_detections),
        overwrite=True,
        on_photo=lambda: ends.append(time.perf_counter()),
    )
    spans = [after - before for before, after in pairwise(ends)]
    later = spans[1:] or spans  # the first photo waits for the model
    return Predicted(out / "predictions.json", statistics.median(later) if later else 0.0)


def ask_folds(
    runs: list[Path],
    dataset: Dataset,
    split: Split,
    truth: Path,
    out: Path,
    *,
    max_detections: int = MOST_DETECTIONS,
) -> Predicted:
    """Ask each detector of a cross-validation about its own fold; one results file of all."""
    answers = [
        ask(
            run,
            dataset.root,
            truth,
            run.parent / f"predictions{number}",
            photos=split.folds[number],
            max_detections=max_detections,
        )
        for number, run in enumerate(runs)
    ]
    results, parts = [], []
    for answer in answers:
        results += read_json(answer.file, "COCO results")
        provenance = read_provenance(answer.file)
        assert provenance is not None
        parts.append(provenance)
    with staged_folder(out, overwrite=True) as staged:
        write_json(staged / "predictions.json", results, overwrite=False)
        write_json(staged / PROVENANCE, _merged(parts, runs, split).to_json(), overwrite=False)
    return Predicted(out / "predictions.json", statistics.median(answer.seconds_per_photo for answer in answers))


def train_seconds(run: Path) -> float:
    """How long a training took, its interruptions left out."""
    record = read_run(run)
    return record.seconds if record.seconds_per_epoch is None else record.seconds_per_epoch * record.settings["epochs"]


def differences(run: Path, like: RunRecord) -> list[str]:
    """The settings in which a detector of a fold differs from the run it was to be like, such as labels that allow
    other augmentation; and whether that run had a val part to choose its epoch by, which no fold has."""
    record = read_run(run)
    others = {"device", "transferred"}
    same = bool(record.weights and like.weights and record.weights["sha256"] == like.weights["sha256"])
    if same and all(str(one.settings["model"]).endswith(".pt") for one in (record, like)):
        others.add("model")  # the same file, perhaps by another path
    found = [
        name
        for name in sorted({*record.settings, *like.settings} - others)
        if record.settings.get(name) != like.settings.get(name)
    ]
    return [*found, *(["val"] if like.figures else [])]


def parameters_of(run: Path) -> int:
    """How many numbers a detector has learnt."""
    return sum(weight.numel() for weight in load_model(str(checkpoint_of(run))).model.parameters())


def _merged(parts: list[Provenance], runs: list[Path], split: Split) -> Provenance:
    return replace(
        parts[0],
        model=str(runs[0].parent.resolve()),
        model_sha256=sha256_json([part.model_sha256 for part in parts]),
        split=split.hash,
        image_ids={name: number for part in parts for name, number in part.image_ids.items()},
        image_sha256={name: digest for part in parts for name, digest in part.image_sha256.items()},
        seen_in_training=sorted({name for part in parts for name in part.seen_in_training}),
    )
