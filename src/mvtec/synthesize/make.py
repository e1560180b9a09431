"""`mvtec datasets synthesize`: a category with more defect photos in train, and a record of what each is made of.

OUT is a category in the layout of MVTec AD:

    train/good, test/TYPE, ground_truth/TYPE     the photos of the split, linked, and their masks
    test/TYPE/synthetic_METHOD_000.png           the new ones, and their masks
    split.json                                   the same split, the new photos in train
    synthetic.json                               COCO of the new photos; an image's `synthesis` says what it is made of

Only photos of the train part are taken, so no pixel of a val or test photo is in any of the new ones.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvtec.convert.formats.coco.files import CocoAnnotation, CocoCategory, CocoDataset, CocoImage, read_coco, write_coco
from mvtec.convert.link_or_copy import link_or_copy
from mvtec.convert.pixels.geometry import split_mask
from mvtec.convert.pixels.rle import encode_region
from mvtec.datasets.images import read_photo
from mvtec.datasets.layouts.mvtec_ad import NAME as MVTEC_AD
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.datasets.split import PARTS, Split, select, warn_of_unused
from mvtec.errors import InputError
from mvtec.files import sha256_file, staged_folder, write_json
from mvtec.synthesize.blend import is_seen
from mvtec.synthesize.cutout import Cutout, Placed
from mvtec.synthesize.foreground import Mask, Photo, find_foreground
from mvtec.synthesize.methods import METHODS, Draw, Method, NormalPhoto

DEFAULT: Method = "poisson"  # gained in both trainings of it, see docs/results.md
_TRIES = 20
_RECORD = "synthetic.json"  # of what each new photo is made


@dataclass(frozen=True)
class Synthesized:
    """What was made.

    Attributes:
        photos: How many new photos of each defect type of the category, those among them that the train part lacks.
        split: The split with them.
    """

    photos: dict[str, int]
    split: Split


def check_methods(names: Sequence[str]) -> list[Method]:
    """The methods of these names.

    Raises:
        InputError: There is no such method, or one is named twice.
    """
    if len(set(names)) < len(names):
        raise InputError("--method", "names a method twice", "Give each once")
    if unknown := [name for name in names if name not in METHODS]:
        raise InputError("--method", f"{unknown[0]} is not a method", f"Give some of {', '.join(METHODS)}")
    return [method for method in METHODS if method in names]


def synthesize(
    dataset: Dataset,
    split: Split,
    out: Path,
    *,
    methods: Sequence[str] = (DEFAULT,),
    per_defect: int = 20,
    seed: int = 0,
    overwrite: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> Synthesized:
    """Write a category with new defect photos.

    Of one train part a new photo depends on the seed, its method, type and number alone: more of them leave the first
    ones as they are.

    Args:
        dataset: The category.
        split: Its split; folds are dropped, since a new photo has parents in several.
        out: The folder to make.
        methods: Names in `METHODS` (`methods.py`); each makes `per_defect` photos of each type.
        per_defect: How many new photos of each defect type and method.
        seed: Seed of all that varies.
        overwrite: Replace what is there.
        on_photo: Called after each new photo.

    Raises:
        InputError: An option makes no sense, or the train part has no good photo, or no defect.
        OutputError: `out` exists already or cannot be written.
    """
    chosen_methods = check_methods(methods)
    if per_defect < 1:
        raise InputError("--per-defect", f"must be at least 1 (got {per_defect})", "Give 1 or more")
    warn_of_unused(dataset, split)
    chosen = {part: select(dataset, split, part) for part in PARTS}
    linked = linked_photos(dataset, {sample.path for samples in chosen.values() for sample in samples}, chosen_methods)
    normals = [_normal_photo(sample) for sample in chosen["train"] if sample.is_good]
    if not normals:
        raise InputError(
            dataset.root,
            "has no normal photo in the train part to put defects on (those of train/good/ are in no part)",
            "Move some from train/good/ to test/good/, and make a split anew",
        )
    cutouts: dict[str, list[Cutout]] = defaultdict(list)
    for sample in chosen["train"]:
        if not sample.is_good:
            cutouts[sample.defect] += _cutouts(sample)
    if not cutouts:
        raise InputError(dataset.root, "has no defect in the train part", "Give another --split")
    made: list[str] = []
    content = CocoDataset(
        info={"description": f"{dataset.category}, synthetic defects", "split": split.hash, "seed": seed},
        images=[],
        annotations=[],
        categories=[CocoCategory(id=number, name=name) for number, name in enumerate(sorted(cutouts), start=1)],
    )
    with staged_folder(out, overwrite=overwrite, inputs=[dataset.root]) as staged:
        for sample in linked:
            _link(sample, staged)
        for method in chosen_methods:
            for defect in sorted(cutouts):
                draw = METHODS[method].fit(cutouts[defect])
                for number in range(per_defect):
                    rng = _generator(seed, method, defect, number)
                    drawn = _draw(METHODS[method].blend, draw, normals, rng)
                    if drawn is not None:
                        path = f"test/{defect}/synthetic_{method}_{number:03}.png"
                        photo, mask, parents = drawn
                        _write(staged, path, defect, photo, mask)
                        _describe(content, path, defect, mask, {"method": method, "seed": seed, **parents})
                        made.append(path)
                    on_photo()
        images = split.images | {path: sha256_file(staged / path) for path in made}
        more = replace(split, train=tuple(sorted([*split.train, *made])), folds=(), images=images)
        write_json(staged / "split.json", more.to_json(), overwrite=False)
        write_coco(staged / _RECORD, content, overwrite=False)
        if not made:
            raise InputError(dataset.root, "has no defect for which a position was found", "Try another --method")
    counts = {defect: sum(path.split("/")[1] == defect for path in made) for defect in dataset.defects}
    return Synthesized(counts, more)


def _normal_photo(sample: Sample) -> NormalPhoto:
    photo = read_photo(sample.photo)
    return NormalPhoto(sample.path, photo, find_foreground(photo))


def _cutouts(sample: Sample) -> list[Cutout]:
    """Each instance of a defect photo."""
    photo, mask = read_photo(sample.photo), read_mask(sample)
    foreground = find_foreground(photo)
    return [Cutout(photo, region.full(mask.shape), foreground, sample.path) for region in split_mask(mask)]


def _generator(seed: int, method: Method, defect: str, number: int) -> np.random.Generator:
    """The random numbers of one new photo: they follow from names, so another method or type changes nothing."""
    names = int.from_bytes(hashlib.sha256(f"{method}/{defect}".encode()).digest()[:16], "big")
    return np.random.default_rng([seed, names, number])


def _draw(
    blend: Callable[[Photo, Placed], tuple[Photo, Mask]],
    draw: Draw,
    normals: Sequence[NormalPhoto],
    rng: np.random.Generator,
) -> tuple[Photo, Mask, dict[str, Any]] | None:
    """A new photo, its mask, and what it is made of; None where no position was found at which it is seen."""
    for _ in range(_TRIES):
        normal = normals[int(rng.integers(len(normals)))]
        drawn = draw(normal, rng)
        if drawn is None or not drawn.placed.mask.any():
            continue
        photo, mask = blend(normal.photo, drawn.placed)
        if is_seen(normal.photo, photo, mask):
            return photo, mask, {"good": normal.path, "defects": drawn.sources}
    return None


def linked_photos(dataset: Dataset, own: set[str], methods: Sequence[Method]) -> list[Sample]:
    """The photos that are to be in the new category, each where the layout has it and under a name of its own.

    Args:
        dataset: The category.
        own: The paths of the photos of the split.
        methods: How new photos are to be made.

    Raises:
        InputError: The category is in another layout, two photos differ in their endings alone, or a photo has the name
            of a new one.
    """
    if dataset.layout != MVTEC_AD:
        raise InputError(
            dataset.root, f"has the layout {dataset.layout}", "Give a category whose files lie as in MVTec AD"
        )
    found = [sample for sample in dataset.samples if sample.path in own or sample.official_split == "train"]
    names: set[str] = set()
    for sample in found:
        folder = f"train/{GOOD}" if sample.official_split == "train" else f"test/{sample.defect}"
        if sample.path != f"{folder}/{sample.photo.name}":
            raise InputError(sample.photo, f"is not in {folder}, as in MVTec AD", "Give a category in its layout")
        if any(sample.photo.name.startswith(f"synthetic_{method}_") for method in methods):
            raise InputError(sample.photo, "was synthesized itself, by the same method", "Give the original category")
        if f"{folder}/{sample.photo.stem}" in names:
            raise InputError(sample.photo, "has the name of another but for its ending", "Rename it")
        names.add(f"{folder}/{sample.photo.stem}")
    return found


def synthetic_photos(root: Path) -> set[str]:
    """The photos of a category that `synthesize` has drawn, by their path in it.

    Raises:
        InputError: Its record of them is broken.
    """
    record = root / _RECORD
    return {image.file_name for image in read_coco(record).images} if record.is_file() else set()


def _link(sample: Sample, root: Path) -> None:
    """A photo of the data set, linked, and its mask."""
    link_or_copy(sample.photo, root / sample.path, "any")
    if not sample.is_good:
        _write_mask(root, sample.path, sample.defect, read_mask(sample))


def _write(root: Path, path: str, defect: str, photo: Photo, mask: Mask) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / path).open("xb") as stream:  # never through the link to a photo of the data set
        stream.write(cv2.imencode(".png", photo)[1].tobytes())
    _write_mask(root, path, defect, mask)


def _write_mask(root: Path, path: str, defect: str, mask: Mask) -> None:
    target = root / "ground_truth" / defect / f"{Path(path).stem}_mask.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(255))[1].tobytes())


def _describe(content: CocoDataset, path: str, defect: str, mask: Mask, synthesis: dict[str, Any]) -> None:
    """Add a new photo and its instances to the COCO file."""
    height, width = mask.shape
    number = len(content.images) + 1
    image = {"id": number, "file_name": path, "width": width, "height": height, "synthesis": synthesis}
    content.images.append(CocoImage.model_validate(image))
    category = next(one.id for one in content.categories if one.name == defect)
    for region in split_mask(mask):
        content.annotations.append(
            CocoAnnotation(
                id=len(content.annotations) + 1,
                image_id=number,
                category_id=category,
                bbox=region.box_xywh,
                area=region.area,
                segmentation=encode_region(region, (height, width)),
            )
        )
