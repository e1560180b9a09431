"""The tasks of a Label Studio export, JSON or JSON-MIN: which annotation of a task counts, what its photo is called.

JSON has a record for each task, JSON-MIN one for each annotation. JSON-MIN keeps a result's value alone, under the name
of the tool that drew it, and tells a single choice from other texts of a task by the tool's name alone (`choice`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mvtec.convert.formats.coco.files import first_complaint
from mvtec.convert.formats.recognise import LABEL_STUDIO, is_json_min, named_format
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.errors import InputError
from mvtec.reading import read_json

_OF_A_TASK = {"annotator", "annotation_id", "created_at", "id", "image", "lead_time", "updated_at"}
_UPLOAD_HASH = re.compile(r"^[0-9a-f]{8}-")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Result(BaseModel):
    """One result of an annotation: a shape, a label, or what was said of the photo or of a shape."""

    model_config = ConfigDict(extra="allow")

    id: str | int | None = None
    type: str
    from_name: str = ""
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: float | None = None
    value: dict[str, Any] = {}


class Annotation(BaseModel):
    """What one person said of a task."""

    model_config = ConfigDict(extra="allow")

    id: int | str | None = None
    result: list[Result] = []
    was_cancelled: bool | None = None
    ground_truth: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    unclear: str = ""  # of JSON-MIN without a result: a text that may be a label or data of the task

    @property
    def time(self) -> datetime:
        """When it was last changed; long ago where that is not known."""
        time = self.updated_at or self.created_at or _LONG_AGO
        return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


class Task(BaseModel):
    """A photo and what was said of it; `predictions` are what a model said, and are not annotations."""

    model_config = ConfigDict(extra="allow")

    data: dict[str, Any]
    annotations: list[Annotation] = []
    predictions: list[Any] = []


def read_tasks(path: Path) -> list[Task]:
    """The tasks of an export.

    Raises:
        InputError: The file is not an export of Label Studio.
    """
    try:
        content = read_json(path, LABEL_STUDIO)
    except InputError as error:
        raise named_format(path, error, LABEL_STUDIO) from None
    try:
        return TypeAdapter(list[Task]).validate_python(_of_json_min(content) if is_json_min(content) else content)
    except ValidationError as error:
        problem = InputError(
            path, f"is not {LABEL_STUDIO}: {first_complaint(error)}", "Export the project as JSON or JSON-MIN"
        )
        raise named_format(path, problem, LABEL_STUDIO) from error


def the_annotation(given: Sequence[Annotation]) -> Annotation:
    """Of several annotations of a task the one with the star (ground truth), else the newest; of equals, the last."""
    return max(enumerate(given), key=lambda one: (bool(one[1].ground_truth), one[1].time, one[0]))[1]


def _of_json_min(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of a JSON-MIN export, as JSON has them: those of one task together."""
    tasks: dict[Any, dict[str, Any]] = {}
    for number, record in enumerate(records):
        results: list[Any] = []
        data: dict[str, Any] = {}
        for name, value in record.items():
            if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
                results += [_result_of_json_min(name, one) for one in value]
            elif (choices := _choices_of_json_min(name, value)) is not None:
                results.append({"type": "choices", "from_name": name, "value": {"choices": choices}})
            else:
                data[name] = value
        annotation = {
            "id": record.get("annotation_id"),
            "result": results,
            "created_at": record.get("created_at"),
            "updated_at": record.get("updated_at"),
            "unclear": "" if results else _unclear(data),
        }
        key = repr(record.get("id", f"record {number}"))
        tasks.setdefault(key, {"data": data, "annotations": []})["annotations"].append(annotation)
    return list(tasks.values())


def _unclear(data: Mapping[str, Any]) -> str:
    """The first text of a record without a result that may be a label as well as data of the task; else empty."""
    for name, value in sorted(data.items()):
        if name not in _OF_A_TASK and isinstance(value, str) and value and not _is_address(value):
            return f"{name}: '{value[:80]}'"
    return ""


def _is_address(text: str) -> bool:
    try:
        return _names_image(text) or "/" in text
    except ValueError:
        return True


def _choices_of_json_min(name: str, value: Any) -> list[Any] | None:
    """Choices are an object with several, or the text of one, told by the name that templates give their tool."""
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        return list(value["choices"])
    return [value] if name in ("choice", "choices") and isinstance(value, str) and value else None


def _result_of_json_min(name: str, value: dict[str, Any]) -> dict[str, Any]:
    kinds = [key for key, entry in value.items() if key.endswith("labels") and isinstance(entry, list)]
    size = {key: value.get(key) for key in ("original_width", "original_height")}
    kind = kinds[0] if kinds else next((key for key in value if key in OF_A_PHOTO), "a result without a label")
    return {"type": kind, "from_name": name, "value": value, **size}


LABELS_OF_A_PHOTO = frozenset({"choices", "taxonomy"})
OF_A_PHOTO = LABELS_OF_A_PHOTO | {"datetime", "number", "pairwise", "rating", "textarea"}


def photo_names(path: Path, number: int, task: Task) -> list[str]:
    """What the photo of a task may be called, the likeliest last.

    That is `test/crack/000.png` of `/data/local-files/?d=test/crack/000.png`, of `/data/upload/1/…-000.png` the name
    with the hash that Label Studio puts before it and without, and of a web address its path and the last of it.

    Raises:
        InputError: It names no photo, or by an address that is not valid.
    """
    texts = [value for value in (task.data.get("image"), *task.data.values()) if isinstance(value, str) and value]
    if not texts:
        raise InputError(path, f"task {number} names no photo", "Export it again")
    try:
        address = next((text for text in texts if _names_image(text)), texts[0])
        names = _names_of_url(address)
    except ValueError as error:
        problem = f"task {number} names its photo by an address that is not valid ({error})"
        raise InputError(path, problem, "Correct the address") from error
    if not all(name.strip() for name in names):
        raise InputError(path, f"task {number} names no photo: its address is '{address[:80]}'", "Correct the address")
    return names


def _names_of_url(url: str) -> list[str]:
    if "?d=" in url:
        return [unquote(url.split("?d=", 1)[1]).lstrip("/")]
    parts = urlsplit(url)
    if not parts.scheme and not parts.netloc and PurePosixPath(url).suffix.lower() in IMAGE_SUFFIXES:
        parts = parts._replace(path=url, query="", fragment="")  # a `#` or `?` of the name itself
    name = unquote(parts.path).lstrip("/")
    last = PurePosixPath(name).name
    if "/upload/" in f"/{name}":
        return [last, _UPLOAD_HASH.sub("", last)]
    return [name, last] if parts.scheme else [name]


def _names_image(text: str) -> bool:
    """Whether a value of a task ends as the name of an image does, before what a web address says of its use."""
    endings = (PurePosixPath(text).suffix, PurePosixPath(urlsplit(text).path).suffix)
    return any(ending.lower() in IMAGE_SUFFIXES for ending in endings)
