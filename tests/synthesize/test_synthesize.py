"""New defect photos: exact masks, parents in the train part alone, and the same bytes from the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_png

from mvtec.convert.pixels.geometry import split_mask
from mvtec.datasets.split import make_split, read_split
from mvtec.datasets.tree import read_tree
from mvtec.files import sha256_file
from mvtec.synthesize.blend import is_seen, paste, poisson
from mvtec.synthesize.cutout import Cutout, Placed, place
from mvtec.synthesize.foreground import find_foreground
from mvtec.synthesize.methods import METHODS, Drawn, SynthesisMethod
from mvtec.synthesize.textures import fit_outline, new_outline, perlin_defect, perlin_noise, quilt

SIDE = 160


def _part(seed: int, *, round_one: bool) -> np.ndarray:
    """A grey part on a bright table, its surface unlike any other's."""
    rng = np.random.default_rng(seed)
    photo = np.full((SIDE, SIDE, 3), 235, np.uint8)
    shape = np.zeros((SIDE, SIDE), np.uint8)
    if round_one:
        cv2.circle(shape, (80, 82), 60, 1, -1)
    else:
        cv2.rectangle(shape, (20, 50), (140, 110), 1, -1)
    surface = cv2.resize(rng.integers(60, 120, (20, 20, 3), dtype=np.uint8), (SIDE, SIDE))
    photo[shape > 0] = surface[shape > 0]
    return photo


def _category(root: Path, *, round_one: bool = True) -> Path:
    seed = 0
    for defect in ("good", "chip", "stain"):
        for number in range(5):
            seed += 1
            photo, mask = _part(seed, round_one=round_one), np.zeros((SIDE, SIDE), np.uint8)
            if defect != "good":
                centre = (70 + 4 * number, 70 + (20 if defect == "chip" else 0))
                cv2.ellipse(mask, centre, (12, 7), 20 * number, 0, 360, 255, -1)
                photo[mask > 0] = (20, 30, 200) if defect == "stain" else (250, 250, 250)
                write_png(root / "ground_truth" / defect / f"{number:03}_mask.png", mask)
            write_png(root / "test" / defect / f"{number:03}.png", photo)
    return root


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return _category(tmp_path / "part")


@pytest.fixture
def split_file(part: Path, tmp_path: Path) -> Path:
    path = tmp_path / "split.json"
    path.write_text(json.dumps(make_split(read_tree(part), val_fraction=0.2).to_json()))
    return path


def _all_methods() -> list[str]:
    return [word for method in METHODS for word in ("--method", method)]


def test_every_method_makes_photos_with_exact_masks(part: Path, split_file: Path, tmp_path: Path, mvtec):
    out = tmp_path / "more"
    words = ("--split", split_file, "--out", out, "--per-defect", 2)
    outcome = mvtec("datasets", "synthesize", part, *words, *_all_methods())
    assert outcome.code == 0, outcome.err
    split, after = read_split(split_file), read_split(out / "split.json")
    content = json.loads((out / "synthetic.json").read_text())
    assert len(content["images"]) == 2 * 2 * len(METHODS)
    assert (after.val, after.test) == (split.val, split.test)
    assert set(after.train) == {*split.train, *(image["file_name"] for image in content["images"])}
    for image in content["images"]:
        synthesis = image["synthesis"]
        assert {synthesis["good"], *synthesis["defects"]} <= set(split.train)
        name = image["file_name"]
        _, defect, file = name.split("/")
        mask = cv2.imread(str(out / "ground_truth" / defect / f"{Path(file).stem}_mask.png"), 0) > 0
        new, old = cv2.imread(str(out / name)), cv2.imread(str(part / synthesis["good"]))
        assert mask.any()
        assert (new[~mask] == old[~mask]).all()
        assert (new[mask] != old[mask]).any(axis=1).mean() > 0.5
        areas = [one["area"] for one in content["annotations"] if one["image_id"] == image["id"]]
        assert sum(areas) == mask.sum()
    tree = read_tree(out)
    assert tree.defects == ("chip", "stain")
    assert mvtec("datasets", "check", out).code == 0


def test_without_a_method_it_is_poisson_and_the_epochs_of_as_many_looks_are_named(
    part: Path, split_file: Path, tmp_path: Path, mvtec
):
    out = tmp_path / "more"
    outcome = mvtec("datasets", "synthesize", part, "--split", split_file, "--out", out, "--per-defect", 2)
    assert sorted(path.name for path in out.glob("test/*/synthetic_*")) == [
        *["synthetic_poisson_000.png"] * 2,
        *["synthetic_poisson_001.png"] * 2,
    ]
    assert "13 photos to train on, where there were 9" in outcome.out
    assert "--epochs 104" in outcome.out  # 150 · 9 / 13


