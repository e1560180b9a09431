"""A folder that Ultralytics trains on, and that everyone else can score.

OUT/
  data.yaml                              paths relative to itself, classes in alphabetical order
  images/{train,val,test}/broken_large_000.png
  labels/{train,val,test}/broken_large_000.txt
  annotations/instances_{train,val,test}.json   the same photos as COCO, file names relative to images/<part>
  split.json
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from mvtec.convert.coco import CocoWriter, write_coco
from mvtec.convert.instances import InstanceOptions, LabelledImage, Tally, label_samples
from mvtec.convert.masks_to_coco import coco_info
from mvtec.convert.yolo import Task, label_text
from mvtec.datasets.split import PARTS, Part, Split, read_split, select
from mvtec.datasets.tree import IMAGE_SUFFIXES, Dataset
from mvtec.errors import InputError, OutputError
from mvtec.files import staged_folder, write_json

ImagesBy = Literal["link", "copy", "hardlink"]


def masks_to_yolo(
    dataset: Dataset,
    out: Path,
    *,
    split: Split,
    task: Task = "detect",
    images: ImagesBy = "link",
    options: InstanceOptions,
    overwrite: bool = False,
    on_sample: Callable[[], None] = lambda: None,
) -> Tally:
    """Write a YOLO folder.

    Args:
        dataset: The data set.
        out: The folder to make.
        split: Which photos belong to which part; photos in no part are left out.
        task: Labels as boxes (`detect`) or polygons (`segment`).
        images: How the photos get there: symbolic links to the originals, copies, or hard links.
        options: How masks become instances.
        overwrite: Replace what is there.
        on_sample: Called after each sample.

    Returns:
        What was met on the way.

    Raises:
        InputError: A photo or mask breaks a rule, the split is of another data set, or there is no defect.
        OutputError: `out` exists already or cannot be written.
    """
    if not dataset.defects:
        raise InputError(
            dataset.root / "test", "has no defect type, so there is nothing to label", "Add test/<defect>/"
        )
    class_index = {defect: index for index, defect in enumerate(dataset.defects)}
    tally = Tally()
    with staged_folder(out, overwrite=overwrite, inputs=[dataset.root]) as staged:
        (staged / "annotations").mkdir()
        for part in PARTS:
            samples = select(dataset, split, part)
            if not samples:
                continue
            for kind in ("images", "labels"):
                (staged / kind / part).mkdir(parents=True)
            writer = CocoWriter(dataset.defects, coco_info(dataset, split, part))
            taken: set[str] = set()
            for image in label_samples(dataset, samples, options, tally, on_sample):
                stem = _unique_stem(image, taken)
                name = stem + image.photo.suffix.lower()
                _place(image.photo, staged / "images" / part / name, images)
                text = label_text(task, class_index.get(image.defect, -1), image.instances, image.size_wh)
                (staged / "labels" / part / f"{stem}.txt").write_text(text, encoding="ascii")
                writer.add(image, file_name=name, sha256=split.images[image.path])
            write_coco(staged / "annotations" / f"instances_{part}.json", writer.dataset(), overwrite=False)
        write_json(staged / "split.json", split.to_json(), overwrite=False)
        (staged / "data.yaml").write_text(_data_yaml(dataset.defects, split), encoding="utf-8")
    return tally


def _unique_stem(image: LabelledImage, taken: set[str]) -> str:
    """`broken_large_000`: the defect keeps the `000` of one class apart from that of another, on any file system."""
    stem = f"{image.defect}_{image.photo.stem}"
    while stem.casefold() in taken:
        stem += "_"
    taken.add(stem.casefold())
    return stem


def _place(photo: Path, target: Path, by: ImagesBy) -> None:
    try:
        if by == "copy":
            shutil.copyfile(photo, target)
        elif by == "hardlink":
            os.link(photo.resolve(), target)
        else:
            target.symlink_to(photo.resolve())
    except OSError as error:
        raise OutputError(target, f"{by} of {photo} failed ({error.strerror})", "Try --images copy") from error


def _data_yaml(defects: tuple[str, ...], split: Split) -> str:
    lines = ["# Made by mvtec convert masks-to-yolo. Paths are relative to this file.", "train: images/train"]
    if split.val:
        lines.append("val: images/val")
    else:
        lines.append("val: images/train  # there is no val part; Ultralytics wants the key, and test is not for tuning")
    if split.test:
        lines.append("test: images/test")
    names = yaml.safe_dump({"names": dict(enumerate(defects))}, allow_unicode=True, sort_keys=True)
    return "\n".join(lines) + "\n" + names


@dataclass(frozen=True)
class YoloFolder:
    """A YOLO data set on disk, ours or another tool's.

    Attributes:
        data_yaml: Its `data.yaml`.
        names: The classes, in label order.
        images: The photos of each part, sorted; a part that is missing, or the same as train, is empty.
        split: The split it was made by, where it says so.
    """

    data_yaml: Path
    names: tuple[str, ...]
    images: dict[Part, tuple[Path, ...]]
    split: Split | None

    @property
    def root(self) -> Path:
        return self.data_yaml.parent

    def annotations(self, part: Part) -> Path | None:
        """The COCO file of a part, where there is one."""
        path = self.root / "annotations" / f"instances_{part}.json"
        return path if path.is_file() else None


def is_yolo_folder(path: Path) -> bool:
    """Whether `path` is a folder with a `data.yaml`, or such a file itself."""
    return path.suffix in {".yaml", ".yml"} or (path / "data.yaml").is_file()


def read_yolo_folder(path: Path) -> YoloFolder:
    """Read what a `data.yaml` says; photos are listed, not opened.

    Args:
        path: The folder, or its `data.yaml`.

    Raises:
        InputError: There is no such file, it names no classes, or its train part holds no photo.
    """
    data_yaml = path / "data.yaml" if path.is_dir() else path
    try:
        content = yaml.safe_load(data_yaml.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(data_yaml, "is no readable YAML file", "Make one with mvtec convert masks-to-yolo") from error
    try:
        names = TypeAdapter(dict[int, str] | list[str]).validate_python(content.get("names"))
    except (ValidationError, AttributeError) as error:
        raise InputError(data_yaml, "has no list of class names", "Give names: {0: crack, 1: stain}") from error
    if isinstance(names, dict):
        names = [names[index] for index in sorted(names)]
    root = (data_yaml.parent / str(content.get("path") or "")).resolve()
    listed = {part: _photos(root, content.get(part)) for part in PARTS}
    if not listed["train"]:
        raise InputError(data_yaml, "its train part holds no photo", "Check the paths in it")
    split_file = data_yaml.parent / "split.json"
    return YoloFolder(
        data_yaml=data_yaml,
        names=tuple(names),
        images={
            part: () if part != "train" and photos == listed["train"] else photos for part, photos in listed.items()
        },
        split=read_split(split_file) if split_file.is_file() else None,
    )


def _photos(root: Path, places: object) -> tuple[Path, ...]:
    """The photos of a part: a folder, a text file that lists photos, or a list of those."""
    photos: list[Path] = []
    for place in places if isinstance(places, list) else [places] if places else []:
        at = root / str(place)
        if not at.exists() and str(place).startswith("../"):  # as Roboflow writes it; Ultralytics allows for it, too
            at = root / str(place)[3:]
        if at.suffix == ".txt" and at.is_file():
            photos += [at.parent / line.strip() for line in at.read_text(encoding="utf-8").splitlines() if line.strip()]
        elif at.is_dir():
            photos += [file for file in at.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES]
    return tuple(sorted(photos))
