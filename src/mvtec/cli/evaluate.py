"""`mvtec evaluate`: figures with intervals."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, print_json, print_table, say, warn
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.evaluate.cross_check import CrossCheck
    from mvtec.evaluate.operating_points import OperatingPoint
    from mvtec.evaluate.predictions import EvaluationInput
    from mvtec.evaluate.statistics.metric import Metric

MaxDetections = Annotated[
    int, typer.Option(min=100, help="Count so many detections of a class in a photo, the best; COCO counts 100.")
]

app = typer.Typer(help="Judge predictions: figures with n and 95 % intervals.", no_args_is_help=True)


@app.command()
def boxes(
    truth: Annotated[Path, typer.Argument(metavar="GT.json", help="COCO annotations.")],
    predictions: Annotated[
        Path, typer.Argument(metavar="PRED.json", help="COCO results, or COCO annotations, for the same images.")
    ],
    max_detections: MaxDetections = 100,
    normals: Annotated[
        Path | None,
        typer.Option(
            help="Count false alarms on these photos without a defect, too: a folder that mvtec predict made of them, "
            "or their own. By default the folder normals beside PRED.json, where it is."
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 1000,
    seed: Seed = 0,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Score with three tools and explain each difference.")
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="The photos' folder, for --report; by default the one that was predicted.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a page with the photos, worst first.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Score boxes: pycocotools' twelve figures, per class too, with 95 % bootstrap intervals over images."""
    from mvtec.evaluate.boxes import evaluate_boxes
    from mvtec.evaluate.cross_check import cross_check as check_tools
    from mvtec.evaluate.operating_points import operating_points
    from mvtec.evaluate.predictions import load
    from mvtec.evaluate.report.detector_page import photo_root, report_predictions
    from mvtec.evaluate.statistics.matching import match
    from mvtec.files import check_output

    if report is not None:
        given = (truth, predictions, images, normals)
        check_output(report, overwrite=overwrite, inputs=[path for path in given if path is not None])
    judged = load(truth, predictions, max_detections=max_detections, normals=normals)
    root = None if report is None else photo_root(judged, images)
    figures = match(judged.truth_json, judged.results, max_detections)
    metrics = evaluate_boxes(judged, figures=figures, resamples=resamples, seed=seed)
    points = operating_points(judged, figures)
    checked = check_tools(judged) if cross_check else None
    outputs: list[Path] = []
    if not as_json:
        _print_boxes(judged, metrics, points, checked, predictions)
    try:
        if report is not None and root is not None:
            report_predictions(
                report,
                judged=judged,
                metrics=metrics,
                points=points,
                predictions=predictions,
                root=root,
                overwrite=overwrite,
            )
            outputs.append(report)
    finally:  # what was counted is printed, whatever becomes of the page
        if as_json:
            print_json(
                "evaluate boxes",
                inputs={
                    "truth": truth,
                    "predictions": predictions,
                    "resamples": resamples,
                    "seed": seed,
                    "max_detections": max_detections,
                    "normals": judged.normals and str(judged.normals.source),
                },
                outputs=outputs,
                metrics=metrics,
                operating_points=[point.to_json() for point in points],
                warnings=list(judged.warnings),
                cross_check=None if checked is None else asdict(checked),
                notes=_notes(judged, predictions),
            )
    if report is not None and not as_json:
        say("")
        say(f"report: {report.absolute()}")


def _notes(judged: EvaluationInput, predictions: Path) -> list[str]:
    """On which photos the false alarms were counted, and on which they could be."""
    from mvtec.evaluate.boxes import about_photos
    from mvtec.evaluate.normals import advice

    more = advice(judged.provenance, predictions, judged.truth) if judged.normals is None else None
    return [*about_photos(judged), *([more] if more else [])]


def _print_boxes(
    judged: EvaluationInput,
    metrics: dict[str, Metric],
    points: list[OperatingPoint],
    checked: CrossCheck | None,
    predictions: Path,
) -> None:
    from mvtec.evaluate.boxes import OF_PHOTOS, count_instances, out_of_reach, per_class

    for line in judged.warnings:
        warn(line)
    instances = count_instances(judged)
    images = counted(len(judged.truth.images), "image")
    boxes = counted(len(judged.results), "detection")
    say(f"{images}, {counted(sum(instances.values()), 'instance')}, {boxes}; value (95 % interval)")
    for line in _notes(judged, predictions):
        say(line)
    say("")
    rows = [
        [name, metric.text(), str(metric.n), str(metric.instances) if name != OF_PHOTOS else ""]
        for name, metric in metrics.items()
        if "/" not in name
    ]
    print_table(["figure", "value", "photos", "instances"], rows)
    if why := out_of_reach(judged):
        say(f"no score catches 95 % of the bad photos, as FPR95 would have it: {why}")
    say("")
    of_class = per_class(judged.max_detections)
    rows = [
        [name, *(metrics[f"{figure}/{name}"].text() for figure in of_class), str(count)]
        for name, count in instances.items()
    ]
    print_table(["class", *of_class, "instances"], rows)
    say("")
    _print_points(points)
    if checked is not None:
        say("")
        _print_cross_check(checked)


