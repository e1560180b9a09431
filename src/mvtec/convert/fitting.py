"""Fits labels of other tools to their photos: finds the photo a file names, compares sizes, cuts boxes to the photo."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mvtec.convert.box_changes import BoxChange
from mvtec.convert.instances import Instance, LabelledImage, boxes_agree
from mvtec.convert.pixels.geometry import BoxFloat, cut_box
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.errors import InputError

_HARDLY = 1.0  # pixels; rounding moves a side by less
_ROUNDING = 0.01  # pixels; numbers in a text file move a side by less
_LEAST = 0.01  # pixels; a thinner box is lost in the decimals of a label


def spellings(name: str) -> list[str]:
    """The name of a photo as it stands, with `/` for the `\\` of Windows, and each in both forms of Unicode."""
    plain = (name, name.replace("\\", "/"))
    return list(
        dict.fromkeys([*plain, *(unicodedata.normalize(form, own) for form in ("NFC", "NFD") for own in plain)])
    )


def photo_named(root: Path, name: str) -> str | None:
    """How the photo that a file calls `name` is called in the folder `root`; None where it is not there."""
    return next((spelling for spelling in spellings(name) if (root / spelling).is_file()), None)


def fitted(
    image: LabelledImage, source: Path, receipt: Receipt, *, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The image with `cut_boxes`, if its size is that of its photo, where the photo is there.

    A photo that lost all its objects, here or in its reader, is left out, too: it is not a good one.

    Args:
        image: The image as a file has it.
        source: The file, for error lines.
        receipt: Is told what is left out.
        skip_errors: Leave the image out, instead of stopping.

    Raises:
        BadPhotoError: The photo cannot be read.
        InputError: The photo has another size, or see `cut_boxes`.
    """
    try:
        if image.photo is not None and image.photo.is_file():
            width, height = photo_size_wh(image.photo)
            if (width, height) != image.size_wh:
                raise InputError(
                    image.photo,
                    f"is {width}×{height} pixels, and {source.name} says {image.size_wh[0]}×{image.size_wh[1]}",
                    "Give the same photos; where it has an EXIF orientation, label it as it is shown",
                )
    except InputError as error:
        receipt.leave_out(
            error, skip_errors=skip_errors, kind="photo not as labelled", photo=image.path, lost=image.defects
        )
    else:
        yield from cut_boxes(image, source, receipt, skip_errors=skip_errors)


def cut_boxes(
    image: LabelledImage, source: Path, receipt: Receipt, *, skip_errors: bool = False
) -> Iterator[LabelledImage]:
    """The image with what of its boxes reaches out of it cut off; nothing where it lost all its objects.

    Readers of YOLO labels pass over photos with such boxes. The receipt counts those cut by a pixel or more.

    Args:
        image: The image.
        source: The file it comes from, for error lines.
        receipt: Is told of boxes that were cut or left out.
        skip_errors: Leave out a box that is not in the photo, instead of stopping.

    Raises:
        InputError: A box is not in the photo.
    """
    instances: list[Instance] = []
    for instance in image.instances:
        box = cut_box(instance.box_xywh, image.size_wh)
        if box is None or min(box[2:]) < _LEAST:
            sides = ", ".join(f"{side:g}" for side in instance.source_box_xywh)
            problem = InputError(
                source,
                f"a box of {image.path} is not in the photo, or less than {_LEAST} pixels wide or high ({sides})",
                "Correct the box, or remove it",
            )
            kind = "box not in the photo"
            receipt.leave_out(problem, skip_errors=skip_errors, kind=kind, photo=image.path, lost=[instance.defect])
            continue
        moved = max(abs(side - before) for side, before in zip(box, instance.box_xywh, strict=True))
        if moved >= _HARDLY:
            receipt.cut.add(BoxChange(image.path, instance.defect, instance.source_box_xywh, box))
        instances.append(_with_box(instance, box, moved))
    if not instances and receipt.has_lost(image.path):
        receipt.skipped.append(f"{source}: {image.path} lost all its objects and is left out.")
    else:
        yield replace(image, instances=tuple(instances))


def _with_box(instance: Instance, box: BoxFloat, moved: float) -> Instance:
    """An instance with its cut box; where this is the box of its pixels to within a pixel, with the latter."""
    given = instance.given_box_xywh if moved < _ROUNDING else instance.source_box_xywh
    if instance.region is not None and boxes_agree(box, instance.region.box_xywh):
        box = instance.region.box_xywh
        given = instance.source_box_xywh if instance.has_other_box else None
    return replace(instance, box_xywh=box, given_box_xywh=given)
