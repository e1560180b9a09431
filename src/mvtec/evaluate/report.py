"""Writes `report.html`: one self-contained page with the data, the training, the figures and every test photo."""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mvtec.errors import InputError
from mvtec.evaluate.answers import DEFAULT_THRESHOLD
from mvtec.evaluate.boxes import OF_PHOTOS, about_photos, count_instances, label_sources, out_of_reach, per_class
from mvtec.evaluate.gallery import Card, make_cards
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.predictions import Judged
from mvtec.evaluate.thresholds import OperatingPoint, at_default
from mvtec.files import staged_file
from mvtec.run import RunRecord, read_run
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.datasets.info import DataCard

MAX_CARDS = 120
CHART_WH = (260, 120)


@dataclass(frozen=True)
class Curve:
    """One line of the training log.

    Attributes:
        name: What it shows.
        points: SVG points, `x,y x,y …`, inside 260×120.
        first: Its first value.
        last: Its last value.
        epochs: How many values it has.
    """

    name: str
    points: str
    first: float
    last: float
    epochs: int


def write_report(
    out: Path,
    *,
    title: str,
    judged: Judged,
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


def template(name: str) -> Template:
    """One of our page templates."""
    environment = Environment(
        loader=PackageLoader("mvtec.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = shlex.quote
    environment.globals["counted"] = counted
    return environment.get_template(name)


def photo_root(judged: Judged, images: Path | None) -> Path:
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
    judged: Judged,
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


def read_curves(results_csv: Path) -> list[Curve]:
    """The losses, and where a val part was judged its mAP, of Ultralytics' `results.csv`; empty without the file.

    What has one value alone, as after one epoch, is no curve.
    """
    if not results_csv.is_file():
        return []
    with results_csv.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    curves = []
    for column in rows[0] if rows else []:
        name = column.strip()
        if not (name.startswith("train/") or "mAP" in name):
            continue
        values = [float(row[column]) for row in rows if row[column]]
        if len(values) > 1:
            curves.append(make_curve(name, values))
    return curves


def make_curve(name: str, values: list[float]) -> Curve:
    """The curve of at least two values, 0 at the bottom."""
    width, height = CHART_WH
    top = max(*values, 1e-9)
    step = width / (len(values) - 1)
    points = " ".join(f"{index * step:.1f},{height - value / top * height:.1f}" for index, value in enumerate(values))
    return Curve(name, points, values[0], values[-1], len(values))


def worst_first(cards: list[Card]) -> list[Card]:
    """Most misses and false boxes first."""
    return sorted(cards, key=lambda card: (-(card.missed + card.false_boxes), not card.truth, card.name))
