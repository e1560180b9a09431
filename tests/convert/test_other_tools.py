"""Labels as other tools write them: read as they are meant, or refused with a line that says what is wrong."""

from __future__ import annotations

import json
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import noise, write_png
from foreign import coco, labels_of
from PIL import Image

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.formats.coco.images import labelled_images
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import BadPhotoError, photo_size_wh, read_photo

TURNED = 6  # EXIF: shown a quarter turn to the right


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_png(tmp_path / "photos" / "a.png", noise(1))
    return tmp_path / "photos"


# COCO


@pytest.mark.parametrize(
    ("box", "left"),
    [([-10, -5, 90, 50], [0, 0, 48, 40]), ([40, 30, 20, 4], [40, 30, 8, 4]), ([5, 6, 10, 8], [5, 6, 10, 8])],
)
def test_boxes_are_cut_to_their_photo(photos: Path, tmp_path: Path, mvtec, box: list[int], left: list[int]):
    source = coco(tmp_path / "i.json", {"bbox": box})
    done = mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    assert done.code == 0, done.err
    ((label, *numbers),) = labels_of(tmp_path / "y")
    assert label == 0
    assert min(numbers) >= 0
    assert max(numbers) <= 1
    assert ("1 box reaches out of the photo" in done.err) == (box != left)
    assert mvtec("convert", "yolo-to-coco", tmp_path / "y", "--out", tmp_path / "again.json").code == 0
    (again,) = read_coco(tmp_path / "again_train.json").annotations
    assert again.bbox == pytest.approx(left)


@pytest.mark.parametrize("box", [[60, 5, 10, 10], [47.9999999, 3, 10, 10]])
def test_a_box_that_is_not_in_its_photo_is_refused_or_left_out(photos: Path, tmp_path: Path, mvtec, box: list[float]):
    source = coco(tmp_path / "i.json", {"bbox": box}, {})
    words = ("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    refused = mvtec(*words)
    assert refused.code == 2
    assert "i.json: a box of a.png is not in the photo" in refused.err
    left_out = mvtec(*words, "--on-error", "skip")
    assert left_out.code == 0
    assert "left out: " in left_out.err
    assert len(labels_of(tmp_path / "y")) == 1


def test_a_size_that_is_not_the_photos_is_refused(photos: Path, tmp_path: Path, mvtec):
    exif = Image.Exif()
    exif[0x112] = TURNED
    Image.fromarray(noise(2)).save(photos / "t.jpg", exif=exif)  # 48×40, shown as 40×48
    source = coco(tmp_path / "i.json", {}, name="t.jpg")
    done = mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    assert done.code == 2
    assert "t.jpg: is 40×48 pixels, and i.json says 48×40" in done.err
    assert not (tmp_path / "y").exists()
    content = json.loads(source.read_text())
    content["images"].append({"id": 2, "file_name": "a.png", "width": 48, "height": 40})
    content["images"].append({"id": 3, "file_name": "cut.png", "width": 48, "height": 40})
    content["annotations"].append({**content["annotations"][0], "id": 2, "image_id": 2})
    source.write_text(json.dumps(content))
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:-20])
    words = ("coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y", "--on-error", "skip")
    left = mvtec("convert", *words)
    assert left.code == 0, left.err
    assert left.err.count("left out: ") == 2
    assert [path.name for path in (tmp_path / "y" / "images" / "train").iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("own", "area"),
    [
        ({"area": None}, 80),
        ({"area": None, "segmentation": [[5, 6, 15, 6, 15, 14, 5, 14]]}, 80),
        ({"area": None, "segmentation": [[5, 6, 15, 6, 5, 14], [0, 0, 4, 0, 4, 4, 0, 4]]}, 56),
        ({"area": None, "segmentation": {"size": [40, 48], "counts": [100, 7, 1813]}}, 7),
        ({"iscrowd": None, "segmentation": [[]]}, 80),
        ({"iscrowd": None, "segmentation": []}, 80),
        ({"score": float("nan")}, 80),
    ],
)
def test_what_tools_leave_out_is_put_right(tmp_path: Path, own: dict[str, Any], area: float):
    content = json.loads(coco(tmp_path / "i.json", own, info=None).read_text())
    if own.get("area", 0) is None:
        del content["annotations"][0]["area"]
        (tmp_path / "without.json").write_text(json.dumps(content))
        assert read_coco(tmp_path / "without.json").annotations[0].area == area
    (annotation,) = read_coco(tmp_path / "i.json").annotations
    assert (annotation.area, annotation.iscrowd) == (area, 0)
    assert not annotation.segmentation or annotation.segmentation != [[]]


