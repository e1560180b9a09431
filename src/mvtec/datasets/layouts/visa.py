"""The layout of VisA, the visual anomaly data set.

Zou et al., ECCV 2022; https://github.com/amazon-science/spot-diff; CC BY 4.0.

    candle/
      Data/Images/{Normal,Anomaly}/000.JPG …
      Data/Masks/Anomaly/000.png …      any value but zero is defect
      image_anno.csv                    image, label, mask; the label names the defect, several with commas
    split_csv/1cls.csv                  beside the categories: object, split, label, image, mask

Normal photos that `1cls.csv` gives to train are set aside for learning; without it none are. A photo with several
defects is of the type that names them all, joined with `+`: which pixel is which is not told. Without `image_anno.csv`
the type is `anomaly`.
"""

from __future__ import annotations

import csv
from pathlib import Path

from mvtec.datasets.layouts.folders import by_stem, dataset, images_in, stem
from mvtec.datasets.samples import GOOD, Dataset, Sample
from mvtec.errors import InputError

NAME = "visa"
TREE = "Data/Images/{Normal,Anomaly}/NNN.JPG, Data/Masks/Anomaly/NNN.png and image_anno.csv"


def found_in(root: Path) -> bool:
    return (root / "Data" / "Images").is_dir()


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A table cannot be understood.
    """
    category = root.resolve().name
    label_of = {_in_category(row["image"], category): row["label"] for row in _rows(root / "image_anno.csv")}
    aside = {
        _in_category(row["image"], category)
        for row in _rows(root.resolve().parent / "split_csv" / "1cls.csv")
        if row.get("object") == category and row.get("split") == "train"
    }
    samples = [
        Sample(root, photo, GOOD, official_split="train" if photo in aside else "test")
        for photo in images_in(root, "Data/Images/Normal")
    ]
    masks = images_in(root, "Data/Masks", deep=True)
    mask_of = by_stem(images_in(root, "Data/Masks/Anomaly"), "")
    for photo in images_in(root, "Data/Images/Anomaly"):
        mask = mask_of.get(stem(photo))
        names = [name.strip() for name in label_of.get(photo, "anomaly").split(",")]
        place = f"Data/Masks/Anomaly/{stem(photo)}.png"
        samples.append(Sample(root, photo, "+".join(sorted(names)), (mask,) if mask else (), mask_place=place))
    return dataset(root, NAME, samples, masks)


def _in_category(image: str, category: str) -> str:
    """The tables name photos from the folder above."""
    return image.removeprefix(f"{category}/")


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "is no readable table", "Restore the original") from error
    if rows and not {"image", "label"} <= rows[0].keys():
        raise InputError(path, "lacks the columns image and label", "Restore the original")
    return rows
