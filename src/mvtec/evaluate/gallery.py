"""What the report shows of each photo: truth, predictions, and whether they agree at one operating point."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mvtec.datasets.images import read_photo
from mvtec.evaluate.predictions import Judged

MIN_IOU = 0.5
_SIDE = 480  # pixels of a picture in the report
_QUALITY = 82


@dataclass(frozen=True)
class Box:
    """A box to draw, in pixels of the photo, with its class; `score` is None for truth."""

    box_xywh: tuple[float, float, float, float]
    name: str
    score: float | None
    agrees: bool


@dataclass(frozen=True)
class Card:
    """One photo of the report.

    Attributes:
        name: Its file name.
        size_wh: Its size in pixels.
        picture: The photo, made smaller, as a data URI.
        truth: Its instances; `agrees` says whether a prediction found it.
        found: Predictions at or above the operating point; `agrees` says whether there is such an instance.
    """

    name: str
    size_wh: tuple[int, int]
    picture: str
    truth: tuple[Box, ...]
    found: tuple[Box, ...]

    @property
    def missed(self) -> int:
        return sum(not box.agrees for box in self.truth)

    @property
    def false_boxes(self) -> int:
        return sum(not box.agrees for box in self.found)

    @property
    def verdict(self) -> str:
        parts = [f"{self.missed} missed"] if self.missed else []
        parts += [f"{self.false_boxes} false"] if self.false_boxes else []
        if parts:
            return ", ".join(parts)
        return "all found" if self.truth else "good, no alarm"


def make_cards(judged: Judged, photo_root: Path, min_score: float | Mapping[str, float]) -> list[Card]:
    """One card a photo, in the order of the annotation file.

    A prediction of the right class that overlaps an instance by IoU 0.5 or more finds it; each instance is found once,
    by the best score.

    Args:
        judged: Truth and predictions.
        photo_root: The folder the file names of the truth are relative to.
        min_score: The score from which on a prediction counts; or that of each photo, by its file name.

    Raises:
        BadPhotoError: A photo is not where it was when it was predicted.
    """
    names = judged.truth.category_names()
    cards = []
    for image in judged.truth.images:
        least = min_score if isinstance(min_score, float) else min_score[image.file_name]
        truth = [annotation for annotation in judged.truth.annotations if annotation.image_id == image.id]
        found = sorted(
            (r for r in judged.results if r["image_id"] == image.id and r["score"] >= least),
            key=lambda result: -result["score"],
        )
        taken = _agreements([(a.category_id, a.bbox) for a in truth], found)
        cards.append(
            Card(
                name=image.file_name,
                size_wh=(image.width, image.height),
                picture=data_uri(photo_root / image.file_name),
                truth=tuple(
                    Box(a.bbox, names[a.category_id], None, index in taken.values()) for index, a in enumerate(truth)
                ),
                found=tuple(
                    Box(tuple(r["bbox"]), names[r["category_id"]], r["score"], index in taken)
                    for index, r in enumerate(found)
                ),
            )
        )
    return cards


def _agreements(truth: list[tuple[int, Any]], found: list[dict[str, Any]]) -> dict[int, int]:
    """Index of the prediction → index of the instance it finds."""
    if not truth or not found:
        return {}
    overlap = coco_mask.iou(
        np.array([result["bbox"] for result in found], np.float64),
        np.array([box for _, box in truth], np.float64),
        [0] * len(truth),
    )
    taken: dict[int, int] = {}
    for at, result in enumerate(found):
        free = [
            (overlap[at, index], -index)
            for index, (label, _) in enumerate(truth)
            if label == result["category_id"] and index not in taken.values() and overlap[at, index] >= MIN_IOU
        ]
        if free:
            taken[at] = -max(free)[1]
    return taken


def data_uri(photo: Path) -> str:
    """A photo, made smaller, as JPEG in a data URI.

    Raises:
        BadPhotoError: It cannot be read.
    """
    return pixels_uri(read_photo(photo))


def pixels_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """As `data_uri`, of uint8 H×W×3 in OpenCV's BGR order."""
    scale = _SIDE / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
