"""`mvtec convert coco-to-yolo`: annotation files as a folder that Ultralytics trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mvtec.convert.fitting import spellings
from mvtec.convert.formats.coco.files import CocoDataset, CocoImage, read_coco
from mvtec.convert.formats.coco.images import class_names, labelled_images
from mvtec.convert.formats.yolo.label_lines import Task
from mvtec.convert.formats.yolo.write_folder import images_to_yolo
from mvtec.convert.instances import LabelledImage
from mvtec.convert.link_or_copy import ImagesBy
from mvtec.convert.photo_finder import PhotoFinder
from mvtec.convert.receipt import Receipt
from mvtec.datasets.split import PARTS, Part, Split, in_no_part
from mvtec.errors import InputError


def coco_to_yolo(
    annotations: Mapping[Part, Path | None],
    photos: Path,
    out: Path,
    *,
    split: Split | None = None,
    task: Task = "detect",
    images_by: ImagesBy = "link",
    keep_crowds: bool = False,
    skip_errors: bool = False,
    overwrite: bool = False,
) -> Receipt:
    """Write a YOLO folder.

    Classes are in the order of the category ids of the train part, see `class_names`. The other parts may list fewer.

    Args:
        annotations: The annotation file of each part.
        photos: The folder their file names are relative to.
        out: The folder to make.
        split: Divides the file of train by its file names; images in no part are left out.
        task: Labels as boxes (`detect`) or polygons (`segment`).
        images_by: How the photos get there.
        keep_crowds: Take crowds as instances, see `labelled_images`.
        skip_errors: Leave out annotations that break a rule, and photos that are missing, instead of stopping.
        overwrite: Replace what is there.

    Raises:
        InputError: A file or an annotation breaks a rule, a photo is missing, or the parts do not fit together.
        OutputError: `out` exists already or cannot be written.
    """
    files = {part: path for part, path in annotations.items() if path is not None}
    contents = {part: read_coco(path, defer_errors=True) for part, path in files.items()}
    receipt = Receipt("")
    names = class_names(contents["train"], receipt)
    for part, path in files.items():
        _check_classes(contents[part], path, names, receipt)
    _note_numbers(contents["train"], names, receipt)
    named = {part: {_whole_name(image, files[part]) for image in content.images} for part, content in contents.items()}
    for part in files:
        receipt.note_shared(part, len(named[part] & named["train"]))
    info: dict[str, Any] = {"description": "instances of COCO annotations"}
    if split is not None:
        if len(files) > 1:
            raise InputError("--split", "--val and --test divide the photos already", "Give one or the other")
        content, source = contents["train"], files["train"]
        by_name = _by_name(content, PhotoFinder(source, photos), source, split)
        receipt.notes += in_no_part(split, by_name, source)
        of_no_image = [one for one in content.unreadable if one.image_id is None]
        contents = {part: _part(content, by_name, source, split, part) for part in PARTS if split.part(part)}
        next(iter(contents.values())).unreadable += of_no_image  # to be counted once
        files = dict.fromkeys(contents, files["train"])
        info["split"] = split.hash
    parts: dict[Part, Iterable[LabelledImage]] = {
        part: labelled_images(
            content,
            files[part],
            photos,
            receipt,
            keep_crowds=keep_crowds,
            wanted="boxes" if task == "detect" else "masks",
            skip_errors=skip_errors,
        )
        for part, content in contents.items()
    }
    images_to_yolo(
        parts,
        out,
        defects=names,
        info=info,
        receipt=receipt,
        task=task,
        images=images_by,
        inputs=[*files.values(), photos],
        overwrite=overwrite,
    )
    return receipt


def _check_classes(content: CocoDataset, source: Path, names: Sequence[str], receipt: Receipt) -> None:
    """See that annotations of a part have no other classes than the train part; the receipt says where it lists fewer.

    Raises:
        InputError: They have.
    """
    name_of = content.category_names()
    used = {name_of[annotation.category_id] for annotation in content.annotations}
    if others := sorted(used - set(names)):
        raise InputError(
            source,
            f"has other categories than the train part: {', '.join(others)}",
            "Make the parts from one data set, or add the categories to the train part's file",
        )
    if missing := [name for name in names if name not in name_of.values()]:
        receipt.notes.append(f"{source} does not list {', '.join(missing)}; the classes are those of the train part")


def _note_numbers(content: CocoDataset, names: Sequence[str], receipt: Receipt) -> None:
    """Say which class number each category gets, where that is not its id, or its id less one."""
    id_of = {name: number for number, name in content.category_names().items()}
    ids = [id_of[name] for name in names]
    if ids and ids not in ([*range(len(ids))], [*range(1, len(ids) + 1)]):
        pairs = ", ".join(f"{old} → {new} ({name})" for new, (old, name) in enumerate(zip(ids, names, strict=True)))
        receipt.notes.append(f"category ids become class numbers: {pairs}")


def _whole_name(image: CocoImage, source: Path) -> str:
    """What tells a photo of one part from that of another: each may lie beside the file of its part."""
    beside = source.parent / image.file_name
    return str(beside.resolve()) if beside.is_file() else image.file_name


def _by_name(content: CocoDataset, finder: PhotoFinder, source: Path, split: Split) -> dict[str, CocoImage]:
    """The images of a file by the names that a split has for them."""
    known = split.images.keys() | set(split.left_out)
    by_name: dict[str, CocoImage] = {}
    for image in content.images:
        spelt = next((one for one in spellings(image.file_name) if one in known), None)
        if spelt is None:  # a split of the file itself has the names by which its photos were found
            with suppress(InputError):
                spelt = finder.find(image.file_name)[0]
        spelt = spelt or image.file_name
        if by_name.setdefault(spelt, image) is not image:
            raise InputError(source, f"has two images {spelt}", "Give their annotations to one of them")
    return by_name


def _part(content: CocoDataset, by_name: dict[str, CocoImage], source: Path, split: Split, part: Part) -> CocoDataset:
    missing = sorted(set(split.part(part)) - by_name.keys())
    if missing:
        raise InputError(source, f"lacks {missing[0]}, which the split puts into {part}", "Use the split made for it")
    images = [by_name[name] for name in split.part(part)]
    ids = {image.id for image in images}
    kept = [annotation for annotation in content.annotations if annotation.image_id in ids]
    of_part = content.model_copy(update={"images": images, "annotations": kept})
    of_part.unreadable = [one for one in content.unreadable if one.image_id in ids]
    return of_part
