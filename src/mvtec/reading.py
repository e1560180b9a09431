"""Reads text files that came from outside: plain files of bounded size alone, as text, JSON or YAML values.

What JSON and YAML parsers take and no reader expects is an error here, once for all readers: a named pipe or device in
the place of a file, a key that is given twice (the second one would win in silence), values nested without end, text
that cannot be written again (NUL, half of a surrogate pair), aliases that multiply.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from mvtec.errors import InputError
from mvtec.limits import MOST_JSON_BYTES, MOST_TEXT_BYTES

_DEEPEST = 100  # lists within lists
_MOST_VALUES = 1_000_000  # of a YAML file, its aliases multiplied out
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


class _NotReadError(ValueError):
    """What is wrong with a file's content, in our words."""


def read_bytes(path: Path, what: str, *, most: int = MOST_TEXT_BYTES) -> bytes:
    """The bytes of a plain file.

    Args:
        path: The file; a link is followed.
        what: What it should be, for the error line, such as "a COCO annotation file".
        most: How many bytes it may have.

    Raises:
        InputError: There is no such file, it is a folder, a pipe or a device, is too large, or cannot be read.
    """
    hint = f"Give the path of {what}"
    try:
        # a pipe would block at open, before it can be asked what it is
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise InputError(path, "is a folder, not a file", hint)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(path, "is not a plain file (a pipe or a device)", hint)
            if status.st_size > most:
                raise InputError(
                    path,
                    f"has {status.st_size:,} bytes, more than the {most:,} that are read",
                    f"Divide it, or give the path of {what}",
                )
            return stream.read()
    except FileNotFoundError as error:
        raise InputError(path, "no such file", hint) from error
    except IsADirectoryError as error:
        raise InputError(path, "is a folder, not a file", hint) from error
    except (OSError, ValueError) as error:  # a ValueError: a path with NUL
        raise InputError(path, f"cannot be read ({getattr(error, 'strerror', None) or error})", hint) from error


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        InputError: See `read_bytes`, or it is not UTF-8.
    """
    try:
        return read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "is not a text file in UTF-8", f"Save it as UTF-8; it should be {what}") from error


def read_json(path: Path, what: str) -> Any:
    """Parse a JSON file. NaN and Infinity, which JSON does not have, are read as null.

    Args:
        path: The file.
        what: What it should be, for the error line.

    Raises:
        InputError: See `read_bytes`; or it is not JSON, gives a key twice, is nested more than 100 deep, or has text
            that is not valid Unicode.
    """
    content = read_bytes(path, what, most=MOST_JSON_BYTES)
    try:
        value = json.loads(content, parse_constant=lambda _: None, object_pairs_hook=_object)
        if _is_deep(value):
            raise _NotReadError(f"it is nested more than {_DEEPEST} deep")
        if b"\\u" in content:
            _check_texts(value)
        return value
    except RecursionError as error:
        problem = f"is not valid JSON (it is nested more than {_DEEPEST} deep)"
        raise InputError(path, problem, f"Correct it, or give the path of {what}") from error
    except ValueError as error:
        problem = f"is not valid JSON ({_first_line(error)})"
        raise InputError(path, problem, f"Correct it, or give the path of {what}") from error


def read_yaml(path: Path, what: str) -> Any:
    """Parse a YAML file of plain values.

    Args:
        path: The file.
        what: What it should be, for the error line.

    Raises:
        InputError: See `read_text`; or it is not YAML, gives a key twice, is nested more than 100 deep, has aliases
            that multiply to more than a million values, or text that is not valid Unicode.
    """
    text = read_text(path, what)
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            return None
        _measure(node, {}, 0)
        return yaml.SafeLoader("").construct_document(node)
    except _YAML_ERRORS as error:
        reason = f"it is nested more than {_DEEPEST} deep" if isinstance(error, RecursionError) else _first_line(error)
        raise InputError(path, f"is not a readable YAML file ({reason})", f"Correct it; it should be {what}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _NotReadError(f"the key {json.dumps(next(k for k in keys if keys.count(k) > 1))} is given twice")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _check_texts(value: Any) -> None:
    """Refuse NUL and lone surrogates in any text of a JSON value."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            _check_text(one)
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _NotReadError(f"the text {text[:40]!r} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _NotReadError(f"the text {text[:40]!r} is not valid Unicode") from error


def _measure(node: yaml.Node, known: dict[int, int | None], depth: int) -> int:
    """How many values a node stands for with its aliases multiplied out.

    Raises:
        _NotReadError: There are too many, they are nested too deep or in themselves, or a key is given twice.
    """
    if depth > _DEEPEST:
        raise _NotReadError(f"it is nested more than {_DEEPEST} deep")
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise _NotReadError("an alias stands for what it is part of")
        return found
    known[id(node)] = None
    count = 1
    if isinstance(node, yaml.ScalarNode):
        _check_text(node.value)
    elif isinstance(node, yaml.MappingNode):
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise _NotReadError("a key is given twice")
        for pair in node.value:
            count += sum(_measure(one, known, depth + 1) for one in pair)
    else:
        for one in node.value:
            count += _measure(one, known, depth + 1)
    if count > _MOST_VALUES:
        raise _NotReadError(f"its aliases multiply to more than {_MOST_VALUES:,} values")
    known[id(node)] = count
    return count


def _first_line(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"the value {error} does not fit its tag"
    if "integer string conversion" in str(error):
        return "a number has too many digits"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        return f"{error.problem}{line}"
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
