"""The records of the working store: a photo, its annotations, and its review priority."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from mvtec.annotate.server.records import State


@dataclass(frozen=True)
class StoredAnnotation:
    """An annotation as it is kept.

    Attributes:
        key: What the page knows it by.
        id: Its number in the annotation file; 0 until it has one.
        category_id: Its class.
        bbox: x, y, w, h in pixels.
        area: Its pixels, or its box's.
        segmentation: As COCO has it; empty where only a box is known.
        attributes: What tools and people say of it.
        score: Of a model's answer.
        proposed: Whether a model said it and nobody has accepted it.
        in_file: Whether the annotation file had it at the beginning; a proposal that it had stays in it.
        more: What else the annotation file says of it.
    """

    key: str
    id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    segmentation: Any = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    score: float | None = None
    proposed: bool = False
    in_file: bool = False
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReviewPriority:
    """How urgent it is that a person looks at a photo.

    Attributes:
        value: The priority, 0 to 1; the lists are sorted by it.
        disagrees: Whether labels and predictions differ.
        low_score: Whether a model was unsure of something in it.
    """

    value: float = 0.0
    disagrees: bool = False
    low_score: bool = False


@dataclass(frozen=True)
class StoredPhoto:
    """A photo as it is kept.

    Attributes:
        id: Its number in the annotation file.
        name: Its name, relative to the folder.
        size_wh: Its width and height where the file tells them.
        state: What a person said of it: `good`, `reviewed`, `unsure`.
        revision: How often it was changed.
        records: Its annotations.
        predicted: What a model says of it; None where no predictions were given.
        in_file: Whether the annotation file knew it.
        here: Whether it is in the folder.
        more: What else the file says of it.
    """

    id: int
    name: str
    size_wh: tuple[int, int] | None
    state: State | None
    revision: int
    records: tuple[StoredAnnotation, ...]
    predicted: tuple[StoredAnnotation, ...] | None
    in_file: bool
    here: bool
    more: dict[str, Any]


def to_json(value: Any) -> str:
    """The compact form JSON is kept in."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
