"""Writes the page of a detector: the data, the training, the figures and the test photos, worst first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvtec.errors import InputError
from mvtec.evaluate.answers import DEFAULT_THRESHOLD
from mvtec.evaluate.boxes import OF_PHOTOS, about_photos, count_instances, label_sources, out_of_reach, per_class
from mvtec.evaluate.operating_points import OperatingPoint, at_default
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.report.gallery import Card, make_cards
from mvtec.evaluate.report.page_templates import template
from mvtec.evaluate.report.training_curves import CHART_WH, read_curves
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import staged_file
from mvtec.run import RunRecord, read_run
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.datasets.info import DataCard

MAX_CARDS = 120


def write_report(
    out: Path,
    *,
    title: str,
    judged: EvaluationInput,
    metrics: dict[str, Metric],
    points: list[OperatingPoint],
    photo_root: Path,
    run: Path | None = None,
    data_card: DataCard | None = None,
    notes: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write the page.

    Args:
        out: The file.
        title: Its heading.
        judged: Truth and predictions.
        metrics: What `evaluate_boxes` said of them.
        points: What `operating_points` did.
        photo_root: The folder the file names of the truth are relative to.
        run: The run folder, for curves and settings.
        data_card: The whole data set in numbers.
        notes: What a reader must know before the figures.
        overwrite: Replace what is there.

    Raises:
        BadPhotoError: A photo that is shown cannot be read.
        OutputError: `out` exists already or cannot be written.
    """
    cards = worst_first(make_cards(judged, photo_root, DEFAULT_THRESHOLD))
    of_class = per_class(judged.max_detections)
    record: RunRecord | None = None if run is None else read_run(run)
    page = template("report.html.jinja").render(
        title=title,
        notes=[*notes, *judged.warnings],
        card=data_card,
        record=record,
        curves=[] if run is None else read_curves(run / "results.csv"),
        chart=CHART_WH,
        figures=[(name, metric) for name, metric in metrics.items() if "/" not in name and name != OF_PHOTOS],
        classes=[
            (name, count, [metrics[f"{figure}/{name}"] for figure in of_class])
            for name, count in count_instances(judged).items()
        ],
        per_class=of_class,
        false_alarms=metrics[OF_PHOTOS],
        about_photos=about_photos(judged),
        out_of_reach=out_of_reach(judged),
        label_sources=label_sources(judged),
        images=len(judged.truth.images),
        points=points,
        point=at_default(points),
        cards=cards[:MAX_CARDS],
        hidden=max(0, len(cards) - MAX_CARDS),
    )
    with staged_file(out, overwrite=overwrite, inputs=[photo_root]) as staged:
        staged.write_text(page, encoding="utf-8")


def photo_root(judged: EvaluationInput, images: Path | None) -> Path:
    """The folder of the photos for a page: the one given, else the one that the predictions are from.

    Raises:
        InputError: Nothing says where they are, or one is not there.
    """
    root = images
    if root is None:
        if judged.provenance is None:
            problem = "shows the photos; nothing says where they are"
            raise InputError("--report", problem, "Give their folder as --images")
        root = Path(judged.provenance.image_root)
    missing = [image.file_name for image in judged.truth.images if not (root / image.file_name).is_file()]
    if missing:
        raise InputError(
            root,
            f"lacks {len(missing)} of the {len(judged.truth.images)} photos to show, such as {missing[0]}",
            "Give the folder that the file names are relative to as --images",
        )
    return root


def report_predictions(
    out: Path,
    *,
    judged: EvaluationInput,
    metrics: dict[str, Metric],
    points: list[OperatingPoint],
    predictions: Path,
    root: Path,
    overwrite: bool = False,
) -> None:
    """Write the page of predictions, with the training of the run that they are from, where they say so.

    Args:
        out: The file.
        judged: Truth and predictions.
        metrics: What `evaluate_boxes` said of them.
        points: What `operating_points` did.
        predictions: The file of the predictions, for the heading.
        root: The folder of the photos, by `photo_root`.
        overwrite: Replace what is there.

    Raises:
        BadPhotoError: A photo that is shown cannot be read.
        OutputError: `out` exists already or cannot be written.
    """
    name, run = f"{predictions.parent.name}/{predictions.name}".strip("/"), None
    if judged.provenance is not None:
        model = Path(judged.provenance.model)
        name, of_model = _name_of(model), model.parent.parent
        run = of_model if model.suffix and (of_model / "run.json").is_file() else None
    write_report(
        out,
        title=f"Detector {name} on {counted(len(judged.truth.images), 'photo')}",
        judged=judged,
        metrics=metrics,
        points=points,
        photo_root=root,
        run=run,
        overwrite=overwrite,
    )


def _name_of(model: Path) -> str:
    """What to call a model: by its run, by its file, or, where it is the folder of several runs, by that.

    >>> [_name_of(Path(path)) for path in ("/runs/a/weights/last.pt", "/models/best.pt", "/compared/folds")]
    ['a', 'best.pt', 'compared/folds']
    """
    if model.parent.name == "weights":
        return model.parent.parent.name
    return model.name if model.suffix else f"{model.parent.name}/{model.name}"


def worst_first(cards: list[Card]) -> list[Card]:
    """Most misses and false boxes first."""
    return sorted(cards, key=lambda card: (-(card.missed + card.false_boxes), not card.truth, card.name))
