"""Every format there and back gives the same instances: defect types, boxes and pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvtec.convert.formats.coco.files import read_coco
from mvtec.convert.formats.coco.from_images import images_to_coco
from mvtec.convert.formats.coco.images import labelled_images
from mvtec.convert.formats.coco.segmentation import SegmentationOptions
from mvtec.convert.formats.cvat.files import read_cvat, read_cvat_classes, write_cvat
from mvtec.convert.formats.label_studio.read_export import read_label_studio, read_label_studio_classes
from mvtec.convert.formats.label_studio.write_tasks import write_label_studio
from mvtec.convert.formats.masks import write_masks
from mvtec.convert.formats.semantic import read_classes, read_semantic, write_semantic
from mvtec.convert.formats.voc.read_folder import read_voc, read_voc_classes
from mvtec.convert.formats.voc.write_folder import write_voc
from mvtec.convert.formats.yolo.from_coco import coco_to_yolo
from mvtec.convert.formats.yolo.read_folder import read_yolo_folder
from mvtec.convert.formats.yolo.to_coco import yolo_to_coco
from mvtec.convert.from_masks import InstanceOptions
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.pixels.brush import decode_brush, encode_brush
from mvtec.convert.pixels.geometry import split_mask
from mvtec.convert.pixels.rle import decode_rle, encode_region, encode_rle
from mvtec.convert.receipt import Receipt
from mvtec.datasets.tree import read_tree

CLASSES = ("crack", "stain & <spot>", "täche")  # names that XML and URLs must escape

masks = arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))
Facts = list[tuple[str, tuple[float, ...], bytes]]


def image_of(
    mask: np.ndarray, folder: Path, name: str = "part 1/Ä#%?.png", *, only_boxes: bool = False
) -> LabelledImage:
    """A photo of the mask's size on disk, its regions of three classes by turns."""
    photo = folder / name
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_bytes(cv2.imencode(".png", mask.astype(np.uint8))[1].tobytes())
    instances = [Instance.of(CLASSES[n % 3], region) for n, region in enumerate(split_mask(mask))]
    if only_boxes:
        instances = [Instance(instance.defect, instance.box_xywh) for instance in instances]
    return LabelledImage(name, photo, mask.shape[::-1], tuple(instances))


def facts(image: LabelledImage) -> Facts:
    """What must come back; a region without its box's position would not do, so the box is in it."""
    return sorted(
        (i.defect, tuple(map(float, i.box_xywh)), b"" if i.region is None else i.region.crop.tobytes())
        for i in image.instances
    )


def through_coco(image: LabelledImage, folder: Path, options: SegmentationOptions) -> LabelledImage:
    receipt = Receipt("")
    images_to_coco([image], folder / "i.json", defects=CLASSES, description="", receipt=receipt, segmentation=options)
    assert receipt.meets(1.0)
    (again,) = labelled_images(read_coco(folder / "i.json"), folder / "i.json", folder, Receipt(""))
    return again


def rle(image: LabelledImage, folder: Path) -> LabelledImage:
    return through_coco(image, folder, SegmentationOptions())


def polygon(image: LabelledImage, folder: Path) -> LabelledImage:
    return through_coco(image, folder, SegmentationOptions("polygon"))


def yolo(image: LabelledImage, folder: Path, task: str = "segment") -> LabelledImage:
    rle(image, folder)
    receipt = coco_to_yolo({"train": folder / "i.json"}, folder, folder / "yolo", task=task)
    assert receipt.meets(1.0 if task == "segment" else 0.999)
    (written,), _ = yolo_to_coco(read_yolo_folder(folder / "yolo"), folder / "again.json")
    (again,) = labelled_images(read_coco(written), written, None, Receipt(""))
    return again


def yolo_detect(image: LabelledImage, folder: Path) -> LabelledImage:
    return yolo(image, folder, "detect")


def label_studio(image: LabelledImage, folder: Path) -> LabelledImage:
    write_label_studio([image], folder / "ls.json", receipt=Receipt(""))
    assert set(read_label_studio_classes(folder / "ls.json")) == {i.defect for i in image.instances}
    (again,) = read_label_studio(folder / "ls.json", folder, Receipt(""))
    assert again.path == image.path
    return again


def cvat(image: LabelledImage, folder: Path) -> LabelledImage:
    write_cvat([image], folder / "c.xml", defects=CLASSES, receipt=Receipt(""))
    assert read_cvat_classes(folder / "c.xml") == tuple(sorted(CLASSES))
    (again,) = read_cvat(folder / "c.xml", Receipt(""))
    assert again.path == image.path
    return again


