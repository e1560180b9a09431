"""A COCO file or a YOLO folder as a data set that can be checked, described and divided.

It is read by the readers of the conversions, so that what they refuse is refused here, in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.fitting import photo_named
from mvtec.convert.formats.coco.images import class_names, labelled_images
from mvtec.convert.formats.coco.parsing import read_coco
from mvtec.convert.formats.coco.records import CocoDataset
from mvtec.convert.formats.yolo.read_folder import (
    is_yolo_folder,
    label_file,
    labelled_photos,
    leave_out_orphans,
    read_yolo_folder,
    unread_photos,
)
from mvtec.convert.instances import LabelledImage
from mvtec.convert.pixels.geometry import BoxFloat
from mvtec.convert.receipt import Receipt
from mvtec.datasets.listing import is_folder, list_images, say_unread, scan
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import PARTS, Part
from mvtec.errors import InputError


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo and its labels, as conversions take them.

    Attributes:
        sample: The photo; its defect type is that of its labels, several joined with `+`, and `good` without any.
        size_wh: Width and height in pixels.
        boxes: The defect type, the box [x, y, w, h] in pixels and the area in pixels of each label.
        part: The part of a YOLO folder that it is in; None in a COCO file.
        has_labels: False where a YOLO folder has no label file for it.
    """

    sample: Sample
    size_wh: tuple[int, int]
    boxes: tuple[tuple[str, BoxFloat, float], ...]
    part: Part | None = None
    has_labels: bool = True


@dataclass(frozen=True)
class Refused:
    """What a conversion refuses: the kind, as the receipt counts it, and the error."""

    kind: str
    error: InputError


@dataclass(frozen=True)
class LabelSet:
    """The labels of a COCO file or a YOLO folder.

    Attributes:
        source: The file, or the folder.
        root: What the names of the photos are relative to.
        layout: `coco` or `yolo`.
        names: The classes.
        photos: The photos that can be used, sorted by name.
        refused: What cannot be used, in the order of the file.
        unread: Images beside the photos whose ending is not read.
        notes: What a user should know of how it was read, each a sentence.
    """

    source: Path
    root: Path
    layout: str
    names: tuple[str, ...]
    photos: tuple[LabelledPhoto, ...]
    refused: tuple[Refused, ...]
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def dataset(self) -> Dataset:
        """As a data set without masks, for a split.

        Raises:
            InputError: There is no photo that can be used.
        """
        if not self.photos:
            why = f"; first: {self.refused[0].error}" if self.refused else ""
            raise InputError(
                self.source, f"has no photo that can be used{why.rstrip('.')}", "Correct the file, or give another one"
            )
        return Dataset(
            root=self.root,
            category=self.source.resolve().stem,
            layout=self.layout,
            samples=tuple(photo.sample for photo in self.photos),
            defects=tuple(sorted(self.names)),
            notes=self.notes,
        )


class _Listener(Receipt):
    """A receipt that keeps what is left out."""

    def __init__(self) -> None:
        super().__init__("")
        self.refused: list[Refused] = []

    def leave_out(self, error: InputError, *, skip_errors: bool, kind: str, photo: str, lost: Sequence[str]) -> None:
        del skip_errors, photo, lost
        self.refused.append(Refused(kind.replace(" ", "-"), error))


def is_label_set(source: Path) -> bool:
    """Whether a path is a file, which is read as COCO, or a YOLO folder."""
    return is_yolo_folder(source) or source.is_file()


def read_label_set(source: Path, images: Path | None = None, on_photo: Callable[[], None] = lambda: None) -> LabelSet:
    """Read a COCO file or a YOLO folder; of photos the headers are read.

    Args:
        source: The file, or the folder.
        images: The folder that the photos of a COCO file are in; None to look beside the file.
        on_photo: Called after each photo.

    Raises:
        InputError: It cannot be read as a whole, or the photos of a COCO file are not found.
    """
    if is_yolo_folder(source):
        if images is not None:
            raise InputError("--images", "a YOLO folder says where its photos are", "Leave it out")
        return _of_yolo(source, on_photo)
    return _of_coco(source, images, on_photo)


def _of_coco(source: Path, images: Path | None, on_photo: Callable[[], None]) -> LabelSet:
    coco = read_coco(source, defer_errors=True)
    root = images or _photos_beside(source, coco)
    heard = _Listener()
    read = labelled_images(coco, source, root, heard, keep_crowds=True, skip_errors=True)
    found = list(_photos(read, root, on_photo))
    if images is None and not found and {one.kind for one in heard.refused} == {"photo-missing"}:
        raise InputError(source, "its photos are not beside it", "Give their folder as --images")
    unread = list_images(root, deep=True).unread
    notes = [] if images is not None else [f"the photos are taken from {root}; --images names another folder"]
    notes += [note] if (note := say_unread(unread)) else []
    names = class_names(coco, heard)
    notes += heard.notes
    photos = tuple(sorted(found, key=lambda photo: photo.sample.path))
    return LabelSet(source, root, "coco", names, photos, tuple(heard.refused), unread, tuple(notes))


def _of_yolo(source: Path, on_photo: Callable[[], None]) -> LabelSet:
    folder = read_yolo_folder(source)
    root, heard = folder.root.resolve(), _Listener()
    found: list[LabelledPhoto] = []
    seen: set[Path] = set()
    for part in PARTS:
        images = labelled_photos(folder, part, heard, skip_errors=True, on_photo=on_photo)
        found += [photo for photo in _photos(images, root, part=part) if photo.sample.photo not in seen]
        seen |= {photo.sample.photo for photo in found}
    leave_out_orphans(folder, heard, skip_errors=True)
    unread = unread_photos(folder)
    notes = [*folder.notes, *heard.notes, *([note] if (note := say_unread(unread)) else [])]
    photos = tuple(sorted(found, key=lambda photo: photo.sample.path))
    return LabelSet(source, root, "yolo", folder.names, photos, tuple(heard.refused), tuple(unread), tuple(notes))


def _photos(
    images: Iterable[LabelledImage], root: Path, on_photo: Callable[[], None] = lambda: None, part: Part | None = None
) -> Iterator[LabelledPhoto]:
    for image in images:
        types = sorted({instance.defect for instance in image.instances})
        photo = image.photo or root / image.path
        sample = Sample(root, image.path, "+".join(types) or GOOD)
        boxes = tuple((one.defect, one.source_box_xywh, one.area) for one in image.instances)
        yield LabelledPhoto(sample, image.size_wh, boxes, part, part is None or label_file(photo).is_file())
        on_photo()


def _photos_beside(source: Path, coco: CocoDataset) -> Path:
    """The folder that holds most of a file's photos: that of the file, one in it, or `images/` beside it.

    Where none holds any it is that of the file, in which they are looked for by their names alone.
    """
    beside = source.absolute().parent
    inside = [Path(entry.path) for entry in scan(beside) if is_folder(Path(entry.path))]
    held = {
        folder: sum(photo_named(folder, image.file_name) is not None for image in coco.images)
        for folder in (beside, *inside, beside.parent / "images", beside.parent)
    }
    return max(held, key=lambda folder: held[folder])
