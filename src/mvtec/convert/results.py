"""COCO results meet the photos they are about: each detection gets the id of its photo, by its id or by its name.

Tools fill `image_id` in three ways: with the id of the annotation file, as COCO has it; with the stem of the photo's
name, as text; with that stem as a number where it is one, as Ultralytics' `save_json` does for `000002.jpg`. Where a
detection has a `file_name`, the name says which photo is meant, and the id must not contradict it.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mvtec.convert.coco import CocoResult, parse_results
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.errors import InputError
from mvtec.reading import read_json


@dataclass(frozen=True)
class NamedResults:
    """Detections with the ids of known photos.

    Attributes:
        results: The detections; each `image_id` is one of the known photos.
        notes: How the ids were read, where that was not plain.
    """

    results: list[CocoResult]
    notes: tuple[str, ...] = ()


class PhotoNames:
    """Finds photos by what tools call them: the whole name, the end of its path, or either without the ending.

    >>> names = PhotoNames({1: "test/crack/000.png", 2: "test/good/000.png", 3: "test/good/001.png"})
    >>> [names.find(text) for text in ("good/000.png", "001", "/data/test/good/001.jpg", "000.png")]
    [[2], [3], [3], [1, 2]]
    """

    def __init__(self, photos: Mapping[int, str]) -> None:
        self._parts: dict[int, tuple[str, ...]] = {number: _parts(name) for number, name in photos.items()}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for number, parts in self._parts.items():
            self._by_name[parts[-1]].append(number)
            self._by_stem[PurePosixPath(parts[-1]).stem].append(number)

    def find(self, text: str) -> list[int]:
        """The ids of the photos that may be meant: one, several where the text does not tell them apart, or none."""
        *folders, last = _parts(text)
        stems = [last, PurePosixPath(last).stem] if PurePosixPath(last).suffix.lower() in IMAGE_SUFFIXES else [last]
        for candidates in (self._by_name.get(last), *(self._by_stem.get(stem) for stem in stems)):
            own = {number: self._parts[number][:-1] for number in candidates or []}
            exact = [number for number, parts in own.items() if parts == tuple(folders)]
            fitting = exact or [number for number, parts in own.items() if _ends_alike(parts, tuple(folders))]
            if fitting:
                return sorted(fitting)
        return []

    def by_number(self) -> dict[int, list[int]]:
        """The ids of the photos whose stem is a number, as `000002.jpg`, by that number."""
        found: dict[int, list[int]] = defaultdict(list)
        for stem, numbers in self._by_stem.items():
            if stem.isdecimal():
                found[int(stem)] += numbers
        return found


def read_results_for(path: Path, photos: Mapping[int, str], whose: str) -> NamedResults:
    """Read a COCO results file whose detections are about known photos.

    Args:
        path: The file.
        photos: The file name of each known photo by its id.
        whose: What these ids and names are of, for error lines.

    Raises:
        InputError: It is not such a file, a photo is not known or not told apart from another, or the id and the name
            of a photo contradict each other.
    """
    return results_for(path, read_json(path, "a COCO results file"), photos, whose)


def results_for(path: Path, content: Any, photos: Mapping[int, str], whose: str) -> NamedResults:
    """As `read_results_for`, from the JSON that the file holds."""
    check_names(whose, photos.values())
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        return NamedResults(parse_results(path, content))
    reader = _Reader(path, photos, whose)
    numbers = [reader.photo_of(record) for record in content]
    reader.settle()
    meant = [
        record if number is None else {**record, "image_id": number}
        for record, number in zip(content, numbers, strict=True)
    ]
    results = parse_results(path, meant)
    by_number = reader.numbers_as_ids(
        {result.image_id for result, number in zip(results, numbers, strict=True) if number is None}
    )
    results = [
        result.model_copy(update={"image_id": by_number[result.image_id]}) if number is None else result
        for result, number in zip(results, numbers, strict=True)
    ]
    return NamedResults(results, tuple(reader.notes))


def check_names(whose: str | Path, names: Iterable[str]) -> None:
    """See that no two images have one name, so that a name says which is meant.

    Raises:
        InputError: Two have.
    """
    seen: set[tuple[str, ...]] = set()
    for name in names:
        if _parts(name) in seen:
            raise InputError(
                whose,
                f"has two images of the name {name}",
                "Give each photo one image",
            )
        seen.add(_parts(name))


def is_one_to_one(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Whether no first value has two second ones, and no second one two first ones."""
    every = set(pairs)
    return len({first for first, _ in every}) == len(every) == len({second for _, second in every})


