"""Which instances a training sees at its image size: counted before it begins, and refused where it would see none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import write_png
from tiny import TINY

from mvtec.convert.formats.yolo.read_folder import YoloFolder, read_yolo_folder
from mvtec.detect.sizes import Side, better_imgsz, check_sides, count_sides, seen_in_words, sides_of
from mvtec.errors import InputError

WIDE, HIGH = 640, 480


def box(number: int, width: float, height: float) -> str:
    """A label line of a box in the middle of the photo."""
    return f"{number} 0.5 0.5 {width / WIDE:.8f} {height / HIGH:.8f}"


def polygon(number: int, width: float, height: float) -> str:
    """A rectangle, of whose pixels the corners' centres are the points."""
    x, y = (WIDE - width) / 2 + 0.5, (HIGH - height) / 2 + 0.5
    corners = ((x, y), (x + width - 1, y), (x + width - 1, y + height - 1), (x, y + height - 1))
    return " ".join([str(number), *(f"{a / WIDE:.8f} {b / HIGH:.8f}" for a, b in corners)])


def yolo(root: Path, names: str = "[crack, stain]", **parts: list[str]) -> YoloFolder:
    """A data set of one photo for each label line."""
    text = "".join(f"{part}: images/{part}\n" for part in parts)
    for part, lines in parts.items():
        for number, line in enumerate(lines):
            pixels = np.full((HIGH, WIDE, 3), 10 + number)
            pixels[: 20 + number] = 200
            write_png(root / "images" / part / f"{number}.png", pixels)
            label = root / "labels" / part / f"{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(f"{line}\n" if line else "")
    (root / "data.yaml").write_text(f"{text}names: {names}\n")
    return read_yolo_folder(root)


def test_instances_are_counted_by_class_at_the_image_size(tmp_path: Path):
    """At 320 pixels of 640 a side is halved: 4 → 2 is dropped, 5 → 2.5 is not; 16 → 8 is not small, 15 is."""
    lines = [box(0, 4, 90), box(0, 5, 90), box(0, 16, 16), box(1, 15, 200), ""]
    sides = sides_of(yolo(tmp_path, train=lines), "train", turned=False)
    counts = count_sides(sides, 320)
    assert (counts["crack"].instances, counts["crack"].dropped, counts["crack"].below_8_px) == (3, 1, 2)
    assert (counts["stain"].instances, counts["stain"].dropped, counts["stain"].below_8_px) == (1, 0, 1)


def test_boxes_a_hundred_times_as_long_as_wide_are_dropped(tmp_path: Path):
    sides = sides_of(yolo(tmp_path, train=[box(0, 500, 5), box(0, 495, 5)]), "train", turned=False)
    assert count_sides(sides, 640)["crack"].dropped == 1


def test_a_thin_polygon_is_seen_where_photos_are_turned(tmp_path: Path):
    """Ultralytics takes the centres of the border pixels: 2 pixels are 1 wide; turned by 45° 100 are 71 wide."""
    sides = sides_of(yolo(tmp_path, train=[polygon(0, 101, 2)]), "train", turned=True)
    assert sides["crack"][0].share * WIDE == pytest.approx(70.7, abs=0.1)
    sides = sides_of(yolo(tmp_path / "box", train=[polygon(0, 101, 2)]), "train", turned=False)
    assert (sides["crack"][0].share * WIDE, sides["crack"][0].is_thread) == (pytest.approx(1), True)


def test_the_size_that_is_proposed_is_the_least_at_which_95_of_100_have_8_pixels():
    sides = [Side(share=pixels / 1000, pixels=1000, is_thread=False) for pixels in [4] * 5 + [20] * 95]
    assert better_imgsz(sides) == 416  # 8 of 20 pixels is 400 of 1000; 95 of 100 have it
    assert better_imgsz(sides[:5]) == 2016
    assert count_sides({"a": sides}, 416)["a"].below_8_px == 5