@app.command()
def masks(
    truth: Annotated[Path, typer.Argument(metavar="GT.json", help="COCO annotations with masks.")],
    predictions: Annotated[
        Path, typer.Argument(metavar="PRED.json", help="COCO annotations of the same photos, or COCO results.")
    ],
    unrefined: Annotated[
        Path | None, typer.Option(help="What PRED.json was made from, such as SAM's masks before fine-tuning.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The photos' folder, for --report.")] = None,
    min_score: Annotated[float, typer.Option(help="Do not pair detections of lower score.")] = 0.25,
    max_detections: MaxDetections = 100,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 1000,
    seed: Seed = 0,
    report: Annotated[Path | None, typer.Option(help="Also write a page with the photos, worst first.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Score masks: IoU, Dice and boundary IoU by instance and by photo, with 95 % bootstrap intervals over photos.

    The filled box stands beside them: what the boxes alone are worth.
    """
    from mvtec.errors import InputError
    from mvtec.evaluate.mask_pairs import pair_masks
    from mvtec.evaluate.masks import PER_DEFECT, evaluate_masks, worst
    from mvtec.evaluate.report.mask_page import write_mask_report
    from mvtec.files import check_output

    if report is not None:
        given = (truth, predictions, unrefined, images)
        check_output(report, overwrite=overwrite, inputs=[path for path in given if path is not None])
        if images is None:
            raise InputError("--report", "shows the photos", "Give their folder as --images")
    pair = partial(pair_masks, truth, min_score=min_score, max_detections=max_detections)
    paired, before = pair(predictions), None if unrefined is None else pair(unrefined)
    warnings = list(dict.fromkeys([*paired.warnings, *(before.warnings if before else ())]))
    metrics = evaluate_masks(paired, before, resamples=resamples, seed=seed)
    alarmed = [paired.truth.images[index].file_name for index in paired.good_with_a_mask]
    lowest = [(paired.truth.images[pair.image].file_name, pair.iou) for pair in worst(paired)]
    if report is not None and images is not None:
        write_mask_report(report, paired, before, metrics, photos=images, overwrite=overwrite)
    if as_json:
        print_json(
            "evaluate masks",
            inputs={"truth": truth, "predictions": predictions, "unrefined": unrefined and str(unrefined)},
            outputs=[] if report is None else [report],
            metrics=metrics,
            warnings=warnings,
            worst=[{"file": name, "IoU": round(iou, 4)} for name, iou in lowest],
            good_with_a_mask=alarmed,
        )
        return
    for line in warnings:
        warn(line)
    photos, instances = counted(metrics["IoU_image"].n, "photo"), counted(len(paired.pairs), "instance")
    say(f"{photos}, {instances}; value (95 % interval)")
    if paired.good:
        such = f", such as {alarmed[0]}" if alarmed else ""
        say(f"good photos with a mask: {len(alarmed)} of {len(paired.good)}{such}")
    say("")
    rows = [[name, metric.text(), str(metric.n)] for name, metric in metrics.items() if "/" not in name]
    print_table(["figure", "value", "photos"], rows)
    say("")
    shown = [name for name in PER_DEFECT if not name.startswith("IoU_image")]
    rows = [
        [name, *(metrics[f"{figure}/{name}"].text() for figure in shown), str(metrics[f"IoU/{name}"].instances)]
        for _, name in sorted(paired.truth.category_names().items())
    ]
    print_table(["class", *shown, "instances"], rows)
    say("")
    print_table(["worst", "IoU"], [[name, f"{iou:.3f}"] for name, iou in lowest])
    if report is not None:
        say("")
        say(f"report: {report.absolute()}")


def _print_points(points: list[OperatingPoint]) -> None:
    rows = [
        [
            f"{point.min_score:g}",
            f"{point.caught} of {point.defective}",
            f"{point.alarms} of {point.good}",
            f"{point.found} of {point.instances}",
            str(point.false_boxes),
            point.why,
        ]
        for point in points
    ]
    print_table(
        ["score from", "bad photos with a box", "good ones", "defects found", "false boxes", "chosen because"], rows
    )


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
