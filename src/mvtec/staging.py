"""Moves what a command has written into place in one act, and repairs what a killed command left half moved.

While a command writes OUT, a hidden folder `.OUT.tmp` lies beside it. It holds

    owner        a file that the command keeps locked: if nobody holds the lock, the command was killed
    new/         what is being written
    old/         what lay in the places of the new files; it is moved here when all of them are complete
    moves.json   names, and how to recognise the new files: there from before the first move until after the last

A killed command leaves that folder. Without `moves.json` nothing was moved, or all was: the folder is removed. With it
the moves are undone: the older files come back, all of them. So no kill leaves new files beside older ones.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from pathlib import Path

from mvtec.errors import MvtecWarning, OutputError

if sys.platform != "win32":
    import fcntl

BEING_MADE = ".being-made"  # a file in a folder that lies in its place already while it is being made
_OWNER, _MOVES = "owner", "moves.json"


class Staging:
    """The staging folder of an output, or of several in one folder; it is made when a path in it is asked for.

    Attributes:
        folder: Where the outputs are to lie.
        place: The staging folder.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out.absolute().parent
        self.place = self.folder / f".{out.name}.tmp"
        self._out = out
        self._lock: int | None = None
        self._is_open = False
        self._may_replace: dict[str, bool] = {}

    def new(self, name: str) -> Path:
        """Where to write the output of that name.

        Raises:
            OutputError: Another command writes this output now.
        """
        if not self._is_open:
            with _alone_in(self.folder):
                if os.path.lexists(self.place) and not _settle(self.place):
                    problem = f"is being written by another command (in {self.place})"
                    raise OutputError(self._out, problem, "Wait until it ends, or choose another place for the output")
                self.place.mkdir()
                self._lock = locked(self.place / _OWNER)
                (self.place / "new").mkdir()
                self._is_open = True
        return self.place / "new" / name

    def add(self, name: str, *, overwrite: bool) -> None:
        """Say that the output of that name is complete, and whether it may replace what is there by now."""
        self._may_replace[name] = overwrite

    def move_in(self) -> None:
        """Move all outputs into place, or none.

        Raises:
            OutputError: One exists by now and may not be replaced.
        """
        if not self._may_replace:
            return
        with _alone_in(self.folder):
            self._check_free()
            if len(self._may_replace) == 1:
                (name,) = self._may_replace
                new, place = self.place / "new" / name, self.folder / name
                if not new.is_dir() or not os.path.lexists(place):
                    new.replace(place)  # the one step needs no protection
                    return
            self._begin_moves()
            self._end_moves()

    def move_in_early(self) -> None:
        """Move a folder into place that is not complete; `finish` or `take_back` must follow."""
        with _alone_in(self.folder):
            self._check_free()
            self._begin_moves()

    def finish(self) -> None:
        """Let a folder that was moved in early stay: it is complete."""
        self._end_moves()
        for name in self._may_replace:
            (self.folder / name / BEING_MADE).unlink()

    def take_back(self) -> None:
        """Take a folder that was moved in early out of its place, and put back what was there."""
        with _alone_in(self.folder):
            _undo(self.place)

    def close(self) -> None:
        """Remove the staging folder."""
        if self._is_open and not os.path.lexists(self.place / _MOVES):
            _remove_staging(self.place)
        if self._lock is not None:
            os.close(self._lock)
        if os.path.lexists(self.place):  # it was interrupted while it was made, or while its moves were undone
            with _alone_in(self.folder):
                _settle(self.place)

    def _check_free(self) -> None:
        for name, overwrite in self._may_replace.items():
            if os.path.lexists(self.folder / name) and not overwrite:
                problem = "was written by another program meanwhile"
                raise OutputError(
                    self.folder / name, problem, "Choose another place for the output, or pass --overwrite"
                )

    def _begin_moves(self) -> None:
        names = sorted(self._may_replace)
        try:
            (self.place / "old").mkdir()
            written = self.place / f"{_MOVES}.new"
            written.write_text(json.dumps({name: _identity(self.place / "new" / name) for name in names}), "utf-8")
            written.replace(self.place / _MOVES)
            for name in names:
                if os.path.lexists(self.folder / name):
                    (self.folder / name).rename(self.place / "old" / name)
            for name in names:
                (self.place / "new" / name).rename(self.folder / name)
        except BaseException:
            _undo(self.place)
            raise

    def _end_moves(self) -> None:
        try:
            (self.place / _MOVES).unlink()
        except BaseException:
            _undo(self.place)
            raise


