"""Where predictions come from: kept beside them as `provenance.json`, because COCO results are a bare list."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mvtec.errors import InputError
from mvtec.reading import read_json

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Provenance:
    """What a results file does not say of itself.

    Attributes:
        model: The checkpoint.
        model_sha256: SHA-256 of the checkpoint.
        split: Hash of the split the model was trained by, if any.
        categories: Category ids and names.
        options: How the model was asked.
        image_root: The folder the file names are relative to.
        image_ids: Image id by file name, of every photo looked at, those without a detection included.
        image_sha256: SHA-256 of each photo, by file name.
        seen_in_training: File names of the photos that took part in the training, sorted.
    """

    model: str
    model_sha256: str
    split: str | None
    categories: dict[int, str]
    options: dict[str, Any]
    image_root: str
    image_ids: dict[str, int]
    image_sha256: dict[str, str]
    seen_in_training: list[str]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "categories": {str(number): name for number, name in self.categories.items()}}


def read_provenance(predictions: Path) -> Provenance | None:
    """The provenance of a results file; None where there is none beside it.

    Raises:
        InputError: The file is broken.
    """
    path = predictions.with_name(PROVENANCE)
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Provenance).validate_python(read_json(path, "the provenance of predictions"))
    except ValidationError as error:
        raise InputError(path, "is no provenance of predictions", "Predict again with mvtec predict") from error
