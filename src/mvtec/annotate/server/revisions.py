"""A photo's annotations change from one revision to the next: saved as the page wants them, with their history."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from mvtec.annotate.server.annotation_tables import drop_old_revisions, last_known, read_records
from mvtec.annotate.server.records import Edit, PhotoEdit
from mvtec.annotate.server.shapes import stored_shape
from mvtec.annotate.server.store import Store
from mvtec.annotate.server.stored import StoredAnnotation, StoredPhoto, now
from mvtec.errors import InputError


class Conflict(Exception):  # noqa: N818 - it is no error of anyone
    """The photo is not the one that the page read: somebody else has saved it since, or its file was replaced.

    Args:
        current: The photo as it is now.
        why: In words.
    """

    def __init__(self, current: StoredPhoto, why: str = "somebody else has saved this photo") -> None:
        self.current = current
        super().__init__(why)


def save_edit(store: Store, number: int, edit: PhotoEdit, size_wh: tuple[int, int]) -> StoredPhoto:
    """Make the next revision of a photo; an edit that was made already is not made again.

    Args:
        store: The store.
        number: The photo.
        edit: All its annotations as they are to be.
        size_wh: Its width and height in pixels.

    Returns:
        The photo as the edit made it.

    Raises:
        Conflict: The edit is based on an older revision.
        InputError: It makes no sense: a shape without pixels, an unknown class or key, a key twice.
        KeyError: There is no such photo.
        OutputError: The disk is full, or the store's file was removed.
    """
    kept = _save_edit(store, number, edit, size_wh)
    store.ensure_in_place()
    return kept


def _save_edit(store: Store, number: int, edit: PhotoEdit, size_wh: tuple[int, int]) -> StoredPhoto:
    if twice := [key for key, count in Counter(wanted.key for wanted in edit.annotations).items() if count > 1]:
        raise InputError("the edit", f"names {twice[0]} twice", "Give each annotation a key of its own")
    shapes = {
        wanted.key: stored_shape(wanted.shape, size_wh[::-1]) for wanted in edit.annotations if wanted.shape is not None
    }
    with store.transaction():
        before = store.photo(number)
        if (done := _made_by(store, before, edit.change)) is not None:
            return done
        if edit.revision != before.revision:
            raise Conflict(before)
        classes = store.categories()
        known = {record.key: record for record in before.records}
        records = []
        for wanted in edit.annotations:
            if wanted.category_id not in classes:
                raise InputError("the edit", f"names class {wanted.category_id}, which is none", "Reload the page")
            old = known.get(wanted.key) or last_known(store, number, wanted.key)
            if old is None and wanted.key not in shapes:
                raise InputError("the edit", f"has no shape for {wanted.key}, which is new", "Reload the page")
            record = _new(wanted, store.number_of(wanted.key, number)) if old is None else _merged(old, wanted)
            if wanted.key in shapes:
                bbox, area, segmentation = shapes[wanted.key]
                if old is not None and old.segmentation and not segmentation:
                    record = replace(record, more={**record.more, "segmentation": []})
                record = replace(record, bbox=bbox, area=area, segmentation=segmentation)
            records.append(record)
        after = replace(before, size_wh=size_wh, state=edit.state, revision=before.revision + 1, records=tuple(records))
        if edit.state == "good" and any(not record.proposed for record in records):
            raise InputError("the photo", "has labels, and a good one has none", "Delete them, or mark it reviewed")
        keep_version(store, before, after, change=edit.change, client=edit.client)
        return after


def keep_version(store: Store, before: StoredPhoto, after: StoredPhoto, *, change: str, client: str) -> None:
    """Write a photo's new revision, and the first one if it was never changed before."""
    with store.transaction():
        if before.revision == 0:
            _insert(store, before, change="start", client="file", what="as it was found")
        store.put(after)
        _insert(store, after, change=change, client=client, what=what_changed(before, after))
        store.changed()
        drop_old_revisions(store, after.id, after.revision)


