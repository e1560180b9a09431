"""All 63 masks of bottle and 8 of capsule, as pycocotools and Ultralytics read what was made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

Masks = dict[str, list[npt.NDArray[np.bool_]]]
SIZES = {"bottle": 900, "capsule": 1000}


@pytest.fixture(scope="module")
def truth(real_categories: list[Path]) -> dict[str, dict[str, npt.NDArray[np.bool_]]]:
    """Per category, by the name that a photo gets in a YOLO folder: its mask as OpenCV reads it."""
    return {
        root.name: {
            f"{path.parent.name}_{path.stem.removesuffix('_mask')}": cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0
            for path in sorted(root.glob("ground_truth/*/*.png"))
        }
        for root in real_categories
    }


def instances_by_photo(annotations: Path) -> Masks:
    """As pycocotools paints them, with the checks every tool relies on."""
    from pycocotools.coco import COCO

    coco = COCO(str(annotations))
    found: Masks = {}
    for image in coco.dataset["images"]:
        own = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert all(annotation["iscrowd"] == 0 for annotation in own)
        path = Path(image["file_name"])
        name = f"{path.parent.name}_{path.stem}" if len(path.parts) > 1 else path.stem
        if own:
            found[name] = [coco.annToMask(annotation).astype(bool) for annotation in own]
    return found


def agreement(found: Masks, expected: Masks) -> npt.NDArray[np.float64]:
    """The IoU of each instance with its own; none may be missing."""
    assert {name: len(masks) for name, masks in found.items()} == {name: len(m) for name, m in expected.items()}
    pairs = [pair for name in sorted(expected) for pair in zip(found[name], expected[name], strict=True)]
    return np.array([(a & b).sum() / (a | b).sum() for a, b in pairs])


def test_rle_is_the_mask(real_categories, truth, tmp_path: Path, mvtec):
    for root in real_categories:
        out = tmp_path / f"{root.name}.json"
        assert mvtec("convert", "masks-to-coco", root, "--out", out).code == 0
        found = instances_by_photo(out)
        assert set(found) == set(truth[root.name])
        for name, masks in found.items():
            assert np.sum(masks, axis=0).max() == 1
            np.testing.assert_array_equal(np.any(masks, axis=0), truth[root.name][name])


def test_coco_polygons_in_pycocotools(real_categories, tmp_path: Path, mvtec):
    ious = []
    for root in real_categories:
        rle, polygons = tmp_path / f"{root.name}.json", tmp_path / f"{root.name}_polygons.json"
        assert mvtec("convert", "masks-to-coco", root, "--out", rle).code == 0
        assert mvtec("convert", "masks-to-coco", root, "--out", polygons, "--segmentation", "polygon").code == 0
        ious.append(agreement(instances_by_photo(polygons), instances_by_photo(rle)))
    assert len(np.concatenate(ious)) == 76
    assert np.concatenate(ious).min() == 1.0


def test_yolo_polygons_in_ultralytics(real_categories, tmp_path: Path, mvtec):
    """`polygon2mask` at the photo's own size is exact; the training loader resamples to 1,000 points and is nearly."""
    from mvtec.offline import ultralytics

    ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset, polygon2mask

    painted_ious, loaded_ious = [], []
    for root in real_categories:
        size, folder = SIZES[root.name], tmp_path / root.name
        assert mvtec("convert", "masks-to-yolo", root, "--out", folder, "--task", "segment").code == 0
        data = check_det_dataset(str(folder / "data.yaml"))
        settings = get_cfg(overrides={"mask_ratio": 1, "overlap_mask": False})
        expected: Masks = {}
        painted: Masks = {}
        loaded: Masks = {}
        for part in sorted(folder.glob("images/*")):
            expected |= instances_by_photo(folder / f"annotations/instances_{part.name}.json")
            for item in YOLODataset(str(part), data=data, task="segment", augment=False, imgsz=size, hyp=settings):
                name = Path(item["im_file"]).stem
                if len(item["cls"]):
                    loaded[name] = list(item["masks"].numpy().astype(bool))
            for label in sorted(folder.glob(f"labels/{part.name}/*.txt")):
                for line in label.read_text().splitlines():
                    points = np.array([float(word) for word in line.split()[1:]]) * size
                    painted.setdefault(label.stem, []).append(polygon2mask((size, size), [points]).astype(bool))
        painted_ious.append(agreement(painted, expected))
        loaded_ious.append(agreement(loaded, expected))
    assert len(np.concatenate(painted_ious)) == 76
    assert np.concatenate(painted_ious).min() == 1.0
    assert np.concatenate(loaded_ious).mean() > 0.9999
    assert np.concatenate(loaded_ious).min() > 0.999
