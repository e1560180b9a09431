"""Broken input is named, in every format; nothing half done stays; odd names pass."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import Category, Outcome, make_category, noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.link_or_copy import unique_stem
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.datasets.tree import read_tree


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category and it in every format, in files that a test may copy and spoil."""
    from mvtec.cli.commands import app

    root = tmp_path_factory.mktemp("leaves")
    make_category(root / "widget", per_class=2)
    coco, photos = str(root / "i.json"), str(root / "widget")
    for words in (
        ["masks-to-coco", photos, "--out", coco],
        ["coco-to-yolo", coco, "--images", photos, "--out", str(root / "yolo"), "--task", "segment"],
        ["coco-to-labelstudio", coco, "--out", str(root / "ls.json")],
        ["coco-to-cvat", coco, "--out", str(root / "c.xml")],
        ["coco-to-voc", coco, "--images", photos, "--out", str(root / "voc")],
        ["coco-to-semantic", coco, "--images", photos, "--out", str(root / "semantic")],
    ):
        with pytest.raises(SystemExit) as stop:
            app(["convert", *words])
        assert stop.value.code == 0
    return root


# Of each reader: the command, what it is given, and the file of it that is spoiled.
READERS = {
    "coco": ("coco-to-yolo", "i.json", "i.json"),
    "yolo_label": ("yolo-to-coco", "yolo", "yolo/labels/train/crack_001.txt"),
    "yolo_yaml": ("yolo-to-coco", "yolo", "yolo/data.yaml"),
    "label_studio": ("labelstudio-to-coco", "ls.json", "ls.json"),
    "cvat": ("cvat-to-coco", "c.xml", "c.xml"),
    "voc_xml": ("voc-to-coco", "voc", "voc/Annotations/crack_001.xml"),
    "voc_png": ("voc-to-coco", "voc", "voc/SegmentationObject/crack_001.png"),
    "semantic": ("semantic-to-coco", "semantic", "semantic/masks/crack_001.png"),
    "mask": ("masks-to-coco", "widget", "widget/ground_truth/crack/001_mask.png"),
    "photo": ("masks-to-coco", "widget", "widget/test/crack/001.png"),
}


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """One of the ways in which files break: cut, bytes changed, bytes lost, bytes doubled, tokens swapped."""
    data = bytearray(content)
    way = chance.randrange(5)
    at, length = chance.randrange(len(data)), chance.randrange(1, 40)
    if way == 0:
        del data[at:]
    elif way == 1:
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif way == 2:
        del data[at : at + length]
    elif way == 3:
        data[at:at] = data[at : at + length]
    else:
        tokens = [b"-1", b"1e999", b"null", b"[]", b"{}", b"NaN", b'""', b"99999999999999999999", b"true", b"0"]
        digits = [index for index, byte in enumerate(data) if 48 <= byte <= 57]
        if digits:
            index = chance.choice(digits)
            data[index : index + 1] = chance.choice(tokens)
    return bytes(data)


def convert(mvtec, command: str, source: Path, photos: Path, out: Path) -> Outcome:
    words = ["--images", photos] if command in {"coco-to-yolo", "labelstudio-to-coco"} else []
    return mvtec("convert", command, source, "--out", out, *words)


