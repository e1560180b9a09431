"""YOLO data sets whose labels lie where no reader looks, or are shared: found, and never taken for good photos."""

from pathlib import Path

import pytest
from conftest import noise, write_png

from mvtec.convert.formats.yolo.read_folder import labelled_photos, leave_out_orphans, read_yolo_folder
from mvtec.convert.label_set import read_label_set
from mvtec.convert.receipt import Receipt
from mvtec.errors import InputError

LABEL = "0 0.5 0.5 0.2 0.2\n"


def make(root: Path, data: str, photos: list[str], labels: list[str]) -> Path:
    for number, name in enumerate(photos):
        write_png(root / name, noise(number))
    for name in labels:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(LABEL)
    (root / "data.yaml").write_text(f"names: [crack]\n{data}\n")
    return root


@pytest.mark.parametrize(
    ("photo", "label"),
    [
        ("Images/train/a.png", "Labels/train/a.txt"),
        ("JPEGImages/a.png", "labels/a.txt"),
        ("train/a.png", "train/labels/a.txt"),
        ("images/train/a.png", "labels/a.txt"),
    ],
)
def test_labels_in_another_folder_are_found(tmp_path: Path, photo: str, label: str):
    part = str(Path(photo).parent)
    folder = read_yolo_folder(make(tmp_path, f"train: {part}\nval: {part}", [photo], [label]))
    with pytest.raises(InputError, match=r"seems to be the label of .*a\.png"):
        leave_out_orphans(folder, Receipt(""))
    receipt = Receipt("")
    leave_out_orphans(folder, receipt, skip_errors=True)
    assert dict(receipt.lost) == {("label in another folder", "crack"): 1}
    assert not list(labelled_photos(folder, "train", receipt))  # it is not a good photo


def test_a_data_set_without_any_label_file_is_refused(tmp_path: Path):
    root = make(tmp_path, "train: images\nval: images", ["images/a.png"], [])
    with pytest.raises(InputError, match="none of its photos has a label file"):
        leave_out_orphans(read_yolo_folder(root), Receipt(""))
    assert [one.kind for one in read_label_set(root).refused] == ["no-labels"]
    (root / "labels").mkdir()
    (root / "labels/a.txt").touch()
    leave_out_orphans(read_yolo_folder(root), Receipt(""))


def test_labels_of_photos_in_no_part_are_said(tmp_path: Path):
    photos = ["images/train/a.png", "images/test/b.png"]
    labels = ["labels/train/a.txt", "labels/test/b.txt", "runs/predict/labels/a.txt"]
    receipt = Receipt("")
    leave_out_orphans(read_yolo_folder(make(tmp_path, "train: images/train", photos, labels)), receipt)
    assert receipt.notes == ["1 label file not read, of photos that are in no part, such as labels/test/b.txt"]


def test_two_photos_do_not_share_a_label(tmp_path: Path):
    photos = ["images/a.jpg", "images/a.png", "images/b.png"]
    folder = read_yolo_folder(make(tmp_path, "train: images", photos, ["labels/a.txt", "labels/b.txt"]))
    with pytest.raises(InputError, match=r"a\.jpg: has the label file of a\.png, too"):
        list(labelled_photos(folder, "train", Receipt("")))
    receipt = Receipt("")
    kept = list(labelled_photos(folder, "train", receipt, skip_errors=True))
    assert [image.path for image in kept] == ["images/b.png"]
    assert receipt.lost.total() == 2


def test_a_place_without_a_photo_and_photos_that_are_not_read_are_said(tmp_path: Path, mvtec):
    root = make(tmp_path / "y", "train: [images, extra]", ["images/a.png"], ["labels/a.txt"])
    (root / "images/b.gif").write_bytes(b"GIF89a")
    outcome = mvtec("convert", "yolo-to-coco", root, "--out", tmp_path / "o.json")
    assert "names extra in its train part, and there is no photo in it" in outcome.err
    assert "are left out (1 .gif)" in outcome.err


def test_checks_and_splits_see_label_files_without_a_photo(tmp_path: Path, mvtec):
    root = make(tmp_path / "y", "train: images", ["images/a.png"], ["labels/a.txt", "labels/b.txt"])
    assert "b.txt: is a label file without a photo" in mvtec("datasets", "check", root).out
    assert mvtec("datasets", "info", root).code == 2
    assert mvtec("datasets", "split", root, "--out", tmp_path / "s.json").code == 2


@pytest.mark.parametrize(("count", "is_right"), [(1, True), (2, False), ("1", False)])
def test_a_number_of_classes_unlike_that_of_the_names_is_refused(tmp_path: Path, count: object, is_right: bool):
    root = make(tmp_path, f"train: images\nval: images\nnc: {count!r}", ["images/a.png"], ["labels/a.txt"])
    if is_right:
        assert read_yolo_folder(root).names == ("crack",)
    else:
        with pytest.raises(InputError, match=rf"says nc: {count}, and names 1 classes"):
            read_yolo_folder(root)
