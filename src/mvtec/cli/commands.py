"""The table of commands: gathers the groups of `mvtec`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from mvtec import __version__
from mvtec.cli import (
    annotate,
    anomaly,
    classify,
    convert_formats,
    datasets_made,
    demo,
    detect,
    evaluate,
    evaluate_anomaly,
    evaluate_compare,
    evaluate_imbalance,
    segment,
    segment_propose,
)

app = typer.Typer(
    name="mvtec",
    help="From annotation to model: MVTec-layout defect photos in, a measured detector out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# A group of commands, and what joins it from a file of its own.
GROUPS: dict[str, tuple[typer.Typer, dict[str, Callable[..., None]]]] = {
    "datasets": (datasets_made.app, {}),
    "convert": (convert_formats.app, {}),
    "segment": (segment.app, {"propose": segment_propose.propose}),
    "evaluate": (
        evaluate.app,
        {
            "anomaly": evaluate_anomaly.anomaly,
            "compare": evaluate_compare.compare,
            "imbalance": evaluate_imbalance.imbalance,
            "imbalance-detector": evaluate_imbalance.imbalance_detector,
        },
    ),
}
COMMANDS: dict[str, Callable[..., None]] = {
    "annotate": annotate.annotate,
    "train-detector": detect.train_detector,
    "train-classifier": classify.train_classifier,
    "train-anomaly": anomaly.train_anomaly,
    "predict": detect.predict,
    "demo": demo.demo,
}

for _name, (_group, _further) in GROUPS.items():
    for _command, _function in _further.items():
        _group.command(_command)(_function)
    app.add_typer(_group, name=_name)
for _command, _function in COMMANDS.items():
    app.command(_command)(_function)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mvtec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version
