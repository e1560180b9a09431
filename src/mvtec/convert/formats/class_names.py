"""Which class names a file of another tool can hold, so that its reader gives the same names back."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from mvtec.errors import InputError

_NOT_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of surrogate pairs, separators of lines


def check_class_names(names: Iterable[str], source: str | Path, format_name: str) -> None:
    """Refuse class names that are empty, begin or end with a space, or hold a control character.

    Readers of these formats strip spaces and take an empty name for none; XML cannot hold control characters at all.

    Args:
        names: The class names.
        source: The file that has them, for the error line.
        format_name: What is to be written.

    Raises:
        InputError: A name is such a one.
    """
    for name in names:
        if not name.strip():
            problem = f"has the class name {name!r}, which is empty"
        elif name != name.strip():
            problem = f"has the class name {name!r}, which begins or ends with a space"
        elif not is_text(name):
            problem = f"has the class name {name!r}, which holds a control character"
        else:
            continue
        raise InputError(source, f"{problem}; {format_name} cannot hold it", "Rename the category")


def check_file_name(name: str, source: str | Path, format_name: str) -> None:
    """Refuse a photo's name that XML cannot hold; see `check_class_names`.

    Raises:
        InputError: It holds a control character.
    """
    if not is_text(name):
        problem = f"has the photo {name!r}, whose name holds a control character; {format_name} cannot hold it"
        raise InputError(source, problem, "Rename the photo")


def is_text(text: str) -> bool:
    """Whether a text is one line without control characters, and so comes back from XML as it is."""
    return not any(unicodedata.category(letter) in _NOT_TEXT or letter in "\ufffe\uffff" for letter in text)