def test_the_same_seed_gives_the_same_bytes_and_more_leave_the_first(
    part: Path, split_file: Path, tmp_path: Path, mvtec
):
    for name, count, seed in (("a", 2, 0), ("b", 3, 0), ("c", 2, 1)):
        words = ("--split", split_file, "--out", tmp_path / name, "--per-defect", count, "--seed", seed)
        assert mvtec("datasets", "synthesize", part, *words).code == 0

    def photo(name: str) -> bytes:
        return (tmp_path / name / "test" / "chip" / "synthetic_poisson_001.png").read_bytes()

    assert photo("a") == photo("b") != photo("c")


def test_a_new_method_is_one_line_of_the_table_and_changes_no_other(
    part: Path, split_file: Path, tmp_path: Path, mvtec, monkeypatch: pytest.MonkeyPatch
):
    fitted = []

    def fit(cutouts):
        fitted.append(len(cutouts))
        square = np.zeros((SIDE, SIDE), bool)
        square[80:90, 80:90] = True
        return lambda normal, _rng: Drawn(Placed(np.full_like(normal.photo, 255), square), [cutouts[0].source])

    words = ("datasets", "synthesize", part, "--split", split_file, "--per-defect", 2, "--method", "paste")
    assert mvtec(*words, "--out", tmp_path / "alone").code == 0
    monkeypatch.setattr("mvtec.synthesize.make.METHODS", {"square": SynthesisMethod(fit, paste), **METHODS})
    assert mvtec(*words, "--method", "square", "--out", tmp_path / "both").code == 0
    assert fitted == [3, 3]  # once for each type; of five photos one is val, one is test
    assert len(list((tmp_path / "both").glob("test/*/synthetic_square_*.png"))) == 4
    made = sorted((tmp_path / "alone").glob("test/*/synthetic_paste_*.png"))
    assert len(made) == 4
    for photo in made:
        same = tmp_path / "both" / photo.relative_to(tmp_path / "alone")
        assert same.read_bytes() == photo.read_bytes()


def test_defects_stay_on_the_object(tmp_path: Path):
    for round_one in (True, False):
        root = _category(tmp_path / str(round_one), round_one=round_one)
        photo = cv2.imread(str(root / "test" / "stain" / "000.png"))
        mask = cv2.imread(str(root / "ground_truth" / "stain" / "000_mask.png"), 0) > 0
        foreground = find_foreground(photo)
        assert (foreground.circle is not None) == round_one
        cutout = Cutout(photo, mask, foreground, "x")
        target = find_foreground(_part(99, round_one=round_one))
        rng = np.random.default_rng(0)
        for _ in range(20):
            placed = place(cutout, target, rng)
            assert placed is not None
            assert target.mask[placed.mask].mean() > 0.97
            assert 0.4 < placed.mask.sum() / mask.sum() < 2.2


def test_a_texture_has_no_background():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    foreground = find_foreground(photo)
    assert foreground.mask.all()
    assert foreground.circle is None


def test_quilts_are_made_of_the_defects_own_colours():
    photo = np.zeros((80, 80, 3), np.uint8)
    photo[..., 2] = np.random.default_rng(0).integers(100, 200, (80, 80))
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    made = quilt([Cutout(photo, mask, find_foreground(photo), "x")], (100, 70), np.random.default_rng(1))
    assert made.shape == (100, 70, 3)
    assert made[..., :2].max() == 0
    assert 90 <= made[..., 2].min() <= made[..., 2].max() < 201


def test_new_outlines_are_like_the_old_ones():
    masks = []
    for angle in range(0, 180, 20):
        mask = np.zeros((100, 100), np.uint8)
        cv2.ellipse(mask, (50, 50), (30, 20), angle, 0, 360, 1, -1)
        masks.append(mask.astype(bool))
    areas = [int(new_outline(masks, np.random.default_rng(seed)).sum()) for seed in range(20)]
    assert 0.5 * masks[0].sum() < min(areas) < max(areas) < 2 * masks[0].sum()
    assert len(set(areas)) > 10


def test_noise_is_smooth_and_between_its_ends():
    noise = perlin_noise((64, 96), 4, np.random.default_rng(0))
    assert noise.shape == (64, 96)
    assert -1.01 < noise.min() < -0.2 < 0.2 < noise.max() < 1.01
    assert np.abs(np.diff(noise, axis=1)).max() < 0.2


