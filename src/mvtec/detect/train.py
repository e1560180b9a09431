"""Trains a detector and leaves a run folder that says how.

RUN holds, in the order they are written:

    data/          the YOLO folder, where the run made it from an MVTec tree
    plan.json      what the run sets out to do
    data.yaml      the photos to read, one by one, in train.txt and val.txt
    train.log      what Ultralytics said
    results.csv    losses by epoch, as Ultralytics writes them
    weights/       last.pt, and best.pt where a val part chose it
    run.json       the record: a folder without it is an unfinished run

A detector of another kind than Ultralytics' writes `weights/` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mvtec.convert.formats.yolo.read_folder import check_labels_for_training, read_yolo_folder
from mvtec.detect.backends import detector_class
from mvtec.detect.backends.detector import OnEpoch, Training
from mvtec.detect.plan import detector_of_plan, not_taken
from mvtec.detect.prepare import check_data, yolo_folder_for
from mvtec.detect.recipe import Recipe
from mvtec.detect.source import folder_of
from mvtec.detect.weights import Start, find_start
from mvtec.devices import choose_device
from mvtec.errors import ArgumentError, InputError, WeightsError, warn_of
from mvtec.run import RunRecord, finish_run, has_checkpoint, is_begun, run_folder


def train_detector(
    data: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    weights: str | Path | None = None,
    download: bool = False,
    from_scratch: bool = False,
    split: str | Path | None = None,
    fold: int | None = None,
    epochs: int | None = None,
    imgsz: int | None = None,
    batch: int | None = None,
    freeze: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    command: list[str] | None = None,
    warn: Callable[[str], None] = warn_of,
    on_start: Callable[[Start], None] = lambda _start: None,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _losses: None,
) -> RunRecord:
    """Train a detector; an MVTec category is converted first, into `out/data`.

    The test part is never looked at: with a val part the best checkpoint is kept, without one the last.

    Args:
        data: A YOLO folder, its `data.yaml`, or an MVTec category.
        out: The run's folder to make.
        model: A model of Ultralytics such as `yolo11n.pt`, an architecture such as `yolo11n.yaml`, `starter` for the
            weights that come with mvtec, or another name in `DETECTORS`. None takes `yolo11n.pt` if it is on this
            machine, else `starter`.
        weights: Take the weights from this file, as many as fit.
        download: Fetch the weights if they are not here.
        from_scratch: Start from random weights.
        split: The file of the split to train by; None draws one of a category.
        fold: Take this fold of the split as val.
        epochs: Passes over the train photos. None takes the default of `Recipe`, here as for the next four.
        imgsz: Photos are scaled so that their longer side has this many pixels, a multiple of 32.
        batch: Photos a step; -1 finds what fits the GPU.
        freeze: Keep the weights of so many first layers as they are.
        seed: Seed of all that is random.
        device: `auto`, `cpu`, `mps`, or the number of one GPU.
        resume: Go on with the unfinished run in `out`, as it began.
        overwrite: Replace what is in `out`.
        command: The words of the command line, for the record.
        warn: Told what is doubtful, a sentence each; by default it is an `MvtecWarning`.
        on_start: Told what a training that is not resumed begins with.
        on_bytes: Told how many bytes of the weights have come, and how many there are.
        on_epoch: Told each epoch's number from 1, the number of epochs, and the losses by name.

    Returns:
        The record of the run, which is in `out/run.json`, too.

    Raises:
        ArgumentError: Arguments contradict each other, or one is out of its range.
        InputError: The data is wrong, or another data set is resumed; or the training would see no instance of a class.
        OutputError: `out` is taken, or there is nothing to resume.
        WeightsError: The weights are not here, or do not fit the model.
    """
    data, out = Path(data), Path(out)
    weights, split = (None if file is None else Path(file) for file in (weights, split))
    given = {"epochs": epochs, "imgsz": imgsz, "batch": batch, "freeze": freeze, "seed": seed}
    chosen = {name: value for name, value in given.items() if value is not None}
    recipe = Recipe(**chosen)
    if from_scratch and recipe.freeze:
        raise ArgumentError(
            "freeze", "keeps random weights as they are with `from_scratch`", "Leave out one of the two"
        )
    if "?" in str(out.absolute()):
        raise InputError(out, "has a ? in its path, which Ultralytics cuts off", "Choose another folder")
    check_data(data)
    start, asked = None, None
    if not (resume and is_begun(out)):
        start = find_start(model, weights=weights, download=download, from_scratch=from_scratch, on_bytes=on_bytes)
        on_start(start)
    elif model is not None or weights is not None or from_scratch:
        try:
            asked = find_start(model, weights=weights, from_scratch=from_scratch)
        except WeightsError as error:
            warn(f"{error.file} is not taken, and is not there: a resumed run goes on as it began")
    inputs = [folder_of(data), split, weights, None if start is None else start.weights]
    with run_folder(out, resume=resume, overwrite=overwrite, inputs=[path for path in inputs if path is not None]):
        for sentence in not_taken(recipe, chosen.keys(), asked, out) if start is None else ():
            warn(sentence)
        return train(
            yolo_folder_for(data, out, split, fold, warn=warn),
            out,
            start=start,
            recipe=recipe,
            device=device,
            resume=resume,
            command=command,
            warn=warn,
            on_epoch=on_epoch,
        )


def train(
    data: Path,
    out: Path,
    *,
    start: Start | None,
    recipe: Recipe,
    device: str = "auto",
    resume: bool = False,
    command: list[str] | None = None,
    warn: Callable[[str], None] = lambda _warning: None,
    on_epoch: OnEpoch = lambda _epoch, _epochs, _losses: None,
) -> RunRecord:
    """Train a detector on a YOLO folder in a run's folder that is there; see `train_detector`.

    The test part takes no part: with a val part the checkpoint with the best val figures is the result, without one
    the last.

    Args:
        data: A YOLO folder or its `data.yaml`.
        out: The run folder, made by `run.prepare_run`.
        start: The model and the weights to begin with; may be None where a checkpoint is resumed.
        recipe: The settings.
        device: `auto`, `cpu`, `mps`, or the number of one GPU.
        resume: Go on with the unfinished run in `out`.
        command: The words of the command line, for the record.
        warn: Told what is doubtful about the data, a sentence each.
        on_epoch: Called after each epoch with its number from 1, the number of epochs, and the losses.

    Raises:
        InputError: The data or an option is wrong, or another data set is resumed; or the training would see, or has
            seen in its first epoch, no instance of a class.
        WeightsError: The weights do not fit the model.
    """
    folder = read_yolo_folder(data)
    check_labels_for_training(folder)
    is_resumed = resume and is_begun(out)
    if start is None and not is_resumed:
        raise InputError(out, "has no checkpoint to resume from", "Say which --model to begin with")
    name = detector_of_plan(out) if is_resumed or start is None else start.detector
    detector = detector_class(name, out)()
    trained = detector.fit(
        Training(folder, out, None if is_resumed else start, recipe, choose_device(device), warn, on_epoch)
    )
    if not has_checkpoint(out):
        (out / "weights").mkdir(exist_ok=True)
        detector.save(out / "weights" / "last.pt")
    plan = trained.plan
    record = RunRecord(
        kind="detector",
        command=command or [],
        settings={"detector": name, **plan.settings, **trained.settings},
        data=plan.data,
        split=plan.split,
        weights=plan.weights,
        train_images=plan.photos | plan.seen_before,
        seconds=trained.seconds,
        seconds_per_epoch=trained.seconds_per_epoch,
        figures=dict(trained.figures),
    )
    finish_run(out, record)
    return record