class _Reader:
    """Reads which photo each detection of a file is about."""

    def __init__(self, path: Path, photos: Mapping[int, str], whose: str) -> None:
        self._path = path
        self._photos = photos
        self._whose = whose
        self._names = PhotoNames(photos)
        self._as_text = {str(number): number for number in photos}
        self._found: dict[str, list[int]] = {}
        self._by_name: set[tuple[Any, int]] = set()  # ids and the photos that names beside them say
        self._plain = 0  # how many have an id alone
        self._are_stems = False  # whether some ids are the photos' stems
        self.notes: list[str] = []

    def photo_of(self, record: dict[str, Any]) -> int | None:
        """The id of the photo that a detection's name or its text for an id says; None where it has but a number."""
        given, name = record.get("image_id"), record.get("file_name")
        if isinstance(name, str) and name:
            found = self._find(name)
            number = given if len(found) > 1 and given in found else self._only(name, found)
            self._by_name.add((given, number))
            return number
        if not isinstance(given, str):
            self._plain += 1
            return None
        found = self._find(given)
        # "003" is a name; "3" may be an id that was written as text
        as_number = self._as_text.get(given)
        if as_number is not None and found in ([], [as_number]):
            return as_number
        number = self._only(given, found)
        if as_number is not None:
            raise InputError(
                self._path,
                f'says image "{given}", which is the name of {self._photos[number]} and the id of '
                f"{self._photos[as_number]} in {self._whose}",
                "Give each detection its file_name",
            )
        self._are_stems = True
        self._note("image ids that are text are taken for the names of photos")
        return number

    def settle(self) -> None:
        """See that ids and the names beside them do not contradict each other, or can be explained."""
        others = {
            (given, number) for given, number in self._by_name if given is not None and not self._agree(given, number)
        }
        if not others:
            return
        known = {(given, number) for given, number in others if given in self._photos}
        strange = len(known) < len(others)
        if known and not (strange and is_one_to_one(self._by_name) and not self._plain):
            given, number = min(known)
            raise InputError(
                self._path,
                f"has image_id {given} with file_name {self._photos[number]}; in {self._whose} {given} is "
                f"{self._photos[given]}",
                "Correct the ids, or leave out file_name if the ids are right",
            )
        self._note(f"image ids are not those of {self._whose}; photos are told by file_name")

    def numbers_as_ids(self, numbers: set[int]) -> dict[int, int]:
        """The photo that each number without a name beside it says: the one of this id, or the one of this stem.

        They are stems where not all are known ids, or where other detections of the file say stems.

        Raises:
            InputError: An id is neither.
        """
        unknown = sorted(numbers - self._photos.keys())
        if not unknown and not self._are_stems:
            return {number: number for number in numbers}
        by_number = self._names.by_number()
        found = {number: by_number.get(number, []) for number in sorted(numbers)}
        strange = [number for number, own in found.items() if len(own) != 1]
        if strange:
            raise InputError(
                self._path,
                f"predicts image {(unknown or strange)[0]}, which {self._whose} does not have",
                "Give predictions for its photos, with its image ids, or with file_name",
            )
        if found:
            self._note("image ids are taken for the numbers that photos are named by, as Ultralytics writes them")
        return {number: own[0] for number, own in found.items()}

    def _agree(self, given: Any, number: int) -> bool:
        """Whether an id says the same photo as the name beside it; says how where it is not the photo's id."""
        if given == number:
            return True
        stem = PurePosixPath(_parts(self._photos[number])[-1]).stem
        if str(given) == stem or (isinstance(given, int) and stem.isdecimal() and int(stem) == given):
            self._are_stems = True
            self._note("image ids are the photos' names, as Ultralytics writes them; photos are told by file_name")
            return True
        return isinstance(given, str) and number in self._find(given)

    def _find(self, text: str) -> list[int]:
        if text not in self._found:
            self._found[text] = self._names.find(text)
        return self._found[text]

    def _only(self, text: str, found: list[int]) -> int:
        if not found:
            raise InputError(
                self._path,
                f"predicts the photo {text}, which {self._whose} does not have",
                "Give predictions for its photos",
            )
        if len(found) > 1:
            first, second = (self._photos[number] for number in found[:2])
            raise InputError(
                self._path,
                f"predicts the photo {text}, which may be {first} or {second} of {self._whose}",
                "Give the whole name as file_name, or the image ids",
            )
        return found[0]

    def _note(self, sentence: str) -> None:
        said = f"{self._path}: {sentence}"
        if said not in self.notes:
            self.notes.append(said)


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a photo, spelled in one way.

    >>> _parts("images\\\\a.png"), _parts("./a.png")
    (('images', 'a.png'), ('a.png',))
    """
    parts = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))).parts
    return tuple(part for part in parts if part != "/") or ("",)


def _ends_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter of two paths is the end of the longer one."""
    count = min(len(one), len(other))
    return not count or one[-count:] == other[-count:]