def test_the_photos_of_the_data_set_stay_as_they_are(part: Path, split_file: Path, tmp_path: Path, mvtec):
    def digests(root: Path) -> dict[str, str]:
        return {str(file): sha256_file(file) for file in sorted(root.rglob("*.png"))}

    more = tmp_path / "more"
    words = ("--per-defect", 1)
    assert mvtec("datasets", "synthesize", part, "--split", split_file, "--out", more, *words).code == 0
    before = digests(tmp_path)
    outcome = mvtec(
        "datasets", "synthesize", more, "--split", more / "split.json", "--out", tmp_path / "again", "--seed", 5, *words
    )
    assert outcome.code == 2
    assert "synthesized itself" in outcome.err
    assert digests(tmp_path) == before


@pytest.mark.parametrize("length", [1, 30])
def test_thin_and_tiny_defects_are_seen_where_their_masks_are(length: int):
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(60, 120, (80, 80, 3), dtype=np.uint8), (0, 0), 2)
    mask = np.zeros((80, 80), bool)
    mask[40, 20 : 20 + length] = True
    marred = photo.copy()
    marred[mask] = 250
    placed = Placed(marred, mask)
    made, exact = paste(photo, placed)
    assert (made[exact] != photo[exact]).any(axis=1).all()
    made, exact = poisson(photo, placed)
    assert (made[~exact] == photo[~exact]).all()
    if is_seen(photo, made, exact):
        assert (made[exact] != photo[exact]).any(axis=1).mean() > 0.5


