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

from mvtec.convert.attributes import LostAttributes
from mvtec.convert.formats.class_names import check_class_names
from mvtec.convert.formats.palette_png import VOID, Numbers, read_numbers, write_numbers
from mvtec.convert.formats.voc.masks import CLASSES
from mvtec.convert.instances import UNKNOWN, Instance, LabelledImage
from mvtec.convert.link_or_copy import ImagesBy, link_or_copy, unique_stem
from mvtec.convert.pixels.geometry import split_mask
from mvtec.convert.receipt import RECEIPT, Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.listing import list_images, say_unread
from mvtec.errors import InputError
from mvtec.files import staged_folder, write_json
from mvtec.reading import read_text
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
        InputError: A class name cannot be a line of `classes.txt`, an instance has only a box, or there are more
            classes than numbers.
        OutputError: `out` exists already or cannot be written.
    """
    check_class_names(defects, inputs[0] if inputs else out, READER)
    lost_attributes = LostAttributes()
    if len(defects) >= VOID:
        raise InputError(out, f"{len(defects)} classes do not fit into 254 numbers", "Convert to COCO")
    number_of = {defect: number for number, defect in enumerate(defects, start=1)}
    taken: set[str] = set()
    with staged_folder(out, overwrite=overwrite, inputs=inputs) as staged:
        for image in found:
            lost_attributes.look_at(image)
            stem = unique_stem(image.path, taken)
            if image.photo is not None:
                link_or_copy(image.photo, staged / "images" / f"{stem}{image.photo.suffix.lower()}", images)
            numbers = _painted(image, number_of)
            write_numbers(staged / "masks" / f"{stem}.png", numbers)
            receipt.add_image(image, _again(image, numbers, number_of))
        lost_attributes.note(receipt)
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
        InputError: There is no `classes.txt`, its first line is not `background`, a line between others is empty, or a
            class is listed twice: the numbers of the classes would not be those of the lines.
    """
    path = root / "classes.txt"
    if not path.exists() and (root / CLASSES).is_dir():
        problem = "is a Pascal VOC folder, as CVAT exports it as Segmentation mask"
        raise InputError(root, problem, "Give it to mvtec convert voc-to-coco")
    text = read_text(path, f"the list of the classes, a line each, first {BACKGROUND}")
    names = [name.strip() for name in text.rstrip().splitlines()]
    if names[:1] != [BACKGROUND]:
        raise InputError(path, f"does not begin with {BACKGROUND}, the class of value 0", "Put it into the first line")
    if "" in names or len(set(names)) < len(names):
        odd = next(number for number, name in enumerate(names, start=1) if not name or name in names[: number - 1])
        what = "gives a class twice" if names[odd - 1] else "is empty"
        raise InputError(path, f"line {odd} {what}", "Give each value a class of its own, in the order of the values")
    return tuple(names[1:])


def read_semantic(root: Path, receipt: Receipt, *, skip_errors: bool = False) -> Iterator[LabelledImage]:
    """The photos of `images/` with an instance for each 8-connected region of a class in their mask.

    The receipt says of how many masks 255 is the only value but 0: it is left out, and they may mean a defect by it.

    Args:
        root: The folder.
        receipt: Is told what is left out.
        skip_errors: Leave out photos whose mask breaks a rule, and masks without a photo, instead of stopping.

    Raises:
        InputError: There is no photo; or a mask is missing, has no photo, is not of its photo's size, or has a value
            without a class, and `skip_errors` is false.
    """
    names = read_classes(root)
    photos = [root / path for path in images_in(root, "images", deep=True)]
    if not photos:
        raise InputError(root / "images", "holds no photo", "Put the photos there, named as their masks")
    void = 0
    photo_of: dict[Path, Path] = {}
    for photo in photos:
        mask = root / "masks" / photo.relative_to(root / "images").with_suffix(".png")
        name = photo.relative_to(root).as_posix()
        try:
            if (other := photo_of.setdefault(mask, photo)) != photo:
                raise InputError(photo, f"has the mask of {other.name}, too", "Keep one of the two photos")
            size_wh = photo_size_wh(photo)
            numbers = read_numbers(mask, size_wh=size_wh)
            values = np.unique(numbers).tolist()
            if (most := max(set(values) - {VOID}, default=0)) > len(names):
                raise InputError(
                    mask, f"has the value {most}, and there are {len(names)} classes", "Correct the mask or classes.txt"
                )
        except InputError as error:
            receipt.leave_out(error, skip_errors=skip_errors, kind="mask not read", photo=name, lost=[UNKNOWN])
            continue
        void += VOID in values and not set(values) - {0, VOID}
        instances = [
            Instance.of(names[number - 1], region)
            for number in values
            if number not in (0, VOID)
            for region in split_mask(numbers == number)
        ]
        yield LabelledImage(name, photo, size_wh, tuple(instances))
    for path in images_in(root, "masks", deep=True):
        if (mask := root / path) not in photo_of:
            orphan = InputError(
                mask, "is not NAME.png of a photo in images/", "Put the photo there, or remove the mask"
            )
            receipt.leave_out(orphan, skip_errors=skip_errors, kind="photo missing", photo=path, lost=[UNKNOWN])
    if note := say_unread(list_images(root, "images", deep=True).unread):
        receipt.notes.append(note)
    if void:
        receipt.notes.append(
            f"{counted(void, 'mask')} with no value but 0 and {VOID}, which is left out, so that no defect is in them: "
            "where it means one, write the number of its class"
        )
