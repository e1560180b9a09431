"""Labels of whole photos, such as tags of CVAT and choices of Label Studio: COCO annotations cannot hold them.

A photo that has such a label and no shape must not become a good photo; beside shapes the label is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mvtec.convert.receipt import Receipt
from mvtec.errors import InputError

_GOOD = {"good", "ok"}  # labels that say what a photo without a shape is


@dataclass
class PhotoLabels:
    """The labels of whole photos of one file.

    Attributes:
        kind: What the tool calls them, such as `tag`.
        beside: How many there are on photos with shapes, by label.
    """

    kind: str
    beside: Counter[str] = field(default_factory=Counter)

    def check(
        self,
        source: Path,
        photo: str,
        labels: Sequence[str],
        *,
        has_shapes: bool,
        receipt: Receipt,
        skip_errors: bool,
    ) -> None:
        """Count the labels of a photo, or leave the photo out for them where it has no shape.

        Raises:
            InputError: It has a label and no shape, and `skip_errors` is false.
        """
        labels = [label for label in labels if label and label.casefold() not in _GOOD]
        if has_shapes:
            self.beside.update(labels)
        elif labels:
            problem = f"{photo} has the {self.kind} {', '.join(map(repr, labels))} and no shape: it would become good"
            receipt.leave_out(
                InputError(source, problem, "Draw the defect"),
                skip_errors=skip_errors,
                kind=f"{self.kind} of a whole photo",
                photo=photo,
                lost=labels,
            )

    def note(self, receipt: Receipt) -> None:
        """Say which labels beside shapes were not kept."""
        if self.beside:
            each = ", ".join(f"{count} {label}" for label, count in sorted(self.beside.items()))
            receipt.notes.append(f"labels of whole photos ({self.kind}) are not kept beside shapes: {each}")
