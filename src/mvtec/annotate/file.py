"""The annotation file and its working store: read into it once, and rewritten from it, whole, again and again."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mvtec.annotate.store import Kept, Record, Store, now, to_json
from mvtec.annotate.worth import standing
from mvtec.convert.coco import CocoAnnotation, CocoDataset, CocoImage, read_coco, write_coco_parts
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import InputError, MvtecError, OutputError
from mvtec.files import sha256_file

_MODELS = frozenset({"sam", "detector", "anomaly"})  # as `attributes.source` has them
_LARGEST_ID = 2**53  # what the page's JavaScript holds exactly


@dataclass(frozen=True)
class Opened:
    """A store, ready for work.

    Attributes:
        store: The store.
        missing: How many photos of the file are not in the folder; they stay in the file.
        aside: Where the former store lies, if another program has changed the file since.
    """

    store: Store
    missing: int
    aside: Path | None


def store_path(annotations: Path) -> Path:
    """`bottle.json.work.sqlite` beside `bottle.json`."""
    return annotations.with_name(f"{annotations.name}.work.sqlite")


def open_store(
    root: Path, names: Iterable[str], annotations: Path, *, on_photo: Callable[[], None] = lambda: None
) -> Opened:
    """Open the working store of an annotation file, and begin one where there is none.

    A new store begins with the file, or without one with the masks in the tree, or with nothing. An old one goes on
    where it was. Photos that have come into the folder since are added.

    Args:
        root: The folder of the photos.
        names: The photos in it.
        annotations: The annotation file; it may be missing.
        on_photo: Called while masks are read.

    Raises:
        InputError: The file is none, a mask breaks a rule, or another program has changed the file while the store
            has changes of its own.
        OutputError: The store cannot be made.
    """
    path = store_path(annotations)
    aside = None
    try:
        annotations.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(annotations.parent, f"cannot be made ({error.strerror})", "Choose another --ann") from error
    store = Store(path, standing)
    is_new = not _is_begun(store)
    try:
        if not is_new and _file_is_newer(store, annotations):
            # The former revisions are of other photos and numbers, perhaps: they are kept, and a new store begins.
            store.close()
            aside = path.with_name(f"{path.name}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")
            path.replace(aside)
            store = Store(path, standing)
            is_new = True
        if is_new:
            _begin(store, root, annotations, on_photo)
        missing = _add_photos(store, set(names))
    except BaseException:
        store.close()
        if is_new:
            path.unlink(missing_ok=True)
            if aside is not None:
                aside.replace(path)
        raise
    return Opened(store, missing, aside)


def _is_begun(store: Store) -> bool:
    return store.get("file_sha256") is not None or bool(store.get("changes"))


def _file_is_newer(store: Store, annotations: Path) -> bool:
    """Whether the file was changed by another program, and may be read again because the store has nothing more."""
    if not annotations.is_file():
        return False
    if sha256_file(annotations) in (store.get("file_sha256"), store.get("writing_sha256")):
        return False
    if store.get("changes") == store.get("written_changes"):
        return True
    raise InputError(
        annotations,
        f"was changed by another program, and {store.path.name} beside it has changes that are not in it",
        "Move one of the two away: without the store the file is read anew, without the file it is written from the "
        "store",
    )


def _begin(store: Store, root: Path, annotations: Path, on_photo: Callable[[], None]) -> None:
    with store.transaction():
        if annotations.is_file():
            digest = sha256_file(annotations)
            _take(store, read_coco(annotations))
            store.set("file_sha256", digest)
        elif root.is_dir() and layout_of(root) is not None:
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "instances.json"
                masks_to_coco(read_tree(root), made, options=InstanceOptions(), on_sample=on_photo)
                _take(store, read_coco(made))
            store.changed()
        else:
            store.set("more", {"info": {"description": f"{root.resolve().name}, annotated with mvtec annotate"}})
            store.changed()
        store.set("written_changes", store.get("changes") if annotations.is_file() else None)


def _take(store: Store, content: CocoDataset) -> None:
    """Put an annotation file into an empty store."""
    store.set("more", {**(content.model_extra or {}), "info": content.info})
    numbers = {
        "image": [image.id for image in content.images],
        "annotation": [annotation.id for annotation in content.annotations],
        "category": [category.id for category in content.categories],
    }
    for kind, own in numbers.items():
        if large := next((number for number in own if abs(number) > _LARGEST_ID), None):
            raise InputError("the annotation file", f"has {kind} id {large}", "Give it a number below 2^53")
    for category in content.categories:
        if category.name in store.categories().values():
            raise InputError("the annotation file", f"has two categories {category.name}", "Give each its own name")
        more = to_json(category.model_extra or {})
        store.execute("INSERT INTO category VALUES (?, ?, ?)", (category.id, category.name, more))
    of_image: dict[int, list[Record]] = {}
    for annotation in content.annotations:
        key = f"a{annotation.id}"
        store.execute("INSERT INTO identity VALUES (?, ?, ?)", (key, annotation.image_id, annotation.id))
        of_image.setdefault(annotation.image_id, []).append(record_of(annotation, key))
    names = set()
    for image in content.images:
        if image.file_name in names:
            raise InputError("the annotation file", f"has {image.file_name} twice", "Join the two")
        names.add(image.file_name)
        store.put(_photo_of(image, of_image.get(image.id, [])))


def record_of(annotation: CocoAnnotation, key: str) -> Record:
    """An annotation of a file; what a model said and nobody has looked at is a proposal.

    What we do not understand of it is kept in `more` as it is: keys, values that are null, attributes that are a list.
    """
    more = dict(annotation.model_extra or {})
    said = {name: getattr(annotation, name) for name in annotation.model_fields_set}
    attributes = annotation.attributes if isinstance(annotation.attributes, dict) else {}
    if "attributes" in said and not attributes:
        more["attributes"] = annotation.attributes
    if "segmentation" in said and not annotation.segmentation:
        more["segmentation"] = annotation.segmentation
    if "iscrowd" in said:
        more["iscrowd"] = annotation.iscrowd
    score = more.get("score")
    if is_score := isinstance(score, int | float) and not isinstance(score, bool):
        del more["score"]
    return Record(
        key=key,
        id=annotation.id,
        category_id=annotation.category_id,
        bbox=annotation.bbox,
        area=annotation.area,
        segmentation=annotation.segmentation or [],
        attributes=attributes,
        score=score if is_score else None,
        proposed=attributes.get("source") in _MODELS and not attributes.get("reviewed"),
        in_file=True,
        more=more,
    )


def _photo_of(image: CocoImage, records: list[Record]) -> Kept:
    more = dict(image.model_extra or {})
    attributes = more.get("attributes")
    said = attributes.get("review") if isinstance(attributes, dict) else None
    return Kept(
        id=image.id,
        name=image.file_name,
        size_wh=(image.width, image.height),
        state=said if said in ("good", "reviewed", "unsure") else None,
        revision=0,
        records=tuple(records),
        predicted=None,
        in_file=True,
        here=False,
        more=more,
    )


def _add_photos(store: Store, names: set[str]) -> int:
    """Note which photos of the store are in the folder, and add those it does not know. Returns how many are not."""
    with store.transaction():
        known = {row["name"]: (row["id"], bool(row["here"])) for row in store.rows("SELECT id, name, here FROM photo")}
        moved = [(name in names, number) for name, (number, here) in known.items() if here != (name in names)]
        store.execute_many("UPDATE photo SET here = ? WHERE id = ?", moved)
        last = max((number for number, _ in known.values()), default=0)
        new = enumerate(sorted(names - known.keys()), start=last + 1)
        store.execute_many("INSERT INTO photo (id, name, more, in_file, here) VALUES (?, ?, '{}', 0, 1)", new)
    return len(known.keys() - names)


def write_file(store: Store, annotations: Path) -> None:
    """Rewrite the annotation file from the store, whole or not at all. One at a time.

    Photos without labels that nobody has marked and that the file did not know are left out: in COCO a photo without
    annotations is one without defects.

    Raises:
        InputError: Another program has changed the file.
        OutputError: It cannot be written.
    """
    digest = store.get("file_sha256")
    if annotations.is_file():
        if digest is None:
            raise InputError(annotations, "has come to be meanwhile", "Move it away, and it will be written anew")
        if sha256_file(annotations) not in (digest, store.get("writing_sha256")):
            raise InputError(annotations, "was changed by another program", "Move it away, and it will be written anew")
    with store.transaction():  # only while it is read; the page goes on while it is written
        changes, parts = store.get("changes"), _parts(store)
    beside = annotations.with_name(f".{annotations.name}.new")
    try:
        write_coco_parts(beside, parts, overwrite=True)
        with beside.open("rb") as written:
            os.fsync(written.fileno())
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
        "images": (_image_json(photo) for photo in map(store.kept, photos) if _is_written(photo)),
        "annotations": (
            _annotation_json(photo, record)
            for photo in map(store.kept, photos)
            for record in photo.records
            if record.in_file or not record.proposed
        ),
    }


def _is_written(photo: Kept) -> bool:
    return photo.in_file or photo.state is not None or any(not record.proposed for record in photo.records)


def _image_json(photo: Kept) -> dict[str, Any]:
    assert photo.size_wh is not None, "a photo that was changed has a size"
    more = dict(photo.more)
    attributes = more.pop("attributes", {})
    if isinstance(attributes, dict):
        attributes = {key: value for key, value in attributes.items() if key != "review"}
        if photo.state is not None:
            attributes["review"] = photo.state
    if attributes:
        more["attributes"] = attributes
    width, height = photo.size_wh
    return {**more, "id": photo.id, "file_name": photo.name, "width": width, "height": height}


def _annotation_json(photo: Kept, record: Record) -> dict[str, Any]:
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
        "bbox": [_plain(number) for number in record.bbox],
        "area": _plain(record.area),
    }


def _plain(number: float) -> float:
    """Whole numbers without a point: 350, not 350.0."""
    return int(number) if number == int(number) else number


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
            if not self.unsaved and self.path.is_file():
                self.problem = None
                return
            try:
                write_file(self.store, self.path)
                self.problem = None
            except MvtecError as error:
                self.problem = str(error)
            except OSError as error:
                self.problem = f"{self.path}: cannot be written ({error.strerror}). Make room on the disk."
            except Exception as error:  # whatever it is, the page must know, and the next try must come
                logging.getLogger(__name__).exception("saving failed")
                self.problem = f"{self.path}: cannot be written ({type(error).__name__}: {error})."
