"""Photos are found, shown and made small; a link out of the folder is never followed, a spoilt photo is said."""

from __future__ import annotations

import json
import shutil
import struct
import unicodedata
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png
from PIL import Image
from workspaces import open_workspace

from mvtec.annotate.server.open_store import open_store
from mvtec.annotate.server.photos import PhotoFolder, find_photos
from mvtec.datasets.images import BadPhotoError, read_photo
from mvtec.errors import InputError


def test_a_category_has_its_photos_and_not_its_masks(category: Category):
    names, links = find_photos(category.root)
    assert len(names) == 15
    assert names == sorted(names)
    assert all(name.startswith("test/") for name in names)
    assert links == 0


def test_any_folder_has_all_images_below_it(tmp_path: Path):
    for name in ("b.png", "a/c.png", "a/.hidden.png", ".git/d.png"):
        write_png(tmp_path / name, noise(1))
    (tmp_path / "notes.txt").write_text("")
    assert find_photos(tmp_path) == (["a/c.png", "b.png"], 0)


def test_no_photo_and_several_categories_are_said(tmp_path: Path, category: Category):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no photo"):
        find_photos(tmp_path / "empty")
    with pytest.raises(InputError, match="several categories"):
        find_photos(category.root.parent)
    with pytest.raises(InputError, match="no such folder"):
        find_photos(tmp_path / "none")


def test_links_out_of_the_folder_are_left_out_and_refused(tmp_path: Path):
    write_png(tmp_path / "secret" / "x.png", noise(1))
    write_png(tmp_path / "photos" / "a.png", noise(2))
    root = tmp_path / "photos"
    (root / "out.png").symlink_to(tmp_path / "secret" / "x.png")
    (root / "in.png").symlink_to(root / "a.png")
    (root / "folder").symlink_to(tmp_path / "secret")
    assert find_photos(root) == (["a.png", "in.png"], 2)  # the file, and the one in the folder
    folder = PhotoFolder(root)
    for name in ("out.png", "folder/x.png", "../secret/x.png", str(tmp_path / "secret" / "x.png")):
        with pytest.raises(BadPhotoError, match="leads out"):
            folder.read(name)
    assert folder.read("in.png").shape == (40, 48, 3)


