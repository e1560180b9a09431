"""Boxes of the user's file that are not written as they are: cut to the photo, or replaced by the box of the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.pixels.geometry import BoxFloat, box_iou


@dataclass(frozen=True)
class BoxChange:
    """A box of the user's file that was not written as it is.

    Attributes:
        file: The photo.
        defect: The defect type.
        given_xywh: The box of the user's file, pixels.
        written_xywh: The box that was written, pixels.
    """

    file: str
    defect: str
    given_xywh: BoxFloat
    written_xywh: BoxFloat

    @property
    def iou(self) -> float:
        return box_iou(self.given_xywh, self.written_xywh)

    def __str__(self) -> str:
        given, written = (", ".join(f"{side:g}" for side in box) for box in (self.given_xywh, self.written_xywh))
        return f"most in {self.file}: given {given}, written {written}, IoU {self.iou:.4f}"

    def to_json(self) -> dict[str, Any]:
        given, written = list(self.given_xywh), list(self.written_xywh)
        return {"file": self.file, "defect": self.defect, "given": given, "written": written, "iou": self.iou}


@dataclass
class BoxChanges:
    """How many boxes were changed in one way, and the one that was changed most."""

    count: int = 0
    worst: BoxChange | None = None

    def add(self, change: BoxChange) -> None:
        self.count += 1
        if self.worst is None or change.iou < self.worst.iou:
            self.worst = change

    def to_json(self) -> dict[str, Any]:
        return {"n": self.count, "worst": None if self.worst is None else self.worst.to_json()}


def replaced_boxes(image: LabelledImage, again: Sequence[Instance | None]) -> list[BoxChange]:
    """The given boxes of an image that are not the box of the pixels and do not come back.

    Args:
        image: The image, as it was read from the user's file.
        again: For each of its instances what the reader gets back; None where that is nothing.
    """
    return [
        BoxChange(image.path, one.defect, one.source_box_xywh, back.box_xywh)
        for one, back in zip(image.instances, again, strict=True)
        if back is not None and one.has_other_box and back.box_xywh != one.box_xywh
    ]
