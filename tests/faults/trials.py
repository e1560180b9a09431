"""Runs a command again and again, and stops it at each change that it makes to its folder; see shim.c.

Started with the shim preloaded, as `python trials.py FOLDER STRIDE [NAME …]`. A trial is a fork, so that all that takes
time to load is loaded once. Prints a line for each trial that went wrong, and at last how many trials there were.

After a trial the outputs must be those from before or new ones, never some of each; a command that ended by itself
must have left all as before, or all new; and the same command run again must end well, with all new and nothing hidden.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
from commands import Command, commands

from mvtec.errors import MvtecError

SHIM = ctypes.CDLL(None)
KINDS = {"k": "killed", "t": "killed in a write", "f": "disk full"}
Content = dict[str, bytes]


def content_of(folder: Path) -> Content:
    """What a user sees in a folder: names and bytes; of a link where it leads, of a folder that it is one."""
    found: Content = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            if path.is_symlink():
                found[name] = os.readlink(path).encode()  # noqa: PTH115, as text
            else:
                found[name] = b"" if path.is_dir() else path.read_bytes()
    return found


def run(work: Callable[[], None], *, kind: str = "n", at: int = 0, folder: Path | None = None) -> tuple[int, int]:
    """Run in a fork; returns the exit status as `os.waitstatus_to_exitcode` tells it, and how many changes it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            if folder is not None:
                SHIM.faults_arm(ctypes.c_char(kind.encode()), at, os.fsencode(f"{folder}/"))
            try:
                work()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
            except (OSError, MvtecError):  # as the command line ends
                code = 2
            os.write(writing, str(SHIM.faults_count()).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        count = int(stream.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


def complaints(command: Command, out: Path, stride: int) -> Iterator[str]:
    """Try a command at every `stride`-th change and print how many trials that were; yields what went wrong."""
    pristine = out.with_name("pristine")
    shutil.rmtree(pristine, ignore_errors=True)
    pristine.mkdir()
    for work in (command.before, command.after):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        code, _ = run(lambda work=work: work(out))  # type: ignore[misc]
        assert code == 0, f"{command.name}: exit {code} without a fault"
        work_content = content_of(out)
        if work is command.before:
            before = work_content
            shutil.copytree(out, pristine, symlinks=True, dirs_exist_ok=True)
        else:
            after = work_content
    assert before != after, f"{command.name}: nothing changes"

    def begin() -> None:
        shutil.rmtree(out)
        shutil.copytree(pristine, out, symlinks=True)

    begin()
    code, total = run(lambda: command.after(out), kind="n", folder=out)
    assert code == 0, command.name
    assert total > 5, f"{command.name}: the shim sees only {total} changes"
    for kind in KINDS:
        for at in range(1, total + 1, stride):
            begin()
            code, _ = run(lambda: command.after(out), kind=kind, at=at, folder=out)
            where = f"{command.name}, {KINDS[kind]} at {at} of {total}"
            found = content_of(out)
            differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
            for name in found:
                if found[name] not in (before.get(name), after.get(name)):
                    yield f"{where}: {name} is neither the older nor the new one"
            olds = {name for name in found.keys() & differ if found[name] == before.get(name)}
            if olds and found.keys() & differ - olds:
                yield f"{where}: {sorted(found.keys() & differ - olds)} new beside the older {sorted(olds)}"
            if code != -signal.SIGKILL:
                if found != after and (code == 0 or (found != before and not command.is_resumable)):
                    yield f"{where}: exit {code}, and {sorted(before.keys() ^ found.keys())} came or went"
                if code not in (0, 2):
                    yield f"{where}: exit {code}"
            code, _ = run(lambda: command.after(out), folder=None)
            if code != 0:
                yield f"{where}: run again, exit {code}"
            if content_of(out) != after:
                yield f"{where}: run again, the outputs are others"
            if hidden := [path.name for path in out.rglob(".*")]:
                yield f"{where}: run again, {hidden} is left"
    print(f"trials: {command.name}: {len(range(1, total + 1, stride)) * len(KINDS)}", flush=True)


def main() -> None:
    folder, stride, names = Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3:]
    cv2.setNumThreads(1)
    for command in commands(folder / "data"):
        if not names or command.name in names:
            out = folder / "work" / "out"
            out.parent.mkdir(exist_ok=True)
            for complaint in complaints(command, out, stride):
                print(complaint, flush=True)


if __name__ == "__main__":
    main()
