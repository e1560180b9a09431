"""The private view of a training's data: what Ultralytics is to read, and nothing beside it.

Ultralytics reads what lies beside photos: `photo.npy` in the place of `photo.png`, and pickled labels of before.
It passes over endings that it does not know, and writes a JPEG anew that does not end as one does. So it gets a folder
of its own, with links to the photos, or copies, and with copies of their labels:

    view/images/train/000000.png      in the order of the photos' paths, in which Ultralytics sorts them
    view/labels/train/000000.txt
    view/train.txt, view/data.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mvtec.convert.formats.yolo.read_folder import YoloFolder, label_file
from mvtec.convert.link_or_copy import link_or_copy
from mvtec.datasets.split import Part
from mvtec.files import remove

_JPEG_BEGIN, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_KNOWN_AS = {".jpe": ".jpg", ".jfif": ".jpg"}  # endings that Ultralytics passes over


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        folder: Where it is.
        data_yaml: What Ultralytics is given.
        photos: The photo that each photo of the view stands for.
    """

    folder: Path
    data_yaml: Path
    photos: Mapping[Path, Path]


def make_view(data: YoloFolder, folder: Path) -> View:
    """Make the view of a data set anew.

    Ultralytics wants a val part. Where there is none that is the train part, which it then holds in memory twice. (To
    check what fits there it draws photos of both, so a shorter list would be another seed.)

    Args:
        data: The data set, whose labels have been checked.
        folder: Where to make it; what is there is removed.
    """
    if folder.exists():
        remove(folder)
    folder = folder.absolute()
    photos: dict[Path, Path] = {}
    parts: tuple[Part, ...] = ("train", "val")
    for part in parts:
        for number, photo in enumerate(sorted(data.images[part], key=str)):
            suffix = photo.suffix.lower()
            target = folder / "images" / part / f"{number:06}{_KNOWN_AS.get(suffix, suffix)}"
            _show(photo, target)
            photos[target] = photo
            label = folder / "labels" / part / f"{number:06}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            if label_file(photo).is_file():
                label.write_bytes(label_file(photo).read_bytes())
        listed = [target for target in photos if target.parent.name == part]
        (folder / f"{part}.txt").write_text("".join(f"{photo}\n" for photo in listed), encoding="utf-8")
    val = "val.txt" if data.images["val"] else "train.txt"
    content = {"train": str(folder / "train.txt"), "val": str(folder / val), "names": dict(enumerate(data.names))}
    (folder / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return View(folder, folder / "data.yaml", photos)


def _show(photo: Path, target: Path) -> None:
    """Link or copy a photo; a JPEG that does not end as one does is copied, and ends so then, with the same pixels."""
    with photo.open("rb") as stream:
        begin = stream.read(2)
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 2))
        end = stream.read()
    if begin == _JPEG_BEGIN and end != _JPEG_END:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(photo.read_bytes() + _JPEG_END)
    else:
        link_or_copy(photo, target, "any")
