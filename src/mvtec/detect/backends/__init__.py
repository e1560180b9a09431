"""The table of detectors: to add one, write a file beside this one, and add a line here.

A detector is a class with the methods of `detector.Detector`. It is named by `mvtec train-detector --model NAME`, but
for the first one, whose models have names of their own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvtec.errors import InputError

if TYPE_CHECKING:
    from mvtec.detect.backends.detector import Detector


@dataclass(frozen=True)
class DetectorKind:
    """A line of the table.

    Attributes:
        title: What it is, in a few words.
        target: Where its class is, `module:Class`; imported when it is used.
    """

    title: str
    target: str

    def load(self) -> type[Detector]:
        """Import the class."""
        module, _, name = self.target.partition(":")
        found: type[Detector] = getattr(importlib.import_module(module), name)
        return found


YOLO = "ultralytics-yolo"

DETECTORS: dict[str, DetectorKind] = {
    YOLO: DetectorKind("Ultralytics YOLO: boxes, or boxes and masks", "mvtec.detect.backends.ultralytics_yolo:Yolo"),
}


def detector_class(name: str, source: object) -> type[Detector]:
    """The class of a detector.

    Args:
        name: Its name in the table.
        source: What names it, for the error.

    Raises:
        InputError: The table has no such detector.
    """
    if name not in DETECTORS:
        raise InputError(str(source), f"needs the detector {name}, which is not here", f"Known: {', '.join(DETECTORS)}")
    return DETECTORS[name].load()
