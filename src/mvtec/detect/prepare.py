"""Gives a training its YOLO folder, converting an MVTec category first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mvtec.convert.formats.yolo.by_split import yolo_by_split
from mvtec.convert.formats.yolo.read_folder import check_labels_for_training, is_yolo_folder, read_yolo_folder
from mvtec.convert.formats.yolo.write_folder import masks_to_yolo
from mvtec.convert.from_masks import InstanceOptions
from mvtec.datasets.split import PARTS, Split, make_split, read_split, select, untested
from mvtec.datasets.tree import layout_of, read_tree
from mvtec.errors import ArgumentError, InputError, no_folder


def check_data(data: Path) -> None:
    """See that there is a YOLO folder or a category, before anything is begun; `yolo_folder_for` looks closer.

    Raises:
        InputError: There is neither.
    """
    hint = "Give a YOLO folder (data.yaml, images/, labels/), or an MVTec category (test/, ground_truth/)"
    if is_yolo_folder(data):
        return
    if not data.is_dir():
        raise no_folder(data, hint)
    if layout_of(data) is None and not any(layout_of(child) for child in data.iterdir() if child.is_dir()):
        raise InputError(data, "is neither a YOLO folder nor an MVTec category", hint)


def yolo_folder_for(
    data: Path,
    run: Path,
    split_file: Path | None = None,
    fold: int | None = None,
    *,
    warn: Callable[[str], None] = lambda _warning: None,
) -> Path:
    """The YOLO folder to train on: `data` itself, or `run/data`, made from the category `data`.

    Labels are polygons: a detector learns boxes from them, and they stay tight when a photo is turned.

    Args:
        data: A YOLO folder, its `data.yaml`, or an MVTec category.
        run: The run's folder.
        split_file: The split of the category, or of the YOLO folder, whose parts it replaces; None draws the default
            one of a category, a fifth of each class as test.
        fold: The fold of the split to take as val.
        warn: Told what the conversion's receipt warns of.

    Raises:
        InputError: `data` is neither, a photo or mask breaks a rule, or a resumed run began with another split.
    """
    is_yolo = is_yolo_folder(data)
    if is_yolo:
        folder = read_yolo_folder(data)
        check_labels_for_training(folder)
    if is_yolo and split_file is None and fold is None:
        for note in folder.notes:
            warn(note)
        return data
    if split_file is None and fold is not None:
        raise ArgumentError("fold", "needs the split that it is a fold of", "Give `split`, too")
    split = None if split_file is None else read_split(split_file)
    if split is not None and fold is not None:
        split = split.fold(fold)
    converted = run / "data"
    if converted.is_dir():  # a resumed run
        if split is not None and split.hash != read_split(converted / "split.json").hash:
            raise ArgumentError("split", "is not what the run began with", "Give the same, or leave it out")
        if not is_yolo:
            _check_same(data, read_split(converted / "split.json"))
        return converted
    if is_yolo and split is not None:
        receipt = yolo_by_split(folder, split, converted)
        for warning in receipt.warnings():
            warn(warning)
        return converted
    dataset = read_tree(data)
    notes: list[str] = []
    if split is None:
        split = make_split(dataset)
        notes = untested(dataset, split)
    receipt = masks_to_yolo(
        dataset, converted, split=split, task="segment", images="any", options=InstanceOptions(), notes=notes
    )
    for warning in receipt.warnings():
        warn(warning)
    return converted


def _check_same(data: Path, began_with: Split) -> None:
    """See that a category still holds the photos of a split.

    Raises:
        InputError: It does not.
    """
    dataset = read_tree(data)
    try:
        for part in PARTS:
            select(dataset, began_with, part)
    except InputError as error:
        raise InputError(
            data, "holds other photos than the run began with", "Give what it began with, or --overwrite to begin anew"
        ) from error
