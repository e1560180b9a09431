"""Reads XML files of other tools: plain files of bounded size, nested as deep as labels are and no deeper.

Entities that multiply are refused by the parser (expat 2.4 and later); entities from elsewhere are not read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from mvtec.errors import InputError
from mvtec.limits import MOST_JSON_BYTES
from mvtec.reading import read_bytes

_DEEPEST = 100  # elements within elements


def xml_events(path: Path, what: str) -> Iterator[tuple[str, ET.Element]]:
    """Each element of a file when it begins ("start") and when it is whole ("end").

    Args:
        path: The file.
        what: What it should be, for the error line.

    Raises:
        InputError: It is not a plain file, is too large, is not XML, or is nested more than 100 deep.
    """
    content = read_bytes(path, what, most=MOST_JSON_BYTES)
    depth = 0
    try:
        for event, element in ET.iterparse(io.BytesIO(content), ("start", "end")):
            depth += 1 if event == "start" else -1
            if depth > _DEEPEST:
                raise ValueError(f"it is nested more than {_DEEPEST} deep")
            yield event, element
    except (ET.ParseError, LookupError, ValueError) as error:  # an unknown encoding is a LookupError
        problem = f"is not a readable XML file ({error})"
        raise InputError(path, problem, f"Correct it, or give the path of {what}") from error


def read_xml(path: Path, what: str) -> ET.Element:
    """The root element of a file.

    Raises:
        InputError: See `xml_events`.
    """
    root: ET.Element | None = None
    for _, element in xml_events(path, what):
        root = element
    assert root is not None, "a document without an element is a ParseError"
    return root
