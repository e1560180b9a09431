"""The folder of a run: what is kept, taken back or begun anew after a command that was stopped or killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mvtec.errors import InputError, MvtecWarning, OutputError
from mvtec.run import RunRecord, discard_empty_run, finish_run, keep_plan, prepare_run, read_run

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def record(name: str) -> RunRecord:
    return RunRecord("detector", [], {}, name, None, None, {}, 0, None, {}, {})


def finished(out: Path, name: str) -> None:
    prepare_run(out, resume=False, overwrite=True)
    keep_plan(out, "x", {})
    finish_run(out, record(name))


def in_another_process(work: Callable[[], None]) -> None:
    """Do the work in a process that then ends as if it were killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@linux
def test_a_run_that_was_killed_before_its_plan_is_begun_anew(tmp_path: Path):
    out = tmp_path / "run"

    def killed() -> None:
        prepare_run(out, resume=False, overwrite=False)
        (out / ".data.tmp").mkdir()  # half a conversion

    in_another_process(killed)
    with pytest.raises(OutputError, match="Leave out --resume to begin one"):
        prepare_run(out, resume=True, overwrite=False)
    in_another_process(killed)
    prepare_run(out, resume=False, overwrite=False)
    assert [path.name for path in out.iterdir()] == [".unfinished"]
    finish_run(out, record("a"))
    assert [path.name for path in out.iterdir()] == ["run.json"]
    with pytest.raises(OutputError, match="exists already"):
        prepare_run(out, resume=False, overwrite=False)


@linux
def test_a_finished_run_outlives_the_kill_of_the_one_that_replaces_it(tmp_path: Path):
    out = tmp_path / "run"
    finished(out, "old")
    in_another_process(lambda: prepare_run(out, resume=False, overwrite=True))
    with pytest.raises(InputError, match="is not a finished run"):
        read_run(out)
    with (
        pytest.warns(MvtecWarning, match="the run of before is back"),
        pytest.raises(OutputError, match="exists already"),
    ):
        prepare_run(out, resume=False, overwrite=False)
    assert read_run(out).data == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_between_the_two_moves_the_finished_run_is_not_lost(tmp_path: Path):
    out = tmp_path / "run"
    finished(out, "old")
    out.rename(tmp_path / ".run.old")  # here a kill came
    with pytest.warns(MvtecWarning, match="the run of before is back"):
        prepare_run(out, resume=False, overwrite=True)
    discard_empty_run(out)
    assert read_run(out).data == "old"


def test_a_run_that_was_finished_is_not_given_up_for_the_one_it_replaced(tmp_path: Path):
    out = tmp_path / "run"
    finished(out, "older")
    out.rename(tmp_path / ".run.old")
    prepare_run(tmp_path / "other", resume=False, overwrite=False)
    finish_run(tmp_path / "other", record("new"))
    (tmp_path / "other").rename(out)  # a kill came before the replaced one was removed
    prepare_run(out, resume=False, overwrite=True)
    discard_empty_run(out)
    assert read_run(out).data == "new"


@linux
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_has_one_command_at_a_time(tmp_path: Path, resume: bool):
    out = tmp_path / "run"
    prepare_run(out, resume=False, overwrite=False)
    keep_plan(out, "x", {})
    said: list[str] = []
    reading, writing = os.pipe()

    def second() -> None:
        # a fork has the lock of its parent; another process has not
        from mvtec import run

        run._held.clear()
        try:
            prepare_run(out, resume=resume, overwrite=not resume, work="x")
        except OutputError as error:
            os.write(writing, str(error).encode())

    in_another_process(second)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said.append(stream.read())
    assert "is being written by another command" in said[0]
    prepare_run(out, resume=True, overwrite=False, work="x")


def test_a_folder_of_the_user_is_not_taken_for_a_run_that_was_killed(tmp_path: Path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        prepare_run(out, resume=False, overwrite=False)
    assert (out / "thesis.txt").read_text() == "mine"
