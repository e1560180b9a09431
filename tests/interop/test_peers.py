"""The real peers read what we write, and see the same boxes and masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Category

from mvtec.convert.formats.coco.files import read_coco
from mvtec.datasets.masks import read_mask
from mvtec.datasets.tree import read_tree


@pytest.fixture
def folder(category: Category, tmp_path: Path, mvtec, request: pytest.FixtureRequest) -> Path:
    out = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", out, "--task", request.param).code == 0
    return out


@pytest.mark.parametrize("folder", ["detect", "segment"], indirect=True)
def test_ultralytics_reads_every_label(folder: Path):
    from mvtec.offline import ultralytics

    ultralytics()
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(folder / "data.yaml"))
    dataset = YOLODataset(img_path=data["train"], data=data, task="detect", augment=False, imgsz=64)
    truth = read_coco(folder / "annotations" / "instances_train.json")
    assert len(dataset.labels) == len(truth.images) == 12
    for label in dataset.labels:
        image = next(i for i in truth.images if i.file_name == Path(label["im_file"]).name)
        expected = [a for a in truth.annotations if a.image_id == image.id]
        found = label["bboxes"] * [48, 40, 48, 40]
        found[:, :2] -= found[:, 2:] / 2
        boxes = np.array([a.bbox for a in expected]).reshape(-1, 4)
        if label["segments"]:
            # Ultralytics takes a polygon's box through pixel centres: half a pixel less on each side
            boxes = boxes + np.array([0.5, 0.5, -1, -1])
        np.testing.assert_allclose(found, boxes, atol=0.01)
        assert label["cls"].ravel().tolist() == [a.category_id - 1 for a in expected]


@pytest.mark.parametrize("folder", ["segment"], indirect=True)
def test_ultralytics_paints_the_masks_we_wrote(folder: Path, category: Category):
    from mvtec.offline import ultralytics

    ultralytics()
    from ultralytics.data.utils import polygon2mask

    for sample in read_tree(category.root).samples:
        name = f"{sample.defect}_{sample.photo.stem}.txt"
        label = next(path for path in folder.glob("labels/*/*.txt") if path.name == name)
        painted = np.zeros((40, 48), bool)
        for line in label.read_text().splitlines():
            points = np.array([float(word) for word in line.split()[1:]]).reshape(-1, 2) * (48, 40)
            painted |= polygon2mask((40, 48), [points.ravel()]).astype(bool)
        np.testing.assert_array_equal(painted, np.zeros((40, 48), bool) if sample.is_good else read_mask(sample))


def test_supervision_reads_both_formats(category: Category, tmp_path: Path, mvtec):
    """supervision refuses links that lead out of the folder, so the photos are copied."""
    import supervision as sv

    folder = tmp_path / "yolo"
    assert mvtec("convert", "masks-to-yolo", category.root, "--out", folder, "--images", "copy").code == 0
    photos = folder / "images" / "train"
    truth = folder / "annotations" / "instances_train.json"
    coco = sv.DetectionDataset.from_coco(str(photos), str(truth), force_masks=True)
    yolo = sv.DetectionDataset.from_yolo(str(photos), str(folder / "labels/train"), str(folder / "data.yaml"))
    assert coco.classes == yolo.classes == ["crack", "stain"]
    for path, image, detections in coco:
        expected = sorted(
            [x, y, x + w, y + h]
            for annotation in read_coco(truth).annotations
            for x, y, w, h in [annotation.bbox]
            if annotation.image_id == next(i.id for i in read_coco(truth).images if i.file_name == Path(path).name)
        )
        assert image.shape == cv2.imread(path).shape
        assert sorted(detections.xyxy.tolist()) == expected
        np.testing.assert_allclose(sorted(yolo.annotations[path].xyxy.tolist()), expected, atol=0.01)