def voc(image: LabelledImage, folder: Path) -> LabelledImage:
    write_voc([image], folder / "voc", defects=CLASSES, receipt=Receipt(""))
    assert set(read_voc_classes(folder / "voc")) == {i.defect for i in image.instances}
    (again,) = read_voc(folder / "voc", Receipt(""))
    return again


def semantic(image: LabelledImage, folder: Path) -> LabelledImage:
    write_semantic([image], folder / "semantic", defects=CLASSES, receipt=Receipt(""))
    assert read_classes(folder / "semantic") == CLASSES
    (again,) = read_semantic(folder / "semantic", Receipt(""))
    return again


@pytest.mark.parametrize("way", [rle, polygon, yolo, label_studio, cvat, voc, semantic])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(masks)
def test_masks_come_back(way: Callable[[LabelledImage, Path], LabelledImage], mask: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        image = image_of(mask, Path(folder))
        again = way(image, Path(folder))
        assert again.size_wh == image.size_wh
        assert facts(again) == facts(image)


@pytest.mark.parametrize("way", [rle, polygon, yolo_detect, label_studio, cvat, voc])
@settings(deadline=None, max_examples=20)
@given(masks)
def test_boxes_without_masks_come_back(way: Callable[[LabelledImage, Path], LabelledImage], mask: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        image = image_of(mask, Path(folder), only_boxes=True)
        again = way(image, Path(folder))
        for found, given_box in zip(facts(again), facts(image), strict=True):
            assert (found[0], found[2]) == (given_box[0], b"")
            np.testing.assert_allclose(found[1], given_box[1], atol=0.01)


@settings(deadline=None, max_examples=30)
@given(masks)
def test_masks_of_a_category_come_back_from_coco(mask: np.ndarray):
    """One defect type, because the layout has one a photo."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = image_of(mask, folder)
        one = [Instance("crack", i.box_xywh, i.region) for i in image.instances]
        image = LabelledImage(image.path, image.photo, image.size_wh, tuple(one))
        receipt = Receipt("")
        write_masks([image], folder / "category", receipt=receipt)
        assert receipt.meets(1.0)
        masks_to_coco(read_tree(folder / "category"), folder / "again.json", options=InstanceOptions())
        (again,) = labelled_images(read_coco(folder / "again.json"), folder / "again.json", None, Receipt(""))
        assert facts(again) == facts(image)


@settings(deadline=None, max_examples=200)
@given(masks)
def test_rle_of_a_region_is_that_of_pycocotools(mask: np.ndarray):
    for region in split_mask(mask) + split_mask(mask, per="image"):
        full = region.full(mask.shape)
        assert encode_region(region, mask.shape) == encode_rle(full)
        np.testing.assert_array_equal(decode_rle(encode_rle(full)), full)


@settings(deadline=None, max_examples=200)
@given(masks)
def test_brush_strokes_come_back(mask: np.ndarray):
    region = decode_brush(encode_brush(mask), mask.shape)
    again = np.zeros(mask.shape, bool) if region is None else region.full(mask.shape)
    np.testing.assert_array_equal(again, mask)


def big_mask() -> np.ndarray:
    """8000×6000: the frame, a ring with a piece in its hole, a one-pixel scratch across, single pixels in corners."""
    mask = np.zeros((6000, 8000), np.uint8)
    cv2.rectangle(mask, (0, 0), (7999, 5999), 1, 3)
    cv2.circle(mask, (4000, 3000), 2000, 1, -1)
    cv2.circle(mask, (4100, 2900), 900, 0, -1)
    cv2.circle(mask, (4100, 2900), 300, 1, -1)
    cv2.line(mask, (100, 5900), (7900, 5100), 1, 1)
    mask[50, 50] = mask[50, 7950] = 1
    return mask.astype(bool)


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(np.ones((1, 1), bool), id="1x1"),
        pytest.param(np.ones((37, 53), bool), id="full_image"),
        pytest.param(big_mask(), id="8000x6000", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("way", [rle, polygon, yolo, label_studio, cvat, voc, semantic])
def test_small_and_large_come_back(
    way: Callable[[LabelledImage, Path], LabelledImage], mask: np.ndarray, tmp_path: Path
):
    image = image_of(mask, tmp_path)
    assert facts(way(image, tmp_path)) == facts(image)
