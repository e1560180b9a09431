"""What tools say of an instance beside its class and shape, by name: COCO's `attributes`."""

from __future__ import annotations

from collections.abc import Collection

from mvtec.convert.instances import LabelledImage
from mvtec.convert.receipt import Receipt


class LostAttributes:
    """Which attributes a writer cannot keep, over all images.

    Args:
        kept: The names of those that it keeps.
    """

    def __init__(self, kept: Collection[str] = ()) -> None:
        self._kept = frozenset(kept)
        self._lost: set[str] = set()

    def look_at(self, image: LabelledImage) -> None:
        """Remember those of an image; one that is false, zero or empty says nothing."""
        for instance in image.instances:
            self._lost |= {name for name, value in instance.attributes.items() if value and name not in self._kept}

    def note(self, receipt: Receipt) -> None:
        """Name them in the receipt."""
        if self._lost:
            receipt.notes.append(f"attributes are not kept in {receipt.reader}: {', '.join(sorted(self._lost))}")
