"""`mvtec evaluate compare`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, bar, command_words, print_json, print_table, say, warn
from mvtec.cli.evaluate import MaxDetections

if TYPE_CHECKING:
    from mvtec.workflows.comparison.result import ComparisonResult


def compare(
    data: Annotated[Path, typer.Option(help="The MVTec category.")],
    detector: Annotated[Path, typer.Option(help="A run of mvtec train-detector.")],
    classifier: Annotated[Path, typer.Option(help="A run of mvtec train-classifier.")],
    out: Annotated[Path, typer.Option(help="The folder to make, with report.html in it.")],
    anomaly: Annotated[
        Path | None, typer.Option(help="A run of mvtec train-anomaly, as a third side; asked as it is.")
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="Judge both on the test part of this split.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Instead: train both anew in so many folds, like the two runs, and judge all photos."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The score from which a box counts; by default chosen on folds of train."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Also judge these masks of mvtec segment refine, for the same photos.")
    ] = None,
    unrefined: Annotated[Path | None, typer.Option(help="What to show beside --masks, such as SAM untuned.")] = None,
    max_detections: MaxDetections = 100,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished comparison in --out.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge a detector, a classifier and, if given, an anomaly detector on the same photos, in one report.

    The class of a photo; whether it is good; and where the defect is: each side on what it can say.
    """
    from mvtec.datasets.split import make_split, read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.errors import InputError, MvtecError
    from mvtec.run import discard_empty_run, finish_run, prepare_run
    from mvtec.workflows.comparison.page import write_comparison
    from mvtec.workflows.comparison.result import comparison_record
    from mvtec.workflows.comparison.run import begin_comparison, run_comparison

    if (split_file is None) == (folds is None):
        raise InputError(
            "--split" if split_file is None else "--folds",
            "or --folds is needed" if split_file is None else "contradicts --split",
            "Give --split with the split that both runs were trained by, or --folds with a number, such as 5",
        )
    dataset = read_tree(data)
    split = read_split(split_file) if split_file else make_split(dataset, test_fraction=0, folds=folds or 0, seed=seed)
    given = (anomaly, split_file, masks, unrefined)
    inputs = [data, detector, classifier, *(path for path in given if path is not None)]
    prepare_run(out, resume=resume, overwrite=overwrite, inputs=inputs, work="comparison")
    began = time.perf_counter()
    try:
        begin_comparison(
            out,
            split,
            detector=detector,
            classifier=classifier,
            anomaly_run=anomaly,
            cross_validate=folds is not None,
        )
        result = run_comparison(
            dataset,
            split,
            out,
            detector=detector,
            classifier=classifier,
            anomaly_run=anomaly,
            cross_validate=folds is not None,
            threshold=threshold,
            masks=masks,
            unrefined=unrefined,
            max_detections=max_detections,
            command=command_words(),
            stage=bar,
            seed=seed,
        )
        report = write_comparison(out, result, detector=detector, classifier=classifier)
    except BaseException as error:
        if not resume and not (out / "folds").is_dir():  # nothing in it took long
            discard_empty_run(out)
        elif isinstance(error, KeyboardInterrupt | MvtecError):
            warn(f"not finished; what is done is in {out}, go on with the same command and --resume")
        raise
    finish_run(
        out,
        comparison_record(
            result,
            split,
            command_words(),
            began=began,
            seed=seed,
            runs={"detector": detector, "classifier": classifier} | ({} if anomaly is None else {"anomaly": anomaly}),
        ),
    )
    if as_json:
        print_json(
            "evaluate compare",
            inputs={
                "data": data,
                "detector": detector,
                "classifier": classifier,
                "anomaly": anomaly,
                "folds": folds,
                "seed": seed,
            },
            outputs=[report, out / "comparison.json"],
            metrics=result.metrics,
            warnings=list(result.notes),
            p_value=result.comparison.p_value,
        )
        return
    for line in result.notes:
        warn(line)
    _print_comparison(result)
    say("")
    say(f"report: {report.absolute()}")


def _print_comparison(result: ComparisonResult) -> None:
    comparison = result.comparison
    how = f"{result.folds} folds, each by models that have not seen it" if result.folds else "test part"
    say(f"{len(result.samples)} photos, {how}; value (95 % interval)")
    say("")
    figures = {side: scored.metrics for side, scored in comparison.figures.items()}
    if result.unlike is not None:
        figures["anomaly"] = result.unlike.metrics
    rows = [
        [name, *(own[name].text() if name in own else "–" for own in figures.values()), str(metric.n)]
        for name, metric in figures["detector"].items()
    ]
    print_table(["figure", *figures, "photos"], rows)
    say("")
    say(
        f"accuracy of detector less classifier: {comparison.difference.text()}; right alone: detector "
        f"{len(comparison.only_first)}, classifier {len(comparison.only_second)}; McNemar {comparison.p_text}"
    )
    say(f"where: AP50 {result.boxes['AP50'].text()}, AP {result.boxes['AP'].text()}; the classifier cannot say")
    if result.unlike is not None:
        own = result.unlike.metrics
        say(
            f"the anomaly detector's heat: pixel AUROC {own['pixel_auroc'].text()}, AUPRO {own['aupro'].text()}, "
            f"in the mask {own['heat_in_mask'].text()}; it cannot name the defect"
        )
    say(f"a box counts from score {result.threshold_text}, {result.how_chosen}")
    say("")
    rows = [[kind, str(error.count), f"{error.cost:.3f}"] for kind, error in result.errors.items()]
    print_table(["detector error", "count", "mAP50 it costs"], rows)