@pytest.mark.parametrize("reader", READERS)
def test_a_spoiled_file_is_read_or_named_and_never_a_traceback(reader: str, leaves: Path, tmp_path: Path, mvtec):
    command, source, target = READERS[reader]
    original = (leaves / target).read_bytes()
    chance = random.Random(reader)
    refused = 0
    try:
        for round_number in range(60):
            (leaves / target).write_bytes(spoiled(original, chance))
            out = tmp_path / f"out{round_number}"
            outcome = convert(mvtec, command, leaves / source, leaves / "widget", out)
            assert outcome.code in (0, 2)
            if outcome.code == 2:
                refused += 1
                assert len(outcome.err.splitlines()) == 1
                assert outcome.err.startswith("error: ")
                assert not [path for path in tmp_path.iterdir() if path.name.startswith((out.name, "."))]
    finally:
        (leaves / target).write_bytes(original)
    assert refused > 10
    assert convert(mvtec, command, leaves / source, leaves / "widget", tmp_path / "whole").code == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.5", "line 2 has 3 coordinates"),
        ("0 0.5 0.5 0.2 0.2 0.9", "line 2 has 5 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "line 2 has 7 coordinates"),
        ("7 0.5 0.5 0.2 0.2", "line 2 has class 7, and there are 2 classes"),
        ("-1 0.5 0.5 0.2 0.2", "line 2 has class -1"),
        ("0 0.5 0.5 1.2 0.2", "line 2 has coordinates outside of 0 to 1"),
        ("0 0.5 nan 0.2 0.2", "line 2 has coordinates outside of 0 to 1"),
        ("0 0.5 0.5 0 0.2", "line 2 has a box without area"),
        ("crack 0.5 0.5 0.2 0.2", "line 2 is not a class number and coordinates"),
    ],
)
def test_a_broken_yolo_line_is_named(leaves: Path, tmp_path: Path, mvtec, line: str, message: str):
    label = leaves / "yolo/labels/train/crack_001.txt"
    original = label.read_text()
    try:
        label.write_text(original.splitlines()[0] + f"\n{line}\n")
        outcome = mvtec("convert", "yolo-to-coco", leaves / "yolo", "--out", tmp_path / "i.json")
        assert outcome.code == 2
        assert f"crack_001.txt: {message}" in outcome.err
        outcome = mvtec("convert", "yolo-to-coco", leaves / "yolo", "--out", tmp_path / "i.json", "--on-error", "skip")
        assert outcome.code == 0
        assert f"left out: {label}" in outcome.err
        assert len(read_coco(tmp_path / "i_train.json").images) == 5
    finally:
        label.write_text(original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "neither RLE nor polygons of three points"),
        ({"segmentation": [[1, 1, 5, 5, "a", 3]]}, "neither RLE nor polygons of three points"),
        ({"segmentation": [[900, 900, 950, 900, 950, 950]]}, "marks no pixel of the image"),
        ({"segmentation": {"size": [9, 9], "counts": "P"}}, "is not 48×40 pixels as its image"),
        ({"segmentation": {"size": [40, 48], "counts": "\x7f\x7f"}}, "is no run-length encoding"),
        ({"segmentation": {"size": [40, 48], "counts": [1, 2]}}, "is no run-length encoding of its size"),
        ({"segmentation": [], "bbox": [1, 1, 0, 5]}, "has a box without area"),
    ],
)
def test_an_annotation_that_breaks_a_rule_is_named(leaves: Path, tmp_path: Path, mvtec, change, message: str):
    content = json.loads((leaves / "i.json").read_text())
    content["annotations"][0].update(change)
    (tmp_path / "bad.json").write_text(json.dumps(content))
    words = [
        "convert",
        "coco-to-yolo",
        tmp_path / "bad.json",
        "--images",
        leaves / "widget",
        "--out",
        tmp_path / "yolo",
        "--task",
        "segment",
    ]
    outcome = mvtec(*words)
    assert outcome.code == 2
    assert "annotation 1 of test/crack/000.png: " in outcome.err
    assert message in outcome.err
    outcome = mvtec(*words, "--on-error", "skip")
    assert outcome.code == 0
    assert "left out" in outcome.err


