"""The annotation file and its working store: read into it once, and rewritten from it, whole, again and again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvtec.annotate.store import Kept, Record, Store, now
from mvtec.annotate.worth import standing
from mvtec.convert.coco import CocoAnnotation, CocoDataset, CocoImage, read_coco, write_coco_parts
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import InputError, MvtecError
from mvtec.files import sha256_file

_OF_ANNOTATION = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "attributes", "score")
_OF_IMAGE = ("id", "file_name", "width", "height")
_SOURCES_OF_PEOPLE = (None, "person")


@dataclass(frozen=True)
class Opened:
    """A store, ready for work.

    Attributes:
        store: The store.
        missing: How many photos of the file are not in the folder; they stay in the file.
    """

    store: Store
    missing: int


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
    annotations.parent.mkdir(parents=True, exist_ok=True)
    path = store_path(annotations)
    is_new = not path.exists()
    store = Store(path, standing)
    try:
        begun = store.get("file_sha256") is not None or store.get("changes")
        if not begun or _file_is_newer(store, annotations):
            _begin(store, root, annotations, on_photo)
        missing = _add_photos(store, set(names))
    except BaseException:
        store.close()
        if is_new:
            path.unlink(missing_ok=True)
        raise
    return Opened(store, missing)


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
        for table in ("photo", "category", "has_category"):
            store.execute(f"DELETE FROM {table}")
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
    known = {name for name, _ in CocoDataset.model_fields.items()} - {"info"}
    store.set("more", {key: value for key, value in content.to_json().items() if key not in known})
    for category in content.categories:
        more = {key: value for key, value in category.model_dump(mode="json").items() if key not in ("id", "name")}
        if category.name in store.categories().values():
            raise InputError("the annotation file", f"has two categories {category.name}", "Give each its own name")
        store.execute("INSERT INTO category VALUES (?, ?, ?)", (category.id, category.name, json.dumps(more)))
    of_image: dict[int, list[Record]] = {}
    for annotation in content.annotations:
        key = f"a{annotation.id}"
        store.execute("INSERT OR REPLACE INTO identity VALUES (?, ?)", (key, annotation.id))
        of_image.setdefault(annotation.image_id, []).append(record_of(annotation, key))
    names = set()
    for image in content.images:
        if image.file_name in names:
            raise InputError("the annotation file", f"has {image.file_name} twice", "Join the two")
        names.add(image.file_name)
        store.put(_photo_of(image, of_image.get(image.id, [])), here=False)


def record_of(annotation: CocoAnnotation, key: str) -> Record:
    """An annotation of a file; what a model said and nobody has looked at is a proposal."""
    everything = annotation.model_dump(mode="json", exclude_none=True)
    attributes = annotation.attributes if isinstance(annotation.attributes, dict) else {}
    score = everything.get("score")
    by_model = attributes.get("source") not in _SOURCES_OF_PEOPLE
    more = {name: value for name, value in everything.items() if name not in _OF_ANNOTATION}
    if annotation.iscrowd:
        more["iscrowd"] = annotation.iscrowd
    if annotation.attributes is not None and not isinstance(annotation.attributes, dict):
        more["attributes"] = annotation.attributes
    return Record(
        key=key,
        id=annotation.id,
        category_id=annotation.category_id,
        bbox=annotation.bbox,
        area=annotation.area,
        segmentation=annotation.segmentation or [],
        attributes=attributes,
        score=float(score) if isinstance(score, int | float) else None,
        proposed=by_model and not attributes.get("reviewed"),
        in_file=True,
        more=more,
    )


def _photo_of(image: CocoImage, records: list[Record]) -> Kept:
    more = {name: value for name, value in image.model_dump(mode="json").items() if name not in _OF_IMAGE}
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
    """Rewrite the annotation file from the store, whole or not at all.

    Photos without labels that nobody has marked and that the file did not know are left out: in COCO a photo without
    annotations is one without defects.

    Raises:
        InputError: Another program has changed the file.
        OutputError: It cannot be written.
    """
    with store.transaction():
        changes = store.get("changes")
        digest = store.get("file_sha256")
        if annotations.is_file() and digest is not None:
            found = sha256_file(annotations)
            if found not in (digest, store.get("writing_sha256")):
                raise InputError(
                    annotations, "was changed by another program", "Move it away, and it will be written anew"
                )
        elif annotations.is_file():
            raise InputError(annotations, "has come to be meanwhile", "Move it away, and it will be written anew")
        beside = annotations.with_name(f".{annotations.name}.new")
        try:
            write_coco_parts(beside, _parts(store), overwrite=True)
            # The digest is noted before the file is moved in: a crash in between is then no change by others.
            store.set("writing_sha256", sha256_file(beside))
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    beside.replace(annotations)
    with store.transaction():
        store.set("file_sha256", store.get("writing_sha256"))
        store.set("written_changes", changes)
        store.set("saved_at", now())


def _parts(store: Store) -> dict[str, Any]:
    more: dict[str, Any] = store.get("more") or {}
    categories = [
        {**json.loads(row["more"]), "id": row["id"], "name": row["name"]}
        for row in store.rows("SELECT * FROM category ORDER BY id")
    ]
    return {
        **more,
        "categories": categories,
        "images": (_image_json(photo) for photo in store.photos() if _is_written(photo)),
        "annotations": (
            _annotation_json(photo, record)
            for photo in store.photos()
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
    written = {
        "iscrowd": 0,
        "attributes": record.attributes,
        "score": record.score,
        **record.more,
        "id": record.id,
        "image_id": photo.id,
        "category_id": record.category_id,
        "bbox": [_plain(number) for number in record.bbox],
        "area": _plain(record.area),
        "segmentation": record.segmentation,
    }
    return {key: value for key, value in written.items() if value is not None and (key != "attributes" or value)}


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
