import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, make_category, noise, write_png
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvtec.datasets.similar import group_similar
from mvtec.datasets.split import PARTS, make_split, read_split, select
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError
from mvtec.files import write_json


def classes(paths) -> Counter[str]:
    return Counter(path.split("/")[1] for path in paths)


def test_each_class_is_divided_in_the_same_proportions(category: Category):
    split = make_split(read_tree(category.root), test_fraction=0.2, val_fraction=0.2)
    assert classes(split.train) == {"good": 3, "crack": 3, "stain": 3}
    assert classes(split.val) == classes(split.test) == {"good": 1, "crack": 1, "stain": 1}


@pytest.fixture(scope="module")
def shared_category(tmp_path_factory: pytest.TempPathFactory) -> Category:
    return make_category(tmp_path_factory.mktemp("split") / "widget", per_class=7)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    per_class=st.none() | st.integers(1, 8),
    test_fraction=st.floats(0, 0.5),
    val_fraction=st.floats(0, 0.49),
    seed=st.integers(0, 1000),
)
def test_no_photo_is_in_two_parts_and_the_same_options_give_the_same_split(
    shared_category: Category, per_class, test_fraction, val_fraction, seed
):
    dataset = read_tree(shared_category.root)
    options = {"per_class": per_class, "test_fraction": test_fraction, "val_fraction": val_fraction, "seed": seed}
    split = make_split(dataset, **options)
    everything = [path for part in PARTS for path in split.part(part)]
    assert len(everything) == len(set(everything)) == 3 * min(per_class or 7, 7)
    assert set(classes(split.train)) == {"good", "crack", "stain"}
    assert make_split(dataset, **options).to_json() == split.to_json()


