"""The classifier's side: asked about photos it has not seen, or cross-validated like a given run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from mvtec.backbones.weights import Backbone, Name, weights_here
from mvtec.classify.heat import heat_map, write_heat
from mvtec.classify.model import Classifier, load_classifier
from mvtec.classify.recipe import Recipe
from mvtec.classify.train import train_classifier
from mvtec.convert.class_results import ClassResults, class_results, read_class_results, write_class_results
from mvtec.datasets.samples import Dataset, Sample
from mvtec.datasets.split import Split
from mvtec.errors import InputError, LeakError
from mvtec.run import RunRecord, discard_empty_run, prepare_run, read_run

CHECKPOINT = Path("weights") / "classifier.pt"


def load(run: Path, samples: Sequence[Sample], split: Split) -> Classifier:
    """The classifier of a run that is to be asked about photos.

    Raises:
        InputError: The run holds no classifier, or knows no class of one of the photos.
        LeakError: It was trained on one of them.
    """
    record = read_run(run, "classifier")
    for sample in samples:
        if split.images[sample.path] in record.train_images:
            raise LeakError(run, f"was trained on {sample.path}", "Judge it on the test part of its split")
    model = load_classifier(run / CHECKPOINT)
    if unknown := sorted({sample.defect for sample in samples} - set(model.classes)):
        raise InputError(run, f"knows no class {unknown[0]}", "Train it on a split that has all classes")
    return model


def ask(
    model: Classifier, samples: Sequence[Sample], out: Path, *, on_photo: Callable[[], None] = lambda: None
) -> tuple[ClassResults, float]:
    """Ask a trained classifier about photos; answers and heat maps are kept in `out`.

    Returns:
        The answers, and the median seconds from a photo's file to its answer.
    """
    said, spans = {}, []
    for sample in samples:
        before = time.perf_counter()
        answers = model.probabilities(model.features(sample.photo))
        spans.append(time.perf_counter() - before)
        said[sample.path] = answers.tolist()
        write_heat(out, sample.path, heat_map(model, sample.photo, int(answers.argmax())))
        on_photo()
    results = class_results(model.classes, {sample.path: sample.defect for sample in samples}, said)
    write_class_results(out / "classes.json", results, overwrite=True)
    return results, statistics.median(spans)


def recipe_of(like: RunRecord) -> tuple[str, Recipe, Name, int]:
    """Name and recipe of a run, its network, and its seed.

    Raises:
        InputError: It was made by another version.
    """
    settings = dict(like.settings)
    try:
        name, backbone, seed = settings.pop("recipe"), settings.pop("backbone"), settings.pop("seed")
        recipe = Recipe.model_validate(settings)
    except (KeyError, ValidationError) as error:
        raise InputError("--classifier", "is a run of another version", "Train it again") from error
    network: Name = "efficientnet_lite0" if backbone == "efficientnet_lite0" else "resnet18"
    return str(name), recipe, network, int(seed)


def cross_validate(
    dataset: Dataset,
    split: Split,
    like: RunRecord,
    out: Path,
    *,
    command: list[str],
    on_photo: Callable[[], None] = lambda: None,
) -> tuple[ClassResults, RunRecord]:
    """Answer for every photo of the folds by a classifier that has not seen it; a finished one is kept.

    Raises:
        InputError: See `recipe_of` and `train_classifier`.
        WeightsError: The weights that `like` began with have gone.
    """
    if not (out / "run.json").is_file():
        name, recipe, network, seed = recipe_of(like)
        start = Backbone(network, like.weights_file([weights_here(network)]))
        prepare_run(out, resume=False, overwrite=True)
        try:
            train_classifier(
                dataset,
                split,
                out,
                start=start,
                recipe_name=name,
                recipe=recipe,
                seed=seed,
                command=command,
                on_photo=on_photo,
            )
        except BaseException:
            discard_empty_run(out)
            raise
    return read_class_results(out / "classes.json"), read_run(out)
