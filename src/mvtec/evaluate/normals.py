"""Photos without a defect that the truth does not have, such as those of `train/good`: they may raise false alarms.

A test part has few good photos, and a detector has seen none of `train/good` unless it was trained with background
photos. `mvtec predict RUN train/good --out PREDICTIONS/normals` puts what it says of them where `mvtec evaluate boxes`
looks by itself. Photos are told by content: what the model was trained on, and what the truth has, is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.formats.coco.files import CocoDataset
from mvtec.convert.formats.coco.results import read_results_for
from mvtec.convert.provenance import Provenance, read_provenance
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.layouts.folders import images_in
from mvtec.datasets.samples import GOOD
from mvtec.errors import InputError, no_folder
from mvtec.files import sha256_file
from mvtec.words import counted

FOLDER = "normals"  # in the folder of predictions
_PREDICTIONS = "predictions.json"


@dataclass(frozen=True)
class Normals:
    """What was predicted for photos without a defect.

    Attributes:
        scores: Of each photo the score of its best box, 0 without any.
        source: The folder they are of.
        warnings: What was left out.
    """

    scores: tuple[float, ...]
    source: Path
    warnings: tuple[str, ...] = ()


def photos_in(folder: Path) -> list[Path]:
    """The photos in a folder and the folders in it, sorted.

    Raises:
        InputError: It is not a folder, or has no photo.
    """
    if not folder.is_dir():
        raise no_folder(folder, "Give a folder of photos without a defect, such as train/good, as --normals")
    photos = [folder / name for name in images_in(folder, "", deep=True)]
    if not photos:
        raise InputError(folder, "holds no photo", "Give a folder of photos without a defect as --normals")
    return photos


def photos_beside(folder: Path, truth: CocoDataset) -> tuple[list[Path], int]:
    """The photos in a folder that the truth does not have, and how many it has: told by SHA-256, where it says it.

    Raises:
        InputError: As `photos_in`; or a photo cannot be read, so that no model was asked about it.
    """
    in_truth = {(image.model_extra or {}).get("sha256") for image in truth.images}
    photos = photos_in(folder)
    for photo in photos:
        photo_size_wh(photo)
    new = [photo for photo in photos if sha256_file(photo) not in in_truth]
    return new, len(photos) - len(new)


def read_normals(
    given: Path | None, predictions: Path, provenance: Provenance, truth_digests: Mapping[str, str]
) -> Normals | None:
    """What a detector says of photos without a defect.

    Args:
        given: The folder that `mvtec predict` made of such photos, or a folder of photos that it was asked about; None
            for `FOLDER` beside the predictions, where that is.
        predictions: What it says of the truth's photos.
        provenance: Where they come from.
        truth_digests: SHA-256 of the truth's photos, by name.

    Raises:
        InputError: Photos were not predicted, or by another model, or all of those given have been trained on.
    """
    beside = predictions.parent / FOLDER / _PREDICTIONS
    wanted: dict[str, Path] | None = None
    if given is None:
        files = [beside]
    elif (given / _PREDICTIONS).is_file():
        files = [given / _PREDICTIONS]
    else:
        wanted = {sha256_file(photo): photo for photo in photos_in(given)}
        files = [predictions, beside]
    files = [file for file in files if file.is_file()]
    if not files:
        return None
    scores: dict[str, float] = {}
    seen: set[str] = set()
    for file in files:
        own = _read(file, provenance)
        scores |= own[0]
        seen |= own[1]
    if wanted is not None and (missing := [photo for digest, photo in wanted.items() if digest not in scores]):
        assert given is not None
        raise InputError(
            given,
            f"{len(missing)} of its {len(wanted)} photos were not predicted, such as {missing[0].name}",
            f"Run: {command_for(provenance, predictions, given)}",
        )
    chosen = scores.keys() if wanted is None else wanted.keys()
    trained, known = chosen & seen, (chosen - seen) & set(truth_digests.values())
    left = sorted(chosen - trained - known)
    source = given or beside.parent
    if not left and given is not None:
        raise InputError(given, "has no photo that is new to the model and the truth", "Give other photos as --normals")
    warnings = []
    if trained:
        warnings.append(f"{counted(len(trained), 'photo')} of {source} were trained on: left out of the false alarms")
    if known:
        warnings.append(f"{counted(len(known), 'photo')} of {source} are in the truth, too: counted once")
    return Normals(tuple(scores[digest] for digest in left), source, tuple(warnings))


def _read(file: Path, asked: Provenance) -> tuple[dict[str, float], set[str]]:
    """The best score of each photo by its SHA-256, and those of them that the model was trained on."""
    provenance = read_provenance(file)
    if provenance is None or provenance.model_sha256 != asked.model_sha256:
        raise InputError(
            file, "was made by another model than the predictions", "Predict these photos with the same run"
        )
    names = {number: name for name, number in provenance.image_ids.items()}
    best = dict.fromkeys(provenance.image_sha256, 0.0)
    for result in read_results_for(file, names, "the provenance.json beside it").results:
        name = names[result.image_id]
        best[name] = max(best.get(name, 0.0), result.score)
    digests = provenance.image_sha256
    scores: dict[str, float] = {}
    for name, digest in digests.items():
        scores[digest] = max(scores.get(digest, 0.0), best[name])
    return scores, {digests[name] for name in provenance.seen_in_training if name in digests}


def command_for(provenance: Provenance, predictions: Path, photos: Path) -> str:
    """The command that predicts photos without a defect, to be found beside the predictions."""
    run = Path(provenance.model).parent.parent
    return shlex.join(["mvtec", "predict", str(run), str(photos), "--out", str(predictions.parent / FOLDER)])


def advice(provenance: Provenance | None, predictions: Path, truth: CocoDataset) -> str | None:
    """How to count false alarms on the good photos beside those of the truth, which were not predicted; None without.

    Args:
        provenance: Where the predictions come from.
        predictions: Their file.
        truth: The annotation file.
    """
    if provenance is None or not Path(provenance.model).suffix:  # of several folds there is no one run to ask
        return None
    good = good_photos_near(Path(provenance.image_root) / truth.images[0].file_name)
    if good is None:
        return None
    return (
        f"{counted(len(photos_in(good)), 'good photo')} of {good} were not predicted; to count false alarms on them, "
        f"too, run: {command_for(provenance, predictions, good)}"
    )


def good_photos_near(photo: Path) -> Path | None:
    """The `train/good` of the category that a photo lies in, through links, where it has photos; else None."""
    for folder in photo.resolve().parents:
        if images_in(folder, f"train/{GOOD}"):
            return folder / "train" / GOOD
    return None
