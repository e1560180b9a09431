"""COCO results meet the photos they are about: each detection gets the id of its photo, by its id or by its name.

Tools fill `image_id` in three ways: with the id of the annotation file, as COCO has it; with the stem of the photo's
name, as text; with that stem as a number where it is one, as Ultralytics' `save_json` does for `000002.jpg`. Where a
detection has a `file_name`, the name says which photo is meant, and the id must not contradict it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from mvtec.convert.formats.coco.files import CocoAnnotation, CocoResult, parse_results
from mvtec.convert.photo_names import PhotoNames, check_names, number_of, parts_of
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


def categories_of(
    path: Path, results: Sequence[CocoResult], names: Mapping[int, str], whose: str
) -> tuple[dict[int, int], list[str]]:
    """The known category id of each that results have: by `category_name` where they say it, else the same id.

    Args:
        path: The file of the results.
        results: The detections.
        names: The known categories by their ids.
        whose: What these are of, for error lines.

    Returns:
        The ids, and how they were read, where that was not plain.

    Raises:
        InputError: A category is not known, or id and name contradict each other.
    """
    number_of = {name: number for number, name in names.items()}
    used = {result.category_id for result in results}
    said = {
        (result.category_id, name)
        for result in results
        if isinstance(name := (result.model_extra or {}).get("category_name"), str) and name
    }
    unknown = sorted(used - names.keys())
    by_name = is_one_to_one(said) and {number for number, _ in said} == used
    if unknown and by_name and {name for _, name in said} <= number_of.keys():
        sentence = f"{path}: category ids are not those of {whose}; classes are told by category_name"
        return {number: number_of[name] for number, name in said}, [sentence]
    if unknown:
        known = f"{min(names)} to {max(names)}" if names else "none"
        hint = "Give predictions for its categories, with its category ids"
        for step, how in ((1, "add 1 to"), (-1, "subtract 1 from")):
            if len(unknown) == 1 and {number + step for number in used} <= names.keys():
                hint = f"Its categories seem to count from {min(names) - step}: {how} each category_id"
        raise InputError(path, f"predicts category {unknown[0]}, which {whose} does not have (it has {known})", hint)
    if wrong := sorted((number, name) for number, name in said if names[number] != name):
        number, name = wrong[0]
        raise InputError(
            path,
            f"has category_id {number} with category_name {name}; in {whose} {number} is {names[number]}",
            "Correct the ids, or leave out category_name if the ids are right",
        )
    return {number: number for number in used}, []


def is_one_to_one(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Whether no first value has two second ones, and no second one two first ones."""
    every = set(pairs)
    return len({first for first, _ in every}) == len(every) == len({second for _, second in every})


def score_of(path: Path, annotation: CocoAnnotation) -> float | None:
    """The detection score of an annotation, its own or that of its attributes; None where it has none, or null.

    Raises:
        InputError: It is not a finite number.
    """
    for given in ((annotation.model_extra or {}).get("score"), attributes_of(annotation).get("score")):
        if given is not None:
            score = number(given)
            if score is None:
                raise InputError(path, f"annotation {annotation.id} has the score {given!r:.60}", "Give a number")
            return score
    return None


def attributes_of(record: CocoAnnotation | CocoResult) -> dict[str, Any]:
    """What tools say of an annotation or a detection, by name."""
    return record.attributes if isinstance(record.attributes, dict) else {}


def number(value: Any) -> float | None:
    """A finite number as such; None of what is none, as an editor may leave it."""
    if not isinstance(value, int | float):
        return None
    with suppress(OverflowError):  # an integer of some hundred digits
        return float(value) if isfinite(value) else None
    return None


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
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int | str):
            given = None
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
        stem = PurePosixPath(parts_of(self._photos[number])[-1]).stem
        if str(given) == stem or given == number_of(stem):
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
