"""Opens the working store of an annotation file: begins it with the file, with masks or with nothing, or goes on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mvtec.annotate.server.photos import category_of
from mvtec.annotate.server.priority import review_priority
from mvtec.annotate.server.store import Store
from mvtec.annotate.server.stored import StoredAnnotation, StoredPhoto, to_json
from mvtec.convert.fitting import spellings
from mvtec.convert.formats.coco.files import CocoAnnotation, CocoDataset, CocoImage, read_coco
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.errors import InputError, OutputError
from mvtec.files import sha256_file

_MODELS = frozenset({"sam", "detector", "anomaly"})  # as `attributes.source` has them
_LARGEST_ID = 2**53  # what the page's JavaScript holds exactly


@dataclass(frozen=True)
class Opened:
    """A store, ready for work.

    Attributes:
        store: The store.
        missing: How many photos of the file are not in the folder; they stay in the file.
        unread: The error line of each photo whose masks could not be read when the store began; it has no labels yet.
        aside: Where the former store lies, if another program has changed the file since.
        former: The folder that the store was of, if that is another one, which is still there.
    """

    store: Store
    missing: int
    unread: tuple[str, ...]
    aside: Path | None
    former: Path | None


def store_path(annotations: Path) -> Path:
    """`bottle.json.work.sqlite` beside `bottle.json`."""
    return annotations.with_name(f"{annotations.name}.work.sqlite")


def open_store(
    root: Path,
    names: Iterable[str],
    annotations: Path,
    *,
    was_named: bool = True,
    on_photo: Callable[[], None] = lambda: None,
) -> Opened:
    """Open the working store of an annotation file, and begin one where there is none.

    A new store begins with the file, or without one with the masks in the tree, or with nothing. An old one goes on
    where it was. Photos that have come into the folder since are added. A photo without a mask that can be read begins
    without labels.

    Args:
        root: The folder of the photos.
        names: The photos in it.
        annotations: The annotation file; it may be missing.
        was_named: Whether the user has named the file, so that it may go on with the photos of another folder.
        on_photo: Called while masks are read.

    Raises:
        InputError: The file is none, another program has changed it while the store has changes of its own, or it holds
            labels of another folder and was not named.
        OutputError: The store cannot be made.
    """
    path = store_path(annotations)
    aside, here = None, set(names)
    unread: list[str] = []
    if annotations.is_dir():
        raise InputError(annotations, "is a folder", "Give a file as --ann")
    try:
        annotations.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(annotations.parent, f"cannot be made ({error.strerror})", "Choose another --ann") from error
    store = Store(path, review_priority)
    is_new = not _is_begun(store)
    try:
        former = _former_folder(store, root)
        if former is not None and not was_named:
            raise InputError(
                annotations,
                f"holds the labels of {former}",
                f"Give another file as --ann, or this one, to use it for {root}",
            )
        if not is_new and _file_is_newer(store, annotations):
            # The former revisions are of other photos and numbers, perhaps: they are kept, and a new store begins.
            store.close()
            is_new = True
            aside = path.with_name(f"{path.name}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")
            path.replace(aside)
            store = Store(path, review_priority)
        if is_new:
            unread = _begin(store, root, here, annotations, on_photo)
        missing = _add_photos(store, here)
    except BaseException:
        store.close()
        if is_new:
            path.unlink(missing_ok=True)
            if aside is not None:
                aside.replace(path)
        raise
    return Opened(store, missing, tuple(unread), aside, former)


def note_folder(store: Store, root: Path) -> None:
    """Note whose photos the labels of a store are, once all is open."""
    store.set("root", _place(root))


def _former_folder(store: Store, root: Path) -> Path | None:
    """The folder of the photos at the last start, if that is another one, which is still there."""
    found = store.get("root")
    # Of a folder that nobody may look into os.path says no, and Path raises.
    is_other = found not in (None, _place(root)) and os.path.isdir(found)  # noqa: PTH112
    return Path(found) if is_other else None


def _place(root: Path) -> str:
    """Where a folder lies, as text that can be written, whatever its name."""
    return os.fsencode(root.resolve()).decode("utf-8", "backslashreplace")


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


def _begin(store: Store, root: Path, names: set[str], annotations: Path, on_photo: Callable[[], None]) -> list[str]:
    """Returns the error lines of photos whose masks cannot be read."""
    unread: list[str] = []
    with store.transaction():
        if annotations.is_file():
            digest = sha256_file(annotations)
            _take(store, read_coco(annotations), names)
            store.set("file_sha256", digest)
        elif (dataset := category_of(root)) is not None:
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "instances.json"
                options = InstanceOptions(on_error="skip")
                _, receipt = masks_to_coco(dataset, made, options=options, on_sample=on_photo)
                unread = receipt.skipped
                _take(store, read_coco(made), names)
            store.changed()
        else:
            store.set("more", {"info": {"description": f"{root.resolve().name}, annotated with mvtec annotate"}})
            store.changed()
        store.set("written_changes", store.get("changes") if annotations.is_file() else None)
    return unread


def _take(store: Store, content: CocoDataset, here: set[str]) -> None:
    """Put an annotation file into an empty store; its photos get the names they have in the folder."""
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
    of_image: dict[int, list[StoredAnnotation]] = {}
    for annotation in content.annotations:
        key = f"a{annotation.id}"
        store.execute("INSERT INTO identity VALUES (?, ?, ?)", (key, annotation.image_id, annotation.id))
        of_image.setdefault(annotation.image_id, []).append(record_of(annotation, key))
    names: set[str] = set()
    for image in content.images:
        image.file_name = next((name for name in spellings(image.file_name) if name in here), image.file_name)
        if image.file_name in names:
            raise InputError("the annotation file", f"has {image.file_name} twice", "Join the two")
        names.add(image.file_name)
        store.put(_photo_of(image, of_image.get(image.id, [])))


def record_of(annotation: CocoAnnotation, key: str) -> StoredAnnotation:
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
    return StoredAnnotation(
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


def _photo_of(image: CocoImage, records: list[StoredAnnotation]) -> StoredPhoto:
    more = dict(image.model_extra or {})
    attributes = more.get("attributes")
    said = attributes.get("review") if isinstance(attributes, dict) else None
    return StoredPhoto(
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
