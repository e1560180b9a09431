"""The receipt of a conversion: what went in, what was left out and why, and what the reader will get back.

It compares each object of the user's file with what was written for it. Every reader and writer does this:

- A reader passes all that it cannot keep to `leave_out`, with the photo and the class of each object that is lost. An
  object that is left out has IoU 0. `--min-area` asks for it by its name, so what that drops is counted alone.
- A reader yields each photo through `fitting.fitted` or `fitting.cut_boxes`. These cut boxes to the photo, and leave
  out a photo that lost all its objects: it is not a good one.
- Where a reader changes the shape that the file gives, it puts the given box into `Instance.given_box_xywh`.
- A writer calls `add_image` with what its reader gives back (`add` where only the IoUs are at hand), and at the end
  `check_not_empty`, before its output comes into place.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mvtec.convert.box_changes import BoxChange, BoxChanges, replaced_boxes
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.datasets.masks import MIDDLE, Grey
from mvtec.errors import InputError
from mvtec.files import write_json
from mvtec.words import counted

RECEIPT = "conversion.json"
_WORST_KEPT = 20

OddMask = Literal["grey", "inverted"]
_ODD: dict[OddMask, tuple[str, str, str]] = {  # of one mask, of several, what to do
    "grey": ("has grey values", "have grey values", "any value but 0 counts as defect"),
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
        replaced: Given boxes in whose place the box of the pixels was written.
        lost: Objects left out, by kind and defect type.
        skipped: The error line of each image or annotation left out.
        notes: Other things a user should know, each a sentence.
        grey: What the threshold costs of the masks with grey values.
        odd_masks: The masks that can be used and are hardly what was meant, by what is odd about them.
    """

    reader: str
    images: int = 0
    instances: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    cut: BoxChanges = field(default_factory=BoxChanges)
    replaced: BoxChanges = field(default_factory=BoxChanges)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    grey: list[Grey] = field(default_factory=list)
    odd_masks: dict[OddMask, list[str]] = field(default_factory=lambda: {kind: [] for kind in _ODD})
    _poorer: set[str] = field(default_factory=set)
    _compared: int = 0
    _sum: float = 0.0
    _worst: list[tuple[float, int, str, str]] = field(default_factory=list)

    def add_image(self, image: LabelledImage, again: Sequence[Instance | None]) -> None:
        """Count an image that was written.

        Args:
            image: The image, as it was read from the user's file.
            again: For each of its instances what the reader gets back; None where that is nothing.
        """
        ious = [one.iou(back) for one, back in zip(image.instances, again, strict=True)]
        self.add(image.path, image.defects, ious, replaced_boxes(image, again))

    def add(self, file: str, defects: Sequence[str], ious: Sequence[float], replaced: Sequence[BoxChange] = ()) -> None:
        """Count an image that was written.

        Args:
            file: Its name.
            defects: The defect type of each of its instances.
            ious: For each of them the IoU between what the user's file has and what the reader gets back.
            replaced: The given boxes that do not come back, see `replaced_boxes`.
        """
        self.images += 1
        for defect, iou in zip(defects, ious, strict=True):
            self.instances[defect] += 1
            self._weigh(file, defect, iou)
        for change in replaced:
            self.replaced.add(change)

    def leave_out(self, error: InputError, *, skip_errors: bool, kind: str, photo: str, lost: Sequence[str]) -> None:
        """Note what breaks a rule and is left out for it; where errors are not to be skipped, raise.

        Args:
            error: What is left out, and why.
            skip_errors: Whether to go on.
            kind: Why objects are left out in one or two words, such as "photo missing": they are counted by it.
            photo: The name of the photo that loses objects, as its `LabelledImage` has it.
            lost: The defect type of each object that is lost, each with IoU 0; none where a good photo is left out.

        Raises:
            InputError: The error, whose line says that it can be skipped.
        """
        if not skip_errors:
            raise error.or_skip()
        self.skipped.append(str(error))
        for defect in lost:
            self.lost[kind, defect] += 1
            self._poorer.add(photo)
            self._weigh(photo, defect, 0.0)

    def has_lost(self, photo: str) -> bool:
        """Whether objects of a photo were left out."""
        return photo in self._poorer

    def check_not_empty(self, out: Path) -> None:
        """Refuse a conversion that leaves nothing: no photo, or none of the objects that were read.

        Raises:
            InputError: There is no photo in the output, or every object was left out.
        """
        why = f"; first: {self.skipped[0].rstrip('.')}" if self.skipped else ""
        if not self.images:
            problem = "no photo is left to write" + (why or ", because none was given")
            raise InputError(out, problem, "Correct the input; nothing was written")
        if self.lost and not self.instances:
            problem = f"every object ({self.lost.total()}) was left out{why}"
            raise InputError(out, problem, "Correct the input; nothing was written")

    def note_shared(self, part: str, photos: int) -> None:
        """Say that a part holds photos that are in train, too, where it does."""
        if part != "train" and photos:
            self.notes.append(f"{part} shares {counted(photos, 'photo')} with train")

    @property
    def mean_iou(self) -> float | None:
        """Mean over all objects that were written or left out; None without one."""
        return self._sum / self._compared if self._compared else None

    @property
    def worst(self) -> list[tuple[float, str, str]]:
        """The objects that lost most, worst first, twenty at most: IoU, file, defect type."""
        return [(-negated, file, defect) for negated, _, file, defect in sorted(self._worst, reverse=True)]

    def meets(self, min_iou: float) -> bool:
        """Whether no object was left out or came out below `min_iou`."""
        return not self._worst or self.worst[0][0] >= min_iou

    def to_json(self) -> dict[str, Any]:
        worst = [{"file": file, "defect": defect, "iou": iou} for iou, file, defect in self.worst if iou < 1]
        return {
            "images": self.images,
            "instances": dict(sorted(self.instances.items())),
            "objects": {
                "read": self._read,
                "written": self.instances.total(),
                "left_out": {
                    "n": self.lost.total(),
                    "by_kind": self._lost_by(0),
                    "by_defect": self._lost_by(1),
                },
                "cut": self.cut.to_json(),
                "replaced": self.replaced.to_json(),
            },
            "dropped_below_min_area": self.dropped,
            "skipped": self.skipped,
            "notes": [*self.notes, *self._changed(), *self._odd()],
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
        if self._read:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._lost_by(0).items())
            below = f", {self.dropped} below --min-area" if self.dropped else ""
            out = f"{self.lost.total()} left out ({kinds})" if self.lost else "none left out"
            said.append(f"objects: {self._read} read, {self.instances.total()} written, {out}{below}")
        return said

    def warnings(self) -> list[str]:
        dropped = [f"{self.dropped} instances below --min-area were dropped"] if self.dropped else []
        return [f"left out: {line}" for line in self.skipped] + self.notes + self._changed() + self._odd() + dropped

    @property
    def _read(self) -> int:
        """How many objects the user's files have."""
        return self.instances.total() + self.lost.total() + self.dropped

    def _lost_by(self, part: int) -> dict[str, int]:
        """How many objects were left out by kind (0) or by defect type (1), sorted."""
        counts: Counter[str] = Counter()
        for key, count in self.lost.items():
            counts[key[part]] += count
        return dict(sorted(counts.items()))

    def _weigh(self, file: str, defect: str, iou: float) -> None:
        self._compared += 1
        self._sum += iou
        # negated, so that the heap gives up the best and keeps the worst; the number keeps the first of equals
        entry = (-iou, -self._compared, file, defect)
        if len(self._worst) < _WORST_KEPT:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)

    def _changed(self) -> list[str]:
        said = []
        if self.cut.worst is not None:
            boxes = "1 box reaches" if self.cut.count == 1 else f"{self.cut.count} boxes reach"
            said.append(f"{boxes} out of the photo by a pixel or more; what is outside was cut off ({self.cut.worst})")
        if self.replaced.worst is not None:
            boxes = "1 given box is" if self.replaced.count == 1 else f"{self.replaced.count} given boxes are"
            said.append(f"{boxes} not the box of the mask; the mask was written ({self.replaced.worst})")
        return said

    def _cost_of_grey(self) -> str:
        """What the default threshold makes of the masks with grey values, and which one is right for them."""
        instances, above, faint = (
            sum(getattr(grey, name) for grey in self.grey) for name in ("instances", "above", "faint")
        )
        found = f", which makes {counted(instances, 'instance')} in them"
        if not above:
            return f"{found}; no pixel is above {MIDDLE}, so their values seem to be numbers of classes"
        return (
            f"{found}, {faint} of which have no pixel above {MIDDLE} (soft edges, or noise of JPEG). With --threshold "
            f"{MIDDLE} there are {above}: convert with it, unless the faint values are meant"
        )

    def _odd(self) -> list[str]:
        said = []
        for kind, files in self.odd_masks.items():
            one, several, hint = _ODD[kind]
            hint += self._cost_of_grey() if kind == "grey" else ""
            if files:
                count = f"1 mask {one}" if len(files) == 1 else f"{len(files)} masks {several}, such as"
                said.append(f"{count}{',' if len(files) == 1 else ''} {files[0]}: {hint}")
        return said


def keep_receipt(receipt: Receipt, out: Path) -> None:
    """Write the receipt of a file beside it, as `NAME.conversion.json`; both in one block of `staging.together`."""
    name = out.stem if out.suffix == ".json" else out.name  # k.json and k.xml may lie side by side
    write_json(out.with_name(f"{name}.{RECEIPT}"), receipt.to_json(), overwrite=True)
