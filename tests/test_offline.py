"""Ultralytics is loaded without what it would do to the rest of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from mvtec.errors import MvtecError
from mvtec.offline import check_name, replaced, ultralytics


def test_a_file_that_is_no_image_is_just_that(tmp_path: Path):
    ultralytics()
    (tmp_path / "photo.png").write_bytes(b"no image")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "photo.png")


def test_what_is_replaced_must_be_there_and_comes_back():
    ultralytics()
    from ultralytics.engine import trainer

    theirs = trainer.strip_optimizer
    with replaced(trainer, "strip_optimizer", None, ("f", "s", "updates")):
        assert trainer.strip_optimizer is None
    assert trainer.strip_optimizer is theirs
    with pytest.raises(MvtecError, match=r"has no ultralytics\.engine\.trainer\.gone\(\), which mvtec relies on"):
        check_name(trainer, "gone")
    with pytest.raises(MvtecError, match=r"strip_optimizer\(file\)"):
        check_name(trainer, "strip_optimizer", ("file",))
