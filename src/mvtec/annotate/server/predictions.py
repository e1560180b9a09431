"""Turns a model's predictions into proposals, which a person accepts, corrects or rejects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mvtec.annotate.server.priority import SAME, same_kind
from mvtec.annotate.server.revisions import keep_version
from mvtec.annotate.server.store import Store
from mvtec.annotate.server.stored import StoredAnnotation, StoredPhoto
from mvtec.convert.formats.coco.files import CocoAnnotation, CocoResult, parse_coco
from mvtec.convert.formats.coco.results import categories_of, results_for, score_of
from mvtec.convert.photo_names import check_names
from mvtec.convert.pixels.geometry import BoxFloat, box_iou, cut_box
from mvtec.convert.provenance import PROVENANCE, read_provenance
from mvtec.datasets.images import BadPhotoError
from mvtec.errors import InputError
from mvtec.files import sha256_file
from mvtec.reading import read_json

_LEAST_SCORE = 0.1  # below it a detector's answers are mostly noise
_KEY = "p"  # the keys that the page makes are UUIDs, in which there is no p


@dataclass(frozen=True)
class Proposed:
    """What became of a model's answers.

    Attributes:
        waiting: How many proposals wait for a person, from these predictions or from before.
        unknown: How many photos of the predictions the store does not know.
        misfits: How many answers were left out, because they lie outside of their photo, or are of a photo of another
            size.
        notes: How the ids of photos and classes were read, where that was not plain.
    """

    waiting: int
    unknown: int
    misfits: int
    notes: tuple[str, ...] = ()


def propose(store: Store, predictions: Path, size_of: Callable[[str], tuple[int, int]]) -> Proposed:
    """Put a model's answers into the store as proposals, once.

    An answer that a label fits already is none; nor is one of a score below 0.1. Proposals of earlier predictions that
    nobody has accepted go. Given the same file again, photos that have come since get theirs.

    Args:
        store: The store.
        predictions: COCO results of `mvtec predict` with their provenance; results of another tool that name the photos
            and have the category ids of the annotation file; or a COCO annotation file.
        size_of: Tells the width and height of a photo by its name, or raises `BadPhotoError`.

    Raises:
        InputError: The file is neither.
    """
    digest = sha256_file(predictions)
    read = _read(predictions, store)
    names, of_photo, sizes = read.categories, read.of_photo, read.sizes_wh
    misfits = 0
    with store.transaction():
        known = {row["name"]: row["id"] for row in store.rows("SELECT id, name FROM photo")}
        waiting = set(known)
        categories: dict[int, int] = {}
        if store.get("predictions_sha256") == digest:
            waiting = {row["name"] for row in store.rows("SELECT name FROM photo WHERE predicted IS NULL")}
            # A class may have another name by now; stores of before do not tell.
            categories = {int(number): own for number, own in (store.get("predictions_classes") or {}).items()}
        if of_photo.keys() & waiting:
            categories = categories or {number: _category(store, name) for number, name in names.items()}
        for name in sorted(of_photo.keys() & waiting):
            before = store.photo(known[name])
            fitting = _fitting(of_photo[name], sizes.get(name), name, size_of)
            misfits += len(of_photo[name]) - len(fitting)
            predicted = tuple(
                _record(predictions, answer, f"{_KEY}{digest[:8]}-{before.id}-{number}", categories[answer.category_id])
                for number, answer in fitting
            )
            after = _with_proposals(store, before, predicted)
            if after.records == before.records:
                store.put(after)
            else:
                keep_version(store, before, after, change=f"predictions-{digest[:16]}", client="predictions")
        store.set("predictions_sha256", digest)
        store.set("predictions_classes", categories)
        count = store.rows("SELECT sum(proposals) AS n FROM photo")[0]["n"]
    return Proposed(int(count or 0), len(of_photo.keys() - known.keys()), misfits, read.notes)


def _fitting(
    answers: Sequence[CocoAnnotation | CocoResult],
    said_wh: tuple[int, int] | None,
    name: str,
    size_of: Callable[[str], tuple[int, int]],
) -> list[tuple[int, CocoAnnotation | CocoResult]]:
    """The answers about a photo that lie in it, bare boxes cut to it, with their numbers from 1."""
    try:
        size_wh = size_of(name)
    except BadPhotoError:  # nobody can review them; the labels in the store stay
        return list(enumerate(answers, start=1))
    if said_wh not in (None, size_wh):
        return []
    boxes = [cut_box(answer.bbox, size_wh) for answer in answers]
    return [
        (number, answer if box == answer.bbox or answer.segmentation else _cut(answer, box))
        for number, (answer, box) in enumerate(zip(answers, boxes, strict=True), start=1)
        if box is not None
    ]


def _cut(answer: CocoAnnotation | CocoResult, box: BoxFloat) -> CocoAnnotation | CocoResult:
    return answer.model_copy(update={"bbox": box, "area": box[2] * box[3]})


@dataclass(frozen=True)
class _Predictions:
    """A file of predictions.

    Attributes:
        categories: Category names by their ids in the file.
        of_photo: The predictions of each photo that the model was given, by its name.
        sizes_wh: Width and height of a photo, in pixels, where the file says them.
        notes: How the ids were read, where that was not plain.
    """

    categories: dict[int, str]
    of_photo: dict[str, list[CocoAnnotation | CocoResult]]
    sizes_wh: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _read(path: Path, store: Store) -> _Predictions:
    """Read a file of predictions.

    Results of another tool name the photos of the annotation file that is open, and have its category ids.
    """
    content = read_json(path, "predictions")
    found: dict[str, list[CocoAnnotation | CocoResult]]
    if not isinstance(content, list):
        dataset = parse_coco(path, content)
        check_names(path, (image.file_name for image in dataset.images))
        images = {image.id: image.file_name for image in dataset.images}
        found = {name: [] for name in images.values()}
        for annotation in dataset.annotations:
            found[images[annotation.image_id]].append(annotation)
        sizes = {image.file_name: (image.width, image.height) for image in dataset.images}
        return _Predictions(dataset.category_names(), found, sizes)
    provenance = read_provenance(path)
    if provenance is None:
        if not content or not all(map(_names_its_photo, content)):
            raise InputError(
                path,
                "is a list of results without provenance.json beside it, and does not name the photos",
                "Give what mvtec predict wrote, whole, or results with file_name",
            )
        whose, names = "the annotation file", store.categories()
        images = {row["id"]: row["name"] for row in store.rows("SELECT id, name FROM photo")}
    else:
        whose, names = f"the {PROVENANCE} beside it", provenance.categories
        images = {number: name for name, number in provenance.image_ids.items()}
    named = results_for(path, content, images, whose)
    category_of, notes = categories_of(path, named.results, names, whose)
    found = {} if provenance is None else {name: [] for name in images.values()}
    for result in named.results:
        own = result.model_copy(update={"category_id": category_of[result.category_id]})
        found.setdefault(images[result.image_id], []).append(own)
    return _Predictions(names, found, notes=(*named.notes, *notes))


def _names_its_photo(record: Any) -> bool:
    return isinstance(record, dict) and any(isinstance(record.get(key), str) for key in ("file_name", "image_id"))


def _category(store: Store, name: str) -> int:
    """The number of a class, which is added if it is new."""
    for number, known in store.categories().items():
        if known == name:
            return number
    return store.add_category(name)


def _record(path: Path, answer: CocoAnnotation | CocoResult, key: str, category: int) -> StoredAnnotation:
    attributes = dict(answer.attributes) if isinstance(answer.attributes, dict) else {}
    score = answer.score if isinstance(answer, CocoResult) else score_of(path, answer)
    return StoredAnnotation(
        key=key,
        id=0,
        category_id=category,
        bbox=answer.bbox,
        area=answer.area if answer.area is not None else answer.bbox[2] * answer.bbox[3],
        segmentation=answer.segmentation or [],
        attributes={"source": "detector", **attributes, "reviewed": False},
        score=score,
        proposed=True,
    )


def _with_proposals(store: Store, photo: StoredPhoto, predicted: Sequence[StoredAnnotation]) -> StoredPhoto:
    kept = [
        record
        for record in photo.records
        if not record.proposed or record.in_file or not record.key.startswith(_KEY)  # SAM was asked for it by hand
    ]
    labels = [record for record in kept if not record.proposed]
    new = [
        replace(record, id=store.number_of(record.key, photo.id))
        for record in predicted
        if (record.score is None or record.score >= _LEAST_SCORE)
        and not any(same_kind(record, label) and box_iou(record.bbox, label.bbox) >= SAME for label in labels)
    ]
    revision = photo.revision + (1 if new or len(kept) < len(photo.records) else 0)
    return replace(photo, records=(*kept, *new), predicted=tuple(predicted), revision=revision)
