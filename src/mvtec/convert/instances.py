"""What travels through conversion: a photo and its instances, whatever format they come from or go to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvtec.convert.pixels.geometry import BoxFloat, Region, box_iou
from mvtec.errors import InputError
from mvtec.limits import MOST_MARKED

UNKNOWN = "unknown"  # the class of an object that is lost and does not say its own


@dataclass(frozen=True, eq=False)
class Instance:
    """One defect of a photo.

    Attributes:
        defect: Its defect type.
        box_xywh: Its box in pixels, see `pixels/geometry.py`; whole numbers where it comes from pixels.
        region: Its pixels; None where only the box is known. Its tight box may differ from `box_xywh`, where the user's
            file says both.
        given_box_xywh: The box as the user's file has it, where `box_xywh` is another: cut to the photo, say. None
            where `box_xywh` is the given one. The receipt compares this box with what is written.
        attributes: What tools say of it, by name; COCO keeps it as `attributes`.
    """

    defect: str
    box_xywh: BoxFloat
    region: Region | None = None
    given_box_xywh: BoxFloat | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(defect: str, region: Region) -> Instance:
        """An instance with the tight box of its pixels."""
        return Instance(defect, region.box_xywh, region)

    def iou(self, again: Instance | None) -> float:
        """Intersection over union of what the user's file has with what a reader gives back.

        It is that of the pixels; of the boxes where one of the two has no pixels; the lower of both where the given box
        is not the box of the pixels; 0 where nothing comes back.
        """
        if again is None:
            return 0.0
        if self.region is None or again.region is None:
            return box_iou(self.source_box_xywh, again.box_xywh)
        pixels = self.region.iou(again.region)
        return min(pixels, box_iou(self.source_box_xywh, again.box_xywh)) if self.has_other_box else pixels

    @property
    def source_box_xywh(self) -> BoxFloat:
        """The box as the user's file has it."""
        return self.box_xywh if self.given_box_xywh is None else self.given_box_xywh

    @property
    def has_other_box(self) -> bool:
        """Whether the user's file gives it a box that is not the box of its pixels, by more than a pixel."""
        return self.region is not None and not boxes_agree(self.source_box_xywh, self.region.box_xywh)

    @property
    def area(self) -> float:
        """The number of its pixels; of the box where only that is known."""
        return self.box_xywh[2] * self.box_xywh[3] if self.region is None else self.region.area


def gathered(found: Iterable[Instance | None], source: Path, photo: str) -> tuple[Instance, ...]:
    """The instances of a photo as they are read, without those that are None, within the limit of memory.

    Args:
        found: The instances, each read when it is asked for.
        source: The file they come from, for the error line.
        photo: The photo.

    Raises:
        InputError: The boxes of their masks hold more than `MOST_MARKED` pixels together.
    """
    instances: list[Instance] = []
    pixels = 0
    for instance in found:
        if instance is None:
            continue
        pixels += 0 if instance.region is None else instance.region.crop.size
        if pixels > MOST_MARKED:
            problem = f"the masks of {photo} take more than {MOST_MARKED:,} pixels together"
            raise InputError(source, problem, "Divide the photo into tiles, or remove masks")
        instances.append(instance)
    return tuple(instances)


def boxes_agree(one_xywh: BoxFloat, other_xywh: BoxFloat) -> bool:
    """Whether no side of one box is more than a pixel away from that of the other: what rounding to pixels moves."""
    sides = [(x, y, x + w, y + h) for x, y, w, h in (one_xywh, other_xywh)]
    return all(abs(a - b) <= 1 for a, b in zip(*sides, strict=True))


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
    def defects(self) -> tuple[str, ...]:
        """The defect type of each instance."""
        return tuple(instance.defect for instance in self.instances)

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.size_wh[::-1]
