"""What a classifier says of photos, as a file: `classes.json`, read again by `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mvtec.errors import InputError
from mvtec.files import write_json
from mvtec.reading import read_json


class ClassResults(BaseModel):
    """The answers for some photos.

    Attributes:
        format: Names this format.
        classes: The classes, alphabetical.
        truth: The class of each photo by its path in the data set.
        probabilities: Of each photo one for each class; they sum to 1.
        split: Hash of the split, if there is one.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["mvtec-classes/1"] = "mvtec-classes/1"
    classes: list[str]
    truth: dict[str, str]
    probabilities: dict[str, list[float]]
    split: str | None = None

    def answer(self, path: str) -> str:
        """The most probable class of a photo; of equals the first."""
        values = self.probabilities[path]
        return self.classes[values.index(max(values))]


def class_results(
    classes: Sequence[str],
    truth: Mapping[str, str],
    probabilities: Mapping[str, Sequence[float]],
    *,
    split: str | None = None,
) -> ClassResults:
    """Results with probabilities to five decimals, photos in order."""
    return ClassResults(
        classes=list(classes),
        truth=dict(sorted(truth.items())),
        probabilities={path: [round(float(value), 5) for value in probabilities[path]] for path in sorted(truth)},
        split=split,
    )


def heat_file(folder: Path, photo: str) -> Path:
    """Where the heat map of a photo lies, a grey PNG, in the folder that `classes.json` lies in."""
    return folder / "heat" / f"{photo}.png"


def write_class_results(path: Path, results: ClassResults, *, overwrite: bool) -> None:
    """Write the file.

    Raises:
        OutputError: It exists already or cannot be written.
    """
    content: dict[str, Any] = results.model_dump()
    write_json(path, content, overwrite=overwrite)


def read_class_results(path: Path) -> ClassResults:
    """Read the file.

    Raises:
        InputError: It is no such file, or does not hold together.
    """
    try:
        results = ClassResults.model_validate(read_json(path, "what a classifier said"))
    except ValidationError as error:
        raise InputError(path, "is no classes.json", "Give that of mvtec train-classifier") from error
    for photo, label in results.truth.items():
        if label not in results.classes or len(results.probabilities.get(photo, [])) != len(results.classes):
            raise InputError(path, f"{photo} does not fit the classes", "Make the file again")
    return results
