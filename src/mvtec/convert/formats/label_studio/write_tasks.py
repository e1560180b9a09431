"""Writes Label Studio tasks, and the labelling interface that fits them.

Brush strokes are lossless, so instances with pixels are written as those; bare boxes are rectangles in percent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from mvtec.convert.attributes import LostAttributes
from mvtec.convert.formats.class_names import check_class_names
from mvtec.convert.formats.label_studio.shapes import read_result
from mvtec.convert.formats.label_studio.tasks import (
    Result,
)
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.pixels.brush import encode_brush
from mvtec.convert.receipt import Receipt
from mvtec.files import check_output, staged_file

LOCAL_FILES = "/data/local-files/?d="


def write_label_studio(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    receipt: Receipt,
    url_prefix: str = LOCAL_FILES,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write tasks to import into a project whose labelling interface is that of `label_config`.

    Args:
        found: The images.
        out: The file to write.
        receipt: Is filled.
        url_prefix: What goes before a photo's name: the default is where Label Studio serves local files.
        inputs: What the images are read from: `out` must not replace it.
        overwrite: Replace what is there.

    Raises:
        InputError: A class has a name that the labelling interface cannot hold.
        OutputError: `out` exists already or cannot be written.
    """
    lost_attributes = LostAttributes()
    with (
        staged_file(out, overwrite=overwrite, inputs=inputs) as staged,
        staged.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.write("[")
        for number, image in enumerate(found):
            check_class_names(image.defects, inputs[0] if inputs else out, "Label Studio")
            results = [_result(instance, image, index) for index, instance in enumerate(image.instances)]
            url = url_prefix + quote(image.path)
            task = {"data": {"image": url}, "annotations": [{"result": results}]}
            stream.write((",\n" if number else "\n") + json.dumps(task, ensure_ascii=False, sort_keys=True))
            again = [read_result(Result.model_validate(result), image.size_wh) for result in results]
            receipt.add_image(image, again)
            lost_attributes.look_at(image)
        stream.write("\n]\n")
        lost_attributes.note(receipt)
        receipt.check_not_empty(out)


def write_project(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    receipt: Receipt,
    url_prefix: str = LOCAL_FILES,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Write tasks, see `write_label_studio`, and beside them the labelling interface as `NAME.label_config.xml`.

    Returns:
        The two files.

    Raises:
        InputError: A class has a name that the interface cannot hold.
        OutputError: A file exists already or cannot be written.
    """
    config = out.with_name(f"{out.stem}.label_config.xml")
    check_output(config, overwrite=overwrite)
    interface = label_config(defects, inputs[0] if inputs else out)
    write_label_studio(found, out, receipt=receipt, url_prefix=url_prefix, inputs=inputs, overwrite=overwrite)
    with staged_file(config, overwrite=overwrite) as staged:
        staged.write_text(interface, encoding="utf-8", newline="\n")
    return [out, config]


def label_config(defects: Sequence[str], source: str | Path = "the labelling interface") -> str:
    """The labelling interface that fits the tasks: a brush, rectangles and polygons of every defect type.

    Args:
        defects: The defect types.
        source: The file that has them, for the error line.

    Raises:
        InputError: A class has a name that it cannot hold.
    """
    check_class_names(defects, source, "Label Studio")
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
