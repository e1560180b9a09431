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
import io
from pathlib import Path

from mvtec.datasets.layouts.folders import as_spelt, by_stem, dataset, images_in, photos_by_type, stem
from mvtec.datasets.listing import is_folder
from mvtec.datasets.samples import GOOD, Dataset, OfficialSplit, Sample
from mvtec.errors import InputError
from mvtec.reading import read_text

NAME = "visa"
TREE = "Data/Images/{Normal,Anomaly}/NNN.JPG, Data/Masks/Anomaly/NNN.png and image_anno.csv"
PHOTOS = ("Data/Images",)
MASKS = "Data/Masks"
NORMAL = "normal"  # the label of good photos


def found_in(root: Path) -> bool:
    return is_folder(root / "Data" / "Images")


def read(root: Path) -> Dataset:
    """Read a category's folder; no image is opened.

    Raises:
        InputError: A table cannot be understood, or a photo lies where the layout has none.
    """
    category = root.resolve().name
    table = root / "image_anno.csv"
    label_of = {_in_category(row["image"], category): row["label"] for row in _rows(table)}
    aside = {
        _in_category(row["image"], category)
        for row in _rows(root.resolve().parent / "split_csv" / "1cls.csv")
        if row.get("object") == category and row.get("split") == "train"
    }
    by_folder = photos_by_type(root, "Data/Images", NAME)
    if odd := next((photos[0] for folder, photos in by_folder.items() if folder not in ("Normal", "Anomaly")), None):
        raise InputError(root / odd, "lies neither in Normal/ nor in Anomaly/", "Move it into one of them")
    masks = images_in(root, MASKS, deep=True)
    samples: list[Sample] = []
    for folder, photos in by_folder.items():
        mask_of = as_spelt(by_stem(images_in(root, f"{MASKS}/{folder}"), ""), map(stem, photos))
        for photo in photos:
            mask = mask_of.get(stem(photo))
            paths = (mask,) if mask else ()
            label = label_of.get(photo)
            if label_of and (label is None or (label == NORMAL) != (folder == "Normal")):
                problem = f"gives {photo} the label {label}" if label is not None else f"has no row of {photo}"
                raise InputError(table, problem, f"Give it {NORMAL} or its defect types, as its folder says")
            if folder == "Normal":
                part: OfficialSplit = "train" if photo in aside else "test"
                samples.append(Sample(root, photo, GOOD, paths, part))
                continue
            names = {name.strip() for name in ("anomaly" if label is None else label).split(",")}
            if "" in names or GOOD in names:
                raise InputError(table, f"gives {photo} the label {label!r}", "Name its defect types")
            place = f"{MASKS}/Anomaly/{stem(photo)}.png"
            samples.append(Sample(root, photo, "+".join(sorted(names)), paths, mask_place=place))
    return dataset(root, NAME, samples, masks)


def _in_category(image: str, category: str) -> str:
    """The tables name photos from the folder above."""
    return image.removeprefix(f"{category}/")


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, each with an image and a label.

    Raises:
        InputError: It cannot be read, lacks a column, or a row is shorter or longer than the first.
    """
    if not path.exists():
        return []
    text = read_text(path, "a table of VisA")
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row] or [[]]
    except csv.Error as error:
        raise InputError(path, f"is not a readable table ({error})", "Restore the original") from error
    if not {"image", "label"} <= set(header) or len(set(header)) < len(header):
        raise InputError(path, "lacks the columns image and label, or has one twice", "Restore the original")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            problem = f"has {len(row)} fields in row {number} and {len(header)} in the first"
            raise InputError(path, problem, "Restore the original")
    return [dict(zip(header, row, strict=True)) for row in rows]