@pytest.mark.parametrize("every", [True, False], ids=["all", "all_of_one_class"])
def test_a_training_that_would_see_nothing_is_refused_with_the_size_that_would_do(tmp_path: Path, every: bool):
    folder = yolo(tmp_path, train=[box(0, 4, 4), box(0, 3, 9), box(1, 4, 4) if every else box(1, 90, 90)])
    with pytest.raises(InputError) as caught:
        check_sides(folder, 256, turned=False)
    lost, count = ("crack and of stain", 3) if every else ("crack", 2)
    said = f"at --imgsz 256 Ultralytics drops each instance of {lost} in its train part ({count}), because they are at"
    assert said in str(caught.value)
    # 8 / (3 / 640) = 1706.7, and the next multiple of 32 is 1728; (1728 / 256)² = 45.6; larger than the photo
    assert "Train with --imgsz 1728, which takes about 46 times as long, or cut" in str(caught.value)
    assert "cut the photos into tiles" in str(caught.value)


def test_no_size_is_proposed_for_boxes_that_every_size_drops(tmp_path: Path):
    """A box of 500×5 is 100 times as long as wide at every size; one of 4×4 is 8 wide at 8 / (4 / 640) = 1280."""
    with pytest.raises(InputError) as caught:
        check_sides(yolo(tmp_path / "a", train=[box(0, 500, 5), box(0, 600, 5), box(1, 90, 90)]), 256, turned=False)
    assert caught.value.hint == (
        "No --imgsz helps 2 of them, 100 times as long as wide or more: join their pieces, or label them with wider "
        "boxes"
    )
    with pytest.raises(InputError) as caught:
        check_sides(yolo(tmp_path / "b", train=[box(0, 500, 5), box(1, 4, 4)]), 256, turned=False)
    assert "Train with --imgsz 1280, which takes about 25 times as long" in caught.value.hint
    assert "No --imgsz helps 1 of them" in caught.value.hint


def test_the_proposed_size_saves_each_class_that_would_be_lost(tmp_path: Path):
    """One box of 2 pixels among 29 of 4 is a class of its own: 8 / (2 / 640) = 2560."""
    lines = [*[box(0, 4, 4)] * 29, box(1, 2, 2)]
    with pytest.raises(InputError, match="Train with --imgsz 2560"):
        check_sides(yolo(tmp_path, train=lines), 256, turned=False)


def test_many_small_instances_are_a_warning_for_each_part(tmp_path: Path):
    folder = yolo(tmp_path, train=[box(0, 60, 60), box(1, 19, 19), box(1, 4, 30)], val=[box(0, 4, 4), box(1, 99, 99)])
    warnings: list[str] = []
    found = check_sides(folder, 256, turned=False, warn=warnings.append)
    assert found["train"]["stain"] == {"instances": 2, "dropped": 1, "below_8_px": 2}
    assert found["val"]["crack"] == {"instances": 1, "dropped": 1, "below_8_px": 1}
    assert seen_in_words(found["train"]) == "2 of 3 instances (crack 1 of 1, stain 1 of 2)"
    train, val = warnings
    assert "at --imgsz 256 2 of 3 instances of the train part have a side below 8 pixels (stain 2 of 2)" in train
    assert "Ultralytics drops 1 of them, and the others are hard to learn. Train with --imgsz 1280, which" in train
    assert "at --imgsz 256 1 of 2 instances of the val part have a side below 8 pixels (crack 1 of 1)" in val
    assert "such are hard to find" in val


def test_small_instances_that_are_all_dropped_are_said_to_be(tmp_path: Path):
    warnings: list[str] = []
    lines = [box(0, 60, 60), box(1, 60, 60), box(1, 4, 30)]
    check_sides(yolo(tmp_path, train=lines), 256, turned=False, warn=warnings.append)
    assert "have a side below 8 pixels (stain 1 of 2); Ultralytics drops them. Train with" in warnings[0]


def test_a_val_part_that_cannot_choose_is_named(tmp_path: Path):
    warnings: list[str] = []
    lines = [box(0, 60, 60), box(1, 90, 90)]
    check_sides(yolo(tmp_path / "a", train=lines, val=["", ""]), 256, turned=False, warn=warnings.append)
    check_sides(yolo(tmp_path / "b", train=lines, val=[lines[0], ""]), 256, turned=False, warn=warnings.append)
    nothing, a_class = warnings
    assert nothing.endswith("its val part of 2 photos has no instance, so the last epoch is kept")
    assert a_class.endswith("its val part has no instance of stain, which has no say in which epoch is kept")


