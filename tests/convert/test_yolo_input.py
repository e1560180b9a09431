"""YOLO data sets as other tools leave them: read exactly, or refused by name."""

import json
from pathlib import Path

import pytest
from conftest import noise, write_png

from mvtec.convert.formats.yolo.read_folder import check_labels_for_training, labels_beside, read_yolo_folder
from mvtec.errors import InputError

LABEL = "0 0.45833333 0.44444444 0.25 0.22222222\n"  # of 60×45
BOX = [20, 15, 15, 10]


def photo(path: Path, seed: int = 1, label: Path | None = None, text: str = LABEL) -> Path:
    write_png(path, noise(seed, 45, 60))
    if label is not None:
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(text)
    return path


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """A folder of one photo with one label."""
    root = tmp_path / "yolo"
    photo(root / "images/train/a.png", 1, root / "labels/train/a.txt")
    (root / "data.yaml").write_text("train: images/train\nval: images/train\nnames: {0: dent, 1: bent}\n")
    return root


@pytest.fixture
def convert(tmp_path: Path, mvtec):
    """Runs yolo-to-coco; gives the outcome, the train part's content and the receipt's objects."""

    def run(root: Path, *words: str):
        out = tmp_path / "o.json"
        outcome = mvtec("convert", "yolo-to-coco", root, "--out", out, "--overwrite", *words)
        if outcome.code == 2:
            return outcome, None, None
        receipt = json.loads((tmp_path / "o.conversion.json").read_text())
        return outcome, json.loads((tmp_path / "o_train.json").read_text()), receipt["objects"]

    return run


def test_pose_labels_keep_their_box(yolo: Path, convert):
    with (yolo / "data.yaml").open("a") as file:
        file.write("kpt_shape: [3, 2]\n")
    (yolo / "labels/train/a.txt").write_text(LABEL.strip() + " .3 .3 .5 .5 .4 .6\n")
    outcome, content, _ = convert(yolo)
    assert [one["bbox"] for one in content["annotations"]] == [BOX]
    assert content["annotations"][0]["segmentation"] == []
    assert "1 pose label of train: the box is kept, the keypoints are not" in outcome.err
    with pytest.raises(InputError, match="has pose labels"):
        check_labels_for_training(read_yolo_folder(yolo))
    (yolo / "labels/train/a.txt").write_text(LABEL.strip() + " .3 .3\n")
    assert "has 6 numbers; a box has 4, and its keypoints (kpt_shape) 6" in convert(yolo)[0].err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param("0 .5 .5 .2 .2 .9", "has 5 numbers; a box has 4; the last may be a score", id="save_conf"),
        pytest.param("0,.5,.5,.2,.2", "is not a class number and coordinates", id="commas"),
        pytest.param("2 .5 .5 .2 .2", "has class 2, and there are 2 classes", id="class_beyond_names"),
        pytest.param("0 .5 .5 1e-300 1e-300", "has a box without area", id="box_of_nothing"),
        pytest.param("0 .5 .5 .0001 .2", "less than 0.01 pixels wide", id="box_of_a_hair"),
        pytest.param("0 .5 .5 .2", "has 3 coordinates", id="three_numbers"),
    ],
)
def test_a_line_that_is_not_a_label_is_named_and_counted(yolo: Path, convert, line: str, complaint: str):
    photo(yolo / "images/train/b.png", 2, yolo / "labels/train/b.txt", f"\n{line}\n")
    failed, _, _ = convert(yolo)
    assert failed.code == 2
    assert complaint in failed.err
    _, content, objects = convert(yolo, "--on-error", "skip")
    assert [image["file_name"] for image in content["images"]] == ["images/train/a.png"]
    assert (objects["read"], objects["written"], objects["left_out"]["n"]) == (2, 1, 1)


def test_the_thinnest_box_is_read_back_by_our_own_reader(yolo: Path, convert, tmp_path: Path, mvtec):
    (yolo / "labels/train/a.txt").write_text("0 0.5 0.5 0.0002 0.0003\n")  # 0.012 × 0.0135 pixels
    _, content, _ = convert(yolo)
    assert content["annotations"][0]["bbox"][2:] == [0.012, 0.0135]
    words = ["convert", "coco-to-yolo", tmp_path / "o_train.json", "--images", yolo, "--out", tmp_path / "again"]
    assert mvtec(*words).code == 0
    assert convert(tmp_path / "again")[1]["annotations"][0]["bbox"][2:] == pytest.approx([0.012, 0.0135], abs=1e-4)


@pytest.mark.parametrize("suffix", [".txt", ".TXT"])
def test_labels_beside_the_photos_are_read(tmp_path: Path, convert, suffix: str):
    root = tmp_path / "yolo"
    photo(root / "images/a.png", 1, root / f"images/a{suffix}")
    (root / "data.yaml").write_text("train: images\nval: images\nnames: [dent]\n")
    outcome, content, _ = convert(root)
    assert [one["bbox"] for one in content["annotations"]] == [BOX]
    assert "1 label file of train beside the photos" in outcome.err
    with pytest.raises(InputError, match="Ultralytics looks for"):
        check_labels_for_training(read_yolo_folder(root))


