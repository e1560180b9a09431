"""`mvtec evaluate imbalance`, of classifiers, and `mvtec evaluate imbalance-detector`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.classify import Backbone, Download, FromScratch, Weights
from mvtec.cli.console import AsJson, Overwrite, Seed, bar, command_words, print_json, print_table, say, warn

if TYPE_CHECKING:
    from mvtec.evaluate.statistics.metric import Metric
    from mvtec.workflows.imbalance.detectors import Backgrounds

Folds = Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")]


def imbalance(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="An MVTec category.")],
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this JSON file.")] = None,
    recipe: Annotated[str, typer.Option(help="What learns: original, augment, long or very-long.")] = "long",
    ratios: Annotated[str, typer.Option(help="How many times as frequent to make the good class.")] = "1,5,10",
    seeds: Annotated[int, typer.Option(min=1, help="How often to draw photos and folds anew.")] = 5,
    folds: Folds = 5,
    backbone: Backbone = "auto",
    weights: Weights = None,
    download: Download = False,
    from_scratch: FromScratch = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Which loss copes when good photos are many times as frequent: macro-F1 and recall of each, over seeds.

    Of classifiers; `mvtec evaluate imbalance-detector` is the same for detectors.
    """
    from mvtec.backbones.weights import find_backbone
    from mvtec.classify.recipe import find_recipe
    from mvtec.datasets.tree import read_tree
    from mvtec.files import check_output, write_json
    from mvtec.workflows.imbalance.classifiers import measure_imbalance

    if out is not None:
        check_output(out, overwrite=overwrite, inputs=[data, *([weights] if weights else [])])
    found = measure_imbalance(
        read_tree(data),
        start=find_backbone(backbone, weights=weights, download=download, from_scratch=from_scratch),
        recipe=find_recipe(recipe),
        ratios=_numbers(ratios),
        seeds=seeds,
        folds=folds,
        stage=bar,
    )
    rows = [
        {"ratio": row.ratio, "loss": row.loss, "sampling": row.sampling}
        | {name: metric.to_json() for name, metric in row.metrics.items()}
        for row in found.rows
    ]
    if out is not None:
        write_json(out, {"per_defect": found.per_defect, "recipe": recipe, "rows": rows}, overwrite=overwrite)
    if as_json:
        metrics = {
            f"{name}/{row.ratio}x/{row.loss}/{row.sampling}": metric
            for row in found.rows
            for name, metric in row.metrics.items()
        }
        print_json(
            "evaluate imbalance",
            inputs={"data": data, "recipe": recipe, "ratios": ratios, "seeds": seeds, "folds": folds},
            outputs=[out] if out else [],
            metrics=metrics,
            per_defect=found.per_defect,
        )
        return
    say(f"{found.per_defect} photos of each defect to learn from, {seeds} seeds, {folds} folds; value (95 % interval)")
    say("")
    shown = ["macro_f1", "macro_f1_gain"]
    table = [
        [
            f"{row.ratio}x {row.loss}{', balanced sampling' if row.sampling == 'balanced' else ''}",
            *(row.metrics[name].text() for name in shown),
            *(f"{row.metrics[f'recall/{name}'].value:.3f}" for name in found.classes),
        ]
        for row in found.rows
    ]
    print_table(["good is", *shown, *(f"recall {name}" for name in found.classes)], table)
    if out is not None:
        say("")
        say(str(out))


