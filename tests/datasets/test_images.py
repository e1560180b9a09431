import os
import struct
import sys
import types
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png
from PIL import Image

from mvtec.datasets.images import BadPhotoError, header_size_wh, photo_size_wh, read_photo
from mvtec.datasets.masks import BadMaskError, read_layers
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError
from mvtec.files import sha256_file


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff"])
def test_the_header_gives_the_size_decoding_gives(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise(1)).save(path)
    assert photo_size_wh(path) == (48, 40)
    assert read_photo(path).shape == (40, 48, 3)


def test_a_turned_jpeg_has_the_size_it_is_shown_at(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to show it
    Image.fromarray(noise(1)).save(tmp_path / "photo.jpg", exif=exif)
    assert photo_size_wh(tmp_path / "photo.jpg") == (40, 48)
    assert read_photo(tmp_path / "photo.jpg").shape == (48, 40, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_cut_photo_is_refused_by_its_header_too(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(np.tile(noise(1), (20, 20, 1))).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadPhotoError, match="cut off"):
        photo_size_wh(path)
    with pytest.raises(BadPhotoError, match="cut off"):
        read_photo(path)


def test_unicode_and_spaces_in_names(tmp_path: Path):
    path = tmp_path / "Flasche nº 1 – grün.png"
    write_png(path, noise(1))
    assert read_photo(path).shape == (40, 48, 3)


def test_a_turned_png_has_the_size_it_is_decoded_to(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(1)).save(tmp_path / "photo.png", exif=exif)
    width, height = photo_size_wh(tmp_path / "photo.png")
    assert read_photo(tmp_path / "photo.png").shape == (height, width, 3)


@pytest.mark.parametrize("suffix", [".bmp", ".tiff"])
def test_a_cut_photo_without_an_end_mark_is_refused_too(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise(1)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(BadPhotoError, match="cut off"):
        photo_size_wh(path)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path):
    content = bytearray(b"\x89PNG\r\n\x1a\n")
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    content += (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    content += bytes(4) + b"IEND\xaeB`\x82"
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(BadPhotoError):
        photo_size_wh(tmp_path / "bomb.png")
    with pytest.raises(BadPhotoError):
        read_photo(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_size_is_read_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise(1)).save(path)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _self: pytest.fail("decoded"))
    assert photo_size_wh(path) == (48, 40)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_among_the_photos_is_named_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    for read in (photo_size_wh, read_photo, header_size_wh, sha256_file):
        with pytest.raises(InputError, match=r"a\.png: is not a plain file"):
            read(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("place", ["photo", "mask"])
def test_a_pipe_in_a_category_ends_every_command_at_once(category: Category, mvtec, tmp_path: Path, place: str):
    pipe = getattr(category, place)("crack", 0)
    pipe.unlink()
    os.mkfifo(pipe)
    commands = (("datasets", "split"), ("convert", "masks-to-coco"), ("convert", "masks-to-yolo"))
    for words in commands:
        done = mvtec(*words, category.root, "--out", tmp_path / "o")
        assert (done.code, f"{pipe}: is not a plain file" in done.err) == (2, True), words
    assert "is not a plain file" in mvtec("datasets", "check", category.root).out
    assert "is not a plain file" in mvtec("datasets", "info", category.root).err


def empty_png(path: Path, width: int, height: int) -> None:
    """A black grey PNG, whole, of a size that is never decoded here: its rows are packed one after another."""
    packer = zlib.compressobj(9)
    rows = b"".join([packer.compress(bytes(width + 1)) for _ in range(height)]) + packer.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.fixture
def nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cv2.imdecode", "cv2.imread", "PIL.ImageFile.ImageFile.load"):
        monkeypatch.setattr(name, lambda *_words: pytest.fail("decoded"))


@pytest.mark.usefixtures("nothing_is_decoded")
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_a_photo_of_more_pixels_than_are_read_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
):
    monkeypatch.setattr("mvtec.limits.MOST_PIXELS", 1000)
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise(1)).save(path)
    for read in (photo_size_wh, read_photo):
        with pytest.raises(BadPhotoError, match="is 48×40 pixels, too large to be opened"):
            read(path)


def test_a_mask_of_another_size_is_not_decoded(category: Category, monkeypatch: pytest.MonkeyPatch):
    empty_png(category.mask("crack", 0), 5000, 5000)
    (sample,) = (one for one in read_tree(category.root).samples if one.path == "test/crack/000.png")
    monkeypatch.setattr("cv2.imdecode", lambda *_words: pytest.fail("decoded"))
    with pytest.raises(BadMaskError, match="is 5000×5000 pixels and its photo 48×40"):
        read_layers(sample)


def test_a_black_mask_of_another_size_does_not_make_a_photo_good(tmp_path: Path):
    write_png(tmp_path / "images" / "a.png", noise(1))
    empty_png(tmp_path / "masks" / "a.png", 3000, 3000)
    assert [sample.is_good for sample in read_tree(tmp_path).samples] == [False]


def no_memory(*_words: object) -> None:
    error = cv2.error("OpenCV: Insufficient memory")
    error.code = cv2.Error.StsNoMem
    raise error


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_whole_photo_is_not_called_broken_for_want_of_memory(
    category: Category, mvtec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str
):
    monkeypatch.setattr("cv2.imdecode", no_memory)
    for words in (("datasets", "split"), ("convert", "masks-to-yolo")):
        done = mvtec(*words, category.root, "--out", tmp_path / "o", "--on-error", on_error)
        assert done.code != 0
        assert "memory" in done.err
        assert "not a readable image" not in done.err
        assert not (tmp_path / "o").exists()


def test_a_decoder_that_gives_nothing_for_want_of_memory_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_png(tmp_path / "a.png", noise(1))
    monkeypatch.setattr("cv2.imdecode", lambda *_words: None)
    with pytest.raises(BadPhotoError, match="not a readable image"):
        read_photo(tmp_path / "a.png")

    def refuse(*_words: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mvtec.datasets.images.np.empty", refuse)
    with pytest.raises(MemoryError):
        read_photo(tmp_path / "a.png")


def test_a_png_with_much_behind_its_end_is_whole(tmp_path: Path):
    write_png(tmp_path / "a.png", noise(1))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole + bytes(10_000))
    assert photo_size_wh(tmp_path / "a.png") == (48, 40)
    assert read_photo(tmp_path / "a.png").shape == (40, 48, 3)
    (tmp_path / "a.png").write_bytes(whole[:-20] + bytes(10_000))
    with pytest.raises(BadPhotoError, match="cut off"):
        photo_size_wh(tmp_path / "a.png")


def test_an_orientation_that_only_xmp_names_turns_nothing(tmp_path: Path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    Image.fromarray(noise(1)).save(tmp_path / "photo.jpg", xmp=xmp + b"</x:xmpmeta>")
    with Image.open(tmp_path / "photo.jpg") as image:
        assert image.getexif().get(0x0112) == 6  # Pillow takes it
    assert photo_size_wh(tmp_path / "photo.jpg") == read_photo(tmp_path / "photo.jpg").shape[1::-1] == (48, 40)


_TEXT = b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\x006\0\0\0\0\0\0\0"  # the orientation is the text "6"


@pytest.mark.parametrize("block", [b"garbage", bytes(64), b"II*\0", _TEXT])
def test_a_photo_with_a_broken_exif_block_is_read_as_it_lies(tmp_path: Path, block: bytes):
    Image.fromarray(noise(1)).save(tmp_path / "plain.jpg")
    data = (tmp_path / "plain.jpg").read_bytes()
    marker = b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block
    (tmp_path / "photo.jpg").write_bytes(data[:2] + marker + data[2:])
    assert photo_size_wh(tmp_path / "photo.jpg") == read_photo(tmp_path / "photo.jpg").shape[1::-1] == (48, 40)


def test_a_broken_photo_is_named_where_ultralytics_has_replaced_pillows_open(tmp_path: Path, monkeypatch):
    def asks_for_a_package(*_words: object) -> None:
        raise ModuleNotFoundError("No module named 'pi_heif'")

    module = types.ModuleType("ultralytics.utils.patches")
    module._image_open = Image.open  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics.utils.patches", module)
    monkeypatch.setattr(Image, "open", asks_for_a_package)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(BadPhotoError, match="not a readable image"):
        photo_size_wh(tmp_path / "a.png")
