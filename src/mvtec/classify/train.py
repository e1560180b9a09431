"""Trains a classifier by a recipe and leaves a run folder; or tries the recipe on every photo by cross-validation.

RUN holds:

    split.json       the split it is trained by; of a cross-validation, its folds
    weights/         classifier.pt; of a cross-validation none
    history.json     loss and accuracy on the train photos by epoch, for each fold
    heat/            where the model looked in each photo it answered for, see `heat.py`
    classes.json     the answers for the test part; of a cross-validation, for every photo
    run.json         the record
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mvtec.backbones.weights import Backbone
from mvtec.classify.fit import OnEpoch, fit
from mvtec.classify.heat import heat_map, write_heat
from mvtec.classify.model import new_classifier, save_classifier
from mvtec.classify.recipe import Recipe
from mvtec.convert.class_results import ClassResults, class_results, write_class_results
from mvtec.datasets.samples import Dataset
from mvtec.datasets.small_defects import defect_sides, say_small
from mvtec.datasets.split import Split, select, warn_of_unused
from mvtec.errors import InputError
from mvtec.files import write_json
from mvtec.run import RunRecord, finish_run

_LEAST = 2  # pixels: of a narrower defect hardly anything is left


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        record: The record of the run; its `seconds` are those of the learning, without the answers.
        results: The answers; of a split without a test part none.
    """

    record: RunRecord
    results: ClassResults


def train_classifier(
    dataset: Dataset,
    split: Split,
    out: Path,
    *,
    start: Backbone,
    recipe_name: str,
    recipe: Recipe,
    seed: int = 0,
    command: list[str] | None = None,
    warn: Callable[[str], None] = lambda _warning: None,
    on_photo: Callable[[], None] = lambda: None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _figures: None,
) -> Trained:
    """Train on the train part of a split and answer for its test part; the val part is left alone.

    A split with folds is cross-validated instead: for each fold a classifier learns from the others and answers for it.

    Args:
        dataset: The category.
        split: Its split.
        out: The run folder, made by `run.prepare_run`.
        start: The network, and the weights to begin with.
        recipe_name: The recipe's name, for the record.
        recipe: The recipe.
        seed: Seed of all that is random.
        command: The words of the command line, for the record.
        warn: Told of defects that are too small to be seen.
        on_photo: Called after each photo whose features are ready.
        on_epoch: Called after each epoch.

    Raises:
        InputError: A photo cannot be read, or there is one class only to learn from.
    """
    warn_of_unused(dataset, split)
    train, test = select(dataset, split, "train"), select(dataset, split, "test")
    classes = sorted({sample.defect for sample in (*train, *test)})
    held = split.folds or (tuple(sample.path for sample in test),)
    for held_out in held:
        if len({sample.defect for sample in train if sample.path not in set(held_out)}) < 2:
            raise InputError(
                dataset.root, "leaves one class to learn from", "Make another split, or take another number of folds"
            )
    if sentence := say_small(defect_sides(train), recipe.imgsz, _LEAST):
        warn(f"{dataset.root}: {sentence}. A detector takes such a size: train-detector --imgsz")
    write_json(out / "split.json", split.to_json(), overwrite=True)
    model = new_classifier(start, recipe, classes, seed)
    samples = train if split.folds else (*train, *test)
    features, spans = {}, {}
    for sample in samples:
        before = time.perf_counter()
        features[sample.path] = model.features(sample.photo)
        spans[sample.path] = time.perf_counter() - before
        on_photo()
    at = {sample.path: sample for sample in samples}
    seconds = sum(spans[sample.path] for sample in train)
    history: list[list[dict[str, float]]] = []
    probabilities: dict[str, list[float]] = {}
    answer_spans = []
    for held_out in held:
        pupils = [sample for sample in train if sample.path not in set(held_out)]
        before = time.perf_counter()
        learnt, figures = fit(
            new_classifier(start, recipe, classes, seed),
            [features[sample.path] for sample in pupils],
            [classes.index(sample.defect) for sample in pupils],
            seed=seed,
            on_epoch=on_epoch,
        )
        seconds += time.perf_counter() - before
        history.append(figures)
        for path in held_out:
            before = time.perf_counter()
            answers = learnt.probabilities(features[path])
            answer_spans.append(time.perf_counter() - before)
            probabilities[path] = answers.tolist()
            write_heat(out, path, heat_map(learnt, at[path].photo, int(answers.argmax())))
    truth = {path: at[path].defect for path in probabilities}
    results = class_results(classes, truth, probabilities, split=split.hash)
    write_json(out / "history.json", history, overwrite=True)
    write_class_results(out / "classes.json", results, overwrite=True)
    if not split.folds:
        (out / "weights").mkdir()
        save_classifier(out / "weights" / "classifier.pt", learnt)
    measured = {"parameters": float(learnt.parameters)}
    if answer_spans:
        measured["seconds_per_photo"] = round(statistics.median(spans.values()) + statistics.median(answer_spans), 4)
    right = sum(results.answer(path) == label for path, label in truth.items())
    record = RunRecord(
        kind="classifier",
        command=command or [],
        settings={**recipe.model_dump(), "recipe": recipe_name, "backbone": start.name, "seed": seed},
        data=str(dataset.root.resolve()),
        split=split.hash,
        weights=start.record(),
        train_images={split.images[sample.path]: sample.path for sample in train},
        seconds=round(seconds, 1),
        seconds_per_epoch=None,
        figures=measured | ({"accuracy": round(right / len(truth), 5), "photos": float(len(truth))} if truth else {}),
    )
    finish_run(out, record)
    return Trained(record, results)
