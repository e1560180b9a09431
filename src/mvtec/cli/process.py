"""What holds for the whole process: its streams, its environment, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def prefer_plain_output() -> None:
    """Keep OpenCV's own messages out: what is wrong with a file is said once, by us."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def open_closed_streams() -> None:
    """Let what is printed go nowhere where standard output or error was closed before we began."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115, for the program's life


def stop_as_at_ctrl_c() -> None:
    """Let SIGTERM, and a terminal that goes away, do what Ctrl-C does: what is half done goes, or can be resumed."""
    owner = os.getpid()

    def stop(number: int, _frame: object) -> None:
        if os.getpid() != owner:  # a worker process: its owner cleans up
            os._exit(128 + number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:  # not under nohup
            signal.signal(getattr(signal, name), stop)


@contextmanager
def tell_of_interruption() -> Iterator[None]:
    """Say that the command was interrupted, where it is left with the exit code for that."""
    try:
        yield
    except SystemExit as end:
        if end.code == 128 + signal.SIGINT:
            typer.echo("interrupted", err=True)
        raise