def test_points_and_lines_among_polygons_mark_nothing(tmp_path: Path):
    square = [5, 6, 15, 6, 15, 14, 5, 14]
    source = coco(tmp_path / "i.json", {"segmentation": [square, [20, 20, 30, 30], [1, 1]]}, {"segmentation": [square]})
    (image,) = labelled_images(read_coco(source), source, None, Receipt(""))
    one, other = image.instances
    assert one.region is not None
    assert one.iou(other) == 1


@pytest.mark.parametrize(
    "own",
    [
        {"segmentation": {"size": [1_000_000, 1_000_000], "counts": [10**12]}},
        {"bbox": [0, 0, 10**400, 1]},
        {"segmentation": [[10**400, 1, 2, 3, 4, 5]]},
    ],
)
def test_an_area_that_cannot_be_computed_is_no_traceback(photos: Path, tmp_path: Path, mvtec, own: dict[str, Any]):
    source = coco(tmp_path / "i.json", {"area": None, **own})
    done = mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    assert (done.code, len(done.err.splitlines())) == (2, 1)


@pytest.mark.parametrize("shape", [{"size": None, "counts": "1"}, {"size": [40, 48], "counts": [-3, 8, 1915]}])
def test_a_segmentation_that_is_none_is_named(photos: Path, tmp_path: Path, mvtec, shape: dict[str, Any]):
    source = coco(tmp_path / "i.json", {"segmentation": shape})
    done = mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "annotation 1 of a.png" in done.err


def test_of_two_categories_of_one_name_the_unused_one_goes(photos: Path, tmp_path: Path, mvtec):
    names = [{"id": 0, "name": "crack", "supercategory": "none"}, {"id": 1, "name": "crack", "supercategory": "crack"}]
    source = coco(tmp_path / "i.json", {}, categories=names)
    words = ("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "y")
    assert mvtec(*words).code == 0
    assert "names:\n  0: crack\n" in (tmp_path / "y" / "data.yaml").read_text()
    assert labels_of(tmp_path / "y")[0][0] == 0
    coco(tmp_path / "i.json", {}, {"category_id": 0}, categories=names)
    both = mvtec(*words, "--overwrite")
    assert both.code == 2
    assert "has two categories crack" in both.err


def test_photos_are_found_by_other_spellings(tmp_path: Path, mvtec):
    name = "fläche.png"
    write_png(tmp_path / "photos" / "sub" / unicodedata.normalize("NFD", name), noise(1))
    source = coco(tmp_path / "i.json", {}, name=f"sub\\{unicodedata.normalize('NFC', name)}")
    done = mvtec("convert", "coco-to-yolo", source, "--images", tmp_path / "photos", "--out", tmp_path / "y")
    assert done.code == 0, done.err
    assert [path.parent.name for path in (tmp_path / "y" / "images").rglob("*.png")] == ["train"]


# YOLO


@pytest.fixture
def yolo(photos: Path, tmp_path: Path, mvtec) -> Path:
    source = coco(tmp_path / "i.json", {})
    assert mvtec("convert", "coco-to-yolo", source, "--images", photos, "--out", tmp_path / "yolo").code == 0
    return tmp_path / "yolo"


def boxes_of(folder: Path, mvtec) -> list[tuple[str, tuple[float, ...]]]:
    done = mvtec("convert", "yolo-to-coco", folder, "--out", folder / "i.json", "--overwrite")
    assert done.code == 0, done.err
    content = read_coco(folder / "i_train.json")
    names = content.category_names()
    return [(names[annotation.category_id], annotation.bbox) for annotation in content.annotations]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("{1: crack, 2: stain}", "numbers its classes 1, 2"),
        ("[crack, crack]", "has two classes crack"),
        ("[no, crack]", "has no list of class names"),
    ],
)
def test_class_names_that_shift_or_merge_classes_are_refused(yolo: Path, tmp_path: Path, mvtec, names, complaint):
    (yolo / "data.yaml").write_text(f"train: images/train\nval: images/train\nnames: {names}\n")
    done = mvtec("convert", "yolo-to-coco", yolo, "--out", tmp_path / "o.json")
    assert done.code == 2
    assert complaint in done.err


