"""Turned copies are found, many photos are compared by blocks, and names can keep photos together."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category, noise, write_png

from mvtec.datasets.similar import COARSE, FINE, MAX_DISTANCE, MIN_CORRELATION, group_similar, group_thumbnails, merged
from mvtec.datasets.split import PARTS, make_split, read_split
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_the_eight_turns_of_a_photo_are_one_group(tmp_path: Path, quarters: int, mirror: bool):
    photo = noise(1, 60, 90)
    turned = np.rot90(photo[:, ::-1] if mirror else photo, quarters)
    write_png(tmp_path / "a.png", photo)
    write_png(tmp_path / "b.png", noise(2, 60, 90))
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(turned), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    (tmp_path / "c.jpg").write_bytes(jpeg.tobytes())
    assert group_similar([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.jpg"]) == [0, 1, 0]


def slow_groups(coarse: np.ndarray, fine: np.ndarray) -> list[int]:
    """By the definition, pair after pair, without turns."""
    group = list(range(len(coarse)))
    for one in range(len(coarse)):
        for other in range(one + 1, len(coarse)):
            near = np.sqrt(((coarse[one] - coarse[other]) ** 2).mean()) < MAX_DISTANCE
            a, b = fine[one].astype(float), fine[other].astype(float)
            if near and (a @ b > MIN_CORRELATION * np.sqrt((a @ a) * (b @ b)) or np.array_equal(a, b)):
                low, high = sorted((group[one], group[other]))
                group = [low if number == high else number for number in group]
    return group


def test_blocks_give_the_groups_of_pair_after_pair():
    rng = np.random.default_rng(0)
    kinds = [cv2.resize(rng.normal(0, 30, (6, 6)).astype(np.float32), (FINE, FINE)) for _ in range(40)]
    kinds.append(np.zeros((FINE, FINE), np.float32))  # of one colour
    fine = np.array(
        [kinds[index] + rng.normal(0, 2, (FINE, FINE)) * (index < 40) for index in rng.integers(0, 41, 600)]
    )
    fine[300:] += rng.normal(0, 12, fine[300:].shape)  # coarse thumbnails alike, the grain not
    coarse = np.array([cv2.resize(one, (COARSE, COARSE), interpolation=cv2.INTER_AREA) for one in fine], np.float32)
    coarse, fine = coarse.reshape(600, -1), fine.reshape(600, -1).astype(np.float16)
    groups = group_thumbnails(coarse, fine)
    assert groups == slow_groups(coarse, fine)
    assert 41 < len(set(groups)) < 600


def test_turned_copies_do_not_fall_into_two_parts(category: Category):
    for number in range(5):
        photo, mask = cv2.imread(str(category.photo("crack", number))), cv2.imread(str(category.mask("crack", number)))
        write_png(category.photo("crack", 10 + number), photo[:, ::-1])
        write_png(category.mask("crack", 10 + number), mask[:, ::-1])
    split = make_split(read_tree(category.root), test_fraction=0.4)
    for number in range(5):
        pair = {f"test/crack/{number:03}.png", f"test/crack/{10 + number:03}.png"}
        assert any(pair <= set(split.part(part)) for part in PARTS)


def test_photos_of_one_part_number_stay_together(category: Category, mvtec, tmp_path: Path):
    for defect in ("good", "crack", "stain"):
        for number in range(5):  # parts 7a and 7b: 000 to 002, 003 and 004
            name = f"part7{'a' if number < 3 else 'b'}_{number}.png"
            category.photo(defect, number).rename(category.photo(defect, number).with_name(name))
            if defect != "good":
                mask = category.mask(defect, number)
                mask.rename(mask.with_name(name.replace(".png", "_mask.png")))
    out = tmp_path / "s.json"
    words = ("datasets", "split", category.root, "--out", out, "--overwrite", "--test-fraction", "0.4", "--group-by")
    for pattern in (r"part\d+([ab])_", r"(?<=part7)[ab]"):
        assert mvtec(*words, pattern).code == 0
        split = read_split(out)
        for letter in "ab":
            of_part = {path for path in split.images if f"part7{letter}" in path}
            assert any(of_part <= set(split.part(part)) for part in PARTS)
    for pattern, problem in (("(", "is not a regular expression"), ("7a", "7a matches nothing in test/crack/part7b_3")):
        done = mvtec(*words, pattern)
        assert (done.code, problem in done.err) == (2, True)
    assert mvtec(*words, "7a|.*").code == 0


def test_keys_join_groups():
    assert merged([0, 0, 2, 3, 4], ["x", "y", "y", "z", "z"]) == [0, 0, 0, 3, 3]


def test_a_split_without_a_photo_is_refused(category: Category, tmp_path: Path):
    content = {**make_split(read_tree(category.root)).to_json(), "train": [], "test": [], "val": []}
    del content["hash"]
    (tmp_path / "s.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no photo in any part"):
        read_split(tmp_path / "s.json")