def _insert(store: Store, photo: StoredPhoto, *, change: str, client: str, what: str) -> None:
    """Keep the photo as it is in the store at the moment."""
    proposals = sum(record.proposed for record in photo.records)
    store.execute(
        "INSERT OR IGNORE INTO version SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, records FROM photo WHERE id = ?",
        (
            photo.revision,
            now(),
            client,
            change,
            what,
            photo.state,
            len(photo.records) - proposals,
            proposals,
            photo.id,
        ),
    )


def at_revision(store: Store, photo: StoredPhoto, revision: int) -> StoredPhoto:
    """A photo as it was.

    Raises:
        KeyError: It never had that revision.
    """
    if revision == photo.revision:
        return photo
    found = store.rows("SELECT state, records FROM version WHERE photo = ? AND revision = ?", (photo.id, revision))
    if not found:
        raise KeyError(revision)
    return replace(photo, state=found[0]["state"], revision=revision, records=read_records(store, found[0]["records"]))


def _made_by(store: Store, photo: StoredPhoto, change: str) -> StoredPhoto | None:
    found = store.rows("SELECT revision FROM version WHERE photo = ? AND change = ?", (photo.id, change))
    return at_revision(store, photo, found[0]["revision"]) if found else None


def _new(wanted: Edit, number: int) -> StoredAnnotation:
    """A new annotation, its shape still to come."""
    attributes = {"source": "person", **wanted.attributes, "reviewed": not wanted.proposed}
    if not attributes.get("edited"):
        attributes.pop("edited", None)
    return StoredAnnotation(
        wanted.key, number, wanted.category_id, (0, 0, 0, 0), 0, [], attributes, None, wanted.proposed
    )


def _merged(old: StoredAnnotation, wanted: Edit) -> StoredAnnotation:
    """What a person makes of an annotation: what a model said stays told apart from what they did."""
    attributes = {**old.attributes, **wanted.attributes}
    if wanted.proposed:
        attributes["reviewed"] = False
    elif "reviewed" in wanted.attributes and not wanted.attributes["reviewed"]:  # nobody's yet, or no more: undone
        attributes = dict(wanted.attributes)
        if attributes["reviewed"] is None:
            del attributes["reviewed"]
    elif old.proposed or wanted.shape is not None or wanted.category_id != old.category_id:
        attributes |= {"source": attributes.get("source", "person"), "reviewed": True}
        for reason in ("needs_review", "review_reason"):
            attributes.pop(reason, None)
    if "edited" in wanted.attributes:  # the page says it of each, because undo takes that back, too
        if not wanted.attributes["edited"]:
            del attributes["edited"]
    elif wanted.shape is not None and attributes.get("source") != "person":
        attributes["edited"] = True
    return replace(old, category_id=wanted.category_id, attributes=attributes, proposed=wanted.proposed)


def what_changed(before: StoredPhoto, after: StoredPhoto) -> str:
    """A revision in a few words.

    >>> kept = StoredPhoto(1, "a.png", None, None, 0, (), None, True, True, {})
    >>> what_changed(kept, replace(kept, state="unsure", records=(StoredAnnotation("k", 1, 1, (0, 0, 2, 2), 4),)))
    'added 1, unsure'
    """
    old = {record.key: record for record in before.records}
    new = {record.key: record for record in after.records}
    both = [(old[key], new[key]) for key in new if key in old]
    counts = {
        "added": len(new.keys() - old.keys()),
        "accepted": sum(one.proposed and not other.proposed for one, other in both),
        "changed": sum(_differ(one, other) for one, other in both),
        "rejected": sum(old[key].proposed for key in old.keys() - new.keys()),
        "deleted": sum(not old[key].proposed for key in old.keys() - new.keys()),
    }
    words = [f"{word} {count}" for word, count in counts.items() if count]
    if before.state != after.state:
        words.append(after.state or "not reviewed")
    return ", ".join(words) or "nothing"


def _differ(one: StoredAnnotation, other: StoredAnnotation) -> bool:
    return (one.category_id, one.bbox, one.segmentation) != (other.category_id, other.bbox, other.segmentation)
