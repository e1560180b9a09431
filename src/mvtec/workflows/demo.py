"""The whole workflow on the synthetic set: make, check, split, convert, train, predict, evaluate, report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.formats.yolo.write_folder import masks_to_yolo
from mvtec.convert.from_masks import InstanceOptions
from mvtec.datasets.check import check
from mvtec.datasets.info import describe
from mvtec.datasets.split import make_split
from mvtec.datasets.synthetic import folders, make_dataset
from mvtec.datasets.tree import read_tree
from mvtec.detect.predict import PredictOptions, predict
from mvtec.detect.recipe import Recipe
from mvtec.detect.source import read_source
from mvtec.detect.train import train
from mvtec.detect.weights import MODEL, Start, find_start
from mvtec.errors import InputError, MvtecError
from mvtec.evaluate.boxes import evaluate_boxes
from mvtec.evaluate.operating_points import operating_points
from mvtec.evaluate.predictions import load
from mvtec.evaluate.report.detector_page import write_report
from mvtec.evaluate.statistics.matching import match
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import fresh_folder, write_json
from mvtec.run import prepare_run

Stage = Callable[[str, int | None], AbstractContextManager[Callable[..., None]]]


@dataclass(frozen=True)
class DemoSize:
    """How large the demo is; the default takes less than three minutes on two CPU cores.

    Attributes:
        per_class: Photos of each class.
        side: Width and height of a photo in pixels.
        epochs: Epochs of training.
        imgsz: Pixels the detector sees.
    """

    per_class: int = 20
    side: int = 320
    epochs: int = 50
    imgsz: int = 160

    def __post_init__(self) -> None:
        if self.per_class < 2:
            raise InputError("--per-class", f"{self.per_class} photo leaves none to test on", "Give 2 or more")


def run_demo(
    out: Path, *, size: DemoSize, seed: int, overwrite: bool, command: list[str], stage: Stage
) -> dict[str, Metric]:
    """Run every step and write `out/report.html`.

    Args:
        out: The folder to make: data/, split.json, yolo/, run/, predictions/, report.html.
        size: How large.
        seed: Seed of the data, the split and the training.
        overwrite: Replace what is there.
        command: The words of the command line, for the record.
        stage: Called with the name and the number of steps of each stage; its `with` block moves the bar.

    Returns:
        The figures of the report.

    Raises:
        OutputError: `out` exists already or cannot be written.
    """
    start, note = _start()
    recipe = Recipe(epochs=size.epochs, imgsz=size.imgsz, seed=seed)
    with fresh_folder(out, overwrite=overwrite):
        return _run_steps(out, start=start, note=note, size=size, recipe=recipe, command=command, stage=stage)


def _run_steps(
    out: Path, *, start: Start, note: str, size: DemoSize, recipe: Recipe, command: list[str], stage: Stage
) -> dict[str, Metric]:
    seed = recipe.seed
    with stage("drawing the data set", sum(count for *_, count in folders(size.per_class))) as step:
        make_dataset(
            out / "data" / "bottle", per_class=size.per_class, side=size.side, seed=seed, on_photo=lambda: step(1)
        )
    dataset = read_tree(out / "data" / "bottle")
    with stage("checking it", len(dataset.samples)) as step:
        problems = check(dataset, lambda: step(1))
    if problems:
        raise MvtecError(problems[0].file, problems[0].problem, problems[0].hint)
    card = describe(dataset)
    with stage("splitting it", len(dataset.labelled)) as step:
        split = make_split(dataset, seed=seed, on_photo=lambda: step(1))
    write_json(out / "split.json", split.to_json(), overwrite=False)
    with stage("converting masks to labels", len(split.images)) as step:
        masks_to_yolo(
            dataset,
            out / "yolo",
            split=split,
            task="segment",
            images="copy",
            options=InstanceOptions(),
            on_sample=lambda: step(1),
        )
    run = out / "run"
    prepare_run(run, resume=False, overwrite=False)
    with stage("training the detector", size.epochs) as step:
        train(
            out / "yolo",
            run,
            start=start,
            recipe=recipe,
            command=command,
            on_epoch=lambda epoch, _epochs, _losses: step(completed=epoch),
        )
    source = read_source(out / "yolo")
    with stage("predicting the test photos", len(source.photos)) as step:
        predict(run, source, out / "predictions", options=PredictOptions(), on_photo=lambda: step(1))
    truth = out / "yolo" / "annotations" / "instances_test.json"
    with stage("scoring", None):
        judged = load(truth, out / "predictions" / "predictions.json")
        figures = match(judged.truth_json, judged.results)
        metrics = evaluate_boxes(judged, figures=figures, seed=seed)
        write_json(out / "metrics.json", {name: metric.to_json() for name, metric in metrics.items()}, overwrite=False)
        write_report(
            out / "report.html",
            title="Demo: a detector for synthetic bottles",
            judged=judged,
            metrics=metrics,
            points=operating_points(judged, figures),
            photo_root=source.root,
            run=run,
            data_card=card,
            notes=("The photos are drawn by this program. What these figures say holds for drawings.", note),
        )
    return metrics


def _start() -> tuple[Start, str]:
    """Pretrained weights where this machine has them, else the starter's, and a note that says so."""
    start = find_start()
    if start.is_starter:
        return start, (
            f"No pretrained weights were found on this machine ({MODEL}), so the training began with the starter "
            "weights that come with mvtec, which were taught on other drawings."
        )
    return start, f"The training began with the pretrained weights {start.weights}."
