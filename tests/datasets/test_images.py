import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import noise, write_png
from PIL import Image

from mvtec.datasets.images import BadPhotoError, photo_size_wh, read_photo


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
    with pytest.raises(BadPhotoError, match=r"a\.png: no such file"):
        photo_size_wh(tmp_path / "a.png")


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
