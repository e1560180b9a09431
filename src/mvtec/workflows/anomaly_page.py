"""What `mvtec evaluate anomaly` leaves: `anomaly.json` with the score of each photo, and a page with the photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvtec.convert.pixels.geometry import split_mask
from mvtec.datasets.images import read_photo
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.anomaly import OF_DEFECT
from mvtec.evaluate.anomaly_maps import overlay_map, resize_map
from mvtec.evaluate.report.gallery import pixels_uri
from mvtec.evaluate.report.mask_page import outline_path
from mvtec.evaluate.report.page_templates import template
from mvtec.files import sha256_file, staged_folder, write_json
from mvtec.workflows.anomaly_evaluation import AnomalyEvaluation

MAX_PHOTOS = 100


@dataclass(frozen=True)
class MapRow:
    """A photo of the page: its size in pixels, two pictures as data URIs, and the truth's outline as SVG path data."""

    name: str
    size_wh: tuple[int, int]
    photo: str
    heat: str
    outline: str
    truth: str
    answer: str
    score: float
    right: bool


@dataclass(frozen=True)
class ScoreLine:
    """The scores of one class as places along a line, in percent of the highest score shown."""

    name: str
    places: tuple[float, ...]


def write_anomaly_evaluation(out: Path, evaluation: AnomalyEvaluation, *, overwrite: bool = False) -> None:
    """Make the folder `out` with `report.html` and `anomaly.json`.

    Raises:
        BadPhotoError: A photo cannot be read.
        OutputError: `out` exists already or cannot be written.
    """
    figures, run = evaluation.figures, evaluation.run
    at = {sample.path: sample for sample in evaluation.samples}
    ordered = sorted(figures.truth, key=lambda path: (figures.margin(path), path))
    defects = sorted(set(figures.truth.values()) - {GOOD})
    top = 1.02 * max(*figures.scores.values(), figures.threshold)
    lines = [
        ScoreLine(
            name, tuple(100 * score / top for path, score in figures.scores.items() if figures.truth[path] == name)
        )
        for name in sorted(set(figures.truth.values()), key=lambda name: (name != GOOD, name))
    ]
    page = template("anomaly.html.jinja").render(
        title=f"{evaluation.dataset.category}: unlike the good photos",
        evaluation=evaluation,
        figures=figures,
        headline=[(name, figures.metrics[name]) for name in ("image_auroc", "pixel_auroc", "aupro", "binary_accuracy")],
        overall=[(name, metric) for name, metric in figures.metrics.items() if "/" not in name],
        of_defect=OF_DEFECT,
        classes=[
            (
                defect,
                sum(label == defect for label in figures.truth.values()),
                [figures.metrics[f"{name}/{defect}"] for name in OF_DEFECT],
            )
            for defect in defects
        ],
        lines=lines,
        threshold_place=100 * figures.threshold / top,
        rows=[_row(at[path], evaluation) for path in ordered[:MAX_PHOTOS]],
        hidden=max(0, len(ordered) - MAX_PHOTOS),
    )
    with staged_folder(out, overwrite=overwrite) as staged:
        (staged / "report.html").write_text(page, encoding="utf-8")
        content = {
            "format": "mvtec-anomaly/1",
            "run_sha256": sha256_file(run.folder / "run.json"),
            "split": evaluation.split,
            "threshold": figures.threshold,
            "photos": {
                path: {"truth": label, "answer": figures.answers[path], "score": round(figures.scores[path], 5)}
                for path, label in figures.truth.items()
            },
            "operating_points": [point.to_json() for point in figures.points],
            "metrics": {name: metric.to_json() for name, metric in figures.metrics.items()},
        }
        write_json(staged / "anomaly.json", content, overwrite=False)


def _row(sample: Sample, evaluation: AnomalyEvaluation) -> MapRow:
    figures, model = evaluation.figures, evaluation.run.model
    photo = read_photo(sample.photo)
    size_hw = (photo.shape[0], photo.shape[1])
    shown = model.shown(evaluation.predicted.maps[sample.path])
    heat = resize_map(np.asarray(shown / 255, np.float32), size_hw)
    return MapRow(
        name=sample.path,
        size_wh=size_hw[::-1],
        photo=pixels_uri(photo),
        heat=pixels_uri(overlay_map(photo, heat)),
        outline="" if sample.is_good else outline_path(split_mask(read_mask(sample))),
        truth=sample.defect,
        answer=figures.answers[sample.path],
        score=figures.scores[sample.path],
        right=figures.margin(sample.path) > 0 or (sample.is_good and figures.margin(sample.path) == 0),
    )
