"""A YOLO data set on disk, ours or another tool's: its `data.yaml`, its photos and their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from mvtec.convert.fitting import cut_boxes
from mvtec.convert.instances import LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.convert.yolo import classes_of_label, read_label
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.split import PARTS, Part, Split, read_split
from mvtec.errors import InputError
from mvtec.reading import read_yaml

_Name = Annotated[str, BeforeValidator(lambda name: str(name) if type(name) is int else name)]  # a bool is YAML's `no`


@dataclass(frozen=True)
class YoloFolder:
    """A YOLO data set on disk, ours or another tool's.

    Attributes:
        data_yaml: Its `data.yaml`.
        names: The classes, in label order.
        images: The photos of each part, sorted; a part that is missing, or the same as train, is empty.
        split: The split it was made by, where it says so.
        notes: A sentence for each part that it names and that holds no photo.
    """

    data_yaml: Path
    names: tuple[str, ...]
    images: dict[Part, tuple[Path, ...]]
    split: Split | None
    notes: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        return self.data_yaml.parent

    def annotations(self, part: Part) -> Path | None:
        """The COCO file of a part, where there is one."""
        path = self.root / "annotations" / f"instances_{part}.json"
        return path if path.is_file() else None


def is_yolo_folder(path: Path) -> bool:
    """Whether `path` is a folder with a `data.yaml`, or such a file itself."""
    return path.suffix in {".yaml", ".yml"} or (path / "data.yaml").is_file()


def read_yolo_folder(path: Path) -> YoloFolder:
    """Read what a `data.yaml` says; photos are listed, not opened.

    Args:
        path: The folder, or its `data.yaml`.

    Raises:
        InputError: There is no such file, it names no classes, or its train part holds no photo.
    """
    data_yaml = path / "data.yaml" if path.is_dir() else path
    content = read_yaml(data_yaml, "the data.yaml of a YOLO data set")
    try:
        names = TypeAdapter(dict[int, _Name] | list[_Name]).validate_python(content.get("names"))
    except (ValidationError, AttributeError) as error:
        raise InputError(data_yaml, "has no list of class names", "Give names: {0: crack, 1: stain}") from error
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise InputError(
                data_yaml,
                f"numbers its classes {', '.join(map(str, sorted(names)))}",
                "Number them from 0, without gaps",
            )
        names = [names[index] for index in range(len(names))]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise InputError(data_yaml, f"has two classes {double}", "Give each its own name")
    root = (data_yaml.parent / str(content.get("path") or "")).resolve()
    places = {**content, "val": content.get("val", content.get("validation"))}
    listed = {part: _photos(root, places.get(part)) for part in PARTS}
    if not listed["train"]:
        raise InputError(data_yaml, "its train part holds no photo", "Check the paths in it")
    split_file = data_yaml.parent / "split.json"
    return YoloFolder(
        data_yaml=data_yaml,
        names=tuple(names),
        images={
            part: () if part != "train" and photos == listed["train"] else photos for part, photos in listed.items()
        },
        split=read_split(split_file) if split_file.is_file() else None,
        notes=tuple(
            f"{data_yaml} names a {part} part, and there is no photo in it"
            for part in PARTS
            if places.get(part) and not listed[part]
        ),
    )


def _photos(root: Path, places: object) -> tuple[Path, ...]:
    """The photos of a part: a folder, a text file that lists photos, or a list of those; hidden files are none.

    Raises:
        InputError: A list is no text file.
    """
    photos: list[Path] = []
    for place in places if isinstance(places, list) else [places] if places else []:
        at = root / str(place)
        if not at.exists() and str(place).startswith("../"):  # as Roboflow writes it; Ultralytics allows for it, too
            at = root / str(place)[3:]
        if at.suffix == ".txt" and at.is_file():
            try:
                lines = at.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(
                    at, "is no readable list of photos", "Save it as UTF-8, a path in each line"
                ) from error
            photos += [at.parent / line.strip() for line in lines if line.strip()]
        elif at.is_dir():
            photos += [at / path for path in images_in(at, "", deep=True)]
    return tuple(sorted(set(photos)))


def label_file(photo: Path) -> Path:
    """Where Ultralytics looks for a photo's labels: the last `images` of its path becomes `labels`."""
    parts = list(photo.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def labelled_photos(
    folder: YoloFolder,
    part: Part,
    receipt: Receipt,
    *,
    skip_errors: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> Iterator[LabelledImage]:
    """The photos of a part with their instances; names are relative to the folder of `data.yaml`.

    A photo without a label file has no defect, as for Ultralytics; the receipt says how many there are.

    Raises:
        InputError: A photo or label cannot be read and `skip_errors` is false.
    """
    without = 0
    root = folder.root.resolve()
    for photo in folder.images[part]:
        name = (photo.relative_to(root) if photo.is_relative_to(root) else photo).as_posix()
        file = label_file(photo)
        try:
            size_wh = photo_size_wh(photo)
            instances = read_label(file, folder.names, size_wh) if file.is_file() else ()
            without += not file.is_file()
        except InputError as error:
            lost = classes_of_label(file, folder.names)
            receipt.leave_out(error, skip_errors=skip_errors, kind="photo or label not readable", photo=name, lost=lost)
        else:
            image = LabelledImage(name, photo, size_wh, instances)
            yield from cut_boxes(image, file, receipt, skip_errors=skip_errors)
        on_photo()
    if without:
        receipt.notes.append(f"{without} photos of {part} have no label file and count as good")