def test_class_names_may_be_numbers(yolo: Path, mvtec):
    (yolo / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [0, 1]\n")
    assert [name for name, _ in boxes_of(yolo, mvtec)] == ["0"]


@pytest.mark.parametrize("line", ["0.0 0.5 0.5 0.25 0.5", "0 0.5 0.5 0.25 0.5", "0 0.5 0.5 0.25 0.5 \r"])
def test_lines_that_ultralytics_reads_are_read(yolo: Path, mvtec, line: str):
    (file,) = (yolo / "labels" / "train").iterdir()
    file.write_text(line + "\n")
    assert boxes_of(yolo, mvtec) == [("crack", (18, 10, 12, 20))]


def test_a_polygon_a_hair_outside_is_read_and_a_class_of_half_is_not(yolo: Path, tmp_path: Path, mvtec):
    (file,) = (yolo / "labels" / "train").iterdir()
    file.write_text("0 -0.000001 0 0.5 0 0.5 0.5\n")
    (found,) = boxes_of(yolo, mvtec)
    assert found[1][:2] == (0, 0)
    file.write_text("0.5 0.5 0.5 0.25 0.5\n")
    done = mvtec("convert", "yolo-to-coco", yolo, "--out", tmp_path / "o.json")
    assert "line 1 is not a class number and coordinates" in done.err


def test_hidden_files_are_no_photos_and_a_list_may_have_a_byte_order_mark(yolo: Path, tmp_path: Path, mvtec):
    (photo,) = (yolo / "images" / "train").iterdir()
    photo.with_name(f"._{photo.name}").write_bytes(b"no photo")
    assert len(boxes_of(yolo, mvtec)) == 1
    (yolo / "train.txt").write_text(f"./images/train/{photo.name}\n", encoding="utf-8-sig")
    (yolo / "data.yaml").write_text("train: train.txt\nval: train.txt\nnames: [crack]\n")
    assert len(boxes_of(yolo, mvtec)) == 1
    (yolo / "train.txt").write_bytes("./images/train/fläche.png\n".encode("cp1252"))
    done = mvtec("convert", "yolo-to-coco", yolo, "--out", tmp_path / "o.json")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "is not a text file in UTF-8" in done.err


# Label Studio, CVAT


def test_the_photo_of_a_task_is_what_looks_like_one(tmp_path: Path, mvtec):
    rectangle = {
        "type": "rectanglelabels",
        "original_width": 48,
        "original_height": 40,
        "value": {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["crack"]},
    }
    choice = {"type": "choices", "value": {"choices": ["scrap"]}}
    tasks = [
        {
            "data": {"batch": "north line", "photo": "https://x/b/a.png?X-Amz-Date=1"},
            "annotations": [{"result": [choice, rectangle]}],
        }
    ]
    (tmp_path / "ls.json").write_text(json.dumps(tasks))
    done = mvtec("convert", "labelstudio-to-coco", tmp_path / "ls.json", "--out", tmp_path / "o.json")
    assert done.code == 0, done.err
    assert "labels of whole photos (choice) are not kept beside shapes: 1 scrap" in done.err
    content = read_coco(tmp_path / "o.json")
    assert [image.file_name for image in content.images] == ["a.png"]
    assert len(content.annotations) == 1


@pytest.mark.parametrize(
    ("inside", "complaint"),
    [("<track id='0' label='crack'><box frame='0'/></track>", "is a CVAT for video file"), ("", "holds no image")],
)
def test_a_cvat_file_without_images_is_refused(tmp_path: Path, mvtec, inside: str, complaint: str):
    (tmp_path / "c.xml").write_text(f"<annotations><version>1.1</version>{inside}</annotations>")
    done = mvtec("convert", "cvat-to-coco", tmp_path / "c.xml", "--out", tmp_path / "o.json")
    assert done.code == 2
    assert complaint in done.err


def test_masks_of_a_category_called_good_are_refused(photos: Path, tmp_path: Path, mvtec):
    square = [[5, 6, 15, 6, 15, 14, 5, 14]]
    source = coco(tmp_path / "i.json", {"segmentation": square}, categories=[{"id": 1, "name": "good"}])
    done = mvtec("convert", "coco-to-masks", source, "--images", photos, "--out", tmp_path / "m")
    assert done.code == 2
    assert "a.png: has a defect called good" in done.err


# Photos


def late_exif(path: Path) -> None:
    """A PNG of 48×40 whose EXIF data stand behind the pixels, as ImageMagick writes them, with a large preview."""
    exif = Image.Exif()
    exif[0x112] = TURNED
    data = exif.tobytes().removeprefix(b"Exif\0\0") + bytes(9000)
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    plain = cv2.imencode(".png", noise(3))[1].tobytes()
    path.write_bytes(plain[:-12] + chunk + plain[-12:])


def turned_webp(path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = TURNED
    Image.fromarray(noise(3)).save(path, lossless=True, exif=exif)


def jpeg_with_film(path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = TURNED
    Image.fromarray(noise(3)).save(path, exif=exif)
    path.write_bytes(path.read_bytes() + bytes(20_000))


@pytest.mark.parametrize(("name", "write"), [("a.png", late_exif), ("a.webp", turned_webp), ("a.jpg", jpeg_with_film)])
def test_the_size_of_a_turned_photo_is_that_of_its_pixels(tmp_path: Path, name: str, write: Callable[[Path], None]):
    write(tmp_path / name)
    assert read_photo(tmp_path / name).shape == (48, 40, 3)
    assert photo_size_wh(tmp_path / name) == (40, 48)


@pytest.mark.parametrize("write", [late_exif, turned_webp])
def test_a_mask_with_an_orientation_is_named(tmp_path: Path, mvtec, write: Callable[[Path], None]):
    write_png(tmp_path / "c" / "test" / "crack" / "000.png", noise(1))
    write_png(tmp_path / "c" / "test" / "good" / "000.png", noise(2))
    mask = tmp_path / "c" / "ground_truth" / "crack" / f"000_mask.{'png' if write is late_exif else 'webp'}"
    mask.parent.mkdir(parents=True)
    write(mask)
    done = mvtec("datasets", "check", tmp_path / "c")
    assert done.code == 1
    assert "turned-mask" in done.out


def test_a_jpeg_that_is_cut_off_and_padded_is_no_photo(tmp_path: Path):
    Image.fromarray(np.tile(noise(3), (8, 8, 1))).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    for part in (0.3, 0.5, 0.9, 0.99):
        for padding in (0, 10, 20_000):
            (tmp_path / "a.jpg").write_bytes(whole[: int(len(whole) * part)] + bytes(padding))
            for read in (photo_size_wh, read_photo):
                with pytest.raises(BadPhotoError, match="cut off"):
                    read(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(whole + bytes(20_000))
    assert read_photo(tmp_path / "a.jpg").shape == (320, 384, 3)


def test_a_photo_of_two_hundred_megapixels_is_read(tmp_path: Path, recwarn: pytest.WarningsRecorder):
    Image.new("L", (16_000, 12_500)).save(tmp_path / "a.jpg", quality=10)
    assert photo_size_wh(tmp_path / "a.jpg") == (16_000, 12_500)
    assert [str(one.message) for one in recwarn] == []