@contextmanager
def staging(out: Path) -> Iterator[Staging]:
    """The staging folder of an output, for as long as the block runs."""
    stage = Staging(out)
    try:
        yield stage
    finally:
        stage.close()


_SET: ContextVar[Staging | None] = ContextVar("_SET", default=None)


@contextmanager
def together(out: Path) -> Iterator[None]:
    """All that is written in this block into the folder of `out` comes into place in one act when the block ends.

    Where the block is part of another one for the same folder, that one ends it.

    Args:
        out: The output, or what the set of outputs is named after.

    Raises:
        OutputError: Another command writes it now, or one of the outputs exists by now and may not be replaced.
    """
    outer = _SET.get()
    if outer is not None and outer.folder == out.absolute().parent:
        yield
        return
    with staging(out) as stage:
        token = _SET.set(stage)
        try:
            yield
        finally:
            _SET.reset(token)
        stage.move_in()


@contextmanager
def staged(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield where to write `path`; it is moved into place when the block, or the set that it is part of, ends."""
    outer = _SET.get()
    if outer is not None and outer.folder == path.absolute().parent:
        yield outer.new(path.name)
        outer.add(path.name, overwrite=overwrite)
        return
    with staging(path) as stage:
        yield stage.new(path.name)
        stage.add(path.name, overwrite=overwrite)
        stage.move_in()


def repair(folder: Path) -> None:
    """Repair what killed commands left in a folder.

    What changes by that is said as an `MvtecWarning`. Where files cannot be locked, and of other users, all is left.
    """
    left = sorted(place for place in folder.glob(".*.tmp") if _is_staging(place))
    if left:
        with _alone_in(folder):
            for place in left:
                _settle(place)


def _is_staging(place: Path) -> bool:
    try:
        return {_OWNER, "new", "old", _MOVES, f"{_MOVES}.new"}.issuperset(inside.name for inside in place.iterdir())
    except OSError:
        return False


def _settle(place: Path) -> bool:
    """Undo the moves of a killed command and remove its staging folder; False if it may still be running."""
    if sys.platform == "win32" or place.is_symlink() or not _is_staging(place) or place.stat().st_uid != os.getuid():
        return False
    lock = locked(place / _OWNER)
    if lock is None:
        return False
    try:
        if said := _undo(place):
            warnings.warn(said, MvtecWarning, stacklevel=2)
        _remove_staging(place)
    finally:
        os.close(lock)
    return True


def _undo(place: Path) -> str:
    """Undo moves that have begun and not ended; what has changed by that, in words."""
    folder = place.parent
    try:
        moves = json.loads((place / _MOVES).read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except ValueError:
        moves = {}
    ours = [name for name in moves if Path(name).name == name and _is_new(folder / name, moves[name])]
    older = sorted(path.name for path in (place / "old").glob("*"))
    foreign = [name for name in older if name not in moves or (os.path.lexists(folder / name) and name not in ours)]
    if foreign:
        names = (folder / f"{place.name[1:-4]}.older{number or ''}" for number in count())
        kept = next(name for name in names if not os.path.lexists(name))
        (place / "old").rename(kept)
        said = (
            f"{folder / foreign[0]} was not written by the command that was killed; what lay there before is in {kept}"
        )
    else:
        for name in ours:
            (folder / name).rename(place / "new" / name)
        for name in older:
            (place / "old" / name).rename(folder / name)
        said = f"{folder}: a command was killed while it wrote {', '.join(moves)}; "
        said += f"{', '.join(older)} of before is back" if older else "what it had written of it is removed"
    (place / _MOVES).unlink()
    return said


def _remove_staging(place: Path) -> None:
    """Remove a staging folder whose moves are over or undone; an error leaves it to the next command."""
    for name in ("new", "old"):
        shutil.rmtree(place / name, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)


def _identity(path: Path) -> list[int] | None:
    """What tells a new file or folder from another in its place; None of one that is being made."""
    if (path / BEING_MADE).is_file():
        return None
    status = path.lstat()
    return [status.st_ino, status.st_mtime_ns]


def _is_new(path: Path, identity: list[int] | None) -> bool:
    return os.path.lexists(path) and _identity(path) == identity


def locked(file: Path) -> int | None:
    """The descriptor of a file, made where it is missing, that is locked; None if another holds it, or none can.

    The lock ends with the process, whatever ends it.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(file: Path) -> bool:
    """Whether another process, or another part of this one, holds the lock of a file; False where none can."""
    if sys.platform == "win32":
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one command at a time move outputs in a folder; where folders cannot be locked, all."""
    descriptor = None
    try:
        if sys.platform != "win32":
            with suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
