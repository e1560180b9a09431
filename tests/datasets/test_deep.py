"""Photos of 12-bit cameras are warned of where a model would see them nearly black."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png

from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.datasets.deep import nearly_black


def deep(path: Path, bits: int, shape: tuple[int, ...] = (40, 48)) -> Path:
    pixels = np.random.default_rng(bits).integers(0, 2**bits, shape).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


@pytest.mark.parametrize(("bits", "top"), [(10, 3), (12, 15), (14, 63), (16, None)])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_of_deep_photos_those_are_named_that_are_nearly_black(tmp_path: Path, bits: int, top: int | None, suffix: str):
    photo = deep(tmp_path / f"a{suffix}", bits)
    write_png(tmp_path / "b.png", noise(1) // 50)  # dark, but of 8 bits: it is as it was taken
    said = nearly_black([photo, tmp_path / "b.png", tmp_path / "gone.png"])
    if top is None:
        assert said is None
    else:
        assert said is not None
        assert "1 photo with more than 8 bits a channel: 1 nearly black to the model" in said
        assert f"such as {photo} (values up to {top} of 255)" in said


def test_of_many_deep_photos_fifty_are_looked_at(tmp_path: Path):
    photos = [deep(tmp_path / f"{number:03}.png", 12, (4, 4)) for number in range(120)]
    said = nearly_black(photos)
    assert said is not None
    assert "120 photos with more than 8 bits a channel (40 of them were looked at): 40 nearly black" in said


def test_a_place_is_a_category_a_folder_a_yolo_folder_or_a_photo(
    category: Category, mvtec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    warn_of_photos(category.root, None, tmp_path / "nowhere")
    assert capsys.readouterr().err == ""
    category.mask("crack", 0).write_bytes(cv2.imencode(".png", np.ones((40, 48), np.uint16))[1].tobytes())
    warn_of_photos(category.root)  # a mask with values of 1 is no photo
    assert capsys.readouterr().err == ""
    photo = deep(category.photo("crack", 0), 12)
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", tmp_path / "y").code == 0
    for place in (category.root, photo.parent, tmp_path / "y", tmp_path / "y" / "data.yaml", photo):
        warn_of_photos(place)
        assert capsys.readouterr().err.count("1 photo with more than 8 bits a channel: 1 nearly black") == 1
    (photo.parent / "b.ppm").write_bytes(b"P6")
    warn_of_photos(category.root)
    assert "images with an ending that is not read are left out (1 .ppm): test/crack/b.ppm" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("predict", "gone", "{0}", "--out", "{1}/p"), id="predict"),
        pytest.param(("train-anomaly", "{0}", "--out", "{1}/a", "--weights", "gone"), id="train-anomaly"),
        pytest.param(("train-detector", "{0}", "--out", "{1}/d", "--weights", "gone"), id="train-detector"),
        pytest.param(
            ("train-classifier", "{0}", "--recipe", "best", "--out", "{1}/c", "--weights", "gone"),
            id="train-classifier",
        ),
        pytest.param(("segment", "propose", "{0}", "--anomaly", "gone", "--out", "{1}/p.json"), id="propose"),
        pytest.param(("segment", "refine", "a.json", "--images", "{0}", "--out", "{1}/r.json"), id="refine"),
        pytest.param(("annotate", "{0}", "--predictions", "gone", "--port", "0", "--no-sam"), id="annotate"),
    ],
)
def test_each_command_with_a_model_warns_before_it_begins(
    words: tuple[str, ...], category: Category, mvtec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Each ends for want of a model, or of another file."""
    monkeypatch.chdir(tmp_path)
    deep(category.photo("good", 0), 12)
    for number in range(6):
        write_png(category.root / "train" / "good" / f"{number}.png", noise(100 + number))
    (category.root / "test" / "good" / "x.gif").write_bytes(b"GIF89a")
    done = mvtec(*(word.format(category.root, tmp_path) for word in words))
    assert done.code == 2
    assert "1 photo with more than 8 bits a channel: 1 nearly black" in done.err
    assert "are left out (1 .gif): " in done.err
