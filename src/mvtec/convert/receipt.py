"""The receipt of a conversion: what went in, what was left out and why, and what the reader will get back."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mvtec.errors import InputError
from mvtec.words import counted

RECEIPT = "conversion.json"
_WORST_KEPT = 20

OddMask = Literal["grey", "inverted"]
_ODD: dict[OddMask, tuple[str, str, str]] = {  # of one mask, of several, what to do
    "grey": (
        "has grey values",
        "have grey values",
        "any value but 0 counts as defect; convert with --threshold 127, or draw them in black and white",
    ),
    "inverted": (
        "marks more than 90 % of its photo",
        "mark more than 90 % of their photos",
        "are black and white the wrong way round?",
    ),
}


@dataclass
class Receipt:
    """Filled while the images pass; its size does not grow with their number, but for what is left out.

    Attributes:
        reader: Who reads what was written, and how the IoU below is taken.
        images: Images converted.
        instances: Instances written, by defect type.
        dropped: Instances smaller than `--min-area`.
        cut: Boxes that reached out of their photo by a pixel or more, and were cut to it.
        skipped: The error line of each image or annotation left out.
        notes: Other things a user should know, each a sentence.
        odd_masks: The masks that can be used and are hardly what was meant, by what is odd about them.
    """

    reader: str
    images: int = 0
    instances: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    cut: int = 0
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    odd_masks: dict[OddMask, list[str]] = field(default_factory=lambda: {kind: [] for kind in _ODD})
    _compared: int = 0
    _sum: float = 0.0
    _worst: list[tuple[float, int, str, str]] = field(default_factory=list)

    def add(self, file: str, defects: Sequence[str], ious: Sequence[float]) -> None:
        """Count an image that was written.

        Args:
            file: Its name.
            defects: The defect type of each of its instances.
            ious: For each of them the IoU between what it is and what the reader gets back.
        """
        self.images += 1
        for defect, iou in zip(defects, ious, strict=True):
            self.instances[defect] += 1
            self._compared += 1
            self._sum += iou
            # negated, so that the heap gives up the best and keeps the worst; the number keeps the first of equals
            entry = (-iou, -self._compared, file, defect)
            if len(self._worst) < _WORST_KEPT:
                heapq.heappush(self._worst, entry)
            else:
                heapq.heappushpop(self._worst, entry)

    def leave_out(self, error: InputError, *, skip_errors: bool) -> None:
        """Note what breaks a rule and is left out for it; where errors are not to be skipped, raise.

        Raises:
            InputError: The error, whose line says that it can be skipped.
        """
        if not skip_errors:
            raise error.or_skip()
        self.skipped.append(str(error))

    def note_shared(self, part: str, photos: int) -> None:
        """Say that a part holds photos that are in train, too, where it does."""
        if part != "train" and photos:
            self.notes.append(f"{part} shares {counted(photos, 'photo')} with train")

    @property
    def mean_iou(self) -> float | None:
        """Mean over all instances; None without one."""
        return self._sum / self._compared if self._compared else None

    @property
    def worst(self) -> list[tuple[float, str, str]]:
        """The instances that lost most, worst first, twenty at most: IoU, file, defect type."""
        return [(-negated, file, defect) for negated, _, file, defect in sorted(self._worst, reverse=True)]

    def meets(self, min_iou: float) -> bool:
        """Whether no instance came out below `min_iou`."""
        return not self._worst or self.worst[0][0] >= min_iou

    def to_json(self) -> dict[str, Any]:
        worst = [{"file": file, "defect": defect, "iou": iou} for iou, file, defect in self.worst if iou < 1]
        return {
            "images": self.images,
            "instances": dict(sorted(self.instances.items())),
            "dropped_below_min_area": self.dropped,
            "skipped": self.skipped,
            "notes": [*self.notes, *self._cut(), *self._odd()],
            "reader": self.reader,
            "iou": {
                "n": self._compared,
                "mean": self.mean_iou,
                "worst": self.worst[0][0] if self._worst else None,
                "worst_instances": worst,
            },
        }

    def lines(self) -> list[str]:
        """What a person is told."""
        per_class = ", ".join(f"{count} {name}" for name, count in sorted(self.instances.items())) or "none"
        photos, instances = counted(self.images, "photo"), counted(self.instances.total(), "instance")
        said = [f"{photos}, {instances} ({per_class})"]
        if self._worst:
            iou, file, _ = self.worst[0]
            where = f", worst {iou:.4f} in {file}" if iou < 1 else ""
            said.append(f"read back ({self.reader}): mean IoU {self.mean_iou:.4f} of {self._compared}{where}")
        return said

    def warnings(self) -> list[str]:
        dropped = [f"{self.dropped} instances below --min-area were dropped"] if self.dropped else []
        return [f"left out: {line}" for line in self.skipped] + self.notes + self._cut() + self._odd() + dropped

    def _cut(self) -> list[str]:
        if not self.cut:
            return []
        boxes = "1 box reaches" if self.cut == 1 else f"{self.cut} boxes reach"
        return [f"{boxes} out of the photo by a pixel or more; what is outside was cut off"]

    def _odd(self) -> list[str]:
        said = []
        for kind, files in self.odd_masks.items():
            one, several, mend = _ODD[kind]
            if files:
                count = f"1 mask {one}" if len(files) == 1 else f"{len(files)} masks {several}, such as"
                said.append(f"{count}{',' if len(files) == 1 else ''} {files[0]}: {mend}")
        return said
