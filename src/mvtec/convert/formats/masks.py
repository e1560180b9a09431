"""`mvtec convert coco-to-masks`: an annotation file as the ground-truth masks of an MVTec AD category.

OUT/
  ground_truth/<defect>/NAME_mask.png    0 for sound, 255 for defect
  test/<defect>/NAME.png                 the photos, where they are given
  conversion.json                        the receipt

The layout has one defect type a photo: `good` for none, `combined` for several, which is what MVTec AD calls it. Its
masks do not tell instances apart, so two that touch become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.link_or_copy import ImagesBy, link_or_copy, unique_stem
from mvtec.convert.pixels.geometry import split_mask
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.datasets.samples import GOOD
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json
from mvtec.words import counted

COMBINED = "combined"
_SOUND = (GOOD, "ok")  # BTAD calls it so, whose layout this would then be


def write_masks(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str] = (),
    receipt: Receipt,
    images: ImagesBy = "link",
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write masks.

    Args:
        found: The images; their photos are placed beside the masks where they are known.
        out: The folder to make.
        defects: The defect types; a folder is made only for those that a photo has.
        receipt: Is filled, and kept in the folder.
        images: How the photos get there.
        inputs: What the images are read from: `out` must not replace it.
        overwrite: Replace what is there.

    Raises:
        InputError: An instance has only a box, or a defect type is no name for a folder.
        OutputError: `out` exists already or cannot be written.
    """
    del defects
    combined = 0
    taken: dict[str, set[str]] = {}
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        for image in found:
            types = sorted({instance.defect for instance in image.instances})
            defect = GOOD if not types else types[0] if len(types) == 1 else COMBINED
            if sound := next((name for name in types if name.casefold() in _SOUND), None):
                raise InputError(image.path, f"has a defect called {sound}, which is for none", "Rename the category")
            _check_folder_name(defect)
            combined += defect == COMBINED and len(types) > 1
            stem = unique_stem(
                PurePosixPath(image.path.replace("\\", "/")).name, taken.setdefault(defect.casefold(), set())
            )
            if image.photo is not None:
                link_or_copy(image.photo, staged / "test" / defect / f"{stem}{image.photo.suffix.lower()}", images)
            if types:
                mask = _union(image)
                target = staged / "ground_truth" / defect / f"{stem}_mask.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
                receipt.add_image(image, _again(image, mask))
            else:
                receipt.add_image(image, [])
        receipt.check_not_empty(out)
        if combined:
            receipt.notes.append(
                f"{counted(combined, 'photo')} of several defect types: each is of the type {COMBINED} now"
            )
        write_json(staged / RECEIPT, receipt.to_json(), overwrite=False)


def _union(image: LabelledImage) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    mask = np.zeros(image.size_hw, np.uint8)
    for instance in image.instances:
        if instance.region is None:
            raise InputError(
                image.path, "has an instance with a box and no mask", "Give it a mask, or convert to YOLO boxes"
            )
        instance.region.paint(mask, 255)
    return mask


def _again(image: LabelledImage, mask: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[Instance | None]:
    """For each instance the region of the mask that a reader will take for it."""
    regions = split_mask(mask)
    return [
        Instance.of(instance.defect, max(regions, key=instance.region.iou))
        for instance in image.instances
        if instance.region is not None
    ]


def _check_folder_name(defect: str) -> None:
    if not defect or defect.startswith(".") or "/" in defect or "\\" in defect or "\0" in defect:
        raise InputError(defect or "''", "is a defect type that cannot name a folder", "Rename the category")