def test_near_identical_photos_stay_together(category: Category):
    original = cv2.imread(str(category.photo("crack", 0)))
    cv2.imwrite(str(category.photo("crack", 1)), original)  # the same bytes
    jpeg = cv2.imencode(".jpg", original, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    cv2.imwrite(str(category.photo("crack", 2)), cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
    photos = [category.photo("crack", number) for number in range(5)]
    assert group_similar(photos) == [0, 0, 0, 3, 4]
    for seed in range(8):
        split = make_split(read_tree(category.root), test_fraction=0.4, seed=seed)
        together = {f"test/crack/{number:03}.png" for number in (0, 1, 2)}
        assert any(together <= set(split.part(part)) for part in PARTS)


def test_folds_divide_train_and_leave_test_alone(category: Category):
    split = make_split(read_tree(category.root), folds=2)
    assert sorted(path for fold in split.folds for path in fold) == list(split.train)
    first = split.fold(0)
    assert first.val == split.folds[0]
    assert set(first.train) == set(split.train) - set(first.val)
    assert first.test == split.test
    assert first.hash != split.hash
    with pytest.raises(InputError, match="folds 0 to 1"):
        split.fold(2)
    judged = split.held_out(0)
    assert (judged.train, judged.val, judged.test) == (first.train, (), split.folds[0])


def test_the_file_gives_the_split_back(category: Category, tmp_path: Path):
    split = make_split(read_tree(category.root), folds=3, seed=5)
    write_json(tmp_path / "split.json", split.to_json(), overwrite=False)
    again = read_split(tmp_path / "split.json")
    assert again == split
    assert again.hash == split.hash


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(lambda c: c["train"].pop(), "hash does not fit", id="edited"),
        pytest.param(lambda c: c["test"].append(c["train"][0]), "is in train and in test", id="in_two_parts"),
        pytest.param(lambda c: c["test"].append("test/x.png"), "no entry under images", id="unknown_photo"),
        pytest.param(lambda c: c.pop("images"), "images: field required", id="no_images"),
        pytest.param(lambda c: c.update(format="other"), "format", id="other_format"),
    ],
)
def test_a_split_that_does_not_hold_together_is_refused(category: Category, tmp_path: Path, edit, message):
    content = make_split(read_tree(category.root)).to_json()
    edit(content)
    (tmp_path / "split.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_split(tmp_path / "split.json")


def test_an_edit_by_hand_is_adopted_without_the_hash_line(category: Category, tmp_path: Path):
    content = make_split(read_tree(category.root)).to_json()
    content["test"].append(content["train"].pop())
    del content["hash"]
    (tmp_path / "split.json").write_text(json.dumps(content))
    assert len(read_split(tmp_path / "split.json").test) == 4


def test_a_photo_that_changed_since_is_refused(category: Category):
    dataset = read_tree(category.root)
    split = make_split(dataset)
    photo = category.root / split.train[0]
    photo.write_bytes(category.photo("good", 4).read_bytes() + b" ")
    with pytest.raises(InputError, match="not the photo the split was made of"):
        select(dataset, split, "train")


def test_the_report_split_of_bottle(real_bottle: Path):
    split = make_split(read_tree(real_bottle), per_class=20)
    assert (len(split.train), len(split.val), len(split.test)) == (64, 0, 16)
    assert set(classes(split.train).values()) == {16}
    assert set(classes(split.test).values()) == {4}
    # changes when the draw or the meaning of the hash changes: figures in docs/results.md then need a new run
    assert split.hash.startswith("c92b95bb5d134beb")


def test_different_photos_of_one_category_are_not_alike(real_bottle: Path):
    photos = [sample.photo for sample in read_tree(real_bottle).samples]
    assert group_similar(photos) == list(range(len(photos)))


def test_photos_of_a_plain_surface_are_not_alike(tmp_path: Path):
    """Small thumbnails of them hardly differ; their grain does."""
    photos = []
    for number in range(6):
        grain = np.random.default_rng(number).normal(128, 12, (300, 300, 3)).clip(0, 255)
        write_png(tmp_path / f"{number}.png", grain)
        photos.append(tmp_path / f"{number}.png")
    assert group_similar(photos) == list(range(6))


def test_train_keeps_a_photo_of_each_class(category: Category):
    split = make_split(read_tree(category.root), per_class=2, test_fraction=0.5, val_fraction=0.45)
    assert classes(split.train) == classes(split.test) == {"good": 1, "crack": 1, "stain": 1}
    assert split.val == ()


def test_a_class_without_a_test_photo_is_named(category: Category, tmp_path: Path, mvtec):
    for number in range(1, 5):
        category.photo("crack", number).write_bytes(category.photo("crack", 0).read_bytes())
    outcome = mvtec("datasets", "split", category.root, "--out", tmp_path / "s.json")
    assert "crack has no test photo" in outcome.err


def fixed_camera(root: Path) -> None:
    """Photos of one part that never moves, with a little noise, and scratches of which each is another."""
    rng = np.random.default_rng(0)
    part = noise(7, 200, 200) * 0.8
    for number in range(6):
        sound = part + rng.normal(0, 2, part.shape)
        write_png(root / "test" / "good" / f"{number}.png", sound.clip(0, 255))
        mask = np.zeros((200, 200))
        mask[20 + 20 * number : 22 + 20 * number, 50:60] = 255
        marred = np.where(mask[..., None] > 0, 20, 0) + (part + rng.normal(0, 2, part.shape))
        write_png(root / "test" / "scratch" / f"{number}.png", marred.clip(0, 255))
        write_png(root / "ground_truth" / "scratch" / f"{number}_mask.png", mask)


def test_photos_of_a_camera_that_never_moves_can_be_divided(tmp_path: Path, mvtec):
    fixed_camera(tmp_path / "part")
    words = ["datasets", "split", tmp_path / "part", "--out"]
    assert "split with mvtec datasets split --similar apart" in mvtec(*words, tmp_path / "a.json").err
    done = mvtec("convert", "masks-to-yolo", tmp_path / "part", "--out", tmp_path / "y")
    assert "has no test photo" in done.err
    copy = tmp_path / "part" / "test" / "good" / "copy.png"
    copy.write_bytes((tmp_path / "part" / "test" / "good" / "0.png").read_bytes())
    done = mvtec(*words, tmp_path / "b.json", "--similar", "apart", "--test-fraction", "0.5")
    assert (done.code, done.err) == (0, "")
    made = read_split(tmp_path / "b.json")
    assert classes(made.test)["scratch"] == 3
    assert {"test/good/copy.png", "test/good/0.png"} <= set(made.test) or not {
        "test/good/copy.png",
        "test/good/0.png",
    } & set(made.test)


def test_classes_are_those_of_the_layout(tmp_path: Path, mvtec):
    for number in range(6):
        write_png(tmp_path / "c" / "images" / f"{number}.png", np.random.default_rng(number).uniform(0, 255, (60, 60)))
        mask = np.zeros((60, 60))
        mask[10:20, 10:20] = 255 * (number % 2)
        write_png(tmp_path / "c" / "masks" / f"{number}.png", mask)
    done = mvtec("datasets", "split", tmp_path / "c", "--out", tmp_path / "s.json")
    rows = [line.split()[0] for line in done.out.splitlines()]
    assert rows[:4] == ["class", "defect", "good", "all"]


def test_photos_added_after_the_split_are_named_by_every_conversion(category: Category, tmp_path: Path, mvtec):
    split = tmp_path / "split.json"
    assert mvtec("datasets", "split", category.root, "--out", split).code == 0
    before = mvtec("convert", "masks-to-coco", category.root, "--split", split, "--out", tmp_path / "a.json")
    assert "in no part of the split" not in before.err
    write_png(category.photo("crack", 77), noise(77))
    category.mask("crack", 77).write_bytes(category.mask("crack", 0).read_bytes())
    said = "1 photo of {} is in no part of the split, and is not used: {}. Make the split again to use them"
    path = category.photo("crack", 77).relative_to(category.root).as_posix()
    for command, out in (("masks-to-coco", "b.json"), ("masks-to-yolo", "yolo")):
        done = mvtec("convert", command, category.root, "--split", split, "--out", tmp_path / out, "--json")
        assert said.format(category.root, path) in json.loads(done.out)["warnings"]

    assert mvtec("convert", "masks-to-coco", category.root, "--out", tmp_path / "all.json").code == 0
    photos = ("--images", category.root)
    done = mvtec(
        "convert", "coco-to-yolo", tmp_path / "all.json", *photos, "--split", split, "--out", tmp_path / "from-coco"
    )
    assert said.format(tmp_path / "all.json", path) in done.err


def test_photos_left_out_when_the_split_was_drawn_are_not_named(category: Category, tmp_path: Path, mvtec):
    dataset = read_tree(category.root)
    split = make_split(dataset, per_class=2)
    assert len(split.left_out) == len(dataset.labelled) - len(split.images) > 0
    write_json(tmp_path / "split.json", split.to_json(), overwrite=False)
    assert read_split(tmp_path / "split.json") == split
    done = mvtec(
        "convert", "masks-to-coco", category.root, "--split", tmp_path / "split.json", "--out", tmp_path / "a.json"
    )
    assert "in no part of the split" not in done.err
    older = split.to_json()
    del older["left_out"]  # a split of an earlier version does not say
    (tmp_path / "older.json").write_text(json.dumps(older))
    done = mvtec(
        "convert", "masks-to-coco", category.root, "--split", tmp_path / "older.json", "--out", tmp_path / "b.json"
    )
    assert f"{len(split.left_out)} photos of {category.root} are in no part of the split" in done.err
