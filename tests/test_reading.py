"""Text files from outside: what parsers take and no reader expects is one clear error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mvtec.errors import InputError
from mvtec.reading import read_bytes, read_json, read_text, read_yaml

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("[" * 100_000 + "]" * 100_000, "nested more than 100 deep", id="deeper_than_the_parser_goes"),
        pytest.param("[" * 150 + "]" * 150, "nested more than 100 deep", id="deeper_than_is_written_again"),
        pytest.param('{"a": [1], "a": []}', 'the key "a" is given twice', id="key_twice"),
        pytest.param('{"a": {"b": 1, "b": 2}}', 'the key "b" is given twice', id="inner_key_twice"),
        pytest.param('["\\ud800"]', "is not valid Unicode", id="half_a_surrogate_pair"),
        pytest.param('{"a\\u0000": 1}', "holds a NUL character", id="nul_in_a_key"),
        pytest.param("9" * 5000, "a number has too many digits", id="too_many_digits"),
        pytest.param("", "is not valid JSON", id="empty"),
    ],
)
def test_json_that_no_reader_expects(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_json(tmp_path / "a.json", "a file")


def test_json_values_come_as_they_are(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "ü \U0001f600"], "b": {"c": [[[]]]}}
    (tmp_path / "a.json").write_text(json.dumps(value))  # ASCII: the emoji is a surrogate pair
    assert read_json(tmp_path / "a.json", "a file") == value
    (tmp_path / "a.json").write_text("[" * 100 + "]" * 100)
    read_json(tmp_path / "a.json", "a file")
    (tmp_path / "a.json").write_text("[NaN, Infinity]")
    assert read_json(tmp_path / "a.json", "a file") == [None, None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("x: !!int abc", "invalid literal", id="int"),
        pytest.param("x: !!bool maybe", "the value 'maybe' does not fit its tag", id="bool"),
        pytest.param("x: !!timestamp abc", "not a readable YAML", id="timestamp"),
        pytest.param("x: 2020-99-99", "month", id="date"),
        pytest.param("x: " + "9" * 5000, "a number has too many digits", id="too_many_digits"),
        pytest.param("x: " + "[" * 100_000, "not a readable YAML", id="unclosed_brackets"),
        pytest.param("x: " + "[" * 150 + "]" * 150, "nested more than 100 deep", id="nested"),
        pytest.param('path: "a\\0b"', "holds a NUL character", id="nul"),
        pytest.param(LAUGHS, "multiply to more than", id="aliases_that_multiply"),
        pytest.param("a: &a [*a]", "what it is part of", id="alias_of_itself"),
        pytest.param("names: [a]\nnames: []", "a key is given twice", id="key_twice"),
        pytest.param("x: !!python/object:os.system {}", "could not determine a constructor", id="python_object"),
        pytest.param("x: [1", "line", id="syntax"),
    ],
)
def test_yaml_that_no_reader_expects(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_yaml(tmp_path / "a.yaml", "a data.yaml")


def test_yaml_values_come_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: ü}\n")
    assert read_yaml(tmp_path / "a.yaml", "it") == {"a": [1, 2], "b": [1, 2], "c": {"d": 1, "e": "ü"}}
    (tmp_path / "a.yaml").write_text("")
    assert read_yaml(tmp_path / "a.yaml", "it") is None


def test_only_plain_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        (tmp_path / "pipe", "not a plain file"),
        (Path("/dev/zero"), "not a plain file"),
        (tmp_path, "is a folder"),
        (tmp_path / "none", "no such file"),
        (tmp_path / ("n" * 5000), "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(InputError, match=problem):
            read_bytes(path, "a file")
    (tmp_path / "big").write_bytes(b"123456")
    with pytest.raises(InputError, match="6 bytes, more than the 5"):
        read_bytes(tmp_path / "big", "a file", most=5)
    (tmp_path / "latin").write_bytes("ü".encode("latin-1"))
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        read_text(tmp_path / "latin", "a list")
    (tmp_path / "bom").write_bytes("ü".encode("utf-8-sig"))
    assert read_text(tmp_path / "bom", "a list") == "ü"
