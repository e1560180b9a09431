"""Which photos and classes a YOLO data set has: what its `data.yaml` lists, or without one `classes.txt`, `obj.data`.

labelImg and Label Studio write `classes.txt`; CVAT's YOLO 1.1 writes `obj.data`, `obj.names` and `train.txt`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.split import PARTS, Part
from mvtec.errors import InputError
from mvtec.reading import read_text, read_yaml

_Name = Annotated[str, BeforeValidator(lambda name: str(name) if type(name) is int else name)]  # a bool is YAML's `no`
_CLASS_FILES = ("obj.data", "classes.txt", "obj.names", "labels/classes.txt")
_Places = str | list[str] | None
_PATHS = "Give a folder, a list of photos, or several of them"
_PART_KEYS: dict[Part, tuple[str, ...]] = {"train": ("train",), "val": ("val", "validation"), "test": ("test",)}
_PART_NAMES: dict[Part, tuple[str, ...]] = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
_FOUR_LINES = "'train: images', 'val: images', 'names:', '  0: crack'"


@dataclass(frozen=True)
class YoloListing:
    """What a YOLO data set lists.

    Attributes:
        source: The file that names the classes.
        names: The classes, in label order.
        images: The photos of each part, sorted.
        keypoints: How many numbers of keypoints follow the box in a label; 0 where they are not pose labels.
        notes: Sentences on what is odd about it.
    """

    source: Path
    names: tuple[str, ...]
    images: dict[Part, tuple[Path, ...]]
    keypoints: int
    notes: tuple[str, ...]


def list_data_yaml(data_yaml: Path) -> YoloListing:
    """What a `data.yaml` lists. Its `path` is relative to itself or, where no photo is there, to the current folder.

    Raises:
        InputError: There is no such file, it names no classes, or its train part holds no photo.
    """
    content = read_yaml(data_yaml, "the data.yaml of a YOLO data set")
    if not isinstance(content, dict):
        content = {}
    names = _value(data_yaml, content, "names", dict[int, _Name] | list[_Name], "Give names: {0: crack, 1: stain}")
    shape = _value(data_yaml, content, "kpt_shape", tuple[int, int] | None, "Give kpt_shape: [17, 3]")
    base = _value(data_yaml, content, "path", str | None, "Give one folder")
    of_part: dict[Part, Any] = {
        part: next((found for key in keys if (found := _value(data_yaml, content, key, _Places, _PATHS))), None)
        for part, keys in _PART_KEYS.items()
    }
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise InputError(
                data_yaml,
                f"numbers its classes {', '.join(map(str, sorted(names)))}",
                "Number them from 0, without gaps",
            )
        names = [names[index] for index in range(len(names))]
    check_names(data_yaml, names)
    count = content.get("nc")
    if count is not None and count != len(names):
        raise InputError(data_yaml, f"says nc: {count}, and names {len(names)} classes", "Correct one of them")
    roots = [data_yaml.parent.resolve()]
    if base:
        roots = list(dict.fromkeys([(data_yaml.parent / base).resolve(), Path(base).resolve()]))
    for root in roots:
        listed = {part: _photos(root, of_part[part]) for part in PARTS}
        if listed["train"]:
            break
    else:
        tried = " and in ".join(str(root) for root in roots)
        problem = f"its train part ({of_part['train']}) holds no photo; looked for it in {tried}"
        raise InputError(data_yaml, problem, "Check the paths in it")
    notes = [
        f"{data_yaml} names a {part} part, and there is no photo in it"
        for part in PARTS
        if of_part[part] and not listed[part]
    ]
    notes += [
        f"{data_yaml} names {place} in its {part} part, and there is no photo in it"
        for part in PARTS
        if listed[part] and isinstance(of_part[part], list)
        for place in of_part[part]
        if not _photos(root, [place])
    ]
    if root != roots[0]:
        notes.append(f"the path in {data_yaml} is taken from the current folder, {Path.cwd()}")
    numbers = 0 if shape is None else shape[0] * shape[1]
    return YoloListing(data_yaml, tuple(names), listed, numbers, tuple(notes))


def _value(data_yaml: Path, content: dict[Any, Any], key: str, kind: Any, hint: str) -> Any:
    """A value of a data.yaml.

    Raises:
        InputError: It is not of its kind.
    """
    try:
        return TypeAdapter(kind).validate_python(content.get(key))
    except ValidationError as error:
        problem = "has no list of class names" if key == "names" else f"its {key} cannot be read"
        raise InputError(data_yaml, problem, hint) from error


def list_bare(root: Path) -> YoloListing:
    """What a YOLO folder without a `data.yaml` lists: the classes of `classes.txt`, `obj.names` or `obj.data`.

    The parts are those of `obj.data`, of `train.txt`, `val.txt` and `test.txt`, or of folders of these names in
    `images/`; without any, all photos are train.

    Raises:
        InputError: It has no such file, or no photo.
    """
    source = next((root / name for name in _CLASS_FILES if (root / name).is_file()), None)
    if source is None:
        raise InputError(
            root,
            "is not a YOLO folder: it has no data.yaml, no classes.txt, no obj.names and no obj.data",
            f"Write data.yaml with {_FOUR_LINES} and so on",
        )
    settings = {}
    if source.name == "obj.data":
        pairs = (line.partition("=") for line in read_text(source, "an obj.data file").splitlines())
        settings = {key.strip(): value.strip() for key, sign, value in pairs if sign}
        settings.setdefault("valid", settings.get("val", ""))
        names_file = _first_file(root, settings.get("names", "obj.names")) or root / "obj.names"
    else:
        names_file = source
    names = [line.strip() for line in read_text(names_file, "a list of classes, one a line").splitlines()]
    while names and not names[-1]:
        names.pop()
    check_names(names_file, names)
    if (count := settings.get("classes")) is not None and count != str(len(names)):
        raise InputError(
            source, f"says {count} classes, and {names_file.name} lists {len(names)}", "Correct one of them"
        )
    listed: dict[Part, tuple[Path, ...]] = {}
    for part, spellings in _PART_NAMES.items():
        lists = [settings[name] for name in spellings if settings.get(name)] or [f"{name}.txt" for name in spellings]
        folders = [root / "images" / name for name in spellings]
        photos = [photo for name in lists if (file := _first_file(root, name)) for photo in _of_list(root, file)]
        photos += [at / path for at in folders if at.is_dir() for path in images_in(at, "", deep=True)]
        listed[part] = tuple(sorted(set(photos)))
    notes = [f"{root} has no data.yaml; the classes are those of {names_file.name}: {', '.join(names)}"]
    if not any(listed.values()):
        listed["train"] = tuple(root / path for path in images_in(root, "", deep=True))
        notes.append(f"{root} has no list of parts; all its photos are train")
    if not any(listed.values()):
        raise InputError(root, "holds no photo", "Put the photos there, beside their labels or in images/")
    return YoloListing(source, tuple(names), listed, 0, tuple(notes))


def check_names(source: Path, names: Iterable[str]) -> None:
    """Refuse class names that are empty or given twice, and a list of none.

    Raises:
        InputError: There is such a one.
    """
    seen: set[str] = set()
    for number, name in enumerate(names):
        if not name.strip():
            raise InputError(source, f"class {number} has an empty name", "Give each class a name")
        if name in seen:
            raise InputError(source, f"has two classes {name}", "Give each its own name")
        seen.add(name)
    if not seen:
        raise InputError(source, "names no class", "List the classes in the order of their numbers")


def _photos(root: Path, places: object) -> tuple[Path, ...]:
    """The photos of a part: a folder, a text file that lists photos, or a list of those; hidden files are none.

    Raises:
        InputError: A list is not a text file.
    """
    photos: list[Path] = []
    for place in places if isinstance(places, list) else [places] if places else []:
        at = root / str(place)
        if not at.exists() and str(place).startswith("../"):  # as Roboflow writes it; Ultralytics allows for it, too
            at = root / str(place)[3:]
        if at.suffix == ".txt" and at.is_file():
            photos += _of_list(root, at)
        elif at.is_dir():
            photos += [at / path for path in images_in(at, "", deep=True)]
    return tuple(sorted(set(photos)))


def _of_list(root: Path, file: Path) -> list[Path]:
    """The photos that a text file lists: paths from its folder, from the data set's, or from the current folder."""
    lines = [line.strip() for line in read_text(file, "a list of photos, a path in each line").splitlines()]
    photos = []
    for line in filter(None, lines):
        places = (file.parent / line, root / line, root / Path(*PurePosixPath(line).parts[1:]), Path(line))
        photos.append(next((place for place in places if place.is_file()), places[0]))
    return photos


def _first_file(root: Path, name: str) -> Path | None:
    """A file of a data set of darknet, whose paths begin with the name that the folder once had (`data/train.txt`)."""
    places = (root / name, root / Path(*PurePosixPath(name).parts[1:]))
    return next((place for place in places if place.is_file()), None)
