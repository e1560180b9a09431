"""Whether the files of an open database still lie where they were opened, and how they come back.

On most systems a file can be removed while it is open. What is written to it then is gone with the process, and nobody
would be told.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from mvtec.errors import OutputError

Place = tuple[tuple[int, int] | None, tuple[int, int] | None]
_STOP = "Stop mvtec annotate with Ctrl+C: it writes all labels to the annotation file first"


def place_of(path: Path) -> Place:
    """Which files lie at the path of a database and of its log: device and number of each, None where there is none."""
    return _file(path), _file(_log(path))


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def put_back(db: sqlite3.Connection, path: Path, opened: Place) -> sqlite3.Connection:
    """Write a database anew whose file, or log, was removed while it was open.

    Args:
        db: The connection; it is closed.
        path: Where the file is to be.
        opened: The files that the connection has open.

    Returns:
        A connection to the new file.

    Raises:
        OutputError: Another file lies there, or it cannot be written.
    """
    found, _ = place_of(path)
    if found not in (None, opened[0]):
        raise OutputError(path, "was replaced by another file while it was open", _STOP)
    beside = path.with_name(f".{path.name}.new")
    try:
        if found is None:
            _write_copy(db, beside)
            db.close()  # which removes the log that lies there
            _log(path).unlink(missing_ok=True)
            beside.rename(path)
        else:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            db.close()
        again = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error, UnicodeError) as error:
        problem = f"was removed while it was open, and cannot be written again ({error})"
        raise OutputError(path, problem, _STOP) from error
    logging.getLogger(__name__).warning("%s was removed while it was open, and was written again", path)
    return again


def _write_copy(db: sqlite3.Connection, beside: Path) -> None:
    """Write all that a database holds into a new file, and wait for the disk."""
    beside.unlink(missing_ok=True)
    try:
        db.execute("VACUUM INTO ?", (str(beside),))
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
