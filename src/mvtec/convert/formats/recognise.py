"""Says which format of the field a file has, where it was given to a command that reads another one.

Called where a reader has failed; it reads the file once more, and never fails itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from mvtec.convert.formats.xml_files import xml_events
from mvtec.errors import InputError
from mvtec.reading import read_bytes, read_json

COCO = "a COCO annotation file"
LABEL_STUDIO = "a Label Studio export"
CVAT = "a CVAT for images file"
VOC = "a Pascal VOC file of one photo"
RESULTS = "a COCO results file (predictions)"

_NO_COMMAND = "No command reads it; convert it to COCO with {}"
_MOST_BYTES = 256 << 20  # of a larger file the reader's own error must do


def named_format(path: Path, otherwise: InputError, own: str) -> InputError:
    """The error to raise for a file that could not be read.

    Args:
        path: The file.
        otherwise: The error of the reader.
        own: The format that the reader reads, one of the constants above.

    Returns:
        An error that names the file's format and what reads it; `otherwise` where that is the reader's own, or not
        known.
    """
    try:
        start = read_bytes(path, own, most=_MOST_BYTES)[:100].lstrip(b"\xef\xbb\xbf \t\r\n")
        found = _of_xml(path, own) if start.startswith(b"<") else _of_json(read_json(path, own))
    except InputError:
        return otherwise
    if found is None or found[0] == own:
        return otherwise
    return InputError(path, f"is {found[0]}, not {own}", found[1])


def _of_xml(path: Path, own: str) -> tuple[str, str] | None:
    tags = [element.tag for event, element in islice(xml_events(path, own), 10_000) if event == "start"]
    if tags[0] == "annotations":
        if "track" in tags:
            return "a CVAT for video file", "Export CVAT for images 1.1, for mvtec convert cvat-to-coco"
        return CVAT, "Give it to mvtec convert cvat-to-coco"
    if tags[0] == "annotation":
        if "pt" in tags:
            return "a file of the old LabelMe (XML)", _NO_COMMAND.format("Datumaro")
        return VOC, "Give its folder to mvtec convert voc-to-coco"
    return None


def _of_json(content: Any) -> tuple[str, str] | None:
    if isinstance(content, list):
        records = [record for record in content[:100] if isinstance(record, dict)]
        kinds = _OF_LISTS if records and len(records) == len(content[:100]) else []
        return next(((what, advice) for is_it, what, advice in kinds if all(map(is_it, records))), None)
    if isinstance(content, dict):
        return next(((what, advice) for is_it, what, advice in _OF_OBJECTS if is_it(content)), None)
    return None


def is_json_min(records: Any) -> bool:
    """Whether the content of a JSON file is a JSON-MIN export of Label Studio."""
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and _is_json_min_record(record) for record in records)
    )


def _is_json_min_record(record: dict[str, Any]) -> bool:
    return "data" not in record and ("annotation_id" in record or any(map(_are_results, record.values())))


def _are_results(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) and "original_width" in one for one in value)


def _is_via_record(record: Any) -> bool:
    return isinstance(record, dict) and "filename" in record and "regions" in record


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda record: all(key in record for key in keys)


def _is_panoptic(record: dict[str, Any]) -> bool:
    annotations = record.get("annotations")
    return isinstance(annotations, list) and any(
        isinstance(one, dict) and "segments_info" in one for one in annotations
    )


def _is_datumaro(record: dict[str, Any]) -> bool:
    return isinstance(record.get("items"), list) and isinstance(record.get("categories"), dict)


_Kinds = list[tuple[Callable[[dict[str, Any]], bool], str, str]]

# the first that fits is taken; of a list, each record must fit
_OF_LISTS: _Kinds = [
    (_has("image", "annotations"), "a CreateML file", _NO_COMMAND.format("Roboflow")),
    (_has("data"), LABEL_STUDIO, "Give it to mvtec convert labelstudio-to-coco"),
    (_is_json_min_record, "a Label Studio export (JSON-MIN)", "Give it to mvtec convert labelstudio-to-coco"),
    (_has("data_row", "projects"), "a Labelbox export", _NO_COMMAND.format("labelbox-to-coco or Roboflow")),
    (
        _has("image_id", "category_id", "score"),
        RESULTS,
        "Give it where predictions are asked for; as annotations, give the file that they were made for",
    ),
]
_OF_OBJECTS: _Kinds = [
    (_has("shapes", "imagePath"), "a LabelMe file", _NO_COMMAND.format("labelme2coco")),
    (_has("_via_img_metadata"), "a VIA project file", "No command reads it; export it from VIA as COCO"),
    (
        lambda record: bool(record) and all(map(_is_via_record, record.values())),
        "a VIA annotation file",
        "No command reads it; export it from VIA as COCO",
    ),
    (_is_datumaro, "a Datumaro file", "No command reads it; convert it with datum convert -f coco_instances"),
    (
        _has("objects", "size"),
        "a Supervisely file of one photo",
        "No command reads it; export the project from Supervisely as COCO",
    ),
    (
        _is_panoptic,
        "a COCO panoptic file",
        "No command reads it; convert it with panopticapi's panoptic2detection_coco_format.py",
    ),
    (_has("asset", "regions"), "a VoTT file", "No command reads it; export it from VoTT as Pascal VOC"),
    (_has("assets", "tags"), "a VoTT project file", "No command reads it; export it from VoTT as Pascal VOC"),
    (
        _has("images", "annotations", "categories"),
        COCO,
        "Give it to mvtec convert coco-to-yolo, or to another that begins with coco-to",
    ),
]
