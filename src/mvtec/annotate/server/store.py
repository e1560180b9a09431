"""The working store beside an annotation file: an SQLite database that has every change before the page says "saved".

The database is in WAL mode and waits for the disk at each change, so that what was answered for outlives the process
and the power. Only one process can have it open. Where its file is removed meanwhile, it is written again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mvtec.annotate.server import annotation_tables, migration
from mvtec.annotate.server.database_file import place_of, put_back
from mvtec.annotate.server.schema import CONTENTS, FORMAT, SCHEMA
from mvtec.annotate.server.stored import ReviewPriority, StoredAnnotation, StoredPhoto, to_json
from mvtec.errors import InputError, OutputError

_WAL_BYTES = 16 << 20  # what is left of the log after a large change


def _folded(text: str) -> str:
    """The text as it is compared: large and small letters are one, and so are both forms of an umlaut."""
    return unicodedata.normalize("NFC", text).casefold()


@dataclass(frozen=True)
class Written:
    """A photo as it was when the annotation file began to be written, still to be read.

    Attributes:
        row: Its row.
        records: Of each of its annotations the texts it is kept as.
    """

    row: sqlite3.Row
    records: list[tuple[str, str | None]]

    def photo(self) -> StoredPhoto:
        """The photo; what a model says of it is not told."""
        return replace(_kept(self.row), records=tuple(annotation_tables.record_of(*texts) for texts in self.records))


class Store:
    """The database, for all threads of this process.

    Args:
        path: Its file; made when it is missing.
        priority_of: Tells the priority of a photo, of its state, annotations and predictions.

    Raises:
        InputError: The file is no store of this version, or another process has it open.
        OutputError: It cannot be made.
    """

    def __init__(
        self,
        path: Path,
        priority_of: Callable[
            [str | None, Sequence[StoredAnnotation], Sequence[StoredAnnotation] | None], ReviewPriority
        ],
    ) -> None:
        self.path = path
        self._priority_of = priority_of
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise OutputError(path, f"cannot be made ({error})", "Choose another --ann") from error
        try:
            self._prepare()
            with self.transaction():
                if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in (SCHEMA + CONTENTS).split(";"):
                        self._db.execute(statement)
                    self.set("format", FORMAT)
                    self.set("name", uuid.uuid4().hex)
                    self.set("changes", 0)
                found = self.get("format")
            if found == migration.OLD_FORMAT:
                migration.upgrade(self, self._db)
            elif found != FORMAT:
                raise InputError(path, "was made by another version", "Go on with that version, or move it away")
            migration.remove_copy(path)
            self._place = place_of(path)
        except InputError:
            self._db.close()
            raise
        except OutputError as error:
            self._db.close()
            if "locked" in str(error):
                raise InputError(
                    path, "is open in another mvtec annotate", "Stop that one, or annotate another file"
                ) from error
            raise
        except sqlite3.DatabaseError as error:
            self._db.close()
            if "locked" in str(error):
                raise InputError(
                    path, "is open in another mvtec annotate", "Stop that one, or annotate another file"
                ) from error
            raise InputError(
                path, f"is no working store ({error})", "Move it away; the annotation file stays"
            ) from error

    def _prepare(self) -> None:
        """Set how the database that was just opened works."""
        self._db.row_factory = sqlite3.Row
        self._db.create_function("folded", 1, _folded, deterministic=True)
        self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a new one
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        self._db.execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the log, too

    def close(self) -> None:
        """Write all into the database file and let it go."""
        with self._lock, suppress(sqlite3.Error):
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's changes, or none; blocks may be nested.

        Raises:
            OutputError: The disk is full or cannot be written.
        """
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException as error:
                if self._depth == 1 and self._db.in_transaction:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise OutputError(
                        self.path, f"cannot be written ({error})", "Make room on the disk; nothing was changed"
                    ) from error
                raise
            finally:
                self._depth -= 1

    def ensure_in_place(self) -> None:
        """Make sure that the file at the store's path is the one that is open, and write it again if it was removed.

        To be called after a change, before anyone is told that it is saved.

        Raises:
            OutputError: It was removed and cannot be written again, or another file lies there by now: what was changed
                would be lost with this process.
        """
        with self._lock:
            if place_of(self.path) == self._place:
                return
            self._db = put_back(self._db, self.path, self._place)
            self._prepare()
            self._place = place_of(self.path)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows a statement of ours finds."""
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def execute(self, statement: str, values: Sequence[Any] | dict[str, Any] = ()) -> None:
        """Carry out a statement of ours."""
        with self.transaction():
            self._db.execute(statement, values)

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        """Carry out an INSERT of ours, and tell the number of the row."""
        with self.transaction():
            return int(self._db.execute(statement, values).lastrowid or 0)

    def execute_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Carry out a statement of ours for each of the values."""
        with self.transaction():
            self._db.executemany(statement, values)

    def get(self, name: str) -> Any:
        """What was kept under a name; None if nothing."""
        found = self.rows("SELECT value FROM meta WHERE name = ?", (name,))
        return json.loads(found[0]["value"]) if found else None

    def set(self, name: str, value: Any) -> None:
        """Keep something under a name."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, to_json(value)))

    def changed(self) -> None:
        """Note that the annotation file is behind."""
        self.set("changes", self.get("changes") + 1)

    def photo(self, number: int) -> StoredPhoto:
        """A photo by its number.

        Raises:
            KeyError: There is none.
        """
        found = self.rows("SELECT * FROM photo WHERE id = ?", (number,))
        if not found:
            raise KeyError(number)
        row = found[0]
        predicted = None if row["predicted"] is None else annotation_tables.read_records(self, row["predicted"])
        return replace(_kept(row), records=annotation_tables.read_records(self, row["records"]), predicted=predicted)

    def read_written(self) -> list[Written]:
        """All photos that may be in the annotation file, by their numbers."""
        written = "in_file OR state IS NOT NULL OR labels"
        texts: dict[int, list[tuple[str, str | None]]] = {}
        with self._lock:
            for row in self.rows(
                "SELECT photo.id, fields, segmentation FROM photo, json_each(photo.records) AS has "
                "JOIN record ON record.id = has.value LEFT JOIN shape ON shape.id = record.shape "
                f"WHERE {written} ORDER BY photo.id, has.key"
            ):
                texts.setdefault(row["id"], []).append((row["fields"], row["segmentation"]))
            photos = self.rows(f"SELECT * FROM photo WHERE {written} ORDER BY id")
        return [Written(row, texts.get(row["id"], [])) for row in photos]

    def put(self, photo: StoredPhoto) -> None:
        """Write a photo as it is now, with its review priority; its history does not change."""
        priority = self._priority_of(photo.state, photo.records, photo.predicted)
        with self.transaction():
            self._put(photo, priority)

    def _put(self, photo: StoredPhoto, priority: ReviewPriority) -> None:
        width, height = photo.size_wh or (None, None)
        predicted = photo.predicted
        columns = {
            "id": photo.id,
            "name": photo.name,
            "width": width,
            "height": height,
            "state": photo.state,
            "revision": photo.revision,
            "records": annotation_tables.keep_records(self, photo.id, photo.records),
            "predicted": None if predicted is None else annotation_tables.keep_records(self, photo.id, predicted),
            "more": to_json(photo.more),
            "in_file": photo.in_file,
            "here": photo.here,
            "labels": sum(not record.proposed for record in photo.records),
            "proposals": sum(record.proposed for record in photo.records),
            "worth": priority.value,
            "disagrees": priority.disagrees,
            "low_score": priority.low_score,
        }
        places = ", ".join("?" * len(columns))
        self.execute(f"INSERT OR REPLACE INTO photo ({', '.join(columns)}) VALUES ({places})", list(columns.values()))
        self.execute("DELETE FROM has_category WHERE photo = ?", (photo.id,))
        for category in sorted({record.category_id for record in photo.records}):
            self.execute("INSERT INTO has_category VALUES (?, ?)", (photo.id, category))

    def number_of(self, key: str, photo: int) -> int:
        """The number that a key of a photo has in the annotation file, for ever; a new key gets the next one.

        Raises:
            InputError: The key is another photo's.
        """
        with self.transaction():
            if found := self.rows("SELECT id, photo FROM identity WHERE key = ?", (key,)):
                if found[0]["photo"] != photo:
                    raise InputError("the edit", f"names {key}, which is of another photo", "Reload the page")
                return int(found[0]["id"])
            number = int(self.rows("SELECT coalesce(max(id), 0) + 1 AS next FROM identity")[0]["next"])
            self.execute("INSERT INTO identity VALUES (?, ?, ?)", (key, photo, number))
            return number

    def add_category(self, name: str) -> int:
        """Add a class; returns its number."""
        with self.transaction():
            number = max(self.categories(), default=0) + 1
            more = to_json({"supercategory": "defect"})
            self.execute("INSERT INTO category VALUES (?, ?, ?)", (number, name, more))
            self.changed()
        return number

    def categories(self) -> dict[int, str]:
        """The classes: names by number."""
        return {row["id"]: row["name"] for row in self.rows("SELECT id, name FROM category ORDER BY id")}


def _kept(row: sqlite3.Row) -> StoredPhoto:
    """A photo of a row, without annotations."""
    return StoredPhoto(
        id=row["id"],
        name=row["name"],
        size_wh=(row["width"], row["height"]) if row["width"] else None,
        state=row["state"],
        revision=row["revision"],
        records=(),
        predicted=None,
        in_file=bool(row["in_file"]),
        here=bool(row["here"]),
        more=json.loads(row["more"]),
    )
