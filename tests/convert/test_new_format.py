"""The table of formats: each line comes back as it went; a made-up one gets commands, help, a row and a round trip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import typer
from conftest import Category
from typer.testing import CliRunner

from mvtec.cli.convert_formats import add_commands
from mvtec.convert.formats import FORMATS, Format, Reader, Writer
from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.files import staged_file

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def write_lines(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    receipt: Receipt,
    inputs: Sequence[Path],
    overwrite: bool,
) -> None:
    """A JSON list of photos with their boxes."""
    photos = []
    for image in found:
        boxes = [[instance.defect, list(instance.box_xywh)] for instance in image.instances]
        photos.append({"photo": image.path, "size_wh": image.size_wh, "boxes": boxes})
        receipt.add_image(image, [Instance(one.defect, one.box_xywh) for one in image.instances])
    with staged_file(out, overwrite=overwrite, inputs=inputs) as staged:
        staged.write_text(json.dumps({"classes": list(defects), "photos": photos}))


def read_lines(source: Path, *, receipt: Receipt, skip_errors: bool) -> Iterator[LabelledImage]:
    del receipt, skip_errors  # nothing is ever left out
    for photo in json.loads(source.read_text())["photos"]:
        instances = tuple(Instance(defect, tuple(box)) for defect, box in photo["boxes"])
        yield LabelledImage(photo["photo"], None, tuple(photo["size_wh"]), instances)


def read_line_classes(source: Path) -> list[str]:
    return json.loads(source.read_text())["classes"]


MADE_UP = Format(
    "Boxes in a list",
    Writer(f"{__name__}:write_lines", "file", "a list of boxes", "Write a list of boxes."),
    Reader(
        f"{__name__}:read_lines",
        f"{__name__}:read_line_classes",
        "LIST.json",
        "A list of boxes.",
        "boxes of a list",
        "Write COCO annotations of a list of boxes.",
    ),
)
TABLE = {**FORMATS, "made-up": MADE_UP}
BOTH_WAYS = [name for name, form in TABLE.items() if form.writer is not None and form.reader is not None]


def commands() -> typer.Typer:
    group = typer.Typer(rich_markup_mode=None)
    for name, form in TABLE.items():
        add_commands(group, name, form)
    return group


def row(name: str, form: Format) -> str:
    """The format's row of docs/formats.md."""
    there = f" `coco-to-{name}` " if form.writer else " "
    back = f" `{name}-to-coco` " if form.reader else " "
    return f"| {form.title} |{there}|{back}| {form.writer.makes if form.writer else ''} |"


def objects(path: Path) -> list[tuple[str, str, tuple[float, ...]]]:
    """The end of the photo's name, the class and the box of each object; formats differ in the folders they name."""
    content = read_coco(path)
    names, photos = content.category_names(), {image.id: image.file_name for image in content.images}
    found = [(photos[a.image_id], names[a.category_id], tuple(a.bbox)) for a in content.annotations]
    return sorted((photo.rsplit("/", 1)[-1].rsplit("_", 1)[-1], name, box) for photo, name, box in found)


@pytest.fixture
def annotations(category: Category, tmp_path: Path, mvtec) -> Path:
    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json").code == 0
    return tmp_path / "i.json"


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_format_comes_back(annotations: Path, category: Category, tmp_path: Path, name: str):
    writer, reader = TABLE[name].writer, TABLE[name].reader
    assert writer is not None
    assert reader is not None
    photos = ["--images", str(category.root)]
    given = photos if writer.makes == "folder" else []
    there = CliRunner().invoke(
        commands(), [f"coco-to-{name}", str(annotations), "--out", str(tmp_path / "there"), *given]
    )
    assert there.exit_code == 0, there.output
    given = photos if any(option.flag == "--images" for option in reader.options) else []
    back = CliRunner().invoke(
        commands(), [f"{name}-to-coco", str(tmp_path / "there"), "--out", str(tmp_path / "back.json"), *given]
    )
    assert back.exit_code == 0, back.output
    assert objects(tmp_path / "back.json") == objects(annotations)


@pytest.mark.parametrize("name", TABLE)
def test_a_format_has_its_help(name: str):
    form = TABLE[name]
    for command, side in ((f"coco-to-{name}", form.writer), (f"{name}-to-coco", form.reader)):
        if side is not None:
            text = " ".join(CliRunner().invoke(commands(), [command, "--help"]).output.split())
            assert side.help in text
            assert all(option.flag in text for option in side.options)


def test_the_docs_have_a_row_for_each_format():
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    start = lines.index("| format | from COCO | to COCO | what is written |")
    assert lines[start + 2 : start + 2 + len(FORMATS)] == [row(name, form) for name, form in FORMATS.items()]
    assert row("made-up", MADE_UP) == "| Boxes in a list | `coco-to-made-up` | `made-up-to-coco` | file |"
