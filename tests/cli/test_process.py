"""How a command behaves as a process: streams that are closed, readers that go away, signals that end it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
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
import os, shutil, signal
from pathlib import Path
from mvtec.cli.main import main

number, rename, rmtree = signal.{name}, Path.rename, shutil.rmtree

def stopped(path, target):  # called when all is written, to move it into place
    os.kill(os.getpid(), number)
    return rename(path, target)

def stopped_again(path, **options):  # called to tidy up
    os.kill(os.getpid(), number)
    rmtree(path, **options)

signal.signal(number, signal.{before})
Path.rename, shutil.rmtree = stopped, stopped_again
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


EARLY = """
import os, signal, sys

class Importing:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Importing())
from mvtec.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "mvtec.cli.datasets", "mvtec.datasets.info"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_command_is_loaded_is_one_word(category: Category, module: str, name: str):
    script = EARLY.format(module=module, name=name)
    words = [sys.executable, "-c", script, "datasets", "info", str(category.root)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split(), done.stdout) == (130, ["interrupted"], "")


def test_a_signal_while_typer_builds_the_command_is_one_word(mvtec, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.main.get_command", interrupted)
    done = mvtec("datasets", "info", "x")
    assert (done.code, done.err) == (130, "interrupted\n")


def test_a_killed_worker_is_one_line(category: Category, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    """As when the memory of a container is full."""
    monkeypatch.setattr("mvtec.convert.from_masks._start_worker", partial(os._exit, 1))
    out = tmp_path / "o.json"
    done = mvtec("convert", "masks-to-coco", category.root, "--out", out, "--workers", 2)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "--workers: a process was killed, as when memory is full" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["widget"]


def test_a_name_that_is_too_long_is_named(tmp_path: Path, mvtec):
    done = mvtec("datasets", "info", tmp_path / ("a" * 5000))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "is too long for the name of a file. Give a shorter name" in done.err
    assert len(done.err) < 300


def test_a_file_that_a_killed_command_moved_away_is_brought_back(category: Category, tmp_path: Path, mvtec):
    out = tmp_path / "o"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", out).code == 0
    script = (
        "import os, signal; from pathlib import Path; from mvtec.cli.main import main; rename = Path.rename\n"
        "def stopped(path, target):\n"
        "    if path.parent.name == 'new' and path.is_dir(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    rename(path, target)\n"
        "Path.rename = stopped; main()"
    )
    words = ("convert", "masks-to-yolo", str(category.root), "--out", str(out), "--overwrite", "--min-area", "60")
    assert subprocess.run([sys.executable, "-c", script, *words], check=False).returncode == -9
    assert not out.exists()
    done = mvtec("convert", "yolo-to-coco", out, "--out", tmp_path / "elsewhere" / "c.json")
    assert done.code == 2
    assert "a command was killed while it wrote o; o of before is back" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o", "widget"]
    assert mvtec("convert", "yolo-to-coco", out, "--out", tmp_path / "elsewhere" / "c.json").code == 0


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