@pytest.mark.slow
def test_the_last_epoch_is_kept_where_val_has_no_instance(tmp_path: Path, mvtec):
    folder = yolo(tmp_path / "yolo", "[crack]", train=[box(0, 200, 200), box(0, 250, 250)], val=["", "", ""])
    outcome = mvtec("train-detector", folder.root, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 0, outcome.err
    assert "last.pt: the last epoch, no val part to choose by" in outcome.out
    assert [file.name for file in (tmp_path / "run" / "weights").iterdir()] == ["last.pt"]
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["train_images"]) == 3


def test_few_small_instances_are_no_warning(tmp_path: Path):
    folder = yolo(tmp_path, "[crack]", train=[*[box(0, 60 + n, 60) for n in range(9)], box(0, 19, 19)])
    warnings: list[str] = []
    check_sides(folder, 256, turned=False, warn=warnings.append)
    assert warnings == []


def test_a_class_without_an_instance_is_named(tmp_path: Path):
    warnings: list[str] = []
    check_sides(yolo(tmp_path, train=[box(0, 60, 60)]), 256, turned=False, warn=warnings.append)
    assert warnings == [f"{tmp_path / 'data.yaml'}: its train part has no instance of stain, which cannot be learnt"]


def test_a_train_part_without_any_instance_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="its train part of 2 photos has no instance"):
        check_sides(yolo(tmp_path, train=["", ""]), 256, turned=False)


def test_boxes_and_polygons_in_one_label_file_are_refused(tmp_path: Path):
    lines = [box(0, 60, 60), f"{box(0, 60, 60)}\n{polygon(1, 60, 60)}"]
    with pytest.raises(InputError, match=r"1\.txt: has boxes and polygons, and Ultralytics leaves out its photo"):
        check_sides(yolo(tmp_path, train=lines), 256, turned=False)
    check_sides(yolo(tmp_path / "apart", train=[box(0, 60, 60), polygon(1, 60, 60)]), 256, turned=False)


def test_the_command_refuses_before_it_makes_a_run(tmp_path: Path, mvtec):
    folder = yolo(tmp_path / "yolo", train=[box(0, 12, 12), box(1, 90, 90)])
    outcome = mvtec("train-detector", folder.root, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 2
    assert "at --imgsz 64 Ultralytics drops each instance of crack" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_run_says_what_it_has_seen_and_what_it_ran_on(tmp_path: Path, mvtec):
    lines = [box(0, 200, 200), f"{box(0, 300, 100)}\n{box(0, 300, 100)}", box(1, 250, 250), box(1, 10, 90)]
    folder = yolo(tmp_path / "yolo", train=lines)
    outcome = mvtec("train-detector", folder.root, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 0, outcome.err
    assert "4 of 5 instances (crack 3 of 3, stain 1 of 2) large enough to be seen at --imgsz 64" in outcome.out
    assert "1 label of the same numbers as another one in its file: taken once" in outcome.err
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["instances"]["train"]["stain"] == {"instances": 2, "dropped": 1, "below_8_px": 1}
    assert settings["boxes_of_first_epoch"] == {"crack": 2, "stain": 1}
    assert (settings["device_name"], settings["workers"], settings["amp"]) == ("cpu", 0, False)
    assert settings["threads"] >= 1


@pytest.mark.slow
def test_labels_that_ultralytics_does_not_read_stop_the_training(
    tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    from ultralytics.data.dataset import YOLODataset

    original = YOLODataset.get_labels

    def loses_one(dataset: YOLODataset) -> list[dict[str, np.ndarray]]:
        labels = original(dataset)
        labels[0]["cls"] = labels[0]["cls"][:0]
        return labels

    folder = yolo(tmp_path / "yolo", train=[box(0, 200, 200), box(1, 250, 250)])
    monkeypatch.setattr(YOLODataset, "get_labels", loses_one)
    outcome = mvtec("train-detector", folder.root, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 2
    assert "labels/train/0.txt: has 1 label, and Ultralytics reads 0 of them" in outcome.err


@pytest.mark.slow
def test_a_first_epoch_without_a_box_stops_the_training(tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch):
    from ultralytics.data.augment import RandomPerspective

    monkeypatch.setattr(RandomPerspective, "box_candidates", lambda *_, box1, **__: np.zeros(box1.shape[1], bool))
    folder = yolo(tmp_path / "yolo", train=[box(0, 200, 200), box(1, 250, 250)])
    outcome = mvtec("train-detector", folder.root, "--out", tmp_path / "run", *TINY)
    assert outcome.code == 2
    assert "the first epoch at --imgsz 64 has shown the network no box" in outcome.err
