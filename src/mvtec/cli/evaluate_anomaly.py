"""`mvtec evaluate anomaly`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import (
    AsJson,
    Overwrite,
    Seed,
    print_json,
    print_table,
    progress,
    say,
    warn,
)
from mvtec.cli.segment_propose import Run
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.evaluate.anomaly import AnomalyFigures


def anomaly(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category's folder.")],
    run: Run,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="Judge on the test part of this split; by default on all of test/.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also make this folder, with a page of the photos and the scores.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge an anomaly detector: AUROC of photos and of pixels, AUPRO, and yes or no at its threshold.

    Photos it has learnt from are refused, by content.
    """
    from mvtec.datasets.split import read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.files import check_output
    from mvtec.workflows.anomaly_evaluation import evaluate_anomaly_run
    from mvtec.workflows.anomaly_page import write_anomaly_evaluation

    if out is not None:
        check_output(out, overwrite=overwrite, inputs=[directory, run, *([split_file] if split_file else [])])
    dataset = read_tree(directory)
    split = None if split_file is None else read_split(split_file)
    evaluation = evaluate_anomaly_run(dataset, split, run, seed=seed, stage=progress)
    if out is not None:
        write_anomaly_evaluation(out, evaluation, overwrite=overwrite)
    if as_json:
        print_json(
            "evaluate anomaly",
            inputs={"directory": directory, "anomaly": run, "split": split_file, "seed": seed},
            outputs=[] if out is None else [out / "report.html", out / "anomaly.json"],
            metrics=evaluation.figures.metrics,
            threshold=evaluation.figures.threshold,
            operating_points=[point.to_json() for point in evaluation.figures.points],
            synthetic_left_out=evaluation.synthetic,
            seconds_per_photo=round(evaluation.predicted.seconds_per_photo, 4),
        )
        return
    if evaluation.synthetic:
        warn(f"{counted(evaluation.synthetic, 'photo')} that mvtec datasets synthesize has drawn: left out")
    say(f"{len(evaluation.samples)} photos; value (95 % interval)")
    say("")
    _print_figures(evaluation.figures)
    if out is not None:
        say("")
        say(f"report: {(out / 'report.html').absolute()}")


def _print_figures(figures: AnomalyFigures) -> None:
    from mvtec.evaluate.anomaly import OF_DEFECT

    metrics = figures.metrics
    rows = [[name, metric.text(), str(metric.n)] for name, metric in metrics.items() if "/" not in name]
    print_table(["figure", "value", "photos"], rows)
    defects = sorted({name.split("/")[1] for name in metrics if "/" in name})
    if defects:
        say("")
        table = [[defect, *(metrics[f"{name}/{defect}"].text() for name in OF_DEFECT)] for defect in defects]
        print_table(["defect", *OF_DEFECT], table)
    say("")
    print_table(
        ["score from", "bad photos found", "sensitivity", "good ones with an alarm", "false alarms", "chosen because"],
        [
            [
                f"{point.min_score:.3f}",
                f"{point.caught} of {point.defective}",
                point.sensitivity.text(),
                f"{point.alarms} of {point.good}",
                point.false_alarm_share.text(),
                point.why,
            ]
            for point in figures.points
        ],
    )
    say("")
    say(f"a photo is called defective above score {figures.threshold:.3f}")
