"""Brings a working store of an older version into the form of this one: all in one transaction, with a copy till then.

Format 1 had all annotations, with their shapes, in every revision of a photo.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mvtec.annotate.server import annotation_tables
from mvtec.annotate.server.schema import CONTENTS
from mvtec.annotate.server.stored import StoredAnnotation
from mvtec.errors import OutputError

if TYPE_CHECKING:
    from mvtec.annotate.server.store import Store

OLD_FORMAT = 1


def _copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.format{OLD_FORMAT}")


def upgrade(store: Store, db: sqlite3.Connection) -> None:
    """Bring a store of format 1 to format 2. A copy lies beside it until `remove_copy`.

    Args:
        store: The store.
        db: Its connection.

    Raises:
        OutputError: The disk is full; nothing was changed.
    """
    copy = _copy_of(store.path)
    remove_copy(store.path)
    try:
        with closing(sqlite3.connect(copy)) as target:
            db.backup(target)
    except (OSError, sqlite3.Error) as error:
        remove_copy(store.path)
        raise OutputError(copy, f"cannot be written ({error})", "Make room on the disk; nothing was changed") from error
    with store.transaction():
        for statement in CONTENTS.split(";"):
            store.execute(statement)
        for row in store.rows("SELECT id FROM photo"):
            _upgrade_photo(store, row["id"])
        store.set("format", OLD_FORMAT + 1)
    with suppress(sqlite3.Error):  # what is not compact works as well
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def remove_copy(path: Path) -> None:
    """Remove the copy of the store at a path, once all is done."""
    _copy_of(path).unlink(missing_ok=True)


def _upgrade_photo(store: Store, number: int) -> None:
    for row in store.rows("SELECT revision FROM version WHERE photo = ? ORDER BY revision", (number,)):
        key = (number, row["revision"])  # one at a time: all of them may be larger than the memory
        found = store.rows("SELECT records FROM version WHERE photo = ? AND revision = ?", key)[0]
        kept = annotation_tables.keep_records(store, number, _read(found["records"]))
        store.execute("UPDATE version SET records = ? WHERE photo = ? AND revision = ?", (kept, *key))
    found = store.rows("SELECT records, predicted, revision FROM photo WHERE id = ?", (number,))[0]
    kept = annotation_tables.keep_records(store, number, _read(found["records"]))
    predicted = found["predicted"]
    if predicted is not None:
        predicted = annotation_tables.keep_records(store, number, _read(predicted))
    store.execute("UPDATE photo SET records = ?, predicted = ? WHERE id = ?", (kept, predicted, number))
    annotation_tables.drop_old_revisions(store, number, found["revision"])


def _read(text: str) -> tuple[StoredAnnotation, ...]:
    return tuple(StoredAnnotation(**{**entry, "bbox": tuple(entry["bbox"])}) for entry in json.loads(text))
