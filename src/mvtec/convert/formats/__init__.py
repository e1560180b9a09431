"""The table of formats: to add one, write a file beside this one, and add a line to `FORMATS`.

A line gives the commands `mvtec convert coco-to-NAME` and `NAME-to-coco`, their help, a row of docs/formats.md and a
round-trip test. Importing this file loads no reader and no writer.

- A writer is called as `write(images, out, defects=…, receipt=…, inputs=…, overwrite=…, **options)`, and with
  `images="link"` (or copy, hardlink) where it makes a folder. It may return the paths that it wrote; None means `out`
  alone. A writer of a folder keeps the receipt in it.
- A reader is called as `read(source, receipt=…, skip_errors=…, **options)` and yields `LabelledImage`s.
- `classes(source)` gives the class names in the order of their numbers.

COCO is the format between all others, so it has no line. YOLO has commands of its own in `cli/convert.py`: it has
several parts (train, val, test), and each of them is a COCO file.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Option:
    """An option of a command that only this format has.

    Attributes:
        name: The parameter of the reader or writer.
        flag: How the command line calls it.
        kind: Its type: `str`, `bool`, or `Path` where it may be left out.
        default: Its value where it is not given.
        help: One line.
    """

    name: str
    flag: str
    kind: type[str] | type[bool] | type[Path]
    default: str | bool | None
    help: str


@dataclass(frozen=True)
class Writer:
    """How `coco-to-NAME` writes a format.

    Attributes:
        target: Where the function is, `module:function`; imported when it is used.
        makes: A file, or a folder, into which photos are put, too.
        read_back_by: Whose reading of it the receipt compares with what was given.
        help: The help of the command.
        options: What only this format has.
        wanted: `masks` where the format cannot hold a bare box.
        sorts_classes: Whether classes are written in the order of their names, or in that of their COCO ids.
    """

    target: str
    makes: Literal["file", "folder"]
    read_back_by: str
    help: str
    options: tuple[Option, ...] = ()
    wanted: Literal["both", "masks"] = "both"
    sorts_classes: bool = True


@dataclass(frozen=True)
class Reader:
    """How `NAME-to-coco` reads a format.

    Attributes:
        target: Where the function is, `module:function`; imported when it is used.
        classes: Where the function is that lists the classes, `module:function`.
        source: What the command is given, as its help names it: `ANN.xml`, `DIR`.
        source_help: The same in a sentence.
        description: What the `info` of the COCO file says.
        help: The help of the command.
        options: What only this format has.
    """

    target: str
    classes: str
    source: str
    source_help: str
    description: str
    help: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Format:
    """A line of the table.

    Attributes:
        title: Its name in the field.
        writer: How it is written; None where no command writes it.
        reader: How it is read; None where a command of its own does.
    """

    title: str
    writer: Writer | None
    reader: Reader | None


def load(target: str) -> Any:
    """Import what `module:function` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


_HERE = "mvtec.convert.formats"

FORMATS: dict[str, Format] = {
    "masks": Format(  # read by masks-to-coco, which knows the layouts of data sets
        "Masks of MVTec AD",
        Writer(
            f"{_HERE}.masks:write_masks",
            "folder",
            "regions of the masks",
            "Write ground-truth masks in the layout of MVTec AD; with --images its photos, too.",
            wanted="masks",
            sorts_classes=False,
        ),
        None,
    ),
    "labelstudio": Format(
        "Label Studio",
        Writer(
            f"{_HERE}.label_studio.write_tasks:write_project",
            "file",
            "Label Studio",
            "Write Label Studio tasks, masks as brush strokes, and the labelling interface that fits them.",
            (Option("url_prefix", "--url-prefix", str, "/data/local-files/?d=", "What goes before a photo's name."),),
        ),
        Reader(
            f"{_HERE}.label_studio.read_export:read_label_studio",
            f"{_HERE}.label_studio.read_export:read_label_studio_classes",
            "EXPORT.json",
            "A JSON or JSON-MIN export of Label Studio.",
            "instances of Label Studio tasks",
            "Write COCO annotations of a Label Studio export: brush strokes, rectangles, ellipses and polygons.",
            (Option("photos", "--images", Path, None, "The folder the file names are relative to."),),
        ),
    ),
    "cvat": Format(
        "CVAT for images 1.1",
        Writer(
            f"{_HERE}.cvat.files:write_cvat",
            "file",
            "CVAT 1.1",
            "Write a CVAT for images 1.1 file, masks as masks, to upload into a task that has the same photos.",
        ),
        Reader(
            f"{_HERE}.cvat.files:read_cvat",
            f"{_HERE}.cvat.files:read_cvat_classes",
            "ANN.xml",
            "A CVAT for images 1.1 file.",
            "instances of a CVAT task",
            "Write COCO annotations of a CVAT for images 1.1 file: boxes, turned or not, polygons, ellipses and masks.",
        ),
    ),
    "voc": Format(
        "Pascal VOC",
        Writer(
            f"{_HERE}.voc.write_folder:write_voc",
            "folder",
            "Pascal VOC",
            "Write a Pascal VOC folder: boxes, and masks by object and by class; with --images the photos, too.",
        ),
        Reader(
            f"{_HERE}.voc.read_folder:read_voc",
            f"{_HERE}.voc.read_folder:read_voc_classes",
            "DIR",
            "A Pascal VOC folder, or a Segmentation mask export of CVAT.",
            "instances of Pascal VOC annotations",
            "Write COCO annotations of a Pascal VOC folder, with masks where it has SegmentationObject.",
            (Option("from_zero", "--from-zero", bool, False, "Boxes count from 0, as Datumaro and CVAT write them."),),
        ),
    ),
    "semantic": Format(
        "Semantic masks",
        Writer(
            f"{_HERE}.semantic:write_semantic",
            "folder",
            "semantic masks",
            "Write semantic masks, whose pixel values are class numbers; with --images the photos, too.",
            wanted="masks",
            sorts_classes=False,
        ),
        Reader(
            f"{_HERE}.semantic:read_semantic",
            f"{_HERE}.semantic:read_classes",
            "DIR",
            "A folder with images/, masks/ and classes.txt.",
            "instances of semantic masks",
            "Write COCO annotations of semantic masks, one instance for each region of a class.",
        ),
    ),
}
