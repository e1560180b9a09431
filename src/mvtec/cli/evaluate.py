"""`mvtec evaluate`: figures with intervals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, print_json, print_table, say, warn

if TYPE_CHECKING:
    from mvtec.evaluate.cross_check import CrossCheck

app = typer.Typer(help="Judge predictions: figures with n and 95 % intervals.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `boxes` a command of its own while it is the only one."""


@app.command()
def boxes(
    truth: Annotated[Path, typer.Argument(metavar="GT.json", help="COCO annotations.")],
    predictions: Annotated[Path, typer.Argument(metavar="PRED.json", help="COCO results for the same images.")],
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 1000,
    seed: Seed = 0,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Score with three tools and explain each difference.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Also write a page with the photos, worst first.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Score boxes: pycocotools' twelve figures, per class too, with 95 % bootstrap intervals over images."""
    from mvtec.evaluate.boxes import PER_CLASS, count_instances, evaluate_boxes
    from mvtec.evaluate.cross_check import cross_check as check_tools
    from mvtec.evaluate.predictions import load
    from mvtec.evaluate.report import report_predictions
    from mvtec.files import check_output

    if report is not None:
        check_output(report, overwrite=overwrite)
    judged = load(truth, predictions)
    metrics = evaluate_boxes(judged, resamples=resamples, seed=seed)
    checked = check_tools(judged) if cross_check else None
    if report is not None:
        report_predictions(report, judged=judged, metrics=metrics, overwrite=overwrite)
    if as_json:
        print_json(
            "evaluate boxes",
            inputs={"truth": truth, "predictions": predictions, "resamples": resamples, "seed": seed},
            outputs=[] if report is None else [report],
            metrics=metrics,
            warnings=list(judged.warnings),
            cross_check=None if checked is None else asdict(checked),
        )
        return
    for line in judged.warnings:
        warn(line)
    instances = count_instances(judged)
    say(f"{len(judged.truth.images)} images, {sum(instances.values())} instances; value (95 % interval)")
    say("")
    rows = [[name, metric.text(), str(metric.instances)] for name, metric in metrics.items() if "/" not in name]
    print_table(["figure", "value", "instances"], rows)
    say("")
    rows = [
        [name, *(metrics[f"{figure}/{name}"].text() for figure in PER_CLASS), str(count)]
        for name, count in instances.items()
    ]
    print_table(["class", *PER_CLASS, "instances"], rows)
    if checked is not None:
        say("")
        _print_cross_check(checked)
    if report is not None:
        say("")
        say(f"report: {report.absolute()}")


def _print_cross_check(checked: CrossCheck) -> None:
    rows = [[name, _number(score.ap50), _number(score.ap)] for name, score in checked.tools.items()]
    print_table(["tool", "AP50", "AP"], rows)
    say("")
    say("from pycocotools to ultralytics, one difference after the other:")
    before = checked.tools["pycocotools"]
    for step in checked.steps:
        say(
            f"  {step.name}: AP50 {_change(before.ap50, step.score.ap50)}, AP {_change(before.ap, step.score.ap)}: "
            f"{step.explanation}"
        )
        before = step.score


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _change(before: float | None, after: float | None) -> str:
    return "–" if before is None or after is None else f"{after - before:+.4f}"