def test_a_label_without_a_photo_is_said(yolo: Path, convert):
    (yolo / "labels/train/gone.txt").write_text(LABEL + LABEL)
    (yolo / "labels/train/classes.txt").write_text("dent\nbent\n")
    (yolo / "labels/train/README.txt").write_text("Exported on Monday.\n")
    failed, _, _ = convert(yolo)
    assert failed.code == 2
    assert "gone.txt: is a label file without a photo" in failed.err
    outcome, _, objects = convert(yolo, "--on-error", "skip", "--min-iou", "0.5")
    assert outcome.code == 1
    assert objects["left_out"] == {"n": 2, "by_kind": {"photo missing": 2}, "by_defect": {"dent": 2}}
    (yolo / "labels/train/gone.txt").write_text("")
    said = convert(yolo)[0].err
    assert "1 empty label file without a photo, such as gone.txt" in said
    assert "1 text file without a photo and without labels: README.txt" in said


def test_a_photo_that_no_list_names_has_no_lost_label(yolo: Path, convert):
    photo(yolo / "images/train/b.png", 2, yolo / "labels/train/b.txt")
    (yolo / "train.txt").write_text("./images/train/a.png\nimages/train/a.png\n")
    (yolo / "data.yaml").write_text("train: train.txt\nval: train.txt\nnames: [dent]\n")
    outcome, content, _ = convert(yolo)
    assert outcome.code == 0
    assert len(content["images"]) == 1


def test_path_from_the_current_folder(yolo: Path, convert, monkeypatch: pytest.MonkeyPatch):
    text = (yolo / "data.yaml").read_text()
    (yolo / "data.yaml").write_text("path: yolo\n" + text)
    monkeypatch.chdir(yolo.parent)
    outcome, content, _ = convert(Path("yolo"))
    assert [image["file_name"] for image in content["images"]] == ["images/train/a.png"]
    assert "is taken from the current folder" in outcome.err
    (yolo / "data.yaml").write_text("path: nowhere\n" + text)
    failed, _, _ = convert(Path("yolo"))
    assert f"looked for it in {yolo / 'nowhere'} and in {yolo.parent / 'nowhere'}" in failed.err


def _labelimg(root: Path) -> None:
    photo(root / "a.png", 1, root / "a.txt")
    (root / "classes.txt").write_text("dent\nbent\n")


def _label_studio(root: Path) -> None:
    photo(root / "images/a.png", 1, root / "labels/a.txt")
    (root / "classes.txt").write_text("dent\nbent\n")


def _cvat(root: Path) -> None:
    photo(root / "obj_train_data/a.png", 1, root / "obj_train_data/a.txt")
    (root / "obj.data").write_text("classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    (root / "obj.names").write_text("dent\nbent\n")
    (root / "train.txt").write_text("data/obj_train_data/a.png\n")


@pytest.mark.parametrize("write", [_labelimg, _label_studio, _cvat])
def test_folders_without_a_data_yaml(tmp_path: Path, convert, write):
    write(tmp_path / "set")
    outcome, content, _ = convert(tmp_path / "set")
    assert [one["bbox"] for one in content["annotations"]] == [BOX]
    assert [(one["id"], one["name"]) for one in content["categories"]] == [(1, "dent"), (2, "bent")]
    assert "has no data.yaml; the classes are those of" in outcome.err


def test_a_folder_without_a_list_of_classes_is_told_what_to_write(tmp_path: Path, convert):
    photo(tmp_path / "set/a.png", 1, tmp_path / "set/a.txt")
    failed, _, _ = convert(tmp_path / "set")
    assert failed.code == 2
    assert "has no data.yaml, no classes.txt, no obj.names and no obj.data. Write data.yaml with" in failed.err
    assert labels_beside([tmp_path / "set/a.png"]) == [tmp_path / "set/a.txt"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nc: 3\n", "has no list of class names"),
        ("- 5\n", "has no list of class names"),
        ("names: [a, ' ']\n", "class 1 has an empty name"),
        ("names: [a, b, a]\n", "has two classes a"),
        ("names: []\n", "names no class"),
        ("names: [a]\npath: [x]\n", "its path cannot be read"),
        ("names: [a]\ntrain: {a: 1}\n", "its train cannot be read"),
        ("names: [a]\nkpt_shape: 17\n", "its kpt_shape cannot be read"),
    ],
)
def test_a_data_yaml_that_breaks_a_rule_is_named(yolo: Path, text: str, complaint: str):
    (yolo / "data.yaml").write_text(text if "train" in text else "train: images/train\n" * (text[0] != "-") + text)
    with pytest.raises(InputError) as caught:
        read_yolo_folder(yolo)
    assert complaint in str(caught.value)


def test_many_class_names_are_checked_in_time_proportional_to_their_number(yolo: Path):
    (yolo / "classes.txt").write_text("".join(f"c{number}\n" for number in range(200_000)))
    (yolo / "data.yaml").unlink()
    assert len(read_yolo_folder(yolo).names) == 200_000


def test_class_numbers_survive_yolo_to_coco_to_yolo(yolo: Path, convert, tmp_path: Path, mvtec):
    (yolo / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [zebra, unused, ant]\n")
    (yolo / "labels/train/a.txt").write_text(LABEL + "2" + LABEL[1:])
    assert [(one["id"], one["name"]) for one in convert(yolo)[1]["categories"]] == [
        (1, "zebra"),
        (2, "unused"),
        (3, "ant"),
    ]
    words = ["convert", "coco-to-yolo", tmp_path / "o_train.json", "--images", yolo, "--out", tmp_path / "again"]
    outcome = mvtec(*words)
    assert read_yolo_folder(tmp_path / "again").names == ("zebra", "unused", "ant")
    (label,) = (tmp_path / "again/labels/train").iterdir()
    assert [line.split()[0] for line in label.read_text().splitlines()] == ["0", "2"]
    assert "class numbers" not in outcome.err  # they are what they were
