"""A folder that Ultralytics trains on, and that everyone else can score.

OUT/
  data.yaml                              paths relative to itself, classes in the given order
  images/{train,val,test}/broken_large_000.png
  labels/{train,val,test}/broken_large_000.txt
  annotations/instances_{train,val,test}.json   the same photos as COCO, file names relative to images/<part>
  split.json                             of masks, which photo is in which part
  conversion.json                        the receipt
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from mvtec.convert.box_changes import BoxChange, replaced_boxes
from mvtec.convert.formats.coco.files import CocoLabels, coco_file
from mvtec.convert.formats.coco.segmentation import SegmentationOptions, coco_labels
from mvtec.convert.formats.yolo.label_lines import Task, yolo_labels
from mvtec.convert.from_masks import InstanceOptions, label_samples, note_left_out
from mvtec.convert.instances import LabelledImage
from mvtec.convert.link_or_copy import ImagesBy, link_or_copy, unique_stem
from mvtec.convert.masks_to_coco import coco_info
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import PARTS, Part, Split, in_no_part, select
from mvtec.datasets.usable import LeftOut
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json

_AS_ULTRALYTICS = {".jpe": ".jpg", ".jfif": ".jpg"}  # it passes over JPEG photos with these endings


@dataclass(frozen=True)
class YoloLabels:
    """A photo ready to be written into a folder.

    Attributes:
        coco: It as COCO has it.
        photo: Where it lies.
        text: Its label file.
        ious: For each instance the IoU between the given one and what Ultralytics gets back.
        replaced: The given boxes that Ultralytics does not get back.
    """

    coco: CocoLabels
    photo: Path
    text: str
    ious: list[float]
    replaced: list[BoxChange]


def masks_to_yolo(
    dataset: Dataset,
    out: Path,
    *,
    split: Split,
    task: Task = "detect",
    images: ImagesBy = "link",
    options: InstanceOptions,
    left_out: Sequence[LeftOut] = (),
    notes: Sequence[str] = (),
    overwrite: bool = False,
    on_sample: Callable[[], None] = lambda: None,
) -> Receipt:
    """Write a YOLO folder from ground-truth masks.

    Args:
        dataset: The data set.
        out: The folder to make.
        split: Which photos belong to which part; photos in no part are left out.
        task: Labels as boxes (`detect`) or polygons (`segment`).
        images: How the photos get there: symbolic links to the originals, copies, or hard links.
        options: How masks become instances.
        left_out: What was left out before the split was made, for the receipt.
        notes: What else it should say, of the split, say.
        overwrite: Replace what is there.
        on_sample: Called after each sample.

    Raises:
        InputError: A photo or mask breaks a rule, the split is of another data set, or there is no defect.
        OutputError: `out` exists already or cannot be written.
    """
    if not dataset.defects:
        raise InputError(
            dataset.root / "test", "has no defect type, so there is nothing to label", "Add test/<defect>/"
        )
    receipt = Receipt(_reader(task), notes=list(notes))
    receipt.notes += in_no_part(split, [sample.path for sample in dataset.labelled], dataset.root)
    note_left_out(left_out, "skip", receipt)
    make = partial(_labels, task=task, class_of={defect: index for index, defect in enumerate(dataset.defects)})
    with staged_folder(out, overwrite=overwrite, inputs=[dataset.root]) as staged:
        for part in PARTS:
            samples = select(dataset, split, part)
            if samples:
                labels = label_samples(dataset, samples, options, receipt, make, on_sample)
                info = coco_info(dataset, split, part)
                _write_part(staged, part, labels, dataset.defects, info, images, receipt, split.images)
        receipt.check_not_empty(out)
        write_json(staged / "split.json", split.to_json(), overwrite=False)
        _write_data_yaml(staged, dataset.defects, {part for part in PARTS if split.part(part)})
        write_json(staged / RECEIPT, receipt.to_json(), overwrite=False)
    return receipt


def images_to_yolo(
    parts: Mapping[Part, Iterable[LabelledImage]],
    out: Path,
    *,
    defects: Sequence[str],
    info: dict[str, Any],
    receipt: Receipt,
    task: Task = "detect",
    images: ImagesBy = "link",
    inputs: Sequence[Path] = (),
    split: Split | None = None,
    overwrite: bool = False,
) -> None:
    """Write a YOLO folder from labelled images.

    Args:
        parts: The images of each part; each must know where its photo lies.
        out: The folder to make.
        defects: The defect types, in the order of their class numbers.
        info: What the `info` of the annotation files should say.
        receipt: Is filled, and kept in the folder.
        task: Labels as boxes (`detect`) or polygons (`segment`).
        images: How the photos get there.
        inputs: What the images are read from: `out` must not replace it.
        split: What divided the images into the parts, to be kept beside them.
        overwrite: Replace what is there.

    Raises:
        InputError: An instance has only a box and `task` is `segment`, or the images break a rule.
        OutputError: `out` exists already or cannot be written.
    """
    receipt.reader = _reader(task)
    class_of = {defect: index for index, defect in enumerate(defects)}
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        digests = {} if split is None else split.images
        for part, found in parts.items():
            labels = (_labels(image, task=task, class_of=class_of) for image in found)
            _write_part(staged, part, labels, defects, {**info, "part": part}, images, receipt, digests)
        receipt.check_not_empty(out)
        _write_data_yaml(staged, defects, set(parts))
        if split is not None:
            write_json(staged / "split.json", split.to_json(), overwrite=False)
        write_json(staged / RECEIPT, receipt.to_json(), overwrite=False)


def _reader(task: Task) -> str:
    return "Ultralytics, boxes" if task == "detect" else "Ultralytics, polygons"


def _labels(image: LabelledImage, *, task: Task, class_of: dict[str, int]) -> YoloLabels:
    if image.photo is None:
        raise InputError(image.path, "has no photo, and a YOLO folder needs it", "Give --images")
    text, again = yolo_labels(image, task, class_of)
    ious = [one.iou(back) for one, back in zip(image.instances, again, strict=True)]
    coco = coco_labels(image, SegmentationOptions())[0]
    return YoloLabels(coco, image.photo, text, ious, replaced_boxes(image, again) if task == "segment" else [])


def _write_part(
    staged: Path,
    part: Part,
    found: Iterable[YoloLabels],
    defects: Sequence[str],
    info: dict[str, Any],
    images: ImagesBy,
    receipt: Receipt,
    digests: Mapping[str, str],
) -> None:
    for kind in ("images", "labels"):
        (staged / kind / part).mkdir(parents=True)
    annotations = staged / "annotations" / f"instances_{part}.json"
    taken: set[str] = set()
    with coco_file(annotations, defects, info, overwrite=False) as file:
        for labels in found:
            stem = unique_stem(labels.coco.path, taken)
            suffix = labels.photo.suffix.lower()
            name = stem + _AS_ULTRALYTICS.get(suffix, suffix)
            link_or_copy(labels.photo, staged / "images" / part / name, images)
            (staged / "labels" / part / f"{stem}.txt").write_text(labels.text, encoding="ascii", newline="\n")
            file.add(labels.coco, file_name=name, sha256=digests.get(labels.coco.path))
            receipt.add(labels.coco.path, labels.coco.defects, labels.ious, labels.replaced)


def _write_data_yaml(staged: Path, defects: Sequence[str], parts: set[Part]) -> None:
    lines = ["# Made by mvtec convert. Paths are relative to this file.", "train: images/train"]
    if "val" in parts:
        lines.append("val: images/val")
    else:
        lines.append("val: images/train  # there is no val part; Ultralytics wants the key, and test is not for tuning")
    if "test" in parts:
        lines.append("test: images/test")
    names = yaml.safe_dump({"names": dict(enumerate(defects))}, allow_unicode=True, sort_keys=True)
    (staged / "data.yaml").write_text("\n".join(lines) + "\n" + names, encoding="utf-8", newline="\n")
