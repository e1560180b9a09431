"""Writes the annotation file from its working store, whole and again and again, and remembers why it could not."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from mvtec.annotate.server.store import Store, Written
from mvtec.annotate.server.stored import StoredAnnotation, StoredPhoto, now
from mvtec.convert.formats.coco.files import write_coco_parts
from mvtec.convert.formats.coco.segmentation import plain_number
from mvtec.errors import InputError, MvtecError
from mvtec.files import sha256_file


def write_file(store: Store, annotations: Path) -> None:
    """Rewrite the annotation file from the store, whole or not at all. One at a time.

    Photos without labels that nobody has marked and that the file did not know are left out: in COCO a photo without
    annotations is one without defects.

    Raises:
        InputError: Another program has changed the file.
        OutputError: It cannot be written.
    """
    own = {store.get("file_sha256"), store.get("writing_sha256")} - {None}  # of two when a crash came between them
    if annotations.is_file() and sha256_file(annotations) not in own:
        problem = "was changed by another program" if own else "has come to be meanwhile"
        raise InputError(annotations, problem, "Move it away, and it will be written anew")
    with store.transaction():  # only while it is read; the page goes on while it is written
        changes, parts = store.get("changes"), _parts(store)
    beside = annotations.with_name(f".{annotations.name}.new")
    try:
        write_coco_parts(beside, parts, overwrite=True)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        if annotations.is_file():
            shutil.copymode(annotations, beside)
        # The digest is noted before the file is moved in: a crash in between is then no change by others.
        store.set("writing_sha256", sha256_file(beside))
        beside.replace(annotations)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(annotations.parent)
    with store.transaction():
        store.set("file_sha256", store.get("writing_sha256"))
        store.set("written_changes", changes)
        store.set("saved_at", now())


def _sync_folder(folder: Path) -> None:
    """Wait until a file that was moved into a folder is there for good, where the system can tell."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _parts(store: Store) -> dict[str, Any]:
    """The file's keys; the long ones are made while they are written, of what was read now."""
    more: dict[str, Any] = store.get("more") or {}
    categories = [
        {**json.loads(row["more"]), "id": row["id"], "name": row["name"]}
        for row in store.rows("SELECT * FROM category ORDER BY id")
    ]
    photos = store.read_written()
    return {
        **more,
        "categories": categories,
        "images": (_image_json(photo) for photo in map(Written.photo, photos) if _is_written(photo)),
        "annotations": (
            _annotation_json(photo, record)
            for photo in map(Written.photo, photos)
            for record in photo.records
            if record.in_file or not record.proposed
        ),
    }


def _is_written(photo: StoredPhoto) -> bool:
    return photo.in_file or photo.state is not None or any(not record.proposed for record in photo.records)


def _image_json(photo: StoredPhoto) -> dict[str, Any]:
    assert photo.size_wh is not None, "a photo that was changed has a size"
    more = dict(photo.more)
    attributes = more.get("attributes")
    if isinstance(attributes, dict):
        more["attributes"] = {key: value for key, value in attributes.items() if key != "review"}
    if photo.state is not None and (not attributes or isinstance(attributes, dict)):
        more["attributes"] = {**(more.get("attributes") or {}), "review": photo.state}
    width, height = photo.size_wh
    return {**more, "id": photo.id, "file_name": photo.name, "width": width, "height": height}


def _annotation_json(photo: StoredPhoto, record: StoredAnnotation) -> dict[str, Any]:
    written = {} if record.in_file else {"iscrowd": 0, "segmentation": []}
    written |= record.more
    if record.attributes:
        written["attributes"] = record.attributes
    if record.segmentation:
        written["segmentation"] = record.segmentation
    if record.score is not None:
        written["score"] = record.score
    return written | {
        "id": record.id,
        "image_id": photo.id,
        "category_id": record.category_id,
        "bbox": [plain_number(number) for number in record.bbox],
        "area": plain_number(record.area),
    }


class AnnotationFile:
    """Keeps an annotation file up with its store, and remembers why it could not.

    Args:
        store: The store.
        path: The file.
    """

    def __init__(self, store: Store, path: Path) -> None:
        self.store = store
        self.path = path
        self.problem: str | None = None
        self._saving = threading.Lock()

    @property
    def unsaved(self) -> bool:
        """Whether the store has changes that the file does not have."""
        return bool(self.store.get("changes") != self.store.get("written_changes"))

    @property
    def saved_at(self) -> str | None:
        """When the file was last written."""
        found: str | None = self.store.get("saved_at")
        return found

    def save(self) -> None:
        """Write the file if it is behind or gone; a reason why not is kept as `problem`."""
        with self._saving:
            try:
                if self.unsaved or not self.path.is_file():
                    write_file(self.store, self.path)
                self.problem = None
            except MvtecError as error:
                self.problem = str(error)
            except OSError as error:
                self.problem = f"{self.path}: cannot be written ({error.strerror}). Make room on the disk."
            except Exception as error:  # whatever it is, the page must know, and the next try must come
                logging.getLogger(__name__).exception("saving failed")
                self.problem = f"{self.path}: cannot be written ({type(error).__name__}: {error})."
