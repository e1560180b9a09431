"""Label Studio: a JSON list of tasks, each a photo with brush strokes, rectangles or polygons.

The format is https://labelstud.io/guide/export.html#Label-Studio-JSON-format-of-annotated-tasks. Coordinates are
percent of the photo. Brush strokes are lossless, so instances with pixels are written as those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mvtec.convert.brush import decode_brush, encode_brush
from mvtec.convert.coco import FiniteFloat, first_complaint
from mvtec.convert.fitting import fitted, photo_named
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.convert.segmentation import region_of_polygons
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.errors import InputError
from mvtec.files import staged_file
from mvtec.limits import check_size
from mvtec.reading import read_json
from mvtec.words import counted

READER = "Label Studio"
LOCAL_FILES = "/data/local-files/?d="

_Percent = FiniteFloat
_UPLOAD_HASH = re.compile(r"^[0-9a-f]{8}-")
_KINDS = {"brushlabels", "rectanglelabels", "polygonlabels"}
_OF_THE_PHOTO = {"choices", "datetime", "number", "pairwise", "rating", "taxonomy", "textarea"}


class _Value(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: _Percent | None = None
    y: _Percent | None = None
    width: _Percent | None = None
    height: _Percent | None = None
    rotation: FiniteFloat = 0
    points: list[tuple[_Percent, _Percent]] | None = None
    rle: list[Annotated[int, Field(ge=0, le=255)]] | None = None
    brushlabels: list[str] = []
    rectanglelabels: list[str] = []
    polygonlabels: list[str] = []


class _Result(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    original_width: int | None = None
    original_height: int | None = None
    value: dict[str, Any] = {}


class _Annotation(BaseModel):
    model_config = ConfigDict(extra="allow")

    result: list[_Result] = []
    was_cancelled: bool = False


class _Task(BaseModel):
    model_config = ConfigDict(extra="allow")

    data: dict[str, Any]
    annotations: list[_Annotation] = []


def write_label_studio(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    receipt: Receipt,
    url_prefix: str = LOCAL_FILES,
    overwrite: bool = False,
) -> None:
    """Write tasks to import into a project whose labelling interface is that of `label_config`.

    Args:
        found: The images.
        out: The file to write.
        receipt: Is filled.
        url_prefix: What goes before a photo's name: the default is where Label Studio serves local files.
        overwrite: Replace what is there.

    Raises:
        OutputError: `out` exists already or cannot be written.
    """
    with (
        staged_file(out, overwrite=overwrite) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.write("[")
        for number, image in enumerate(found):
            results = [_result(instance, image, index) for index, instance in enumerate(image.instances)]
            url = url_prefix + quote(image.path)
            task = {"data": {"image": url}, "annotations": [{"result": results}]}
            stream.write((",\n" if number else "\n") + json.dumps(task, ensure_ascii=False, sort_keys=True))
            again = [_read_result(_Result.model_validate(result), image.size_wh) for result in results]
            receipt.add_image(image, again)
        stream.write("\n]\n")
        receipt.check_not_empty(out)


def label_config(defects: Sequence[str]) -> str:
    """The labelling interface that fits the tasks: a brush, rectangles and polygons of every defect type."""
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in defects)
    tools = "".join(
        f'  <{tag} name="{name}" toName="image">\n{labels}  </{tag}>\n'
        for tag, name in (("BrushLabels", "brush"), ("RectangleLabels", "rectangle"), ("PolygonLabels", "polygon"))
    )
    return f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n{tools}</View>\n'


def _result(instance: Instance, image: LabelledImage, index: int) -> dict[str, Any]:
    width, height = image.size_wh
    if instance.region is None:
        x, y, w, h = instance.box_xywh
        value: dict[str, Any] = {"x": 100 * x / width, "y": 100 * y / height, "rotation": 0}
        value |= {"width": 100 * w / width, "height": 100 * h / height}
        kind, tool = "rectanglelabels", "rectangle"
    else:
        value = {"format": "rle", "rle": encode_brush(instance.region.full(image.size_hw))}
        kind, tool = "brushlabels", "brush"
    return {
        "id": f"instance{index}",
        "type": kind,
        "from_name": tool,
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {**value, kind: [instance.defect]},
    }


def read_label_studio_classes(path: Path) -> tuple[str, ...]:
    """The labels that the tasks use, sorted.

    Raises:
        InputError: The file is no export of Label Studio.
    """
    names = {
        name
        for task in _tasks(path)
        for annotation in task.annotations
        for result in annotation.result
        if result.type in _KINDS
        for name in result.value.get(result.type) or []
    }
    return tuple(sorted(map(str, names)))


def read_label_studio(
    path: Path, photos: Path | None, receipt: Receipt, *, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The tasks with their brush strokes, rectangles and polygons; the receipt says what else is left out.

    Of several annotations of a task the first that was not cancelled is taken. A task that was only skipped is left
    out; one without any annotation has no defect, and the receipt says how many there are.

    Args:
        path: The exported file.
        photos: The folder of the photos: needed for tasks without a result, which do not tell their size.
        receipt: Is told what is left out.
        skip_errors: Leave out results and photos that cannot be read, instead of stopping.

    Raises:
        InputError: The file is no export of Label Studio, two tasks name one photo, a result cannot be read, or a
            photo's size is not known.
    """
    about_photos = open_tasks = 0
    task_of: dict[str, int] = {}
    for number, task in enumerate(_tasks(path), start=1):
        names = _photo_names(path, number, task)
        there = () if photos is None else (photo_named(photos, name) for name in names)
        name = next((found for found in there if found is not None), names[-1])
        if (other := task_of.setdefault(name, number)) != number:
            raise InputError(
                path, f"tasks {other} and {number} both name {name}", "Keep one of them, or give --images, its folder"
            )
        given = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if task.annotations and not given:
            receipt.skipped.append(f"{path}: the task of {name} was skipped by its annotator.")
            continue
        open_tasks += not given
        if len(given) > 1:
            receipt.notes.append(f"{name} has {len(given)} annotations; the first is taken")
        results = given[0].result if given else []
        size_wh = next(
            ((r.original_width, r.original_height) for r in results if r.original_width and r.original_height), None
        )
        if size_wh is None:
            if photos is None:
                raise InputError(path, f"does not tell the size of {name}", "Give the photos' folder as --images")
            try:
                size_wh = photo_size_wh(photos / name)
            except InputError as error:
                lost = [_label_of(result) for result in results if result.type not in _OF_THE_PHOTO]
                receipt.leave_out(error, skip_errors=skip_errors, kind="photo not readable", photo=name, lost=lost)
                continue
        check_size(path, name, size_wh)
        instances = []
        for result in results:
            if result.type in _OF_THE_PHOTO:
                about_photos += 1
                continue
            try:
                if result.type not in _KINDS:
                    raise ValueError(f"{result.type} is no brush, rectangle or polygon")
                instance = _read_result(result, size_wh)
                if instance is None:
                    raise ValueError("marks no pixel of the photo")
            except ValueError as error:
                reason = first_complaint(error) if isinstance(error, ValidationError) else error
                problem = InputError(path, f"a result of {name}: {reason}", "Mend it")
                receipt.leave_out(
                    problem,
                    skip_errors=skip_errors,
                    kind="shape not read",
                    photo=name,
                    lost=[_label_of(result)],
                )
            else:
                instances.append(instance)
        photo = None if photos is None else photos / name
        yield from fitted(LabelledImage(name, photo, size_wh, tuple(instances)), path, receipt, skip_errors=skip_errors)
    if open_tasks:
        receipt.notes.append(f"{counted(open_tasks, 'task')} without an annotation: the photos count as good")
    if about_photos:
        receipt.notes.append(f"{about_photos} results are about whole photos, such as choices, and are left out")


