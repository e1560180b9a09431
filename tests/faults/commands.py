"""The commands that write, each twice: what is there, and what replaces it, under the same name with other content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer
from conftest import make_category

from mvtec.cli.commands import app
from mvtec.convert.formats.yolo.write_folder import masks_to_yolo
from mvtec.convert.from_masks import InstanceOptions
from mvtec.datasets.split import read_split
from mvtec.datasets.tree import read_tree
from mvtec.files import staged_file, write_json
from mvtec.run import RunRecord, discard_empty_run, finish_run, keep_plan, prepare_run


@dataclass(frozen=True)
class Command:
    """A command that writes into a folder.

    Attributes:
        before: Writes what is there.
        after: Replaces it.
        is_resumable: Whether it may also leave an unfinished run, with which `after` goes on.
    """

    name: str
    before: Callable[[Path], None]
    after: Callable[[Path], None]
    is_resumable: bool = False


@cache
def _command() -> Callable[..., int]:
    return typer.main.get_command(app)


def mvtec(*words: object) -> None:
    """Run a command; what `main` makes a line of is raised."""
    if code := _command()([str(word) for word in words], standalone_mode=False):
        raise SystemExit(code)


def _writes(name: str, out: str, words: tuple[object, ...], other: tuple[object, ...]) -> Command:
    """A command that writes `out`; `other` are the options that give other content."""

    def run(options: tuple[object, ...]) -> Callable[[Path], None]:
        return lambda folder: mvtec(*words, *options, "--out", folder / out, "--overwrite")

    return Command(name, run(other), run(()))


def train(data: Path, epochs: int) -> Callable[[Path], None]:
    """What a training does to its folder, without the training."""

    def work(folder: Path) -> None:
        out = folder / "run"
        resume = (out / "plan.json").is_file() and not (out / "run.json").is_file()
        prepare_run(out, resume=resume, overwrite=not resume, work="training")
        try:
            if not (out / "data").is_dir():
                dataset = read_tree(data / "widget")
                split = read_split(data / "split.json")
                masks_to_yolo(
                    dataset, out / "data", split=split, task="detect", images="any", options=InstanceOptions()
                )
            keep_plan(out, "training", {"epochs": epochs})
            with staged_file(out / "weights" / "last.pt", overwrite=True) as staged:
                staged.write_bytes(b"weights" * epochs)
            write_json(out / "history.json", [epochs], overwrite=True)
        except BaseException:
            discard_empty_run(out)
            raise
        finish_run(out, RunRecord("detector", [], {"epochs": epochs}, "", None, None, {}, 0, None, {}, {}))

    return work


def commands(data: Path) -> Iterator[Command]:
    """All of them, of a small data set that is drawn into the folder `data`."""
    category = make_category(data / "widget", defects=("crack",), per_class=4).root
    split, other, truth = (data / name for name in ("split.json", "other.json", "gt.json"))
    mvtec("datasets", "split", category, "--out", split, "--val-fraction", 0.25)
    mvtec("datasets", "split", category, "--out", other, "--val-fraction", 0.25, "--seed", 3)
    mvtec("convert", "masks-to-coco", category, "--out", truth)
    for name, source in (("yolo", truth), ("voc", truth), ("semantic", truth)):
        mvtec("convert", f"coco-to-{name}", source, "--images", category, "--out", data / name)
    for name in ("labelstudio", "cvat"):
        mvtec("convert", f"coco-to-{name}", truth, "--out", data / name)

    polygons, specks = ("--segmentation", "polygon"), ("--min-area", 30)
    convert, photos = "convert", ("--images", category)
    yield Command(
        "masks-to-coco --split",
        lambda out: mvtec(convert, "masks-to-coco", category, "--split", other, "--out", out / "o.json", "--overwrite"),
        lambda out: mvtec(convert, "masks-to-coco", category, "--split", split, "--out", out / "o.json", "--overwrite"),
    )
    yield _writes("yolo-to-coco", "o.json", (convert, "yolo-to-coco", data / "yolo"), polygons)
    yield _writes("masks-to-coco", "o.json", (convert, "masks-to-coco", category), polygons)
    yield _writes("masks-to-yolo", "o", (convert, "masks-to-yolo", category, "--images", "copy"), specks)
    yield _writes("coco-to-yolo", "o", (convert, "coco-to-yolo", truth, *photos), ("--task", "segment"))
    yield _writes("coco-to-masks", "o", (convert, "coco-to-masks", truth, *photos), ("--images-by", "copy"))
    yield _writes("coco-to-voc", "o", (convert, "coco-to-voc", truth, *photos), ("--images-by", "copy"))
    yield _writes("coco-to-semantic", "o", (convert, "coco-to-semantic", truth, *photos), ("--images-by", "copy"))
    prefix = ("--url-prefix", "http://x/")
    yield _writes("coco-to-labelstudio", "o.json", (convert, "coco-to-labelstudio", truth), prefix)
    tasks = (convert, "labelstudio-to-coco", data / "labelstudio", *photos)
    yield _writes("labelstudio-to-coco", "o.json", tasks, polygons)
    yield _writes("cvat-to-coco", "o.json", (convert, "cvat-to-coco", data / "cvat"), polygons)
    yield _writes("voc-to-coco", "o.json", (convert, "voc-to-coco", data / "voc"), polygons)
    yield _writes("semantic-to-coco", "o.json", (convert, "semantic-to-coco", data / "semantic"), polygons)
    yield _writes("split", "o.json", ("datasets", "split", category), ("--seed", 3))
    synthesize = ("datasets", "synthesize", category, "--split", split, "--method", "cutpaste", "--per-defect", 1)
    yield _writes("synthesize", "o", synthesize, ("--seed", 3))
    make = ("datasets", "make", "--per-class", 1, "--size", 64)
    yield _writes("make", "o", make, ("--seed", 3))
    yield Command("a training", train(data, 1), train(data, 2), is_resumable=True)
