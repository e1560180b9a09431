"""A YOLO folder divided anew by a split that `mvtec datasets split` made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mvtec.convert.formats.yolo.read_folder import YoloFolder, labelled_photos
from mvtec.convert.formats.yolo.write_folder import images_to_yolo
from mvtec.convert.receipt import Receipt
from mvtec.datasets.split import PARTS, Part, Split, in_no_part
from mvtec.errors import InputError
from mvtec.files import sha256_file


def yolo_by_split(folder: YoloFolder, split: Split, out: Path) -> Receipt:
    """Write a YOLO folder of the photos of another one, in the parts of a split, with links to the photos.

    Labels are polygons where all of them are, else boxes.

    Raises:
        InputError: A photo or label breaks a rule, or the split is not of this folder.
        OutputError: `out` exists already or cannot be written.
    """
    receipt = Receipt("", notes=list(folder.notes))
    everything: dict[Part, tuple[Path, ...]] = dict.fromkeys(PARTS, ())
    everything["train"] = tuple(sorted({photo for photos in folder.images.values() for photo in photos}))
    images = {image.path: image for image in labelled_photos(replace(folder, images=everything), "train", receipt)}
    receipt.notes += in_no_part(split, images, folder.data_yaml)
    for path, digest in split.images.items():
        if path not in images:
            raise InputError(folder.data_yaml, f"lacks {path}, which the split names", "Use the split made for it")
        photo = images[path].photo
        if photo is not None and sha256_file(photo) != digest:
            raise InputError(photo, "is not the photo the split was made of", "Make the split again")
    boxes_only = any(instance.region is None for image in images.values() for instance in image.instances)
    images_to_yolo(
        {part: [images[path] for path in split.part(part)] for part in PARTS if split.part(part)},
        out,
        defects=folder.names,
        info={"description": "instances of YOLO labels", "split": split.hash},
        receipt=receipt,
        task="detect" if boxes_only else "segment",
        images="any",
        inputs=[folder.root],
        split=split,
    )
    return receipt
