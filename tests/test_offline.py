"""Ultralytics is loaded without what it would do to the rest of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from mvtec.offline import ultralytics


def test_a_file_that_is_no_image_is_just_that(tmp_path: Path):
    ultralytics()
    (tmp_path / "photo.png").write_bytes(b"no image")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "photo.png")
