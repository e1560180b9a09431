"""A YOLO data set on disk, ours or another tool's: its classes, its photos and their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.fitting import cut_boxes
from mvtec.convert.formats.yolo.label_lines import classes_of_label, read_label
from mvtec.convert.formats.yolo.listing import list_bare, list_data_yaml
from mvtec.convert.instances import UNKNOWN, LabelledImage
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.listing import files_below, list_images
from mvtec.datasets.samples import IMAGE_SUFFIXES
from mvtec.datasets.split import Part, Split, read_split
from mvtec.errors import InputError
from mvtec.words import counted

_NOT_LABELS = {"classes.txt", "predefined_classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt"}


@dataclass(frozen=True)
class YoloFolder:
    """A YOLO data set on disk, ours or another tool's.

    Attributes:
        data_yaml: Its `data.yaml`; without one the file that names the classes.
        names: The classes, in label order.
        images: The photos of each part, sorted; a part that is missing, or the same as train, is empty.
        split: The split it was made by, where it says so.
        notes: A sentence for each part that it names and that holds no photo, and on what else is odd about it.
        keypoints: How many numbers of keypoints follow the box in a label; 0 where they are not pose labels.
    """

    data_yaml: Path
    names: tuple[str, ...]
    images: dict[Part, tuple[Path, ...]]
    split: Split | None
    notes: tuple[str, ...] = ()
    keypoints: int = 0

    @property
    def root(self) -> Path:
        return self.data_yaml.parent

    def annotations(self, part: Part) -> Path | None:
        """The COCO file of a part, where there is one."""
        path = self.root / "annotations" / f"instances_{part}.json"
        return path if path.is_file() else None


def is_yolo_folder(path: Path) -> bool:
    """Whether `path` is a folder with a `data.yaml`, or such a file itself."""
    return path.suffix in {".yaml", ".yml"} or (path / "data.yaml").is_file()


def read_yolo_folder(path: Path) -> YoloFolder:
    """Read what a YOLO data set lists; photos are listed, not opened.

    Args:
        path: The folder, or its `data.yaml`. A folder without one has `classes.txt`, `obj.names` or `obj.data`.

    Raises:
        InputError: There is no such file, it names no classes, or its train part holds no photo.
    """
    bare = path.is_dir() and not (path / "data.yaml").exists()
    listing = list_bare(path) if bare else list_data_yaml(path / "data.yaml" if path.is_dir() else path)
    split_file = listing.source.parent / "split.json"
    train = listing.images["train"]
    return YoloFolder(
        data_yaml=listing.source,
        names=listing.names,
        images={part: () if part != "train" and photos == train else photos for part, photos in listing.images.items()},
        split=read_split(split_file) if split_file.is_file() else None,
        notes=listing.notes,
        keypoints=listing.keypoints,
    )


def check_labels_for_training(folder: YoloFolder) -> None:
    """Refuse labels that Ultralytics would not find, or would read as another shape.

    Raises:
        InputError: They are pose labels; or lie where Ultralytics does not look; or are those of no photo.
    """
    if folder.keypoints:
        raise InputError(
            folder.data_yaml,
            "has pose labels (kpt_shape), which a detector would read as polygons",
            "Keep the boxes alone: mvtec convert yolo-to-coco, then coco-to-yolo",
        )
    for photo in [*folder.images["train"], *folder.images["val"]]:
        found = found_label(photo)
        if found is not None and found != label_file(photo):
            raise InputError(
                found,
                f"is the label of {photo.name}, and Ultralytics looks for {label_file(photo)}",
                "Move the labels there",
            )
    leave_out_orphans(folder, Receipt(""))


def label_file(photo: Path) -> Path:
    """Where Ultralytics looks for a photo's labels: the last `images` of its path becomes `labels`."""
    parts = list(photo.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def found_label(photo: Path) -> Path | None:
    """The label file of a photo: where Ultralytics looks for it, or beside the photo; None where there is none."""
    places = (label_file(photo), photo.with_suffix(".txt"))
    files = (place.with_suffix(suffix) for place in dict.fromkeys(places) for suffix in (".txt", ".TXT"))
    return next((file for file in files if file.is_file()), None)


def labels_beside(photos: Iterable[Path]) -> list[Path]:
    """The YOLO label files that lie beside photos, as labelImg saves them."""
    beside = (photo.with_suffix(".txt") for photo in photos)
    return [file for file in beside if file.name not in _NOT_LABELS and file.is_file()]


def labelled_photos(
    folder: YoloFolder,
    part: Part,
    receipt: Receipt,
    *,
    skip_errors: bool = False,
    on_photo: Callable[[], None] = lambda: None,
) -> Iterator[LabelledImage]:
    """The photos of a part with their instances; names are relative to the folder of `data.yaml`.

    A photo without a label file has no defect, as for Ultralytics; the receipt says how many there are, how many labels
    were found beside their photos, and how many have keypoints, which are not kept.

    Raises:
        InputError: A photo or label cannot be read and `skip_errors` is false.
    """
    without = beside = second = with_keypoints = 0
    root = folder.root.resolve()
    twins: dict[Path, set[Path]] = {}
    for photo in {photo for listed in folder.images.values() for photo in listed}:
        twins.setdefault(photo.with_suffix(""), set()).add(photo)
    for photo in folder.images[part]:
        name = (photo.relative_to(root) if photo.is_relative_to(root) else photo).as_posix()
        file = found_label(photo)
        try:
            if file is not None and len(alike := twins[photo.with_suffix("")]) > 1:
                others = ", ".join(sorted(other.name for other in alike - {photo}))
                raise InputError(
                    photo, f"has the label file of {others}, too", "Rename one of the photos, and its label"
                )
            size_wh = photo_size_wh(photo)
            instances = () if file is None else read_label(file, folder.names, size_wh, keypoints=folder.keypoints)
        except InputError as error:
            lost = [] if file is None else classes_of_label(file, folder.names)
            kind = "photo or label not readable"
            receipt.leave_out(error, skip_errors=skip_errors, kind=kind, photo=name, lost=lost)
        else:
            without += file is None
            beside += file is not None and file.parent == photo.parent != label_file(photo).parent
            second += file is not None and file.parent != photo.parent and photo.with_suffix(".txt").is_file()
            with_keypoints += len(instances) if folder.keypoints else 0
            image = LabelledImage(name, photo, size_wh, instances)
            yield from cut_boxes(image, file or photo, receipt, skip_errors=skip_errors)
        on_photo()
    if without:
        receipt.notes.append(f"{without} photos of {part} have no label file and count as good")
    if beside:
        receipt.notes.append(
            f"{counted(beside, 'label file')} of {part} beside the photos, where Ultralytics does not look"
        )
    if second:
        receipt.notes.append(
            f"{counted(second, 'text file')} beside photos of {part} not read: their labels are in labels/"
        )
    if with_keypoints:
        receipt.notes.append(
            f"{counted(with_keypoints, 'pose label')} of {part}: the box is kept, the keypoints are not"
        )


def leave_out_orphans(folder: YoloFolder, receipt: Receipt, *, skip_errors: bool = False) -> None:
    """Tell the receipt of label files that are not read: those without a photo, and those that lie where nobody looks.

    Raises:
        InputError: There is one that has a label in it, or no photo has a label file, and `skip_errors` is false.
    """
    photos = {photo for listed in folder.images.values() for photo in listed}
    label_of = {photo: found_label(photo) for photo in sorted(photos)}
    used = {file for file in label_of.values() if file is not None}
    _leave_out_misplaced(folder, label_of, receipt, skip_errors=skip_errors)
    folders = {file.parent for file in used}
    folders |= {at for photo in photos if (at := label_file(photo).parent) != photo.parent and at.is_dir()}
    files = {file for at in folders for file in files_below(at) if file.suffix.lower() == ".txt"} - used
    stems: dict[Path, set[str]] = {}
    empty: list[str] = []
    others: list[str] = []
    for file in sorted(files):
        if file.name in _NOT_LABELS or file.name.startswith(".") or _has_photo(file, stems):
            continue
        lost = classes_of_label(file, folder.names)
        if set(lost) <= {UNKNOWN}:
            (others if lost else empty).append(file.name)
            continue
        error = InputError(file, "is a label file without a photo", "Add the photo, or remove the label file")
        receipt.leave_out(error, skip_errors=skip_errors, kind="photo missing", photo=file.name, lost=lost)
    if empty:
        receipt.notes.append(f"{counted(len(empty), 'empty label file')} without a photo, such as {empty[0]}")
    if others:
        receipt.notes.append(f"{counted(len(others), 'text file')} without a photo and without labels: {others[0]}")


def _leave_out_misplaced(
    folder: YoloFolder, label_of: dict[Path, Path | None], receipt: Receipt, *, skip_errors: bool
) -> None:
    """Tell the receipt of photos whose label file lies elsewhere in the folder of the data set, and of unlisted photos.

    Raises:
        InputError: There is such a label file, or no photo has one, and `skip_errors` is false.
    """
    root = folder.root.resolve()
    without = {photo.stem: photo for photo, label in label_of.items() if label is None and photo.is_file()}
    read = {file for photo in label_of for file in (label_file(photo), photo.with_suffix(".txt"))}
    stems: dict[Path, set[str]] = {}
    unlisted: list[str] = []
    misplaced: set[str] = set()
    within = all(photo.is_relative_to(root) for photo in label_of)
    for file in sorted(files_below(root)) if within else ():
        if file.suffix.lower() != ".txt" or file.name in _NOT_LABELS or file.with_suffix(".txt") in read:
            continue
        lost = [name for name in classes_of_label(file, folder.names) if name != UNKNOWN]
        photo = without.get(file.stem)
        if lost and _has_photo(file, stems):
            unlisted.append(file.relative_to(root).as_posix())
        elif lost and photo is not None and file.stem not in misplaced:
            misplaced.add(file.stem)
            problem = f"seems to be the label of {photo}, which has none at {label_file(photo)}"
            name = photo.relative_to(root).as_posix()
            kind = "label in another folder"
            error = InputError(file, problem, "Move the labels there")
            receipt.leave_out(error, skip_errors=skip_errors, kind=kind, photo=name, lost=lost)
    if unlisted:
        receipt.notes.append(
            f"{counted(len(unlisted), 'label file')} not read, of photos that are in no part, such as {unlisted[0]}"
        )
    if not misplaced and len(without) and not any(label_of.values()):
        photo = min(without.values())
        problem = f"none of its photos has a label file; {photo.name} has none at {label_file(photo)}"
        error = InputError(
            folder.data_yaml, problem, "Put the labels there; a photo without a defect has an empty file"
        )
        receipt.leave_out(error, skip_errors=skip_errors, kind="no labels", photo=photo.name, lost=[UNKNOWN])


def unread_photos(folder: YoloFolder) -> list[str]:
    """Images beside the photos whose ending is not read, sorted."""
    folders = {photo.parent for photos in folder.images.values() for photo in photos}
    return sorted((at / name).as_posix() for at in folders for name in list_images(at).unread)


def _has_photo(label: Path, stems: dict[Path, set[str]]) -> bool:
    """Whether a photo of the same stem lies beside a label file, or where `images` stands for `labels` in its path."""
    parts = list(label.parent.parts)
    at = next((index for index in reversed(range(len(parts))) if parts[index] == "labels"), None)
    if at is not None:
        parts[at] = "images"
    for folder in {label.parent, Path(*parts)}:
        if folder not in stems:
            files = folder.iterdir() if folder.is_dir() else ()
            stems[folder] = {file.stem for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
        if label.stem in stems[folder]:
            return True
    return False
