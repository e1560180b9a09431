"""Which photo a label file of a Pascal VOC folder is about, in each of the ways that tools lay such folders out.

Pascal VOC keeps `Annotations/` and `JPEGImages/`, labelImg and Roboflow the XML file beside its photo, others have
`images/`. The photo has the name of its label file, whatever `<filename>` says; where none has it, `<filename>` is
followed.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mvtec.convert.instances import LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.listing import files_below
from mvtec.errors import InputError
from mvtec.reading import read_bytes

ANNOTATIONS, PHOTOS = "Annotations", "JPEGImages"


def label_files(root: Path) -> list[Path]:
    """The XML files of `Annotations/`, and of the whole folder those of annotations; hidden ones left out.

    Where `Annotations/` has none, all XML files of the folder count. They are sorted.
    """
    files = sorted(file for file in files_below(root) if file.suffix.lower() == ".xml")
    first = [file for file in files if file.is_relative_to(root / ANNOTATIONS)]
    if not first:
        return files
    return sorted({*first, *(file for file in files if _is_annotation(file))})


def _is_annotation(file: Path) -> bool:
    """Whether an XML file that lies elsewhere begins as one of Pascal VOC."""
    try:
        return b"<annotation>" in read_bytes(file, "a Pascal VOC file")[:1000]
    except InputError:
        return False


class Photos:
    """The photos of a folder.

    Args:
        root: The folder. Images in folders whose name begins with `Segmentation` are masks.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.paths = [path for path in images_in(root, "", deep=True) if not _is_mask(path)]
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            photo = PurePosixPath(_composed(path))
            self._by_name[photo.name].append(path)
            self._by_stem[photo.stem].append(path)

    def of_own_name(self, label: PurePosixPath) -> str | None:
        """The photo that has the name of a label file.

        Args:
            label: The label file, relative to its folder (`Annotations`, say, or the folder of all).

        Raises:
            InputError: There are several, and none is where it should be.
        """
        own = PurePosixPath(_composed(label.as_posix())).with_suffix("")
        found = self._by_stem.get(own.name, [])
        places = {own.as_posix(), f"{PHOTOS}/{own}"}
        near = [path for path in found if PurePosixPath(_composed(path)).with_suffix("").as_posix() in places]
        return self._only(near or found, label)

    def of_filename(self, label: PurePosixPath, filename: str) -> str | None:
        """The photo that a label file names.

        Raises:
            InputError: There are several, and none lies beside it.
        """
        name = PurePosixPath(_composed(filename.replace("\\", "/"))).name
        found = self._by_name.get(name, [])
        near = [path for path in found if PurePosixPath(path).parent in (label.parent, PHOTOS / label.parent)]
        return self._only(near or found, label)

    def unlabelled(self, labelled: set[str]) -> list[str]:
        """The photos that have no label file, in `JPEGImages` and in the folders of those that have one."""
        folders = {PurePosixPath(path).parent for path in labelled}
        return [
            path
            for path in self.paths
            if path not in labelled and (path.startswith(f"{PHOTOS}/") or PurePosixPath(path).parent in folders)
        ]

    def _only(self, found: list[str], label: PurePosixPath) -> str | None:
        if len(found) > 1:
            problem = f"may be about any of {', '.join(found[:3])}"
            raise InputError(self._root / label, problem, "Keep one photo of that name")
        return found[0] if found else None


def plain_photo(root: Path, path: str, receipt: Receipt, *, skip_errors: bool) -> Iterator[LabelledImage]:
    """A photo without a label file, as a good one.

    Raises:
        InputError: It cannot be read and `skip_errors` is false.
    """
    try:
        yield LabelledImage(path, root / path, photo_size_wh(root / path), ())
    except InputError as error:
        receipt.leave_out(error, skip_errors=skip_errors, kind="photo not readable", photo=path, lost=[])


def _is_mask(path: str) -> bool:
    return any(part.startswith("Segmentation") for part in path.split("/")[:-1])


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
