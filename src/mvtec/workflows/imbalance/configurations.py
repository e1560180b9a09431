"""Detectors that learn from different things, with one budget, judged on the same photos in one cross-validation.

The folder of an arm holds:

    plan.json            what it learns from, and how
    data0/ …             of a synthesis the category of each fold, the new photos in it
    fold0/ …             the runs; a finished one is kept, one begun goes on
    answers/             what each detector says of the fold it has not seen
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Split, read_split, select
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start
from mvtec.evaluate.predictions import EvaluationInput, load
from mvtec.files import sha256_file
from mvtec.run import keep_plan, read_run
from mvtec.synthesize.make import synthesize
from mvtec.synthesize.methods import Method
from mvtec.workflows.comparison.detector_side import ask_folds, train_on


@dataclass(frozen=True)
class Configuration:
    """What a detector learns from.

    Attributes:
        name: Of its folder.
        start: What it begins with.
        recipe: How it learns; of its epochs as many are taken as the budget allows.
        parts: Of each fold what to learn from, as train.
        looks: The budget: of each fold how many photos are looked at in all, one as often as there are epochs.
        method: How further defects are made of the train part; None for none.
        per_defect: How many photos of each defect type.
    """

    name: str
    start: Start
    recipe: Recipe
    parts: tuple[Split, ...]
    looks: tuple[int, ...]
    method: Method | None = None
    per_defect: int = 20


@dataclass(frozen=True)
class ConfigurationResult:
    """What became of an arm.

    Attributes:
        judged: The answers for the photos of all folds, and the truth.
        took: Of each fold the epochs, and the photos that one of them has.
    """

    judged: EvaluationInput
    took: tuple[tuple[int, int], ...]

    @property
    def looks(self) -> float:
        """How many photos a detector has looked at in all, the mean over the folds."""
        return sum(epochs * photos for epochs, photos in self.took) / len(self.took)


def budget(recipe: Recipe, parts: tuple[Split, ...]) -> tuple[int, ...]:
    """The looks that the recipe's epochs amount to."""
    return tuple(recipe.epochs * len(part.train) for part in parts)


def write_truth(dataset: Dataset, split: Split, path: Path) -> Path:
    """Write the annotation file of all photos of the folds, which every arm learns and is judged by."""
    judged = replace(dataset, samples=select(dataset, split, "train"))
    masks_to_coco(judged, path, options=InstanceOptions(), overwrite=True)
    return path


def evaluate_configuration(
    arm: Configuration,
    dataset: Dataset,
    split: Split,
    truth: Path,
    out: Path,
    *,
    command: list[str],
    on_epoch: Callable[[int, int, int], None] = lambda _fold, _epoch, _epochs: None,
) -> ConfigurationResult:
    """Train a detector for each fold, and let it answer for the fold.

    Args:
        arm: What to learn from.
        dataset: The category.
        split: Its split, whose folds hold the photos to judge.
        truth: Their annotations, by `write_truth`.
        out: The folder that the arm's is made in.
        command: The words of the command line, for the records.
        on_epoch: Told the fold, and in it the epoch and the number of epochs.

    Raises:
        InputError: The folder holds an arm that began with other things, or a photo or mask breaks a rule.
    """
    runs = []
    for fold in range(len(arm.parts)):

        def tell(epoch: int, epochs: int, fold: int = fold) -> None:
            on_epoch(fold, epoch, epochs)

        runs.append(train_fold(arm, fold, dataset, truth, out, command=command, on_epoch=tell))
    judged = load(truth, ask_folds(runs, dataset, split, truth, out / arm.name / "answers").file)
    return ConfigurationResult(judged, tuple(_epochs_and_photos(run) for run in runs))


def train_fold(
    arm: Configuration,
    fold: int,
    dataset: Dataset,
    truth: Path,
    out: Path,
    *,
    command: list[str],
    on_epoch: Callable[[int, int], None] = lambda _epoch, _epochs: None,
) -> Path:
    """Train the detector of an arm that does not see a fold; a finished one is kept, one begun goes on.

    Args:
        arm: What to learn from.
        fold: Which part of it.
        dataset: The category.
        truth: The annotations, by `write_truth`.
        out: The folder that the arm's is made in.
        command: The words of the command line, for the records.
        on_epoch: Told the epoch and the number of epochs.

    Returns:
        The run.

    Raises:
        InputError: The folder holds an arm that began with other things, or a photo or mask breaks a rule.
    """
    folder = out / arm.name
    keep_plan(folder, "arm", plan_of(arm, truth))
    run = folder / f"fold{fold}"
    if not (run / "run.json").is_file():
        root, learnt = _with_synthesis(arm, dataset, arm.parts[fold], folder / f"data{fold}")
        recipe = replace(arm.recipe, epochs=max(1, round(arm.looks[fold] / len(learnt.train))))

        def tell(epoch: int, epochs: int, _losses: dict[str, float]) -> None:
            on_epoch(epoch, epochs)

        train_on(root, learnt, run, arm.start, recipe, command=command, on_epoch=tell)
    return run


def _epochs_and_photos(run: Path) -> tuple[int, int]:
    """What a run took: so many epochs of so many photos."""
    record = read_run(run)
    return record.settings["epochs"], sum(1 for _ in (run / "train.txt").open(encoding="utf-8"))


def _with_synthesis(arm: Configuration, dataset: Dataset, part: Split, folder: Path) -> tuple[Path, Split]:
    """The category to learn from, and its split."""
    if arm.method is None:
        return dataset.root, part
    if not folder.is_dir():
        synthesize(dataset, part, folder, methods=[arm.method], per_defect=arm.per_defect, seed=arm.recipe.seed)
    return folder, read_split(folder / "split.json")


def plan_of(arm: Configuration, truth: Path) -> dict[str, Any]:
    """All that the answers of an arm depend on but our code, with the annotations by `write_truth`.

    What draws photos and trains must not change between the folds of an arm.
    """
    return {
        "architecture": Path(arm.start.architecture).name,
        "weights": (arm.start.record() or {}).get("sha256"),
        "recipe": asdict(arm.recipe),
        "parts": [part.hash for part in arm.parts],
        "looks": list(arm.looks),
        "method": arm.method,
        "per_defect": None if arm.method is None else arm.per_defect,
        "truth": sha256_file(truth),
    }
