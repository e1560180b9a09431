"""Curves of a training, as lines of SVG that a page draws."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

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
