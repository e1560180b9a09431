"""Damaged files through every reader: a clear line or the right labels, in bounded time and memory.

`MVTEC_FUZZ` says how many files there are in all (`make fuzz` takes 10,000); they are the same in each run.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from fuzz.damage import damaged
from fuzz.inputs import INPUTS, Input, make_inputs
from fuzz.reference import UnreadableError, labels_said, labels_written, without_boxes
from hypothesis import HealthCheck, given, settings

from mvtec.cli.main import main

FILES = int(os.environ.get("MVTEC_FUZZ", "270"))
_SECONDS = 20  # of the processor
_WAITING = 180
_BYTES = 2 << 30


class TooSlowError(BaseException):
    """Not an Exception: no reader takes it for a broken file."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    make_inputs(root)
    return root


@pytest.mark.parametrize("name", INPUTS)
def test_the_whole_input_is_read_as_a_plain_reader_reads_it(name: str, whole: Path, tmp_path: Path) -> None:
    code, _, text = run(INPUTS[name], copied(whole, tmp_path / "at"))
    assert code == 0, text
    said = labels_said(name, tmp_path / "at")
    if said is not None:
        assert without_boxes(said) == without_boxes(labels_written(*outputs(tmp_path / "at")))


@pytest.mark.parametrize("name", INPUTS)
def test_a_damaged_file_is_read_rightly_or_refused_in_a_line(name: str, whole: Path, tmp_path: Path) -> None:
    one = INPUTS[name]
    content = (whole / one.file).read_bytes()
    seen = 0

    @settings(
        max_examples=max(1, FILES // len(INPUTS)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(one.file, content))
    def attempt(spoiled: bytes) -> None:
        nonlocal seen
        seen += 1
        at = copied(whole, tmp_path / f"{seen}")
        try:
            (at / one.file).unlink()  # it may be a hard link to the whole one
            (at / one.file).write_bytes(spoiled)
            check(name, one, at)
        finally:
            shutil.rmtree(at)

    attempt()


def check(name: str, one: Input, at: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, printed, text = run(one, at)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < _BYTES, f"took {grown:,} bytes"
    assert code in (0, 1, 2), text
    if code == 2:
        assert text.strip(), "refused without a word"
        assert not any((at / left).exists() for left in ("out", "out.json", "out.xml")), "refused, and wrote something"
        return
    if one.output is None:
        return
    for again in readers_of(one, at):
        second, _, complaint = run(again, at)
        renamed = "no such photo" in complaint  # the damage is to the name of a photo, and only then
        assert second == 0 or renamed, f"our own output is refused: {complaint}"
    try:
        said = labels_said(name, at)
    except UnreadableError as error:
        raise AssertionError(f"exit {code}, and a plain reader finds no labels: {error}; said: {text}") from error
    if said is None or code == 2:
        return
    answer = json.loads(printed)
    objects, written = answer["receipt"]["objects"], labels_written(*outputs(at))
    assert objects["read"] == said.total(), f"{said.total()} labels in the file, {objects} in the receipt"
    assert objects["written"] == written.total()
    assert without_boxes(written) <= without_boxes(said), "a label that is not in the file"
    if not answer["warnings"]:
        assert without_boxes(written) == without_boxes(said)
        placed = {label for label in said if label[2] is not None}
        assert all(near(label, written) for label in placed), (placed, set(written))


def near(label: tuple[object, ...], written: object) -> bool:
    """Whether a written label of the photo and class has this box, to a pixel for rounding."""
    photo, kind, box = label
    return any(
        (photo, kind) == other[:2] and other[2] and all(abs(a - b) <= 1 for a, b in zip(box, other[2], strict=True))
        for other in written  # type: ignore[attr-defined]
    )


def readers_of(one: Input, at: Path) -> list[Input]:
    """The commands that read back what was written."""
    to = ("--out", "again.json")
    back = {
        "coco-to-yolo": ("yolo-to-coco", "out"),
        "coco-to-cvat": ("cvat-to-coco", "out.xml"),
        "coco-to-voc": ("voc-to-coco", "out"),
        "coco-to-labelstudio": ("labelstudio-to-coco", "out.json", "--images", "widget"),
    }.get(one.command[1])
    if back is not None:
        return [Input(("convert", *back, *to), "")]
    return [
        Input(("convert", "coco-to-cvat", file.name, "--out", f"{file.stem}.again.xml"), "") for file in outputs(at)
    ]


def outputs(at: Path) -> list[Path]:
    """The COCO files of a conversion, whatever it is called."""
    return [file for file in sorted(at.glob("out*.json")) if "conversion" not in file.name] + sorted(
        at.glob("out/annotations/*.json")
    )


def copied(whole: Path, at: Path) -> Path:
    shutil.copytree(whole, at, copy_function=os.link, symlinks=True)
    return at


def run(one: Input, at: Path) -> tuple[int, str, str]:
    """The exit code, and what was printed to standard output and error; any other end is an error of the test."""
    out, err = io.StringIO(), io.StringIO()
    asked = ["mvtec", *one.command, *(["--json"] if one.command[0] == "convert" else [])]
    old_words, old_folder = sys.argv, Path.cwd()
    sys.argv = asked
    os.chdir(at)
    try:
        with redirect_stdout(out), redirect_stderr(err), limited():
            main()
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv = old_words
        os.chdir(old_folder)
    return 0, out.getvalue(), err.getvalue()


@contextmanager
def limited() -> Iterator[None]:
    """Stop a command that computes for 20 seconds, or that waits for ever; a busy machine makes none fail."""

    def stop(_number: int, _frame: object) -> None:
        raise TooSlowError(f"more than {_SECONDS} seconds of work, or {_WAITING} of waiting")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
