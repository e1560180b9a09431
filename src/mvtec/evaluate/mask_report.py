"""Writes the page of `mvtec evaluate masks`: each photo with its boxes, truth and masks side by side, worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mvtec.convert.geometry import Region
from mvtec.evaluate.gallery import data_uri
from mvtec.evaluate.mask_pairs import Pair, PairedMasks, Predicted, union
from mvtec.evaluate.masks import PER_DEFECT
from mvtec.evaluate.metric import Metric
from mvtec.evaluate.report import template
from mvtec.files import staged_file

MAX_PHOTOS = 80


@dataclass(frozen=True)
class Panel:
    """One picture of a row: outlines as SVG path data in pixels of the photo, and the IoU it stands for."""

    title: str
    path: str
    kind: str
    iou: float | None = None


@dataclass(frozen=True)
class Row:
    """One photo: its name, its size in pixels, the picture as a data URI, and the panels."""

    name: str
    defects: str
    size_wh: tuple[int, int]
    picture: str
    panels: tuple[Panel, ...]
    iou: float


def write_mask_report(
    out: Path,
    paired: PairedMasks,
    unrefined: PairedMasks | None,
    metrics: dict[str, Metric],
    *,
    photos: Path,
    overwrite: bool = False,
) -> None:
    """Write the page.

    Args:
        out: The file.
        paired: Truth and predictions.
        unrefined: What the predictions were made from.
        metrics: What `evaluate_masks` said.
        photos: The folder the file names are relative to.
        overwrite: Replace what is there.

    Raises:
        BadPhotoError: A photo cannot be read.
        OutputError: `out` exists already or cannot be written.
    """
    rows = mask_rows(paired, unrefined, photos, MAX_PHOTOS)
    count = len({pair.image for pair in paired.pairs})
    page = template("masks.html.jinja").render(
        title=f"Masks on {count} photos",
        notes=paired.warnings,
        figures=[(name, metric) for name, metric in metrics.items() if "/" not in name],
        headline=[(name, metrics[name]) for name in ("IoU_image", "IoU", "boundary_IoU", "IoU_image_filled_box")],
        per_defect=PER_DEFECT,
        classes=[
            (name, metrics[f"IoU/{name}"].instances, [metrics[f"{figure}/{name}"] for figure in PER_DEFECT])
            for _, name in sorted(paired.truth.category_names().items())
        ],
        rows=rows,
        hidden=max(0, count - MAX_PHOTOS),
    )
    with staged_file(out, overwrite=overwrite) as staged:
        staged.write_text(page, encoding="utf-8")


def mask_rows(paired: PairedMasks, unrefined: PairedMasks | None, photos: Path, most: int) -> list[Row]:
    """The photos that have an instance, worst first, at most so many."""
    rows = [(_iou(paired, index), index) for index in {pair.image for pair in paired.pairs}]
    return [_row(paired, unrefined, index, iou, photos) for iou, index in sorted(rows)[:most]]


def _row(paired: PairedMasks, unrefined: PairedMasks | None, index: int, iou: float, photos: Path) -> Row:
    image = paired.truth.images[index]
    names = paired.truth.category_names()
    own = _own(paired, index)
    panels = [
        Panel("boxes", _boxes(paired.counted.get(index, [])), "pred", None),
        Panel("truth", outline_path(pair.truth for pair in own), "truth", None),
    ]
    if unrefined is not None:
        panels.append(Panel("unrefined", outline_path(_found(unrefined, index)), "pred", _iou(unrefined, index)))
    panels.append(Panel("masks", outline_path(_found(paired, index)), "pred", iou))
    return Row(
        name=image.file_name,
        defects=", ".join(sorted({names[pair.category_id] for pair in own})),
        size_wh=(image.width, image.height),
        picture=data_uri(photos / image.file_name),
        panels=tuple(panels),
        iou=iou,
    )


def _own(paired: PairedMasks, index: int) -> list[Pair]:
    return [pair for pair in paired.pairs if pair.image == index]


def _found(paired: PairedMasks, index: int) -> list[Region]:
    return [entry.region for entry in paired.counted.get(index, []) if entry.region is not None]


def _iou(paired: PairedMasks, index: int) -> float:
    image = paired.truth.images[index]
    own = _own(paired, index)
    truth = union([pair.truth for pair in own], (image.height, image.width))
    masks = union(_found(paired, index), (image.height, image.width))
    return 0.0 if truth is None or masks is None else truth.iou(masks)


def outline_path(regions: Iterable[Region]) -> str:
    """The outlines of regions and of their holes as SVG path data, through the centres of their pixels."""
    paths = []
    for region in regions:
        x, y, _, _ = region.box_xywh
        outlines, _ = cv2.findContours(region.crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        for outline in outlines:
            points = np.asarray(outline, np.float64).reshape(-1, 2) + np.array([x + 0.5, y + 0.5])
            paths.append("M" + " ".join(f"{px:g},{py:g}" for px, py in points.tolist()) + "Z")
    return " ".join(paths)


def _boxes(entries: Iterable[Predicted]) -> str:
    boxes = [entry.box.box_xywh for entry in entries if entry.box is not None]
    return " ".join(f"M{x},{y}h{w}v{h}h{-w}Z" for x, y, w, h in boxes)
