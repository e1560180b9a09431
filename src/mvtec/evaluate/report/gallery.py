"""What the report shows of each photo: truth, predictions, and whether they agree at one operating point."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.coco.files import CocoAnnotation
from mvtec.datasets.images import read_photo
from mvtec.evaluate.predictions import EvaluationInput
from mvtec.evaluate.statistics.matching import box_ious, match_greedily

MIN_IOU = 0.5
_SIDE = 480  # pixels of a picture in the report
_QUALITY = 82

Verdict = Literal["found", "missed", "right", "false", "wrong class", "crowd"]


@dataclass(frozen=True)
class Box:
    """A box to draw.

    Attributes:
        box_xywh: In pixels of the photo.
        name: Its class.
        score: None for truth.
        verdict: Of an instance `found` or `missed`; of a prediction `right` or `false`, or `wrong class` where it finds
            nothing and lies on an instance of another class; `crowd` of a crowd region and of a prediction in one,
            which are no instance to be found and neither right nor false.
    """

    box_xywh: tuple[float, float, float, float]
    name: str
    score: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Card:
    """One photo of the report.

    Attributes:
        name: Its file name.
        photo: Where it is.
        size_wh: Its size in pixels.
        truth: Its instances and crowd regions.
        found: Predictions at or above the operating point.
    """

    name: str
    photo: Path
    size_wh: tuple[int, int]
    truth: tuple[Box, ...]
    found: tuple[Box, ...]

    @property
    def picture(self) -> str:
        """The photo, see `data_uri`; made when it is asked for, as most cards of a large set are not shown."""
        return data_uri(self.photo)

    @property
    def instances(self) -> int:
        return sum(box.verdict != "crowd" for box in self.truth)

    @property
    def missed(self) -> int:
        return sum(box.verdict == "missed" for box in self.truth)

    @property
    def wrong_class(self) -> int:
        return sum(box.verdict == "wrong class" for box in self.found)

    @property
    def false_boxes(self) -> int:
        """How many boxes find nothing, those of the wrong class included."""
        return sum(box.verdict == "false" for box in self.found) + self.wrong_class

    @property
    def verdict(self) -> str:
        parts = [f"{self.missed} missed"] if self.missed else []
        if self.false_boxes:
            parts.append(
                f"{self.false_boxes} false" + (f" ({self.wrong_class} wrong class)" if self.wrong_class else "")
            )
        if parts:
            return ", ".join(parts)
        if self.instances:
            return "all found"
        return "a crowd only" if self.truth else "good, no alarm"


def make_cards(judged: EvaluationInput, photo_root: Path, min_score: float | Mapping[str, float]) -> list[Card]:
    """One card a photo, in the order of the annotation file; no photo is read.

    A prediction of the right class that overlaps an instance by IoU 0.5 or more finds it; each instance is found once,
    by the best score.

    Args:
        judged: Truth and predictions.
        photo_root: The folder the file names of the truth are relative to.
        min_score: The score from which on a prediction counts; or that of each photo, by its file name.
    """
    names = judged.truth.category_names()
    truth_of: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in judged.truth.annotations:
        truth_of[annotation.image_id].append(annotation)
    found_of: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in sorted(judged.results, key=lambda result: -result["score"]):
        found_of[result["image_id"]].append(result)
    cards = []
    for image in judged.truth.images:
        least = min_score if isinstance(min_score, float) else min_score[image.file_name]
        truth = truth_of[image.id]
        found = [result for result in found_of[image.id] if result["score"] >= least]
        of_truth, of_found = _verdicts(truth, found)
        cards.append(
            Card(
                name=image.file_name,
                photo=photo_root / image.file_name,
                size_wh=(image.width, image.height),
                truth=tuple(
                    Box(annotation.bbox, names[annotation.category_id], None, verdict)
                    for annotation, verdict in zip(truth, of_truth, strict=True)
                ),
                found=tuple(
                    Box(tuple(result["bbox"]), names[result["category_id"]], result["score"], verdict)
                    for result, verdict in zip(found, of_found, strict=True)
                ),
            )
        )
    return cards


def _verdicts(truth: list[CocoAnnotation], found: list[dict[str, Any]]) -> tuple[list[Verdict], list[Verdict]]:
    """What `Box.verdict` says of the truth of a photo, and of its predictions, best score first."""
    of_truth: list[Verdict] = ["crowd" if annotation.iscrowd else "missed" for annotation in truth]
    if not truth or not found:
        return of_truth, ["false"] * len(found)
    crowd = np.array([bool(annotation.iscrowd) for annotation in truth])
    overlaps = box_ious([result["bbox"] for result in found], [annotation.bbox for annotation in truth], crowd.tolist())
    same = np.array([[result["category_id"] == annotation.category_id for annotation in truth] for result in found])
    of_found: list[Verdict] = []
    matched = match_greedily(overlaps * (same & ~crowd), MIN_IOU)
    for at, near, own in zip(matched, overlaps >= MIN_IOU, same, strict=True):
        if at is not None:
            of_truth[at] = "found"
            of_found.append("right")
        elif (near & own & crowd).any():
            of_found.append("crowd")
        elif (near & ~own & ~crowd).any():
            of_found.append("wrong class")
        else:
            of_found.append("false")
    return of_truth, of_found


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
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
