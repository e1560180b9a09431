"""The errors a user can cause. Each says which file, what is wrong, and how to fix it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TypeVar

_Error = TypeVar("_Error", bound="MvtecError")


class MvtecError(Exception):
    """A mistake the user can fix; the command line prints it as one line and exits with 2.

    Args:
        file: The file, folder or option at fault.
        problem: What is wrong, without a full stop.
        hint: How to fix it, as a sentence of its own, without a full stop.
    """

    def __init__(self, file: str | Path, problem: str, hint: str) -> None:
        self.file = str(file)
        self.problem = problem
        self.hint = hint
        super().__init__(self.file, problem, hint)

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}. {self.hint}."

    def or_skip(self: _Error) -> _Error:
        """This error, of something that `--on-error skip` leaves out; its hint says so."""
        self.hint += ", or pass --on-error skip"
        return self


class MvtecWarning(UserWarning):
    """What the user should know of and need not do anything about; the command line prints it as one line."""


def warn_of(sentence: str) -> None:
    """Warn the caller of a function of the package."""
    warnings.warn(sentence, MvtecWarning, stacklevel=3)


class InputError(MvtecError):
    """Something that was given to us is missing, unreadable or contradictory."""


class ArgumentError(InputError):
    """An argument of a function, which is an option of a command, cannot be used.

    Names of arguments stand in backticks, as in "`epochs` must be at least 1 (got 0)", so that the command line can say
    `--epochs`.

    Args:
        argument: The argument at fault, as Python names it.
        problem: What is wrong with it, without a full stop; the sentence begins with the argument.
        hint: How to fix it, as a sentence of its own, without a full stop; may be empty.
    """

    def __init__(self, argument: str, problem: str, hint: str = "") -> None:
        super().__init__(argument, problem, hint)

    def __str__(self) -> str:
        return f"`{self.file}` {self.problem}." + (f" {self.hint}." if self.hint else "")


def with_option_names(text: str) -> str:
    """A message with its arguments named as options of the command line.

    >>> with_option_names("`from_scratch` contradicts `weights`")
    '--from-scratch contradicts --weights'
    """
    return re.sub(r"`([a-z_]+)`", lambda found: f"--{found[1].replace('_', '-')}", text)


class OutputError(MvtecError):
    """The place to write to is taken or cannot be written."""


class WeightsError(MvtecError):
    """The pretrained weights asked for are not on this machine, or do not fit the model."""


class LeakError(MvtecError):
    """A figure would be dishonest: the model was trained on an image it is judged on."""


def no_folder(path: Path, hint: str) -> InputError:
    """The error of a path that should be a folder, and is a file or is not there."""
    return InputError(path, "is a file" if path.exists() else "no such folder", hint)


def install_hint(extra: str) -> str:
    """How to install an optional part of this package, for the hint of an error; it is on no package index."""
    return f"run pip install '.[{extra}]' in the folder of mvtec's source"


def whose_memory_is_full(error: BaseException) -> str | None:
    """Whose memory an error says is full, `machine` or `GPU`; None if it says something else.

    torch's errors are known by name and text, so that torch need not be loaded.
    """
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "machine"
    return "GPU" if type(error).__name__ == "OutOfMemoryError" or "MPS backend out of memory" in str(error) else None
