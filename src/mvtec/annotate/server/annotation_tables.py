"""Annotations in the working store: each is kept once, and so is each shape, however many revisions of a photo have it.

A photo and its revisions hold lists of numbers of annotations; an annotation holds the number of its shape. So a
revision costs what it changes. What no revision has any more is removed when old revisions are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from mvtec.annotate.server.stored import StoredAnnotation, to_json

if TYPE_CHECKING:
    from mvtec.annotate.server.store import Store

_KEPT_REVISIONS = 500  # of a photo, besides the one it was found with
_DROPPED_AT_ONCE = 50
_RECORDS = "SELECT value FROM {table}, json_each({table}.{column}) WHERE {table}.{photo} = :photo"
_IN_USE = " UNION ALL ".join(
    [
        _RECORDS.format(table="version", column="records", photo="photo"),
        _RECORDS.format(table="photo", column="records", photo="id"),
        _RECORDS.format(table="photo", column="predicted", photo="id"),
    ]
)


def keep_records(store: Store, photo: int, records: Sequence[StoredAnnotation]) -> str:
    """Keep annotations of a photo, and tell the list of their numbers, as JSON."""
    return to_json([_keep_record(store, photo, record) for record in records])


def _keep_record(store: Store, photo: int, record: StoredAnnotation) -> int:
    fields = dict(vars(record))
    segmentation = fields.pop("segmentation")
    shape = None
    if segmentation:
        text = to_json(segmentation)
        shape = _number(store, "shape", photo, text, {"segmentation": text})
    text = to_json(fields)
    return _number(store, "record", photo, f"{shape} {text}", {"key": record.key, "shape": shape, "fields": text})


def _number(store: Store, table: str, photo: int, content: str, columns: dict[str, object]) -> int:
    """The number of the row of a photo that has this content; it is added if it is new."""
    digest = blake2b(content.encode(), digest_size=16).digest()
    found = store.rows(f"SELECT id FROM {table} WHERE photo = ? AND digest = ?", (photo, digest))
    if found:
        return int(found[0]["id"])
    columns = {"photo": photo, "digest": digest, **columns}
    places = ", ".join("?" * len(columns))
    return store.insert(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", list(columns.values()))


def read_records(store: Store, numbers: str) -> tuple[StoredAnnotation, ...]:
    """The annotations of a list that `keep_records` told."""
    rows = store.rows(
        "SELECT fields, segmentation FROM json_each(?) AS wanted JOIN record ON record.id = wanted.value "
        "LEFT JOIN shape ON shape.id = record.shape ORDER BY wanted.key",
        (numbers,),
    )
    return tuple(record_of(row["fields"], row["segmentation"]) for row in rows)


def record_of(fields: str, segmentation: str | None) -> StoredAnnotation:
    """An annotation of the two texts that it is kept as."""
    said = json.loads(fields)
    said["bbox"] = tuple(said["bbox"])
    return StoredAnnotation(**said, segmentation=json.loads(segmentation) if segmentation else [])


def last_known(store: Store, photo: int, key: str) -> StoredAnnotation | None:
    """The last that was known of an annotation that a photo may have no more; None where no kept revision has it."""
    had = [row["id"] for row in store.rows("SELECT id FROM record WHERE photo = ? AND key = ?", (photo, key))]
    if not had:
        return None
    found = store.rows(
        "SELECT had.value AS id FROM version, json_each(version.records) AS had WHERE version.photo = ? "
        f"AND had.value IN ({', '.join(map(str, had))}) ORDER BY version.revision DESC LIMIT 1",
        (photo,),
    )
    return read_records(store, to_json([found[0]["id"]]))[0] if found else None


def drop_old_revisions(store: Store, photo: int, newest: int) -> None:
    """Drop the revisions of a photo that are too old, some at a time, and what they alone had.

    Args:
        store: The store.
        photo: The photo.
        newest: Its newest revision.
    """
    with store.transaction():
        dropped = "FROM version WHERE photo = ? AND revision BETWEEN 1 AND ?", (photo, newest - _KEPT_REVISIONS)
        if store.rows(f"SELECT count(*) AS n {dropped[0]}", dropped[1])[0]["n"] < _DROPPED_AT_ONCE:
            return
        store.execute(f"DELETE {dropped[0]}", dropped[1])
        store.execute(f"DELETE FROM record WHERE photo = :photo AND id NOT IN ({_IN_USE})", {"photo": photo})
        store.execute(
            "DELETE FROM shape WHERE photo = ? AND NOT EXISTS (SELECT 1 FROM record WHERE record.shape = shape.id)",
            (photo,),
        )
        store.rows("PRAGMA incremental_vacuum")


def count_dropped(store: Store, photo: int) -> int:
    """How many of the oldest revisions of a photo were dropped."""
    found = store.rows("SELECT count(*) AS kept, max(revision) AS newest FROM version WHERE photo = ?", (photo,))[0]
    return int(found["newest"]) + 1 - int(found["kept"]) if found["kept"] else 0
