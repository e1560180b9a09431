"""Each layout in the smallest form that has all its parts."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import noise, write_png

from mvtec.convert.formats.coco.files import read_coco
from mvtec.datasets.check import check
from mvtec.datasets.masks import read_layers
from mvtec.datasets.tree import LAYOUTS, read_tree
from mvtec.errors import InputError


def blob(value: int = 255, *, at: int = 5) -> np.ndarray:
    mask = np.zeros((40, 48), np.uint8)
    mask[at : at + 8, 3:13] = value
    return mask


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def mvtec_ad(root: Path) -> None:
    write(root / "train/good/000.png", noise(1))
    write(root / "test/good/000.png", noise(2))
    write(root / "test/crack/000.png", noise(3))
    write(root / "ground_truth/crack/000_mask.png", blob())


def mvtec_loco(root: Path) -> None:
    write(root / "train/good/000.png", noise(1))
    write(root / "validation/good/000.png", noise(2))
    write(root / "test/good/000.png", noise(3))
    write(root / "test/logical_anomalies/000.png", noise(4))
    write(root / "ground_truth/logical_anomalies/000/000.png", blob(249))
    write(root / "ground_truth/logical_anomalies/000/001.png", blob(250, at=25))
    config = [{"defect_name": "missing", "pixel_value": 249}, {"defect_name": "swapped", "pixel_value": 250}]
    (root / "defects_config.json").write_text(json.dumps(config))


def mvtec_ad2(root: Path) -> None:
    write(root / "train/good/000_regular.png", noise(1))
    write(root / "validation/good/000_regular.png", noise(2))
    write(root / "test_private/000_regular.png", noise(5))
    write(root / "test_public/good/000_regular.png", noise(3))
    write(root / "test_public/bad/000_overexposed.png", noise(4))
    write(root / "test_public/ground_truth/bad/000_overexposed_mask.png", blob())


def visa(root: Path) -> None:
    for name, seed in (("0000.JPG", 1), ("0001.JPG", 2)):
        write(root / "Data/Images/Normal" / name, noise(seed))
    write(root / "Data/Images/Anomaly/000.JPG", noise(3))
    write(root / "Data/Masks/Anomaly/000.png", blob(1))
    table = [
        "image,label,mask",
        "widget/Data/Images/Normal/0000.JPG,normal,",
        "widget/Data/Images/Normal/0001.JPG,normal,",
    ]
    table.append('widget/Data/Images/Anomaly/000.JPG,"melt,bent",widget/Data/Masks/Anomaly/000.png')
    (root / "image_anno.csv").write_text("\n".join(table))
    (root.parent / "split_csv").mkdir()
    (root.parent / "split_csv" / "1cls.csv").write_text(
        "object,split,label,image,mask\nwidget,train,normal,widget/Data/Images/Normal/0000.JPG,\n"
        "other,train,normal,widget/Data/Images/Normal/0001.JPG,\n"
    )


def btad(root: Path) -> None:
    write(root / "train/ok/0000.bmp", noise(1))
    write(root / "test/ok/0001.bmp", noise(2))
    write(root / "test/ko/0000.bmp", noise(3))
    write(root / "ground_truth/ko/0000.png", blob())


def kolektor(root: Path) -> None:
    write(root / "kos01/Part0.jpg", noise(1))
    write(root / "kos01/Part0_label.bmp", blob(0))
    write(root / "kos01/Part1.jpg", noise(2))
    write(root / "kos01/Part1_label.bmp", blob())


def images_masks(root: Path) -> None:
    write(root / "images/a.jpg", noise(1))
    write(root / "images/b.jpg", noise(2))
    write(root / "masks/b.png", blob(0))
    write(root / "images/crack/c.jpg", noise(3))
    write(root / "masks/crack/c_mask.png", blob())


CASES = {
    # maker, good photos aside, labelled photos, defect types, boxes by photo with a defect
    "mvtec-ad": (mvtec_ad, 1, 2, ("crack",), {"test/crack/000.png": [("crack", 5)]}),
    "mvtec-loco": (
        mvtec_loco,
        2,
        2,
        ("missing", "swapped"),
        {"test/logical_anomalies/000.png": [("missing", 5), ("swapped", 25)]},
    ),
    "mvtec-ad-2": (mvtec_ad2, 2, 2, ("bad",), {"test_public/bad/000_overexposed.png": [("bad", 5)]}),
    "visa": (visa, 1, 2, ("bent+melt",), {"Data/Images/Anomaly/000.JPG": [("bent+melt", 5)]}),
    "btad": (btad, 1, 2, ("ko",), {"test/ko/0000.bmp": [("ko", 5)]}),
    "kolektor-sdd": (kolektor, 0, 2, ("defect",), {"kos01/Part1.jpg": [("defect", 5)]}),
    "images-masks": (images_masks, 0, 3, ("crack",), {"images/crack/c.jpg": [("crack", 5)]}),
}


def test_every_layout_is_tried():
    assert set(CASES) == set(LAYOUTS)


@pytest.mark.parametrize("layout", CASES)
def test_a_layout_is_found_read_and_converted(layout: str, tmp_path: Path, mvtec):
    make, aside, labelled, defects, boxes = CASES[layout]
    root = tmp_path / "widget"
    make(root)
    dataset = read_tree(root)
    assert dataset.layout == layout
    assert (len(dataset.samples) - len(dataset.labelled), len(dataset.labelled)) == (aside, labelled)
    assert dataset.defects == defects
    assert dataset.orphan_masks == ()
    assert read_tree(root, layout) == dataset
    assert [problem.kind for problem in check(dataset)] == (["no-mask"] if layout == "images-masks" else [])
    assert mvtec("convert", "masks-to-coco", root, "--out", tmp_path / "i.json").code == 0
    coco = read_coco(tmp_path / "i.json")
    names = coco.category_names()
    found = {
        image.file_name: [
            (names[a.category_id], int(a.bbox[1]))
            for a in coco.annotations
            if a.image_id == image.id and a.bbox[::2] == (3, 10) and a.bbox[3] == 8 and a.area == 80
        ]
        for image in coco.images
    }
    assert {name: boxes for name, boxes in found.items() if boxes} == boxes
    assert len(coco.annotations) == sum(map(len, boxes.values()))
    assert mvtec("datasets", "info", root).code == 0
    assert mvtec("datasets", "split", root, "--out", tmp_path / "s.json").code == 0
    assert mvtec("convert", "masks-to-yolo", root, "--out", tmp_path / "yolo").code == 0


@pytest.mark.parametrize("layout", CASES)
def test_a_missing_or_an_extra_mask_is_named(layout: str, tmp_path: Path):
    make, _, _, _, boxes = CASES[layout]
    root = tmp_path / "widget"
    make(root)
    sample = next(sample for sample in read_tree(root).samples if sample.path in boxes)
    for mask in sample.masks:
        mask.rename(mask.with_name(f"zzz{mask.name}"))
    kinds = {problem.kind for problem in check(read_tree(root))}
    if layout == "images-masks":  # a photo without a mask is good there, and that is said
        assert kinds == {"orphan-mask", "no-mask"}
    elif layout == "mvtec-loco":  # the masks are those of the folder, whatever their names
        assert kinds == set()
    else:
        assert kinds == {"missing-mask", "orphan-mask"}
        assert (root / sample.mask_place).suffix in {".png", ".bmp"}


def test_photos_that_count_as_good_for_want_of_a_mask_are_counted(tmp_path: Path, mvtec):
    images_masks(tmp_path / "widget")
    (problem,) = check(read_tree(tmp_path / "widget"))
    assert (problem.kind, problem.file, problem.is_warning) == ("no-mask", "masks", True)
    assert "1 of 3 photos, such as images/a.jpg" in problem.problem
    done = mvtec("datasets", "check", tmp_path / "widget")
    assert (done.code, "warning: masks: has no mask for 1 of 3 photos" in done.out) == (0, True)
    (tmp_path / "widget/images/a.jpg").rename(tmp_path / "widget/images/crack/a.jpg")
    write(tmp_path / "widget/masks/crack/a.png", blob())
    assert check(read_tree(tmp_path / "widget")) == []


def test_loco_without_its_config_takes_the_folders_names(tmp_path: Path):
    mvtec_loco(tmp_path)
    (tmp_path / "defects_config.json").unlink()
    dataset = read_tree(tmp_path)
    assert (dataset.layout, dataset.defects) == ("mvtec-loco", ("logical_anomalies",))


def test_a_value_that_loco_does_not_name_is_a_problem(tmp_path: Path):
    mvtec_loco(tmp_path)
    write(tmp_path / "ground_truth/logical_anomalies/000/001.png", blob(7))
    assert [problem.kind for problem in check(read_tree(tmp_path))] == ["unknown-value"]


@pytest.mark.parametrize(
    "config",
    [
        "{",
        '[{"defect_name": "x"}]',
        '{"a": 1}',
        '[{"defect_name": " ", "pixel_value": 250}]',
        '[{"defect_name": "a\\u0001b", "pixel_value": 250}]',
        '[{"defect_name": "a", "pixel_value": 250}, {"defect_name": "b", "pixel_value": 250}]',
    ],
)
def test_a_broken_config_is_named(tmp_path: Path, config: str):
    mvtec_loco(tmp_path)
    (tmp_path / "defects_config.json").write_text(config)
    with pytest.raises(InputError, match=r"defects_config\.json"):
        read_tree(tmp_path)


def test_a_layout_that_does_not_fit_is_refused(tmp_path: Path):
    mvtec_ad(tmp_path)
    with pytest.raises(InputError, match="is not in the layout visa"):
        read_tree(tmp_path, "visa")
    with pytest.raises(InputError, match=r"is no layout.*Choose one of btad"):
        read_tree(tmp_path, "nonsense")


def test_grey_masks_are_warned_of_and_cut_at_the_threshold(tmp_path: Path, mvtec):
    mvtec_ad(tmp_path / "w")
    soft = blob()
    soft[5:13, 13] = 100  # one more column, half covered
    write_png(tmp_path / "w/ground_truth/crack/000_mask.png", soft)
    outcome = mvtec("datasets", "check", tmp_path / "w")
    assert outcome.code == 0
    assert "warning: ground_truth/crack/000_mask.png: has grey values in 9.1%" in outcome.out
    widths = []
    for threshold in (0, 99, 100, 254):
        out = tmp_path / f"{threshold}.json"
        assert mvtec("convert", "masks-to-coco", tmp_path / "w", "--out", out, "--threshold", threshold).code == 0
        widths.append(read_coco(out).annotations[0].bbox[2])
    assert widths == [11, 11, 10, 10]
    assert mvtec("convert", "masks-to-coco", tmp_path / "w", "--out", out, "--threshold", 255).code == 2


def test_sixteen_bit_and_three_channel_masks_are_read(tmp_path: Path):
    mvtec_ad(tmp_path)
    mask = tmp_path / "ground_truth/crack/000_mask.png"
    for pixels in (blob().astype(np.uint16) * 256, np.repeat(blob()[..., None], 3, axis=2)):
        write(mask, pixels)
        layers, size_wh = read_layers(read_tree(tmp_path).labelled[0])
        assert size_wh == (48, 40)
        assert [(name, int((layer != 0).sum())) for name, layer in layers] == [("crack", 80)]


def test_photos_in_folders_of_a_type_are_not_passed_over(tmp_path: Path):
    mvtec_ad(tmp_path)
    write(tmp_path / "test/scratch/day1/000.png", noise(4))
    write(tmp_path / "ground_truth/scratch/day1/000_mask.png", blob())
    with pytest.raises(InputError, match=r"scratch/day1/000\.png: lies in a folder of test/scratch/"):
        read_tree(tmp_path)


def test_folders_of_masks_do_not_make_another_layout_of_it(tmp_path: Path):
    mvtec_ad(tmp_path)
    write(tmp_path / "ground_truth/crack/old/000_mask.png", blob())
    assert read_tree(tmp_path).layout == "mvtec-ad"


@pytest.mark.parametrize("name", ["Good", "OK"])
def test_a_folder_of_good_photos_of_another_name_is_named(name: str, tmp_path: Path):
    mvtec_ad(tmp_path)
    write(tmp_path / "test" / name / "000.png", noise(5))
    with pytest.raises(InputError, match=rf"test/{name}: is not called good"):
        read_tree(tmp_path)


def test_folders_in_capitals_are_named(tmp_path: Path):
    write(tmp_path / "Test/crack/000.png", noise(5))
    with pytest.raises(InputError, match=r"no folder test/, but Test/"):
        read_tree(tmp_path)


def test_a_black_mask_with_an_opaque_fourth_channel_is_black(tmp_path: Path):
    images_masks(tmp_path)
    rgba = np.zeros((40, 48, 4), np.uint8)
    rgba[..., 3] = 255
    write(tmp_path / "masks/b.png", rgba)
    assert {sample.path for sample in read_tree(tmp_path).samples if sample.is_good} == {"images/a.jpg", "images/b.jpg"}
    rgba[5:9, 5:9, 3] = 0  # a shape that only transparency tells: no black mask, and no mask either
    write(tmp_path / "masks/b.png", rgba)
    assert [problem.kind for problem in check(read_tree(tmp_path))] == ["no-mask", "alpha-mask"]


def spoil_visa(root: Path, name: str, content: str) -> None:
    visa(root)
    (root / name).write_text(content)


HEAD = "image,label,mask\nwidget/Data/Images/Normal/0000.JPG,normal,\nwidget/Data/Images/Normal/0001.JPG,normal,\n"
ROW = "widget/Data/Images/Anomaly/000.JPG"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param(f"{HEAD}{ROW}", "has 1 fields in row 4 and 3 in the first", id="short_row"),
        pytest.param(f"{HEAD}{ROW},melt,a,b", "has 4 fields in row 4", id="long_row"),
        pytest.param("image,mask\na,b", "lacks the columns image and label", id="no_label"),
        pytest.param("", "lacks the columns image and label", id="empty"),
        pytest.param(f"{HEAD}{ROW},normal,", "gives Data/Images/Anomaly/000.JPG the label normal", id="normal"),
        pytest.param(f"{HEAD}{ROW},,m.png", "gives Data/Images/Anomaly/000.JPG the label ''", id="no_name"),
        pytest.param(HEAD, "has no row of Data/Images/Anomaly/000.JPG", id="no_row"),
        pytest.param(f'{HEAD}"{ROW}', "is not a readable table", id="open_quote"),
    ],
)
def test_a_broken_table_of_visa_is_named(tmp_path: Path, table: str, problem: str):
    spoil_visa(tmp_path / "widget", "image_anno.csv", table)
    with pytest.raises(InputError, match=r"image_anno\.csv") as caught:
        read_tree(tmp_path / "widget")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "place", "problem"),
    [
        ("mvtec-ad", "test/x.png", "lies beside the folders of defect types in test/"),
        ("btad", "test/ko/more/x.png", "lies in a folder of test/ko/"),
        ("mvtec-loco", "test/good/more/x.png", "lies in a folder of test/good/"),
        ("mvtec-ad-2", "test_public/x.png", "lies beside the folders of defect types in test_public/"),
        ("visa", "Data/Images/Other/x.png", "lies neither in Normal/ nor in Anomaly/"),
    ],
)
def test_no_layout_passes_over_a_photo(tmp_path: Path, layout: str, place: str, problem: str):
    CASES[layout][0](tmp_path / "widget")
    write(tmp_path / "widget" / place, noise(9))
    with pytest.raises(InputError, match=problem):
        read_tree(tmp_path / "widget")


@pytest.mark.parametrize("layout", [name for name in CASES if name not in ("kolektor-sdd", "images-masks")])
def test_a_mask_of_no_photo_is_an_error_in_every_layout(tmp_path: Path, layout: str, mvtec):
    make, _, _, _, boxes = CASES[layout]
    make(tmp_path / "widget")
    mask = next(sample for sample in read_tree(tmp_path / "widget").samples if sample.path in boxes).masks[0]
    in_folder = mask.parent.parent / "999" / "000.png"
    extra = in_folder if layout == "mvtec-loco" else mask.with_name(mask.name.replace("000", "999"))
    write(extra, blob(249))
    done = mvtec("convert", "masks-to-coco", tmp_path / "widget", "--out", tmp_path / "o.json")
    assert (done.code, "belongs to no photo" in done.err) == (2, True)
    done = mvtec("convert", "masks-to-coco", tmp_path / "widget", "--out", tmp_path / "o.json", "--on-error", "skip")
    assert (done.code, "left out: " in done.err) == (0, True)