def test_a_bomb_is_not_decoded(tmp_path: Path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    for ask in (PhotoFolder(tmp_path).read, PhotoFolder(tmp_path).shown, PhotoFolder(tmp_path).thumb):
        with pytest.raises(BadPhotoError, match="too large"):
            ask("bomb.png")


def test_what_browsers_do_not_know_becomes_a_png(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.tif"), noise(1))
    shown, kind = PhotoFolder(tmp_path).shown("a.tif")
    assert kind == "image/png"
    assert isinstance(shown, bytes)
    assert (cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR) == noise(1)).all()
    write_png(tmp_path / "b.png", noise(1))
    assert PhotoFolder(tmp_path).shown("b.png") == (tmp_path / "b.png", "image/png")


def test_small_ones_are_kept_until_the_photo_changes(tmp_path: Path):
    write_png(tmp_path / "a.png", noise(1, 400, 800))
    folder = PhotoFolder(tmp_path)
    small = cv2.imdecode(np.frombuffer(folder.thumb("a.png"), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (80, 160, 3)
    assert folder.thumb("a.png") is folder.thumb("a.png")
    before = folder.version("a.png")
    write_png(tmp_path / "a.png", noise(2, 400, 80))
    assert folder.version("a.png") != before
    small = cv2.imdecode(np.frombuffer(folder.thumb("a.png"), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (160, 32, 3)
    assert folder.version("none.png") == "gone"


def test_a_cut_photo_is_said(tmp_path: Path):
    write_png(tmp_path / "a.png", noise(1))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadPhotoError, match="cut off"):
        PhotoFolder(tmp_path).thumb("a.png")


def test_photos_that_only_look_like_a_category_are_photos(tmp_path: Path):
    """A `test/` that holds photos and no folders, as Roboflow exports COCO."""
    for name in ("train/b.png", "test/a.png"):
        write_png(tmp_path / name, noise(1))
    assert find_photos(tmp_path) == (["test/a.png", "train/b.png"], 0)
    work = open_workspace(tmp_path, tmp_path / "ann.json")
    rows = work.store.rows("SELECT name FROM photo ORDER BY name")
    assert [row["name"] for row in rows] == ["test/a.png", "train/b.png"]
    work.close()


def test_a_category_that_breaks_a_rule_is_not_opened_as_any_folder(tmp_path: Path):
    write_png(tmp_path / "test" / "Good" / "000.png", noise(1))
    write_png(tmp_path / "ground_truth" / "crack" / "000_mask.png", noise(2))
    with pytest.raises(InputError, match="Rename it"):
        find_photos(tmp_path)


def test_a_photo_without_a_mask_begins_without_labels(category: Category, tmp_path: Path):
    category.mask("crack", 0).unlink()
    names, _ = find_photos(category.root)
    opened = open_store(category.root, names, tmp_path / "ann.json")
    assert len(opened.unread) == 1
    assert "000.png: has no ground-truth mask" in opened.unread[0]
    rows = opened.store.rows("SELECT name, here FROM photo WHERE name LIKE 'test/crack/%' ORDER BY name")
    assert [row["name"] for row in rows] == [f"test/crack/{n:03}.png" for n in range(5)]
    assert opened.store.categories() == {1: "crack", 2: "stain"}
    opened.store.close()


def test_photos_of_a_file_are_found_by_other_spellings(tmp_path: Path):
    disk = unicodedata.normalize("NFD", "sub/fläche.png")
    write_png(tmp_path / "photos" / disk, noise(1))
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    name = unicodedata.normalize("NFC", "sub\\fläche.png")
    content = {
        "images": [{"id": 1, "file_name": name, "width": 48, "height": 40}],
        "annotations": [{**box, "score": float("nan")}],
        "categories": [{"id": 1, "name": "crack"}],
    }
    (tmp_path / "ann.json").write_text(json.dumps(content))
    work = open_workspace(tmp_path / "photos", tmp_path / "ann.json")
    (row,) = work.store.rows("SELECT name, here FROM photo")
    assert (row["name"], row["here"]) == (disk, 1)
    work.close()


def test_what_browsers_do_not_turn_is_shown_turned(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = noise(1, 60, 90)
    for name in ("lossless.webp", "front.png", "late.png"):
        Image.fromarray(photo).save(tmp_path / name, exif=exif, lossless=True)
    data = (tmp_path / "late.png").read_bytes()
    at = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[at : at + 4], "big")
    end = data.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(data[:at] + data[at + length : end] + data[at : at + length] + data[end:])
    folder = PhotoFolder(tmp_path)
    for name in ("lossless.webp", "front.png", "late.png"):
        shown, kind = folder.shown(name)
        assert kind == "image/png"
        assert isinstance(shown, bytes), name
        assert (cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR) == folder.read(name)).all()
        assert (folder.read(name) == photo[::-1, ::-1, ::-1]).all()


def test_a_linked_folder_of_a_category_that_leads_out_is_left_out(category: Category, tmp_path: Path):
    shutil.move(category.root / "test" / "good", tmp_path / "away")
    (category.root / "test" / "good").symlink_to(tmp_path / "away")
    names, links = find_photos(category.root)
    assert not any(name.startswith("test/good/") for name in names)
    assert links == 5


def test_a_link_to_itself_is_left_out(tmp_path: Path, category: Category):
    write_png(tmp_path / "photos" / "a.png", noise(1))
    (tmp_path / "photos" / "loop.png").symlink_to("loop.png")
    (tmp_path / "photos" / "round").symlink_to("round")
    assert find_photos(tmp_path / "photos") == (["a.png"], 1)
    before, _ = find_photos(category.root)
    (category.root / "test" / "good" / "loop.png").symlink_to("loop.png")
    assert find_photos(category.root) == (before, 1)


def test_a_large_photo_asked_for_by_many_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mvtec.annotate.server.photos._LARGE", 1000)
    write_png(tmp_path / "a.png", noise(1, 400, 800))
    decoded = []

    def read(path: Path) -> np.ndarray:
        decoded.append(path.name)
        return read_photo(path)

    monkeypatch.setattr("mvtec.annotate.server.photos.read_photo", read)
    folder = PhotoFolder(tmp_path)
    with ThreadPoolExecutor(8) as many:
        made = list(many.map(folder.thumb, ["a.png"] * 8))
    assert decoded == ["a.png"]
    assert len(set(made)) == 1


def test_of_large_photos_one_is_decoded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mvtec.annotate.server.photos._LARGE", 1000)
    for name in "abcd":
        write_png(tmp_path / f"{name}.png", noise(1))
    at_once, most = [0], [0]

    def read(path: Path) -> np.ndarray:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        photo = read_photo(path)
        at_once[0] -= 1
        return photo

    monkeypatch.setattr("mvtec.annotate.server.photos.read_photo", read)
    folder = PhotoFolder(tmp_path)
    with ThreadPoolExecutor(4) as many:
        assert len(list(many.map(folder.thumb, [f"{name}.png" for name in "abcd"]))) == 4
    assert most == [1]
