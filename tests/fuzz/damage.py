"""Ways in which a file can be damaged, as Hypothesis strategies: a failing file is shrunk to the least damage."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree as ET
import zlib
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

DRAW = Any  # what `st.composite` hands over
Path = tuple[Any, ...]


class Pairs(list[tuple[str, Any]]):
    """A JSON object as pairs, so that a key can stand in it twice."""


class Raw(str):
    """Text that goes into the file as it is."""


TEXTS = (
    *("", " ", " a ", "0", "-1", "1e-300", "nan", "inf", "1e999", "9" * 400, "x" * 5000, "a\x01b", "../../a.png"),
    *("/etc/hostname", "a\\b.png", "http://[::1/x.png", "é.png", "e\u0301.png", "😀", "ok", "good", "..", ".", "a/b/"),
)
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', '"a\\u0000b"', "[" * 400 + "]" * 400, "[" * 99_999, "00")
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 0.5, -5.0, 1e-300, 1e308, 10**30, 1 << 40, 32768, 65535, [], {}, [[]], [1], [{}]),
    *({"a": 1}, [0, 0, 0, 0], [5, 6, -3, 4], [[1, 2, 3, 4, 5, 6]], {"size": [40, 48], "counts": "1"}, [None], ["a"]),
    *(*TEXTS, *map(Raw, RAW)),
)


@st.composite
def damaged_bytes(draw: DRAW, content: bytes) -> bytes:
    """Cut, bytes changed, bytes lost, bytes doubled, or a number replaced."""
    data = bytearray(content)
    at = draw(st.integers(0, max(0, len(data) - 1)))
    length = draw(st.integers(1, 40))
    way = draw(st.sampled_from(["cut", "change", "lose", "double", "empty"]))
    if way == "cut":
        del data[at:]
    elif way == "change":
        for place, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=6)):
            data[place] = byte
    elif way == "lose":
        del data[at : at + length]
    elif way == "double":
        data[at:at] = data[at : at + length]
    else:
        data.clear()
    return bytes(data)


@st.composite
def damaged_json(draw: DRAW, content: bytes) -> bytes:
    """One to three values replaced, lost, doubled or moved to another key."""
    if draw(st.integers(0, 9)) == 0:
        return draw(damaged_bytes(content))
    value = json.loads(content, object_pairs_hook=Pairs)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        outer, index = places[draw(st.integers(0, len(places) - 1))]
        way = draw(st.sampled_from(["replace", "replace", "replace", "lose", "double", "rename"]))
        one = outer[index]
        if way == "lose":
            del outer[index]
        elif way == "double":
            outer.insert(index, deepcopy(one))
        elif isinstance(outer, Pairs):
            key, old = one
            new = deepcopy(draw(st.sampled_from(VALUES))) if way == "replace" else old
            outer[index] = (key if way == "replace" else draw(st.sampled_from([k for k, _ in outer])), new)
        else:
            outer[index] = deepcopy(draw(st.sampled_from(VALUES)))
    return _json(value).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[list[Any], int]]:
    """Every list or object of a JSON value with every index in it, in the order of the text."""
    found: list[tuple[list[Any], int]] = []
    left = [value]
    while left:
        outer = left.pop(0)
        if isinstance(outer, list):
            found += [(outer, index) for index in range(len(outer))]
            left += [one[1] if isinstance(outer, Pairs) else one for one in outer]
    return found


def _json(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}: {_json(one)}" for key, one in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


@st.composite
def damaged_xml(draw: DRAW, content: bytes) -> bytes:
    """One to three attributes, texts or elements replaced, lost or doubled."""
    if draw(st.integers(0, 9)) == 0:
        return draw(damaged_bytes(content))
    root = ET.fromstring(content)
    for _ in range(draw(st.integers(1, 3))):
        parents = [(outer, index) for outer in root.iter() for index in range(len(outer))]
        if not parents:
            break
        outer, index = parents[draw(st.integers(0, len(parents) - 1))]
        element = outer[index]
        way = draw(st.sampled_from(["attribute", "attribute", "text", "lose", "double", "tag"]))
        printable = [text for text in TEXTS if "\x01" not in text]
        if way == "attribute" and element.attrib:
            name = draw(st.sampled_from(sorted(element.attrib)))
            text = draw(st.sampled_from([None, *printable]))
            if text is None:
                del element.attrib[name]
            else:
                element.attrib[name] = text
        elif way == "text":
            element.text = draw(st.sampled_from(printable))
        elif way == "lose":
            outer.remove(element)
        elif way == "double":
            outer.insert(index, deepcopy(element))
        else:
            element.tag = draw(
                st.sampled_from(["ellipse", "points", "polyline", "box", "polygon", "object", "name", "x"])
            )
    return ET.tostring(root, encoding="utf-8")


@st.composite
def damaged_text(draw: DRAW, content: bytes) -> bytes:
    """One to three words or lines of a YAML, CSV or label file replaced, lost or doubled."""
    if draw(st.integers(0, 9)) == 0:
        return draw(damaged_bytes(content))
    lines = content.decode().split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        way = draw(st.sampled_from(["word", "word", "word", "lose", "double"]))
        if way == "word":
            words = lines[at].split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(
                st.sampled_from((*TEXTS, "!!int abc", "[1", "*a", "~", "{}"))
            )
            lines[at] = " ".join(words)
        elif way == "double":
            lines.insert(at, lines[at])
        elif len(lines) > 1:
            del lines[at]
    return "\n".join(lines).encode()


@st.composite
def damaged_png(draw: DRAW, content: bytes) -> bytes:
    """Another stated size, depth or colour type with a right checksum, or as `damaged_bytes`."""
    if draw(st.booleans()):
        return draw(damaged_bytes(content))
    header = bytearray(content[12:29])  # IHDR, width, height, depth, colour type, three more
    width = draw(st.sampled_from([0, 1, 7, 47, 48, 49, 4800, 32000, 65535, 0x7FFFFFFF, 0xFFFFFFFF]))
    height = draw(st.sampled_from([0, 1, 7, 39, 40, 41, 4000, 32000, 65535, 0x7FFFFFFF]))
    struct.pack_into(">II", header, 4, width, height)
    if draw(st.booleans()):
        header[12] = draw(st.sampled_from([0, 1, 2, 4, 8, 16, 255]))
        header[13] = draw(st.sampled_from([0, 2, 3, 4, 6, 9]))
    checksum = struct.pack(">I", zlib.crc32(bytes(header)))
    return content[:12] + bytes(header) + checksum + content[33:]


def damaged(name: str, content: bytes) -> st.SearchStrategy[bytes]:
    """Damaged contents of a file, by its ending."""
    ending = name.rsplit(".", 1)[-1]
    return {"json": damaged_json, "xml": damaged_xml, "png": damaged_png}.get(ending, damaged_text)(content)
