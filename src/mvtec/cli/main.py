"""Begins and ends `mvtec`, and is the one place where an error becomes a line and an exit code.

What takes time to load is loaded in `_run`, so that Ctrl-C in the first tenths of a second ends it as any later one.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from mvtec.cli.process import (
    interruptible,
    open_closed_streams,
    prefer_plain_output,
    say_interrupted,
    warnings_as_lines,
)


def main() -> None:
    """Run the command line."""
    open_closed_streams()
    prefer_plain_output()
    try:
        with interruptible(), warnings_as_lines():
            _run()
    except KeyboardInterrupt:  # before Typer, or while an error is said
        say_interrupted()
        raise SystemExit(130) from None


def _run() -> None:
    from mvtec.cli.commands import app
    from mvtec.cli.console import fail
    from mvtec.errors import MvtecError, whose_memory_is_full, with_option_names

    try:
        app()
    except MvtecError as error:
        _repair_beside(error.file)
        fail(with_option_names(str(error)))
    except BrokenPipeError:
        raise SystemExit(1) from None
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        fail(
            f"opencv-python: {error}. This machine has no display libraries, and another package has brought the "
            "OpenCV that needs them. Run pip uninstall opencv-python, then pip install --force-reinstall --no-deps "
            "opencv-python-headless"
        )
    except OSError as error:  # a full disk, a folder that vanished
        if error.errno == errno.ENAMETOOLONG:
            fail(f"{str(error.filename)[:80]}…: is too long for the name of a file. Give a shorter name.")
        fail(f"{error.filename or 'disk'}: {error.strerror or error}. Check the disk and the permissions.")
    except (MemoryError, RuntimeError) as error:
        full = whose_memory_is_full(error)
        if full is None:
            raise
        ways = (
            "--device cpu, smaller photos or a smaller model" if full == "GPU" else "smaller photos or a smaller model"
        )
        fail(f"memory: that of the {full} is full. Give {ways}, or end other programs that use it.")


def _repair_beside(file: str) -> None:
    """Where a file is missing that a killed command had moved away, put it back, and say so."""
    from mvtec.staging import repair

    with suppress(OSError, ValueError):  # what is at fault may be an option or an address
        path = Path(os.path.abspath(file))  # noqa: PTH100, which keeps links as they are named
        while not os.path.lexists(path):
            path = path.parent
            if path.is_dir():
                repair(path)
                return