@pytest.mark.parametrize("angle", [0, 15, 30])
def test_a_line_stays_in_one_piece(angle: int):
    photo = np.random.default_rng(1).integers(90, 110, (200, 200, 3), dtype=np.uint8)
    line = np.zeros((200, 200), np.uint8)
    reach = 60 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    ends = [tuple(np.round(100 + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(line, ends[0], ends[1], 1)
    cutout = Cutout(photo, line.astype(bool), find_foreground(photo), "x")
    rng = np.random.default_rng(0)
    for _ in range(20):
        placed = place(cutout, cutout.foreground, rng)
        assert placed is not None
        assert len(split_mask(placed.mask)) == 1
        assert 0.3 < placed.mask.sum() / line.sum() < 3


def test_grey_photos_get_grey_defects():
    grey = np.repeat(np.random.default_rng(2).integers(90, 200, (120, 120, 1), dtype=np.uint8), 3, axis=2)
    mask = np.zeros((120, 120), bool)
    mask[50:70, 40:80] = True
    for photo, has_colours in ((grey, False), (grey * np.array([1, 0.9, 0.8]), True)):
        cutout = Cutout(photo.astype(np.uint8), mask, find_foreground(photo.astype(np.uint8)), "x")
        placed = place(cutout, cutout.foreground, np.random.default_rng(0))
        assert placed is not None
        assert bool((placed.pixels != placed.pixels[..., :1]).any()) == has_colours


@pytest.mark.parametrize("make", [perlin_defect, lambda cutout, *more: fit_outline([cutout])(*more)])
def test_textures_are_as_large_as_defects_are_on_photos_of_another_size(make):
    photo, mask = _part(3, round_one=False), np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, (70, 80), (12, 9), 0, 0, 360, 1, -1)
    large, large_mask = (cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for one in (photo, mask))
    cutout = Cutout(large, large_mask.astype(bool), find_foreground(large), "x")
    placed = make(cutout, find_foreground(photo), np.random.default_rng(0))
    assert placed is not None
    assert 0.4 < placed.mask.sum() / mask.sum() < 2


def test_what_nobody_sees_is_no_defect(tmp_path: Path, mvtec):
    root = tmp_path / "plain"
    for number in range(6):
        photo = np.full((SIDE, SIDE, 3), 235, np.uint8)
        photo[50:110, 20:140] = 100 + number  # all of one colour: a piece of it elsewhere is not seen
        write_png(root / "test" / "good" / f"{number:03}.png", photo)
        photo[70:80, 50 + number : 70 + number] = 10
        write_png(root / "test" / "chip" / f"{number:03}.png", photo)
        mask = np.zeros((SIDE, SIDE))
        mask[70:80, 50 + number : 70 + number] = 255
        write_png(root / "ground_truth" / "chip" / f"{number:03}_mask.png", mask)
    split = tmp_path / "split.json"
    split.write_text(json.dumps(make_split(read_tree(root)).to_json()))
    words = ("--split", split, "--out", tmp_path / "more", "--per-defect", 30, "--method", "cutpaste")
    assert mvtec("datasets", "synthesize", root, *words).code == 0
    content = json.loads((tmp_path / "more" / "synthetic.json").read_text())
    assert len(content["images"]) > 20
    for image in content["images"]:
        name = image["file_name"]
        mask = cv2.imread(str(tmp_path / "more" / "ground_truth" / "chip" / f"{Path(name).stem}_mask.png"), 0) > 0
        new, old = (cv2.imread(str(at)) for at in (tmp_path / "more" / name, root / image["synthesis"]["good"]))
        assert is_seen(old, new, mask)


def test_a_type_that_the_train_part_lacks_is_named(part: Path, split_file: Path, tmp_path: Path, mvtec):
    content = json.loads(split_file.read_text())
    content["train"] = [path for path in content["train"] if "stain" not in path]
    content.pop("hash")
    split_file.write_text(json.dumps(content))
    done = mvtec("datasets", "synthesize", part, "--split", split_file, "--out", tmp_path / "more", "--per-defect", 2)
    assert (done.code, "only 0 of 2 photos of stain were made" in done.err) == (0, True), done.err


def test_another_layout_is_refused(tmp_path: Path, mvtec):
    root = tmp_path / "loco"
    for kind in ("good", "logical_anomalies"):
        for number in range(5):
            write_png(root / "test" / kind / f"{number:03}.png", _part(number, round_one=True))
    for number in range(5):
        mask = np.zeros((SIDE, SIDE))
        mask[60:80, 60:80] = 250
        write_png(root / "ground_truth" / "logical_anomalies" / f"{number:03}" / "000.png", mask)
    split = tmp_path / "split.json"
    split.write_text(json.dumps(make_split(read_tree(root)).to_json()))
    done = mvtec("datasets", "synthesize", root, "--split", split, "--out", tmp_path / "more")
    assert (done.code, "has the layout mvtec-loco" in done.err) == (2, True), done.err


def test_a_hole_of_the_object_is_background_and_several_parts_are_objects():
    washer = np.full((200, 200, 3), 240, np.uint8)
    cv2.circle(washer, (100, 100), 80, (90, 90, 90), -1)
    cv2.circle(washer, (100, 100), 30, (240, 240, 240), -1)
    found = find_foreground(washer)
    assert not found.mask[100, 100]
    assert found.circle is not None
    four = np.full((200, 200, 3), 240, np.uint8)
    for x in (50, 150):
        for y in (50, 150):
            cv2.circle(four, (x, y), 30, (90, 90, 90), -1)
    found = find_foreground(four)
    assert all(found.mask[y, x] for x in (50, 150) for y in (50, 150))
    assert found.circle is None


def test_mistakes_are_said(part: Path, split_file: Path, tmp_path: Path, mvtec):
    words = ("--split", split_file, "--out", tmp_path / "out")
    for more, problem in (
        (("--method", "gan"), "gan is not a method"),
        (("--method", "paste", "--method", "paste"), "twice"),
        (("--per-defect", 0), "must be at least 1 (got 0)"),
        (("--fold", 3), "no fold 3"),
    ):
        outcome = mvtec("datasets", "synthesize", part, *words, *more)
        assert outcome.code == 2
        assert problem in outcome.err
        assert not (tmp_path / "out").exists()
    outcome = mvtec("datasets", "synthesize", tmp_path / "none", *words)
    assert outcome.code == 2
    assert "no such folder" in outcome.err
    (part / "test" / "good" / "000.png").write_bytes(b"\x89PNG")
    outcome = mvtec("datasets", "synthesize", part, *words)
    assert outcome.code == 2
    assert "good/000.png" in outcome.err


@pytest.mark.parametrize("round_one", [True, False])
def test_a_defect_is_laid_onto_a_smaller_photo_of_the_part(round_one: bool):
    large, mask = _part(1, round_one=round_one), np.zeros((SIDE, SIDE), bool)
    mask[70:90, 70:100] = True
    small = find_foreground(cv2.resize(large, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA))
    cutout = Cutout(large, mask, find_foreground(large), "a.png")
    placed = [place(cutout, small, np.random.default_rng(seed)) for seed in range(8)]
    assert all(one is not None for one in placed)
    for one in placed:
        assert 0.3 * mask.sum() / 4 <= one.mask.sum() <= 2 * mask.sum() / 4
        assert one.mask.shape == (SIDE // 2, SIDE // 2)


def test_a_defect_of_one_pixel_has_an_outline():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert new_outline([mask, mask], np.random.default_rng(0)).any()


def test_the_help_names_every_method(mvtec):
    shown = mvtec("datasets", "synthesize", "--help").out
    assert [name for name in METHODS if name not in shown] == []
