"""Finds labels of other formats that lie beside photos: `annotate` does not read them, and says so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_COMMANDS = {  # by the ending of a label file that has its photo's name
    ".txt": "mvtec convert yolo-to-coco",
    ".xml": "mvtec convert voc-to-coco",
    ".json": None,  # LabelMe and others
}
_FOLDERS = {"images": ("labels",), "JPEGImages": ("Annotations",)}  # where labels lie instead, in YOLO and VOC
_COCO_BEGINNING = 1 << 16  # bytes in which the keys of a COCO file are looked for


def say_labels_beside(root: Path, names: Sequence[str]) -> str | None:
    """The sentence about labels that lie beside the photos of a folder; None where there are none.

    Args:
        root: The folder.
        names: Its photos, relative to it.
    """
    folders: dict[str, set[str]] = {}
    for name in names:
        photo = PurePosixPath(name)
        folders.setdefault(str(photo.parent), set()).add(photo.stem)
    for folder, stems in sorted(folders.items()):
        for place in [folder, *_other_places(folder)]:
            files = _files(root / place)
            for ending, command in _COMMANDS.items():
                if found := [file for file in files if file.endswith(ending) and file[: -len(ending)] in stems]:
                    how = f"convert them first ({command} DIR --out ANN.json), and" if command else "convert them, and"
                    example = (PurePosixPath(place) / found[0]).as_posix()
                    return (
                        f"labels lie beside the photos, such as {example}, and are not read: {how} start again with "
                        "that file as --ann"
                    )
            for file in files:
                if file.endswith(".json") and _is_coco(root / place / file):
                    path = (PurePosixPath(place) / file).as_posix()
                    return f"labels lie beside the photos in {path}, and are not read: start again with it as --ann"
    return None


def _other_places(folder: str) -> list[str]:
    """The folders that hold the labels of photos in this folder in YOLO's and VOC's trees."""
    parts = PurePosixPath(folder).parts
    return [
        str(PurePosixPath(*parts[:at], other, *parts[at + 1 :]))
        for at, part in enumerate(parts)
        for other in _FOLDERS.get(part, ())
    ]


def _files(folder: Path) -> list[str]:
    """The names of the files in a folder, sorted; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return []


def _is_coco(file: Path) -> bool:
    """Whether a JSON file begins as COCO's annotation files do."""
    try:
        with file.open("rb") as stream:
            beginning = stream.read(_COCO_BEGINNING)
    except OSError:
        return False
    return beginning.lstrip().startswith(b"{") and any(
        key in beginning for key in (b'"annotations"', b'"images"', b'"categories"')
    )