def test_crowds_and_boxes_are_not_made_into_segments(leaves: Path, tmp_path: Path, mvtec):
    content = json.loads((leaves / "i.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "crowd.json").write_text(json.dumps(content))
    words = ["--images", leaves / "widget", "--task", "segment"]
    outcome = mvtec("convert", "coco-to-yolo", tmp_path / "crowd.json", "--out", tmp_path / "a", *words)
    assert outcome.code == 0
    assert "annotation 1 of test/crack/000.png: is a crowd" in outcome.err
    content["annotations"][0] |= {"iscrowd": 0, "segmentation": []}
    (tmp_path / "box.json").write_text(json.dumps(content))
    outcome = mvtec("convert", "coco-to-yolo", tmp_path / "box.json", "--out", tmp_path / "b", *words)
    assert outcome.code == 2
    assert "has a box and no mask" in outcome.err


def test_a_category_cannot_name_a_folder_elsewhere(leaves: Path, tmp_path: Path, mvtec):
    content = json.loads((leaves / "i.json").read_text())
    content["categories"][0]["name"] = "../../outside"
    (tmp_path / "bad.json").write_text(json.dumps(content))
    outcome = mvtec("convert", "coco-to-masks", tmp_path / "bad.json", "--out", tmp_path / "a" / "b" / "c")
    assert outcome.code == 2
    assert "cannot name a folder" in outcome.err
    assert not (tmp_path / "outside").exists()


def test_an_entity_bomb_is_refused(tmp_path: Path, mvtec):
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">{levels}]>'
    bomb = f"{head}<annotations><version>&a11;</version></annotations>"
    (tmp_path / "c.xml").write_text(bomb)
    outcome = mvtec("convert", "cvat-to-coco", tmp_path / "c.xml", "--out", tmp_path / "i.json")
    assert outcome.code == 2
    assert "not a readable XML" in outcome.err


def test_workers_write_the_same_bytes_and_the_same_errors(category: Category, tmp_path: Path, mvtec):
    words = ["convert", "masks-to-yolo", category.root, "--task", "segment"]
    for workers in (1, 3):
        assert mvtec(*words, "--out", tmp_path / f"w{workers}", "--workers", workers).code == 0
    files = [path.relative_to(tmp_path / "w1") for path in sorted((tmp_path / "w1").rglob("*")) if path.is_file()]
    assert len(files) == 35
    assert all((tmp_path / "w1" / file).read_bytes() == (tmp_path / "w3" / file).read_bytes() for file in files)
    write_png(category.mask("crack", 2), np.zeros((40, 48)))
    messages = [
        mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "i.json", "--workers", workers).err
        for workers in (1, 2)
    ]
    assert messages[0] == messages[1]
    assert "002_mask.png: marks no pixel" in messages[0]


def test_many_more_samples_than_chunks_keep_their_order(tmp_path: Path):
    category = make_category(tmp_path / "w", defects=("crack",), per_class=60)
    for workers in (1, 2):
        masks_to_coco(read_tree(category.root), tmp_path / f"{workers}.json", options=InstanceOptions(workers=workers))
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("command", ["masks-to-coco", "masks-to-yolo"])
def test_kill_leaves_no_half_output_and_a_second_run_completes(command: str, tmp_path: Path, mvtec):
    category = make_category(tmp_path / "w", defects=("crack",), per_class=150)
    out = tmp_path / "out" / ("i.json" if command == "masks-to-coco" else "yolo")
    out.parent.mkdir()
    code = "from mvtec.cli.commands import app; import sys; app(sys.argv[1:])"
    words = [sys.executable, "-c", code, "convert", command, str(category.root), "--out", str(out)]
    killed = 0
    for _ in range(6):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not any(out.parent.iterdir()):  # until the work has begun
            time.sleep(0.002)
        time.sleep(random.Random(killed).uniform(0, 0.05))
        process.kill()
        process.wait()
        if out.exists():  # it was done before the kill: whole
            break
        killed += 1
    assert killed or out.exists()
    if out.exists():
        assert mvtec("convert", command, category.root, "--out", out).code == 2
    else:
        assert mvtec("convert", command, category.root, "--out", out).code == 0
    reference = tmp_path / ("r.json" if command == "masks-to-coco" else "r")
    assert mvtec("convert", command, category.root, "--out", reference).code == 0
    pairs = (
        [(out, reference)]
        if reference.is_file()
        else [(out / path.relative_to(reference), path) for path in reference.rglob("*") if path.is_file()]
    )
    assert all(mine.read_bytes() == theirs.read_bytes() for mine, theirs in pairs)


NAMES = ["with space", "ünï-çödé 漢字 🙂", "a'b\"c&<d>", "#%?=+", "ends.with.dots", "x" * 200, "é" * 60]


def test_odd_names_pass_through_every_format(tmp_path: Path, mvtec):
    category = Category(tmp_path / "w 'ü'")
    for number, name in enumerate(NAMES):
        write_png(category.root / "test" / "crack" / f"{name}.png", noise(number))
        mask = np.zeros((40, 48))
        mask[3 : 9 + number, 3:9] = 255
        write_png(category.root / "ground_truth" / "crack" / f"{name}_mask.png", mask)
    write_png(category.photo("good", 0), noise(99))
    coco, photos = tmp_path / "i.json", category.root
    assert mvtec("convert", "masks-to-coco", photos, "--out", coco).code == 0
    names = sorted(image.file_name for image in read_coco(coco).images)
    assert names == sorted([f"test/crack/{name}.png" for name in NAMES] + ["test/good/000.png"])
    areas = sorted(a.area for a in read_coco(coco).annotations)
    for there, back in (
        (["coco-to-labelstudio", coco], ["labelstudio-to-coco", "--images", photos]),
        (["coco-to-cvat", coco], ["cvat-to-coco"]),
        (["coco-to-voc", coco, "--images", photos], ["voc-to-coco"]),
        (["coco-to-semantic", coco, "--images", photos], ["semantic-to-coco"]),
        (["coco-to-masks", coco, "--images", photos], ["masks-to-coco"]),
        (["coco-to-yolo", coco, "--images", photos, "--task", "segment"], ["yolo-to-coco"]),
    ):
        out = tmp_path / f"{there[0]}.out"
        outcome = mvtec("convert", *there, "--out", out)
        assert outcome.code == 0, outcome.err
        again = tmp_path / f"{back[0]}.json"
        outcome = mvtec("convert", back[0], out, *back[1:], "--out", again)
        assert outcome.code == 0, outcome.err
        again = again if again.exists() else tmp_path / "yolo-to-coco_train.json"
        assert sorted(a.area for a in read_coco(again).annotations) == areas
        if "labelstudio" in back[0] or "cvat" in back[0]:
            assert sorted(image.file_name for image in read_coco(again).images) == names


def test_names_that_a_file_system_takes_for_one_are_kept_apart():
    taken: set[str] = set()
    paths = [
        "a/b.png",
        "A/B.png",
        "a_b.png",
        "x/ß.png",
        "x/SS.png",
        f"x/{unicodedata.normalize('NFD', 'é')}.png",
        "x/é.png",
    ]
    paths += [f"x/{'y' * 230}{n}.png" for n in range(3)]
    stems = [unique_stem(path, taken) for path in paths]
    folded = {unicodedata.normalize("NFC", stem).casefold() for stem in stems}
    assert len(folded) == len(paths)
    assert all(len(os.fsencode(stem)) <= 210 for stem in stems)


def test_split_and_parts_of_coco_to_yolo(leaves: Path, tmp_path: Path, mvtec):
    mvtec("datasets", "split", leaves / "widget", "--out", tmp_path / "s.json")
    words = ["convert", "coco-to-yolo", leaves / "i.json", "--images", leaves / "widget"]
    assert mvtec(*words, "--out", tmp_path / "a", "--split", tmp_path / "s.json").code == 0
    split = json.loads((tmp_path / "s.json").read_text())
    for part in ("train", "test"):
        found = read_coco(tmp_path / "a" / "annotations" / f"instances_{part}.json")
        assert len(found.images) == len(split[part])
        assert found.info["split"] == split["hash"]
    assert mvtec(*words, "--out", tmp_path / "b", "--val", leaves / "i.json", "--test", leaves / "i.json").code == 0
    assert sorted(path.name for path in (tmp_path / "b" / "images").iterdir()) == ["test", "train", "val"]
    outcome = mvtec(*words, "--out", tmp_path / "c", "--val", leaves / "i.json", "--split", tmp_path / "s.json")
    assert outcome.code == 2


def test_what_the_tools_say_of_a_wrong_path(tmp_path: Path, mvtec):
    for command in (
        "coco-to-cvat",
        "cvat-to-coco",
        "voc-to-coco",
        "labelstudio-to-coco",
        "semantic-to-coco",
        "yolo-to-coco",
    ):
        outcome = mvtec("convert", command, tmp_path / "nowhere", "--out", tmp_path / "out")
        assert outcome.code == 2
        assert str(tmp_path / "nowhere") in outcome.err
        assert list(tmp_path.iterdir()) == []
