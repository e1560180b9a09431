"""Writes the page of `mvtec evaluate masks`: each photo with its boxes, truth and masks side by side, worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mvtec.convert.pixels.geometry import Region
from mvtec.evaluate.mask_pairs import Pair, PairedMasks, union
from mvtec.evaluate.masks import PER_DEFECT
from mvtec.evaluate.predicted_masks import Predicted
from mvtec.evaluate.report.gallery import data_uri
from mvtec.evaluate.report.page_templates import template
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import staged_file
from mvtec.words import counted

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
    """One photo: its name, what is in it, its size in pixels, the picture as a data URI, and the panels."""

    name: str
    content: str
    size_wh: tuple[int, int]
    picture: str
    panels: tuple[Panel, ...]


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
    count = len({pair.image for pair in paired.pairs})
    alarms = len(paired.good_with_a_mask)
    page = template("masks.html.jinja").render(
        title=f"Masks on {counted(count, 'photo')} with a defect and {counted(len(paired.good), 'good photo')}",
        notes=list(dict.fromkeys([*paired.warnings, *(unrefined.warnings if unrefined else ())])),
        figures=[(name, metric) for name, metric in metrics.items() if "/" not in name],
        alarms=alarms,
        false_alarm_share=metrics["false_alarm_share"],
        headline=[(name, metrics[name]) for name in ("IoU_image", "IoU", "boundary_IoU", "IoU_image_filled_box")],
        per_defect=PER_DEFECT,
        classes=[
            (name, metrics[f"IoU/{name}"].instances, [metrics[f"{figure}/{name}"] for figure in PER_DEFECT])
            for _, name in sorted(paired.truth.category_names().items())
        ],
        rows=mask_rows(paired, unrefined, photos, MAX_PHOTOS),
        hidden=max(0, alarms + count - MAX_PHOTOS),
    )
    with staged_file(out, overwrite=overwrite) as staged:
        staged.write_text(page, encoding="utf-8")


def mask_rows(paired: PairedMasks, unrefined: PairedMasks | None, photos: Path, most: int) -> list[Row]:
    """At most so many photos: good ones with a mask, a third if others wait, then those with defects, worst first."""
    of_image: dict[int, list[Pair]] = defaultdict(list)
    for pair in paired.pairs:
        of_image[pair.image].append(pair)
    ranked = sorted((_iou(paired, index, own), index) for index, own in of_image.items())
    good = paired.good_with_a_mask[: max(most // 3, most - len(ranked))]
    chosen = [*good, *(index for _, index in ranked)][:most]
    return [_row(paired, unrefined, index, of_image.get(index, []), photos) for index in chosen]


def _row(paired: PairedMasks, unrefined: PairedMasks | None, index: int, own: list[Pair], photos: Path) -> Row:
    """A photo and its instances, which a good one has none of."""
    image = paired.truth.images[index]
    names = paired.truth.category_names()
    iou = _iou(paired, index, own) if own else None
    panels = [
        Panel("boxes", _boxes(paired.counted.get(index, [])), "pred", None),
        Panel("truth", outline_path(pair.truth for pair in own), "truth", None),
    ]
    if unrefined is not None:
        before = _iou(unrefined, index, own) if own else None
        panels.append(Panel("unrefined", outline_path(_found(unrefined, index)), "pred", before))
    panels.append(Panel("masks", outline_path(_found(paired, index)), "pred", iou))
    defects = ", ".join(sorted({names[pair.category_id] for pair in own}))
    return Row(
        name=image.file_name,
        content="good, a false alarm" if iou is None else f"{defects}, IoU {iou:.3f}",
        size_wh=(image.width, image.height),
        picture=data_uri(photos / image.file_name),
        panels=tuple(panels),
    )


def _found(paired: PairedMasks, index: int) -> list[Region]:
    return [entry.region for entry in paired.counted.get(index, []) if entry.region is not None]


def _iou(paired: PairedMasks, index: int, own: list[Pair]) -> float:
    image = paired.truth.images[index]
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
