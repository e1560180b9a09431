"""What travels through conversion: a photo and its instances, whatever format they come from or go to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.geometry import Region, box_iou


@dataclass(frozen=True, eq=False)
class Instance:
    """One defect of a photo.

    Attributes:
        defect: Its defect type.
        box_xywh: Its box in pixels, see `geometry.py`; whole numbers where it comes from pixels.
        region: Its pixels; None where only the box is known.
    """

    defect: str
    box_xywh: tuple[float, float, float, float]
    region: Region | None = None

    @staticmethod
    def of(defect: str, region: Region) -> Instance:
        """An instance with the tight box of its pixels."""
        return Instance(defect, region.box_xywh, region)

    def iou(self, again: Instance | None) -> float:
        """Intersection over union with what a reader gives back, of the boxes where one has no pixels; 0 with none."""
        if again is None:
            return 0.0
        if self.region is None or again.region is None:
            return box_iou(self.box_xywh, again.box_xywh)
        return self.region.iou(again.region)

    @property
    def area(self) -> float:
        """The number of its pixels; of the box where only that is known."""
        return self.box_xywh[2] * self.box_xywh[3] if self.region is None else self.region.area


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """A photo and its instances.

    Attributes:
        path: Its name in posix form, relative to the data set's folder or as an annotation file has it.
        photo: Where it lies; None where that is not known.
        size_wh: Its width and height in pixels.
        instances: Its instances, in the order of the source; from masks in reading order.
    """

    path: str
    photo: Path | None
    size_wh: tuple[int, int]
    instances: tuple[Instance, ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.size_wh[::-1]
