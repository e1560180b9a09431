"""How a command behaves as a process: streams that are closed, readers that go away, signals that end it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Category

COMMAND = (sys.executable, "-c", "from mvtec.cli.main import main; main()")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&- <&-"])
def test_closed_streams_change_nothing_but_what_is_printed(category: Category, tmp_path: Path, closed: str):
    out = tmp_path / "gt.json"
    words = (*COMMAND, "convert", "masks-to-coco", str(category.root), "--out", str(out))
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], check=False)
    assert (done.returncode, out.is_file()) == (0, True)


def test_a_reader_that_goes_away_changes_neither_the_work_nor_the_exit_code(category: Category, tmp_path: Path):
    out = tmp_path / "gt.json"
    words = (*COMMAND, "convert", "masks-to-coco", str(category.root), "--out", str(out))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(), out.is_file()) == ("", 0, True)


def test_neither_does_one_that_reads_warnings(category: Category, tmp_path: Path):
    out = tmp_path / "gt.json"
    category.mask("crack", 0).write_bytes(b"no image")
    words = ("convert", "masks-to-coco", str(category.root), "--out", str(out), "--on-error", "skip")
    process = subprocess.Popen((*COMMAND, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.close()
    assert (process.wait(), out.is_file()) == (0, True)


STOPPED = """
import os, signal
from pathlib import Path
from mvtec.cli.main import main

number, chmod, unlink = signal.{name}, Path.chmod, Path.unlink

def stopped(path, mode):  # called as the last step of a file that is written whole
    os.kill(os.getpid(), number)
    chmod(path, mode)

def stopped_again(path, **options):  # called to tidy up
    os.kill(os.getpid(), number)
    unlink(path, **options)

signal.signal(number, signal.{before})
Path.chmod, Path.unlink = stopped, stopped_again
main()
"""


@pytest.mark.parametrize(
    ("name", "before", "code"), [("SIGTERM", "SIG_DFL", 130), ("SIGHUP", "SIG_DFL", 130), ("SIGHUP", "SIG_IGN", 0)]
)
def test_a_signal_ends_it_as_ctrl_c_does_unless_it_is_ignored(
    category: Category, tmp_path: Path, name: str, before: str, code: int
):
    out = tmp_path / "made" / "gt.json"
    words = ("convert", "masks-to-coco", str(category.root), "--out", str(out))
    script = STOPPED.format(name=name, before=before)
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr.split() == (["interrupted"] if code else [])
    assert any(out.parent.iterdir()) == (code == 0)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    environment = os.environ | {"MVTEC_CACHE": str(tmp_path / "file" / "cache")}
    script = "from mvtec.offline import ultralytics; ultralytics()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "Set MVTEC_CACHE to a folder you can write to" in done.stderr


def test_a_letter_that_the_output_lacks_ends_no_work(category: Category, tmp_path: Path):
    out = tmp_path / "裂.json"
    words = (*COMMAND, "convert", "masks-to-coco", str(category.root), "--out", str(out))
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u88c2.json" in done.stdout