def imbalance_detector(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="An MVTec category.")],
    like: Annotated[
        Path, typer.Option(help="A run of mvtec train-detector, whose model, weights and settings to take.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    ratios: Annotated[
        str, typer.Option(help="How many times as frequent as each defect type to make the good class; all comes last.")
    ] = "1,5,all",
    method: Annotated[
        list[str] | None,
        typer.Option(help="The same again with defects made so, see datasets synthesize; may be given several times."),
    ] = None,
    per_defect: Annotated[int, typer.Option(min=1, help="With --method: new photos of each defect type.")] = 20,
    folds: Folds = 5,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished measurement in --out.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """What good photos to learn from do for a detector, and made defects beside them: boxes, and false alarms.

    Every detector looks at as many photos in all. The good photos of train/good are learnt from, too.
    """
    from mvtec.datasets.tree import read_tree
    from mvtec.run import discard_empty_run, finish_run, prepare_run, read_run
    from mvtec.synthesize.make import check_methods
    from mvtec.workflows.imbalance.detectors import WORK, measure_backgrounds

    wanted = _ratios(ratios)
    methods, record = check_methods(method or []), read_run(like, "detector")
    dataset = read_tree(data)
    prepare_run(out, resume=resume, overwrite=overwrite, inputs=[data, like], work=WORK)
    began = time.perf_counter()
    try:
        found = measure_backgrounds(
            dataset,
            record,
            out,
            ratios=wanted,
            methods=methods,
            per_defect=per_defect,
            folds=folds,
            seed=seed,
            command=command_words(),
            stage=bar,
        )
    except BaseException as error:
        if not resume and not any(out.glob("*/fold*/weights/last.pt")):  # nothing in it took long
            discard_empty_run(out)
        elif isinstance(error, KeyboardInterrupt):
            warn(f"not finished; what is done is in {out}, go on with the same command and --resume")
        raise
    finish_run(out, found.record(dataset, command_words(), seconds=time.perf_counter() - began))
    if as_json:
        print_json(
            "evaluate imbalance-detector",
            inputs={"data": data, "like": like, "ratios": ratios, "method": methods, "folds": folds, "seed": seed},
            outputs=[out / "imbalance.json"],
            metrics=found.metrics,
            warnings=found.notes,
            photos_per_defect=found.photos_per_defect,
            made_per_defect=per_defect if methods else 0,
        )
        return
    for line in found.notes:
        warn(line)
    _print_backgrounds(found)
    say("")
    say(str(out / "imbalance.json"))


def _print_backgrounds(found: Backgrounds) -> None:
    say(
        f"{found.photos_per_defect} photos of each defect to learn from, {found.photos} judged in {found.folds} folds; "
        "value (95 % interval); FPR95: of good photos, where 95 % of the others raise an alarm"
    )
    say("")
    shown = ["AP50", "AP", "AR100", "FPR95"]
    rows = [
        [row.name, str(row.good), str(row.epochs[0]), *(row.metrics[name].text() for name in shown)]
        for row in found.rows
    ]
    print_table(["arm", "good", "epochs", *shown], rows)
    if len(found.rows) == 1:
        return
    say("")
    say(f"what each is above {found.rows[0].name}, over the same resamples:")
    rows = [[row.name, *(_signed(row.metrics[f"{name}_gain"]) for name in shown)] for row in found.rows[1:]]
    print_table(["arm", *shown], rows)
    made = [row for row in found.rows[1:] if row.method is not None]
    if not made or len(made) == len(found.rows) - 1:  # one ratio: the table above says it
        return
    say("")
    say("what made defects add at each ratio:")
    rows = [[row.name, *(_signed(row.metrics[f"{name}_synthesis_gain"]) for name in shown)] for row in made]
    print_table(["arm", *shown], rows)


def _signed(metric: Metric) -> str:
    """`+0.013 (-0.051 to +0.083)`."""
    if metric.value is None or metric.low is None:
        return metric.text()
    return f"{metric.value:+.3f} ({metric.low:+.3f} to {metric.high:+.3f})"


def _ratios(text: str) -> list[int | None]:
    """Numbers in their order, then None for `all`."""
    words = {word.strip() for word in text.split(",")}
    numbers = _numbers(",".join(words - {"all"})) if words != {"all"} else []
    return [*numbers, *([None] if "all" in words else [])]


def _numbers(text: str) -> list[int]:
    from mvtec.errors import InputError

    try:
        ratios = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ratios = [0]
    if ratios[0] < 1:
        raise InputError("--ratios", f"{text} is no list of numbers from 1 on", "Give such as 1,5,10")
    return ratios
