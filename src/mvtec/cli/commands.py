"""The table of commands: gathers the groups of `mvtec`."""

from __future__ import annotations

from typing import Annotated

import typer

from mvtec import __version__
from mvtec.cli import annotate, anomaly, classify, convert_leaves, datasets_made, demo, detect, imbalance, segment

app = typer.Typer(
    name="mvtec",
    help="From annotation to model: MVTec-layout defect photos in, a measured detector out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(datasets_made.app, name="datasets")
app.add_typer(convert_leaves.app, name="convert")
app.add_typer(segment.app, name="segment")
app.add_typer(imbalance.app, name="evaluate")
app.command("annotate")(annotate.annotate)
app.command("train-detector")(detect.train_detector)
app.command("train-classifier")(classify.train_classifier)
app.command("train-anomaly")(anomaly.train_anomaly)
app.command("predict")(detect.predict)
app.command("demo")(demo.demo)


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
