"""Every command lists photos by `list_images`: what it cannot look into is an error, what it does not read is named."""

import os
from pathlib import Path

import pytest
from conftest import Category, noise, write_png

from mvtec.datasets.listing import Listing, list_images, say_unread
from mvtec.datasets.tree import read_tree


def test_a_linked_folder_is_entered_and_a_loop_is_not(tmp_path: Path):
    write_png(tmp_path / "elsewhere" / "b.png", noise(1))
    root = tmp_path / "photos"
    write_png(root / "a.png", noise(2))
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    (root / "itself").symlink_to(root)
    (root / "nothing").symlink_to(root / "nothing")
    assert list_images(root, deep=True).images == ("a.png", "linked/b.png")
    assert list_images(root).images == ("a.png",)


def test_a_class_behind_a_link_is_read(category: Category, tmp_path: Path):
    category.photo("crack", 0).parent.rename(tmp_path / "crack")
    (category.root / "test" / "crack").symlink_to(tmp_path / "crack")
    write_png(tmp_path / "widget2" / "images" / "good" / "a.png", noise(1))
    write_png(tmp_path / "far" / "b.png", noise(2))
    (tmp_path / "widget2" / "images" / "crack").symlink_to(tmp_path / "far")
    (tmp_path / "widget2" / "masks").mkdir()
    assert sum(sample.defect == "crack" for sample in read_tree(category.root).samples) == 5
    assert [sample.path for sample in read_tree(tmp_path / "widget2").samples] == [
        "images/crack/b.png",
        "images/good/a.png",
    ]


@pytest.mark.parametrize("folder", ["test/crack", "ground_truth/crack", "train/good", "test"])
def test_a_folder_that_cannot_be_read_is_an_error(
    category: Category, mvtec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
):
    write_png(category.root / "train" / "good" / "000.png", noise(1))
    scandir = os.scandir

    def refuse(path):
        if Path(path) == category.root / folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    words = (["datasets", "info"], ["datasets", "check"], ["convert", "masks-to-coco"], ["datasets", "split"])
    for command in words:
        out = [] if command[-1] in ("info", "check") else ["--out", tmp_path / "o.json"]
        done = mvtec(*command, category.root, *out)
        assert done.code == 2
        assert f"{folder}: is a folder that cannot be read (Permission denied)" in done.err


def test_images_of_other_endings_are_told_apart(tmp_path: Path):
    for name in ("a.jfif", "b.jpe", "c.gif", "d.ppm", "e.HEIC", "f.txt", "labels.json", ".g.gif"):
        (tmp_path / name).write_bytes(b"")
    write_png(tmp_path / "h.png", noise(1))
    (tmp_path / "h").write_bytes((tmp_path / "h.png").read_bytes())
    (tmp_path / "README").write_text("no image")
    found = list_images(tmp_path)
    assert found == Listing(("a.jfif", "b.jpe", "h.png"), ("c.gif", "d.ppm", "e.HEIC", "h"))
    said = say_unread(found.unread)
    assert said is not None
    assert "(1 .gif, 1 .heic, 1 .ppm, 1 no ending): c.gif, d.ppm, e.HEIC, …; save them as PNG or JPEG" in said
    assert say_unread(()) is None


def test_a_folder_with_the_ending_of_a_photo_is_a_folder(tmp_path: Path):
    write_png(tmp_path / "x.png" / "a.png", noise(1))
    assert list_images(tmp_path, deep=True).images == ("x.png/a.png",)
