"""The layout of MVTec AD.

Bergmann et al., CVPR 2019; https://www.mvtec.com/company/research/datasets/mvtec-ad; the data is CC BY-NC-SA 4.0.

    bottle/                         the category
      train/good/000.png …          photos without a defect
      test/good/000.png …
      test/broken_large/000.png …   one folder per defect type
      ground_truth/broken_large/000_mask.png …

A mask belongs to the photo of exactly its stem: `NNN_mask.*` to `NNN.*`. In a folder without any `_mask`, masks may
have the names of their photos.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mvtec.datasets.layouts.folders import as_spelt, by_stem, dataset, folders_in, images_in, photos_by_type, stem
from mvtec.datasets.listing import is_folder
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.errors import InputError

NAME = "mvtec-ad"
TREE = "test/<defect>/NNN.png and ground_truth/<defect>/NNN_mask.png"
PHOTOS = ("train", "test")
MASKS = "ground_truth"


def found_in(root: Path) -> bool:
    return is_folder(root / "test")


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A folder of `test/` holds photos that would be passed over, or taken for defects by its name alone.
    """
    masks = images_in(root, MASKS, deep=True)
    samples = [
        Sample(root, photo, defect, official_split="train")
        for defect in folders_in(root, "train")
        for photo in images_in(root, f"train/{defect}", deep=True)
    ]
    plain = []
    for defect, photos in photos_by_type(root, "test", NAME).items():
        of_type = images_in(root, f"{MASKS}/{defect}")
        ending = "_mask" if not of_type or any(stem(mask).endswith("_mask") for mask in of_type) else ""
        mask_of = as_spelt(by_stem(of_type, ending), map(stem, photos))
        if mask_of and not ending:
            plain.append(f"{MASKS}/{defect}/")
        if defect != GOOD and defect.casefold() in (GOOD, "ok") and not mask_of:
            raise InputError(root / "test" / defect, "is not called good", "Rename it, if its photos show no defect")
        for photo in photos:
            mask = mask_of.get(stem(photo))
            place = f"{MASKS}/{defect}/{stem(photo)}_mask.png"
            samples.append(Sample(root, photo, defect, (mask,) if mask else (), mask_place=place))
    notes = []
    if plain:
        notes.append(f"the masks in {', '.join(plain)} are named as their photos, without _mask; they are taken so")
    if odd := sorted({sample.defect for sample in samples if sample.official_split == "train"} - {GOOD}):
        notes.append(
            f"the photos in {', '.join(f'train/{kind}/' for kind in odd)} are not labelled: move them to test/"
        )
    return replace(dataset(root, NAME, samples, masks), notes=tuple(notes))
