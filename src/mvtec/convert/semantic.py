"""A folder of semantic masks: one image a photo whose pixel values are class numbers.

DIR/
  classes.txt            the name of each class, a line each, from 0, which is `background`
  masks/NAME.png         0 for sound, else the number of the class; 255 is left out
  images/NAME.png        the photos, where they are given
  conversion.json        the receipt

Instances of one class that touch become one, and of two that overlap the later hides the earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mvtec.convert.geometry import split_mask
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.palette_png import VOID, Numbers, read_numbers, write_numbers
from mvtec.convert.place import ImagesBy, place, unique_stem
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json
from mvtec.words import counted

BACKGROUND = "background"
READER = "semantic masks"


def write_semantic(
    found: Iterable[LabelledImage],
    out: Path,
    *,
    defects: Sequence[str],
    receipt: Receipt,
    images: ImagesBy = "link",
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> None:
    """Write semantic masks; classes are numbered from 1 in the order of `defects`.

    Raises:
        InputError: An instance has only a box, or there are more classes than numbers.
        OutputError: `out` exists already or cannot be written.
    """
    if blank := [name for name in defects if not name.strip() or name.splitlines() != [name]]:
        raise InputError(out, f"the category {blank[0]!r} is no line of classes.txt", "Rename it")
    if len(defects) >= VOID:
        raise InputError(out, f"{len(defects)} classes do not fit into 254 numbers", "Convert to COCO")
    number_of = {defect: number for number, defect in enumerate(defects, start=1)}
    taken: set[str] = set()
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        for image in found:
            stem = unique_stem(image.path, taken)
            if image.photo is not None:
                place(image.photo, staged / "images" / f"{stem}{image.photo.suffix.lower()}", images)
            numbers = _painted(image, number_of)
            write_numbers(staged / "masks" / f"{stem}.png", numbers)
            receipt.add_image(image, _again(image, numbers, number_of))
        receipt.check_not_empty(out)
        names = "".join(f"{name}\n" for name in (BACKGROUND, *defects))
        (staged / "classes.txt").write_text(names, encoding="utf-8", newline="\n")
        write_json(staged / RECEIPT, receipt.to_json(), overwrite=False)


def _painted(image: LabelledImage, number_of: dict[str, int]) -> Numbers:
    numbers = np.zeros(image.size_hw, np.uint8)
    for instance in image.instances:
        if instance.region is None:
            raise InputError(image.path, "has an instance with a box and no mask", "Give it a mask")
        instance.region.paint(numbers, number_of[instance.defect])
    return numbers


def _again(image: LabelledImage, numbers: Numbers, number_of: dict[str, int]) -> list[Instance | None]:
    """For each instance the region of its class that a reader will take for it; None where others cover it all."""
    regions = {
        defect: split_mask(numbers == number_of[defect]) for defect in {instance.defect for instance in image.instances}
    }
    return [
        max((Instance.of(one.defect, region) for region in regions[one.defect]), key=one.iou, default=None)
        for one in image.instances
    ]


def read_classes(root: Path) -> tuple[str, ...]:
    """The classes of a folder of semantic masks, without the background.

    Raises:
        InputError: There is no `classes.txt`, or its first line is not `background`.
    """
    path = root / "classes.txt"
    try:
        names = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "is no readable text file", f"List the classes in it, first {BACKGROUND}") from error
    names = [name.strip() for name in names if name.strip()]
    if not names or names[0] != BACKGROUND:
        raise InputError(path, f"does not begin with {BACKGROUND}, the class of value 0", "Put it into the first line")
    return tuple(names[1:])


def read_semantic(root: Path, receipt: Receipt) -> Iterator[LabelledImage]:
    """The photos of `images/` with an instance for each 8-connected region of a class in their mask.

    The receipt says of how many masks 255 is the only value but 0: it is left out, and they may mean a defect by it.

    Raises:
        InputError: A mask is missing, is not of its photo's size, or has a value without a class.
    """
    names = read_classes(root)
    photos = [root / path for path in images_in(root, "images")]
    if not photos:
        raise InputError(root / "images", "holds no photo", "Put the photos there, named as their masks")
    void = 0
    for photo in photos:
        mask = root / "masks" / f"{photo.stem}.png"
        numbers = read_numbers(mask)
        size_wh = photo_size_wh(photo)
        if numbers.shape[::-1] != size_wh:
            raise InputError(mask, f"is not {size_wh[0]}×{size_wh[1]} pixels as its photo", "Export it again")
        instances = []
        values = np.unique(numbers).tolist()
        void += VOID in values and not set(values) - {0, VOID}
        for number in values:
            if number in (0, VOID):
                continue
            if number > len(names):
                raise InputError(
                    mask, f"has the value {number}, and there are {len(names)} classes", "Mend one or other"
                )
            instances += [Instance.of(names[number - 1], region) for region in split_mask(numbers == number)]
        yield LabelledImage(photo.relative_to(root).as_posix(), photo, size_wh, tuple(instances))
    if void:
        receipt.notes.append(
            f"{counted(void, 'mask')} with no value but 0 and {VOID}, which is left out, so that no defect is in them: "
            "where it means one, write the number of its class"
        )
