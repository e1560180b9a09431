"""The images of a COCO annotation file as labelled images, and its classes in the order of their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Literal

from mvtec.convert.fitting import fitted
from mvtec.convert.formats.coco.files import CocoAnnotation, CocoDataset, CocoImage, read_coco
from mvtec.convert.formats.coco.parsing import unreadable_error
from mvtec.convert.formats.coco.records import CocoCategory, UnreadableAnnotation
from mvtec.convert.formats.coco.segmentation import EmptyMaskError, region_of_annotation, region_of_polygons
from mvtec.convert.instances import Instance, LabelledImage, gathered
from mvtec.convert.photo_finder import PhotoFinder
from mvtec.convert.pixels.geometry import BoxFloat
from mvtec.convert.receipt import Receipt
from mvtec.convert.shapes import hull, turned_box
from mvtec.errors import InputError
from mvtec.limits import check_size
from mvtec.words import counted

Wanted = Literal["both", "boxes", "masks"]


def read_coco_images(
    path: Path,
    photos: Path | None,
    receipt: Receipt,
    *,
    keep_crowds: bool = False,
    wanted: Wanted = "both",
    skip_errors: bool = False,
) -> tuple[tuple[str, ...], Iterator[LabelledImage]]:
    """The classes of an annotation file in the order of their ids, and its images, see `labelled_images`.

    Raises:
        InputError: The file cannot be read; while the images pass, see `labelled_images`.
    """
    coco = read_coco(path, defer_errors=True)
    names = class_names(coco, receipt)
    return names, labelled_images(
        coco, path, photos, receipt, keep_crowds=keep_crowds, wanted=wanted, skip_errors=skip_errors
    )


def class_names(coco: CocoDataset, receipt: Receipt) -> tuple[str, ...]:
    """The classes in the order of their ids.

    The root of a tree of categories is left out, and the receipt says so: it is the super-category of all others, has
    none of its own, and no annotation has it. Roboflow lists the name of the project so.
    """
    root = _root(coco)
    if root is not None:
        receipt.notes.append(f"the category {root.name} is left out: it stands for the others, and is never used")
    categories = sorted(coco.categories, key=lambda category: category.id)
    names = tuple(category.name for category in categories if category is not root)
    alike: dict[str, str] = {}
    for name in names:
        other = alike.setdefault(" ".join(name.split()).casefold(), name)
        if other != name:
            receipt.notes.append(
                f"the categories {other!r} and {name!r} differ only in spaces or case; they stay two classes"
            )
    return names


def _root(coco: CocoDataset) -> CocoCategory | None:
    used = {annotation.category_id for annotation in coco.annotations}
    for root in coco.categories:
        others = [category for category in coco.categories if category is not root]
        if (
            others
            and root.id not in used
            and _super(root) in ("", "none")
            and all(_super(category) == root.name for category in others)
        ):
            return root
    return None


def _super(category: CocoCategory) -> str:
    return str((category.model_extra or {}).get("supercategory") or "")


def labelled_images(
    coco: CocoDataset,
    source: Path,
    photos: Path | None,
    receipt: Receipt,
    *,
    keep_crowds: bool = False,
    wanted: Wanted = "both",
    skip_errors: bool = False,
) -> Iterator[LabelledImage]:
    """The images of an annotation file with their instances, in the order of the file, see `fitted`.

    Annotations of crowds are left out unless told otherwise. An image that lost all its annotations is left out, too.

    Args:
        coco: The annotation file, read with `defer_errors`.
        source: Where it lies, for error lines.
        photos: The folder its file names are relative to, where photos are needed, see `PhotoFinder`.
        receipt: Is told what is left out.
        keep_crowds: Take crowds as instances: CVAT and Datumaro mark masks drawn with a brush so.
        wanted: Where only boxes are wanted, a segmentation may mark no pixel; where masks are, a box alone is an error.
        skip_errors: Leave out an annotation that breaks a rule, or an image, instead of stopping.

    Raises:
        InputError: An annotation breaks a rule, all of them are crowds and are not kept, two images have one name, or a
            photo is not found or has another size.
    """
    if coco.annotations and not keep_crowds and not skip_errors and all(one.iscrowd for one in coco.annotations):
        raise InputError(
            source,
            "all its annotations are marked as crowds, as CVAT and Datumaro mark masks drawn with a brush",
            "Take them as instances with --keep-crowds, or leave them out with --on-error skip",
        )
    boxes = [one.bbox for one in coco.annotations if one.bbox[2] > 0 and one.bbox[3] > 0]
    of_a_pixel = all(min(x, y) >= 0 and max(x + w, y + h) <= 1 for x, y, w, h in boxes)
    if of_a_pixel and any(not side.is_integer() for box in boxes for side in box):
        what = "all its boxes lie within the first pixel: they seem to be normalised, from 0 to 1"
        raise InputError(source, what, "Give each bbox as x, y, width, height in pixels")
    finder = None if photos is None else PhotoFinder(source, photos)
    names = coco.category_names()
    of_image: dict[int, list[CocoAnnotation]] = {}
    for annotation in coco.annotations:
        of_image.setdefault(annotation.image_id, []).append(annotation)
    unreadable_of: dict[int, list[UnreadableAnnotation]] = {}
    for broken in coco.unreadable:
        if broken.image_id is None:
            error, photo_of = unreadable_error(source, coco, broken), f"annotation {broken.id}"
            kind = "image not in the file"
            receipt.leave_out(error, skip_errors=skip_errors, kind=kind, photo=photo_of, lost=[broken.category])
        else:
            unreadable_of.setdefault(broken.image_id, []).append(broken)
    seen: set[str] = set()
    keypoints = turned = 0
    for image in coco.images:
        spelt = str(PurePosixPath(image.file_name.replace("\\", "/")))
        if spelt in seen:
            raise InputError(source, f"has two images {image.file_name}", "Give their annotations to one of them")
        seen.add(spelt)
        check_size(source, image.file_name, (image.width, image.height))
        name, photo = image.file_name, None
        given = of_image.get(image.id, [])
        unreadable = unreadable_of.get(image.id, [])
        if finder is not None:
            try:
                name, photo = finder.find(image.file_name)
            except InputError as error:
                lost = [*(names[one.category_id] for one in given), *(one.category for one in unreadable)]
                receipt.leave_out(error, skip_errors=skip_errors, kind="photo missing", photo=name, lost=lost)
                continue
        for one in unreadable:
            problem = unreadable_error(source, coco, one)
            kind = "annotation not readable"
            receipt.leave_out(problem, skip_errors=skip_errors, kind=kind, photo=name, lost=[one.category])
        kept = [one for one in given if keep_crowds or not one.iscrowd]
        for annotation in given:
            if annotation.iscrowd and not keep_crowds:
                crowd = _error(source, image, annotation, "is a crowd", "Take crowds as instances with --keep-crowds")
                lost = [names[annotation.category_id]]
                receipt.leave_out(crowd, skip_errors=True, kind="crowd", photo=name, lost=lost)
        leave_out = partial(_leave_out, source, image, name, receipt, skip_errors)
        found = _instances(kept, names, (image.width, image.height), wanted, leave_out)
        instances = gathered(found, source, image.file_name)
        keypoints += sum(bool((one.model_extra or {}).get("keypoints")) for one in kept)
        turned += sum(map(_is_turned, kept))
        labelled = LabelledImage(name, photo, (image.width, image.height), instances)
        yield from fitted(labelled, source, receipt, skip_errors=skip_errors)
    if finder is not None:
        finder.note(receipt)
    if turned:
        what = "the upright box around each is written" if wanted == "boxes" else "each is written as its polygon"
        receipt.notes.append(f"{turned} of the boxes in {source.name} are turned (attributes.rotation): {what}")
    if keypoints:
        receipt.notes.append(f"{counted(keypoints, 'annotation')} of {source.name} with keypoints, which are not kept")


def _error(source: Path, image: CocoImage, annotation: CocoAnnotation, problem: str, hint: str) -> InputError:
    return InputError(source, f"annotation {annotation.id} of {image.file_name}: {problem}", hint)


def _leave_out(
    source: Path,
    image: CocoImage,
    photo: str,
    receipt: Receipt,
    skip_errors: bool,
    annotation: CocoAnnotation,
    defect: str,
    problem: ValueError,
) -> None:
    error = _error(source, image, annotation, str(problem), "Correct it, or remove the annotation")
    receipt.leave_out(error, skip_errors=skip_errors, kind="annotation not readable", photo=photo, lost=[defect])


def _instances(
    annotations: Sequence[CocoAnnotation],
    names: Mapping[int, str],
    size_wh: tuple[int, int],
    wanted: Wanted,
    leave_out: Callable[[CocoAnnotation, str, ValueError], None],
) -> Iterator[Instance]:
    """The instances of an image, each made when it is asked for; what breaks a rule goes to `leave_out`."""
    for annotation in annotations:
        defect = names[annotation.category_id]
        try:
            instance = _instance(annotation, defect, size_wh, wanted)
        except ValueError as error:
            leave_out(annotation, defect, error)
        else:
            yield instance


def _is_turned(annotation: CocoAnnotation) -> bool:
    with suppress(ValueError):
        return bool(_degrees(annotation) % 180)
    return False


def _instance(annotation: CocoAnnotation, defect: str, size_wh: tuple[int, int], wanted: Wanted) -> Instance:
    """An annotation with the box that it gives, and its pixels; of a turned box its hull and its polygon's pixels.

    Raises:
        ValueError: It breaks a rule.
    """
    box = annotation.bbox
    boxes = wanted == "boxes"
    degrees = _degrees(annotation)
    try:
        if degrees % 180:
            if min(box[2:]) <= 0:
                raise ValueError("has a box without area and no segmentation")
            corners = turned_box(box, degrees, (box[0] + box[2] / 2, box[1] + box[3] / 2))
            x, y, w, h = hull(corners)
            box = (round(x, 4), round(y, 4), round(w, 4), round(h, 4))
            region = None if boxes or degrees % 90 == 0 else region_of_polygons([corners], size_wh[::-1])
            if region is None and not boxes and degrees % 90:
                raise EmptyMaskError("has a turned box that marks no pixel of the image")
        else:
            region = region_of_annotation(annotation, size_wh[::-1])
    except EmptyMaskError:
        if not boxes or min(box[2:]) <= 0:
            raise
        region = None
    if region is None and wanted == "masks":
        raise ValueError("has a box and no mask: draw one, make one with segment refine, or convert to boxes")
    if region is not None and 0 in box[2:]:  # a box without area says nothing
        box = region.box_xywh
    said = annotation.attributes if isinstance(annotation.attributes, dict) else {}
    if degrees % 180:  # the box is turned now, and must not be turned again
        said = {name: value for name, value in said.items() if name != "rotation"}
    return Instance(defect, box, region, attributes=said)


def _degrees(annotation: CocoAnnotation) -> float:
    """How far CVAT's `attributes.rotation` turns a box, clockwise; 0 where the segmentation is another shape.

    Raises:
        ValueError: It is not a number.
    """
    attributes = annotation.attributes if isinstance(annotation.attributes, dict) else {}
    rotation = attributes.get("rotation") or 0
    if annotation.segmentation and not _is_box(annotation.segmentation, annotation.bbox):
        return 0.0
    try:
        degrees = float(rotation)
    except (TypeError, ValueError):
        degrees = float("nan")
    if not isfinite(degrees):
        raise ValueError(f"has attributes.rotation {rotation!r}, which is not a number of degrees")
    return degrees


def _is_box(segmentation: object, box_xywh: BoxFloat) -> bool:
    """Whether a segmentation is one polygon through the four corners of a box."""
    x, y, w, h = box_xywh
    corners = {(x, y), (x + w, y), (x + w, y + h), (x, y + h)}
    if not isinstance(segmentation, list) or len(segmentation) != 1 or not isinstance(segmentation[0], list):
        return False
    numbers = segmentation[0]
    return len(numbers) in (8, 10) and set(zip(numbers[::2], numbers[1::2], strict=True)) == corners
