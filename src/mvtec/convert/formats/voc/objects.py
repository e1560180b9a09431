"""The objects of a Pascal VOC file: their class, box and flags.

`difficult`, `truncated`, `occluded` and `pose` are kept as attributes where they say something. Swapped corners of a
box have one meaning; they are put right and counted.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from mvtec.convert.instances import Instance
from mvtec.convert.pixels.geometry import BoxFloat
from mvtec.convert.receipt import Receipt
from mvtec.errors import InputError
from mvtec.words import counted

FLAGS = ("difficult", "truncated", "occluded")
POSE = "pose"
NO_POSE = "Unspecified"
_YES = {"1", "true", "yes"}
_NO = {"", "0", "false", "no"}


def object_names(tree: ET.Element) -> list[str]:
    """The class of each object, stripped of spaces; empty where there is none."""
    return [(element.findtext("name") or "").strip() for element in tree.findall("object")]


def check_objects(path: Path, tree: ET.Element) -> None:
    """Refuse objects and boxes that are not right below the root: they would be passed over.

    Raises:
        InputError: There is an `<object>` elsewhere, or a `<bndbox>` in no object.
    """
    objects = tree.findall("object")
    if len(list(tree.iter("object"))) > len(objects):
        raise InputError(path, "has an <object> that is not right below <annotation>", "Correct it, or export again")
    if len(list(tree.iter("bndbox"))) > sum(len(list(element.iter("bndbox"))) for element in objects):
        raise InputError(path, "has a bndbox that is not in an <object> of <annotation>", "Correct it, or export again")


def read_object(element: ET.Element, odd: Counter[str], *, from_zero: bool) -> Instance:
    """An object with its box.

    Args:
        element: The object.
        odd: Is told of what was put right or cannot be kept, see `note_odd`.
        from_zero: The box is corners counted from 0, else whole pixels counted from 1.

    Raises:
        ValueError: It has no class, a box without area, another shape than a box, or a flag that is neither 0 nor 1.
    """
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("it has no name")
    if len(element.findall("bndbox")) > 1:
        raise ValueError("it has more than one bndbox")
    if element.find("bndbox") is None:
        kind = next((one.tag for one in element if one.tag in {"robndbox", "polygon"}), None)
        raise ValueError("it has no bndbox" if kind is None else f"its shape is a {kind}, not a bndbox")
    ends = [float(_text(element, f"bndbox/{end}")) for end in ("xmin", "ymin", "xmax", "ymax")]
    if not max(map(abs, ends)) < inf:
        raise ValueError("it has a box without end")
    left, right, top, bottom = *sorted(ends[0::2]), *sorted(ends[1::2])
    odd["swapped"] += (left, top) != (ends[0], ends[1])
    odd["part"] += len(element.findall("part"))
    odd["polygon"] += element.find("polygon") is not None
    odd["zero"] += not from_zero and min(left, top) == 0
    box = (left, top, right - left, bottom - top) if from_zero else from_ends(left, top, right, bottom)
    if min(box[2:]) <= 0:
        raise ValueError("it has a box without area")
    attributes = _attributes(element)
    odd["difficult"] += attributes.get("difficult", False)
    return Instance(name, box, attributes=attributes)


def from_ends(xmin: float, ymin: float, xmax: float, ymax: float) -> BoxFloat:
    """The box of its first and last pixels, counted from 1."""
    return xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1


def note_odd(odd: Counter[str], receipt: Receipt) -> None:
    """Say what was put right, is not kept, or counts otherwise for Pascal VOC."""
    said = {
        "difficult": "marked difficult: kept as an attribute; Pascal VOC's own evaluation leaves such objects out",
        "swapped": "with swapped corners: read as the box between them",
        "polygon": "with a polygon beside the box: only the box is kept",
    }
    receipt.notes += [f"{counted(odd[kind], 'object')} {what}" for kind, what in said.items() if odd[kind]]
    if odd["part"]:
        receipt.notes.append(f"{counted(odd['part'], 'part')} of objects (head, hand, …): not kept")
    if odd["zero"]:
        receipt.notes.append(
            f"{counted(odd['zero'], 'object')} with a box that begins at 0, and Pascal VOC counts from 1: "
            "if the tool counts from 0, convert with --from-zero"
        )


def _attributes(element: ET.Element) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for flag in FLAGS:
        value = (element.findtext(flag) or "").strip().casefold()
        if value not in _YES | _NO:
            raise ValueError(f"its {flag} is {value!r}, not 0 or 1")
        if value in _YES:
            attributes[flag] = True
    pose = (element.findtext(POSE) or "").strip()
    if pose not in ("", NO_POSE):
        attributes[POSE] = pose
    return attributes


def _text(element: ET.Element, path: str) -> str:
    text = element.findtext(path)
    if not text:
        raise ValueError(f"{path} is missing")
    return text
