"""Sets of files and folders that come into place in one act, and what a killed command leaves."""

from __future__ import annotations

import os
import signal
import socket
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from mvtec.errors import MvtecWarning, OutputError
from mvtec.files import check_output, fresh_folder, staged_file, staged_folder, write_json
from mvtec.staging import repair, staging, together

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def write_set(folder: Path, content: str, *, overwrite: bool = True) -> None:
    with together(folder / "o.json"):
        for name in ("o_train.json", "o_test.json", "o.conversion.json"):
            with staged_file(folder / name, overwrite=overwrite) as staged:
                staged.write_text(content)


def write_folder(folder: Path, content: str) -> None:
    with staged_folder(folder / "o", overwrite=True) as staged:
        for name in ("a", "b"):
            (staged / name).write_text(content)


def work_in_place(folder: Path, content: str) -> None:
    with fresh_folder(folder / "o", overwrite=True):
        for name in ("a", "b"):
            (folder / "o" / name).write_text(content)


def seen(folder: Path) -> dict[str, str]:
    """The files of a folder that are not hidden, with what is in them."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*"))


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a fork that is killed before its `step`-th change of a folder; whether it came that far."""
    child = os.fork()
    if child == 0:
        try:
            left = [step]

            def stopping(real: Callable[..., None], *words: object, **more: object) -> None:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                real(*words, **more)

            for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
                setattr(os, name, partial(stopping, getattr(os, name)))
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@linux
@pytest.mark.parametrize("write", [write_set, write_folder, work_in_place])
def test_a_kill_at_any_step_leaves_no_mixture_and_is_repaired(tmp_path: Path, write: Callable[[Path, str], None]):
    step = 0
    came_back = set()
    while True:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        write(folder, "old")
        old = seen(folder)
        if not killed_at(step, lambda folder=folder: write(folder, "new")):
            break
        assert len(set(seen(folder).values())) <= 1, step
        missing = old.keys() - seen(folder).keys()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            repair(folder)
        assert seen(folder) in (old, dict.fromkeys(old, "new")), step
        assert hidden(folder) == []
        if missing:
            came_back.add(step)
            assert "a command was killed while it wrote o" in str(said[0].message)
            assert "of before is back" in str(said[0].message)
        write(folder, "new")
        assert seen(folder) == dict.fromkeys(old, "new")
    assert step > 8
    assert came_back


@linux
def test_of_a_first_set_that_was_killed_nothing_stays(tmp_path: Path):
    left = set()
    for step in range(1, 30):
        folder = tmp_path / str(step)
        folder.mkdir()
        if killed_at(step, lambda folder=folder: write_set(folder, "new")):
            left.add(len(seen(folder)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_output(folder / "other", overwrite=False)  # as any later command does
            assert len(seen(folder)) in (0, 3)
            assert hidden(folder) == []
    assert left == {0, 1, 2, 3}


def test_a_set_that_fails_leaves_the_older_files(tmp_path: Path):
    write_set(tmp_path, "old")
    with pytest.raises(RuntimeError), together(tmp_path / "o.json"):  # noqa: PT012
        write_json(tmp_path / "o_train.json", 1, overwrite=True)
        raise RuntimeError
    assert set(seen(tmp_path).values()) == {"old"}
    assert hidden(tmp_path) == []


def test_a_set_without_overwrite_replaces_nothing(tmp_path: Path):
    (tmp_path / "o_test.json").write_text("mine")
    with pytest.raises(OutputError, match=r"o_test\.json: exists already"):
        write_set(tmp_path, "new", overwrite=False)
    assert seen(tmp_path) == {"o_test.json": "mine"}


def write_second(make: Callable[..., AbstractContextManager[Path]], place: Path) -> None:
    with make(place, overwrite=False) as staged:
        (staged / "a" if staged.is_dir() else staged).write_text("second")
        place.write_text("first")


@pytest.mark.parametrize("make", [staged_file, staged_folder])
def test_what_was_finished_meanwhile_is_not_moved_away(tmp_path: Path, make):
    with pytest.raises(OutputError, match="was written by another program meanwhile"):
        write_second(make, tmp_path / "o")
    assert seen(tmp_path) == {"o": "first"}
    assert hidden(tmp_path) == []


def test_one_command_at_a_time_writes_an_output_and_is_not_disturbed(tmp_path: Path):
    with staged_folder(tmp_path / "o", overwrite=False) as staged:
        (staged / "a").write_text("first")
        with (
            pytest.raises(OutputError, match="o: is being written by another command"),
            staged_folder(tmp_path / "o", overwrite=True),
        ):
            pass
        repair(tmp_path)
        assert staged.is_dir()
    assert seen(tmp_path) == {"o/a": "first"}


@linux
def test_what_another_program_put_in_the_place_stays_and_the_older_file_is_named(tmp_path: Path):
    for step in range(1, 30):
        folder = tmp_path / str(step)
        folder.mkdir()
        write_set(folder, "old")
        assert killed_at(step, lambda folder=folder: write_set(folder, "new"))
        if len(seen(folder)) == 2:
            break
    (missing,) = {"o_train.json", "o_test.json", "o.conversion.json"} - seen(folder).keys()
    (folder / missing).write_text("mine")
    with pytest.warns(MvtecWarning, match=rf"{missing} was not written by the command .*/o\.json\.older"):
        check_output(folder / "o.json", overwrite=True)
    assert (folder / missing).read_text() == "mine"
    assert (folder / "o.json.older" / missing).read_text() == "old"


def test_a_staging_folder_of_another_program_stays(tmp_path: Path):
    (tmp_path / ".mine.tmp").mkdir()
    (tmp_path / ".mine.tmp" / "thesis.txt").write_text("mine")
    repair(tmp_path)
    with pytest.raises(OutputError), staging(tmp_path / "mine") as stage:
        stage.new("mine")
    assert (tmp_path / ".mine.tmp" / "thesis.txt").read_text() == "mine"


@linux
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "socket", "link to nothing"])
def test_a_pipe_or_a_socket_is_never_an_output(tmp_path: Path, kind: str, overwrite: bool):
    place = tmp_path / "o"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
    else:
        place.symlink_to(tmp_path / "nowhere")
    before = place.lstat()
    if kind == "link to nothing" and overwrite:
        check_output(place, overwrite=True)
        return
    said = "exists already" if kind == "link to nothing" else "is a device, a pipe or a socket"
    with pytest.raises(OutputError, match=said):
        write_json(place, 1, overwrite=overwrite)
    assert place.lstat() == before


@linux
def test_a_device_is_never_an_output():
    with pytest.raises(OutputError, match="is a device, a pipe or a socket"):
        check_output(Path(os.devnull), overwrite=True)


@linux
def test_outputs_have_the_mode_of_any_new_file(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_set(tmp_path, "new")
        write_folder(tmp_path, "new")
    finally:
        os.umask(before)
    assert (tmp_path / "o_test.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o750