def _tasks(path: Path) -> list[_Task]:
    try:
        return TypeAdapter(list[_Task]).validate_python(read_json(path, "an export of Label Studio"))
    except ValidationError as error:
        raise InputError(
            path, f"is no export of Label Studio: {first_complaint(error)}", "Export as JSON, not JSON-MIN"
        ) from error


def _photo_names(path: Path, number: int, task: _Task) -> list[str]:
    """What the photo of a task may be called, the likeliest last.

    That is `test/crack/000.png` of `/data/local-files/?d=test/crack/000.png`, of `/data/upload/1/…-000.png` the name
    with the hash that Label Studio puts before it and without, and of a web address its path and the last of it.
    """
    texts = [value for value in (task.data.get("image"), *task.data.values()) if isinstance(value, str) and value]
    if not texts:
        raise InputError(path, f"task {number} names no photo", "Export it again")
    url = next((text for text in texts if _names_image(text)), texts[0])
    if "?d=" in url:
        return [unquote(url.split("?d=", 1)[1]).lstrip("/")]
    parts = urlsplit(url)
    name = unquote(parts.path).lstrip("/")
    last = PurePosixPath(name).name
    if "/upload/" in f"/{name}":
        return [last, _UPLOAD_HASH.sub("", last)]
    return [name, last] if parts.scheme else [name]


def _names_image(text: str) -> bool:
    """Whether a value of a task ends as the name of an image does, before what a web address says of its use."""
    endings = (PurePosixPath(text).suffix, PurePosixPath(urlsplit(text).path).suffix)
    return any(ending.lower() in IMAGE_SUFFIXES for ending in endings)


def _label_of(result: _Result) -> str:
    """The label of a result that may not be readable."""
    labels = result.value.get(result.type)
    return str(labels[0]) if isinstance(labels, list) and labels else "unknown"


def _read_result(result: _Result, size_wh: tuple[int, int]) -> Instance | None:
    value = _Value.model_validate(result.value)
    labels = {
        "brushlabels": value.brushlabels,
        "rectanglelabels": value.rectanglelabels,
        "polygonlabels": value.polygonlabels,
    }[result.type]
    if len(labels) != 1:
        raise ValueError(f"has {len(labels)} labels, and one is wanted")
    return _SHAPES[result.type](labels[0], value, size_wh)


def _read_brush(defect: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    if value.rle is None:
        raise ValueError("has a brush without strokes")
    region = decode_brush(value.rle, size_wh[::-1])
    return None if region is None else Instance.of(defect, region)


def _read_rectangle(defect: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    if value.rotation:
        raise ValueError("is a turned rectangle")
    if value.x is None or value.y is None or not value.width or not value.height:
        raise ValueError("is a rectangle without area")
    scale_x, scale_y = size_wh[0] / 100, size_wh[1] / 100
    box = (value.x * scale_x, value.y * scale_y, value.width * scale_x, value.height * scale_y)
    x, y, w, h = (round(number, 4) for number in box)
    return Instance(defect, (x, y, w, h))


def _read_polygon(defect: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    points = [number * side / 100 for point in value.points or [] for number, side in zip(point, size_wh, strict=True)]
    region = region_of_polygons([points], size_wh[::-1])
    return None if region is None else Instance.of(defect, region)


_SHAPES: dict[str, Callable[[str, _Value, tuple[int, int]], Instance | None]] = {
    "brushlabels": _read_brush,
    "rectanglelabels": _read_rectangle,
    "polygonlabels": _read_polygon,
}
