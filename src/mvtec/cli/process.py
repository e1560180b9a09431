"""What holds for the whole process: its streams, its environment, and the signals that end it."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


def prefer_plain_output() -> None:
    """Keep OpenCV's own messages out: what is wrong with a file is said once, by us."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def open_closed_streams() -> None:
    """Let what is printed go nowhere where standard output or error was closed before we began.

    Their numbers are taken, so that no file of ours gets them and, with them, what a library in C has to say.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a letter that a terminal lacks ends no work
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, and a terminal that goes away, do what Ctrl-C does: what is half done goes, or can be resumed.

    The first one does it; later ones are not heard, so that the tidying can end.
    """
    owner = os.getpid()
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # under nohup it is ignored

    def stop(_number: int, _frame: object) -> None:
        if os.getpid() != owner:  # a worker process: its owner tidies up
            os._exit(0)
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    except SystemExit as end:
        if end.code == 128 + signal.SIGINT:
            say_interrupted()
        raise
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def say_interrupted() -> None:
    """Print how a command ended that a signal has ended."""
    with suppress(OSError):
        print("interrupted", file=sys.stderr, flush=True)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print what the package warns of as the lines of the command line; warnings of libraries stay what they are."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            from mvtec.cli.console import warn
            from mvtec.errors import MvtecWarning

            if issubclass(category, MvtecWarning):
                warn(str(message))
            else:
                before(message, category, *where, **more)

        warnings.showwarning = show
        yield
