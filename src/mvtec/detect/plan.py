"""What a run sets out to do: written before the training, and compared when it is resumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from mvtec.cache import find_in, weights_folders
from mvtec.convert.formats.yolo.read_folder import YoloFolder, label_file
from mvtec.datasets.split import Part
from mvtec.detect.backends import YOLO
from mvtec.detect.model import remembered_photos
from mvtec.detect.recipe import Recipe
from mvtec.detect.weights import Start, starter
from mvtec.errors import InputError
from mvtec.files import sha256_file
from mvtec.reading import read_json
from mvtec.run import RunRecord, photos_seen_by


@dataclass(frozen=True)
class Plan:
    """What a run sets out to do; a resumed run must set out to do the same.

    Attributes:
        detector: The name of the detector's kind in `DETECTORS`.
        data: The `data.yaml`.
        split: Hash of the split, if the data has one.
        has_val: Whether a val part chooses the checkpoint; one without an instance cannot.
        photos: SHA-256 of each train and val photo, mapped to its file name.
        seen_before: The same of the photos that the weights were trained on, where their run or they themselves say so.
        weights: File and SHA-256 of the weights trained from; None for random ones.
        transferred: How many of the model's tensors took a value from the weights, and how many there are.
        settings: Every setting of the training.
    """

    detector: str
    data: str
    split: str | None
    has_val: bool
    photos: dict[str, str]
    seen_before: dict[str, str]
    weights: dict[str, str] | None
    transferred: tuple[int, int]
    settings: dict[str, Any]


def make_plan(
    folder: YoloFolder,
    start: Start,
    settings: Mapping[str, Any],
    transferred: tuple[int, int] = (0, 0),
    *,
    has_val: bool = False,
) -> Plan:
    """The plan of a training that begins now; `settings`, `transferred` and `has_val` as in `Plan`."""
    photos = [*folder.images["train"], *folder.images["val"]]
    return Plan(
        detector=start.detector,
        data=str(folder.data_yaml.resolve()),
        split=None if folder.split is None else folder.split.hash,
        has_val=has_val,
        photos={sha256_file(photo): photo.name for photo in photos},
        seen_before=seen_by(start),
        weights=start.record(),
        transferred=transferred,
        settings={"model": start.architecture, **settings},
    )


def seen_by(start: Start) -> dict[str, str]:
    """SHA-256 and name of the photos that the weights of a start have seen, as their run or they themselves say."""
    return photos_seen_by(start.weights) | remembered_photos(None if start.is_starter else start.weights)


def detector_of_plan(out: Path) -> str:
    """Which kind of detector the unfinished run in `out` trains."""
    plan = read_json(out / "plan.json", "the plan of a run")
    return str(plan.get("detector")) if isinstance(plan, dict) else ""


def resumed_plan(folder: YoloFolder, out: Path) -> Plan:
    """The plan of the unfinished run in `out`.

    Raises:
        InputError: It is broken, or the data holds other photos than it names.
    """
    try:
        plan = TypeAdapter(Plan).validate_python(read_json(out / "plan.json", "the plan of a run"))
    except ValidationError as error:
        raise InputError(out / "plan.json", "is no plan of a run", "Begin anew with --overwrite") from error
    photos = [*folder.images["train"], *folder.images["val"]]
    if {sha256_file(photo) for photo in photos} != set(plan.photos):
        raise InputError(folder.data_yaml, "holds other photos than the run began with", "Begin anew with --overwrite")
    return replace(plan, transferred=(plan.transferred[0], plan.transferred[1]))


def not_taken(recipe: Recipe, typed: Collection[str], start: Start | None, out: Path) -> list[str]:
    """Sentences on what was asked for, and the unfinished run in `out` did not begin with.

    Args:
        recipe: The settings.
        typed: Which of them were asked for.
        start: What to begin with; None where nothing was named.
        out: The run's folder.
    """
    plan = read_json(out / "plan.json", "the plan of a run")
    began, sentences = plan.get("settings", {}), []
    if start is not None:
        weights, before = start.record() or {}, plan.get("weights") or {}
        same_weights = weights.get("sha256") == before.get("sha256")
        if not same_weights or (start.architecture != began.get("model") and not start.architecture.endswith(".pt")):
            named = start.architecture if same_weights or start.weights is None else start.weights
            sentences.append(
                f"{named} is not taken: a resumed run goes on as it began, with {began.get('model')} and "
                f"{before.get('file', 'random weights')}"
            )
    asked = {name: value for name, value in asdict(recipe).items() if name in typed}
    return sentences + [
        f"--{name} {value} is not taken: a resumed run goes on as it began, with {began[name] or 0}"
        for name, value in asked.items()
        if name in began and (began[name] or 0) != value  # nothing is frozen where it is null
    ]


def start_and_recipe(like: RunRecord) -> tuple[Start, Recipe]:
    """What to begin with and how to train, to make a run again on other photos.

    Args:
        like: The record of that run, a detector's. If it began with the weights that come with this package,
            these are found wherever the package is by now.

    Raises:
        WeightsError: The weights it began with have gone, or are others now.
    """
    chosen = {name: like.settings[name] for name in Recipe.__dataclass_fields__ if like.settings.get(name) is not None}
    if like.settings["detector"] != YOLO:
        return Start(like.settings["model"], None), Recipe(**chosen)
    ours = starter()
    if like.weights is not None and like.weights["sha256"] == (ours.record() or {})["sha256"]:
        return ours, Recipe(**chosen)
    named = Path((like.weights or {}).get("file", "")).name
    weights, model = like.weights_file([find_in(weights_folders(), named)]), str(like.settings["model"])
    # A checkpoint that was its own architecture may have been named from another folder.
    return Start(str(weights) if weights is not None and model.endswith(".pt") else model, weights), Recipe(**chosen)


def write_data_yaml(folder: YoloFolder, out: Path) -> None:
    """Write down which photos a run learns from: `out/data.yaml`, with `train.txt` and `val.txt`."""
    out = out.absolute()
    parts: dict[Part, str] = {"train": "train.txt", "val": "val.txt" if folder.images["val"] else "train.txt"}
    for part, name in parts.items():
        if photos := folder.images[part]:
            (out / name).write_text("".join(f"{photo}\n" for photo in photos), encoding="utf-8")
    content = {part: str(out / name) for part, name in parts.items()} | {"names": dict(enumerate(folder.names))}
    (out / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def has_polygons(folder: YoloFolder) -> bool:
    """Whether the labels of the train part are polygons, all of them: of a mixture Ultralytics takes the boxes.

    Raises:
        InputError: A label file is no text.
    """
    lines: list[list[str]] = []
    for label in (label_file(photo) for photo in folder.images["train"]):
        try:
            lines += [line.split() for line in label.read_text("utf-8-sig").splitlines()] if label.is_file() else []
        except UnicodeDecodeError as error:
            raise InputError(label, "is no text in UTF-8", "Make the labels again") from error
    return all(len(words) > 5 for words in lines if words) and any(lines)
