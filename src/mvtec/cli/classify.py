"""`mvtec train-classifier`: the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mvtec.cli.console import (
    AsJson,
    Overwrite,
    Seed,
    bar,
    command_words,
    download_bar,
    print_json,
    print_table,
    run_folder,
    say,
    warn,
)
from mvtec.cli.photo_warnings import warn_of_photos

Backbone = Annotated[str, typer.Option(help="resnet18, efficientnet_lite0, or auto: the first whose weights are here.")]
Weights = Annotated[Path | None, typer.Option(help="Take the backbone's weights from this file.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch ResNet-18's if none are here.")]
FromScratch = Annotated[bool, typer.Option("--from-scratch", help="Start from random weights.")]


def train_classifier(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="An MVTec category.")],
    recipe: Annotated[str, typer.Option(help="original, finetune, augment, long, very-long or best.")],
    out: Annotated[Path, typer.Option(help="The run's folder to make.")],
    split_file: Annotated[
        Path | None, typer.Option("--split", help="The split to train by; by default a fifth of each class is test.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Cross-validate over all labelled photos, in so many folds, instead.")
    ] = None,
    backbone: Backbone = "auto",
    weights: Weights = None,
    download: Download = False,
    from_scratch: FromScratch = False,
    loss: Annotated[
        str | None,
        typer.Option(help="cross-entropy, weighted, focal, class-balanced or adaptive-focal, not the recipe's."),
    ] = None,
    sampling: Annotated[str | None, typer.Option(help="plain, or balanced: show each class as often.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier of whole photos: the baseline a detector is compared with.

    It answers for the test part; with --folds for every labelled photo, by a model that has not seen it.
    """
    from mvtec.backbones.weights import find_backbone
    from mvtec.classify.recipe import find_recipe
    from mvtec.classify.train import train_classifier as train
    from mvtec.datasets.split import make_split, read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.errors import InputError
    from mvtec.evaluate.classes import evaluate_classes

    chosen = find_recipe(recipe).learning_by(loss, sampling)
    if folds is not None and split_file is not None:
        raise InputError("--folds", "draws its own split", "Leave out --split, or --folds")
    dataset = read_tree(data)
    warn_of_photos(data)
    if split_file is not None:
        split = read_split(split_file).without_folds()
    else:
        split = (
            make_split(dataset, test_fraction=0, folds=folds, seed=seed) if folds else make_split(dataset, seed=seed)
        )
    with download_bar() as on_bytes:
        start = find_backbone(
            backbone,
            weights=weights,
            download=download,
            from_scratch=from_scratch,
            on_bytes=on_bytes,
        )
    inputs = [data, *([split_file] if split_file else []), *([weights] if weights else [])]
    with (
        run_folder(out, resume=False, overwrite=overwrite, inputs=inputs),
        bar("looking at photos", len(split.train) + len(split.test)) as update,
    ):
        trained = train(
            dataset,
            split,
            out,
            start=start,
            recipe_name=recipe,
            recipe=chosen,
            seed=seed,
            command=command_words(),
            warn=warn,
            on_photo=lambda: update(1),
            on_epoch=lambda epoch, total, figures: update(
                description="training", completed=epoch, total=total, note=f"loss {figures['loss']:.3f}"
            ),
        )
    figures = evaluate_classes(trained.results) if trained.results.truth else None
    if as_json:
        print_json(
            "train-classifier",
            inputs={"data": data, "recipe": recipe, "seed": seed},
            outputs=[out],
            metrics=figures.metrics if figures else {},
            confusion=figures.confusion.tolist() if figures else [],
            classes=trained.results.classes,
            seconds=trained.record.seconds,
            weights=trained.record.weights,
        )
        return
    source = "random weights" if start.weights is None else str(start.weights)
    say(f"{recipe}: {chosen.about}; {start.name} from {source}; {trained.record.seconds:.0f} s")
    if figures is None:
        say(f"{out / 'weights' / 'classifier.pt'}: no test part to judge it on")
        return
    say("")
    how = f"{folds} folds, each photo judged by a model that has not seen it" if folds else "test part"
    say(f"{len(trained.results.truth)} photos, {how}; value (95 % interval)")
    rows = [[name, metric.text(), str(metric.n)] for name, metric in figures.metrics.items()]
    print_table(["figure", "value", "photos"], rows)
    say("")
    classes = trained.results.classes
    rows = [[name, *map(str, row)] for name, row in zip(classes, figures.confusion.tolist(), strict=True)]
    print_table(["true class \\ answer", *classes], rows)
    if chosen.report_note is not None:
        say("")
        say(chosen.report_note)
