"""The layout of MVTec LOCO AD: a folder of masks for each photo, whose pixel values name the defect.

Bergmann et al., IJCV 2022; https://www.mvtec.com/company/research/datasets/mvtec-loco; CC BY-NC-SA 4.0.

    breakfast_box/
      train/good/000.png …
      validation/good/000.png …
      test/{good,logical_anomalies,structural_anomalies}/000.png …
      ground_truth/logical_anomalies/000/{000,001}.png …     one defect a mask
      defects_config.json     [{"defect_name", "pixel_value", …}]

The defect types are those of `defects_config.json`; without it, the names of the folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mvtec.datasets.layouts.folders import as_spelt, dataset, folders_in, images_in, photos_by_type, stem
from mvtec.datasets.listing import is_folder
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.errors import InputError
from mvtec.reading import read_json

NAME = "mvtec-loco"
TREE = "test/<anomalies>/NNN.png, ground_truth/<anomalies>/NNN/MMM.png and defects_config.json"
CONFIG = "defects_config.json"
PHOTOS = ("train", "validation", "test")
MASKS = "ground_truth"


class _Defect(BaseModel):
    model_config = ConfigDict(extra="allow")

    defect_name: Annotated[
        str, Field(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
    ]  # no control character
    pixel_value: int


def found_in(root: Path) -> bool:
    kinds = folders_in(root, MASKS)
    if not is_folder(root / "test") or not any(folders_in(root, f"{MASKS}/{kind}") for kind in kinds):
        return False
    return not any(stem(mask).endswith("_mask") for mask in images_in(root, MASKS, deep=True))


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: `defects_config.json` cannot be understood, or a photo lies where the layout has none.
    """
    names = _defect_names(root)
    samples = [
        Sample(root, photo, GOOD, official_split="train")
        for folder in ("train/good", "validation/good")
        for photo in images_in(root, folder, deep=True)
    ]
    masks = images_in(root, MASKS, deep=True)
    masks_of: dict[str, list[str]] = {}
    for mask in masks:
        masks_of.setdefault(mask.rsplit("/", 1)[0], []).append(mask)
    for kind, photos in photos_by_type(root, "test", NAME).items():
        folders = {folder: folder for folder in masks_of if folder.startswith(f"{MASKS}/{kind}/")}
        folder_of = as_spelt(folders, (f"{MASKS}/{kind}/{stem(photo)}" for photo in photos))
        for photo in photos:
            place = f"{MASKS}/{kind}/{stem(photo)}"
            values = {} if kind == GOOD else names
            of_photo = tuple(masks_of[folder_of[place]]) if place in folder_of else ()
            samples.append(Sample(root, photo, kind, of_photo, "test", f"{place}/000.png", values))
    return dataset(root, NAME, samples, masks)


def _defect_names(root: Path) -> dict[int, str]:
    path = root / CONFIG
    if not path.is_file():
        return {}
    try:
        defects = TypeAdapter(list[_Defect]).validate_python(read_json(path, "the defects of MVTec LOCO"))
    except ValidationError as error:
        problem = "is not a valid list of defects with names and pixel values"
        raise InputError(path, problem, "Restore the original") from error
    names: dict[int, str] = {}
    for defect in defects:
        if (other := names.setdefault(defect.pixel_value, defect.defect_name)) != defect.defect_name:
            problem = f"gives {other} and {defect.defect_name} the pixel value {defect.pixel_value}"
            raise InputError(path, problem, "Restore the original")
    return names
