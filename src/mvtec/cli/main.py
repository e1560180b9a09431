"""The command `mvtec`: gathers the groups, and is the one place where an error becomes a line and an exit code."""

from __future__ import annotations

from typing import Annotated

import typer

from mvtec import __version__
from mvtec.cli import annotate, anomaly, classify, convert_leaves, datasets, demo, detect, imbalance, segment
from mvtec.cli.console import fail
from mvtec.cli.process import interruptible, open_closed_streams, prefer_plain_output

app = typer.Typer(
    name="mvtec",
    help="From annotation to model: MVTec-layout defect photos in, a measured detector out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(datasets.app, name="datasets")
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


def main() -> None:
    """Run the command line."""
    open_closed_streams()
    prefer_plain_output()
    from mvtec.errors import MvtecError, whose_memory_is_full

    try:
        with interruptible():
            app()
    except MvtecError as error:
        fail(str(error))
    except BrokenPipeError:
        raise SystemExit(1) from None
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        fail(
            f"opencv-python: {error}. This machine has no display libraries; lay the build without them over it: "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        )
    except OSError as error:  # a full disk, a folder that vanished
        fail(f"{error.filename or 'disk'}: {error.strerror or error}. Check the disk and the permissions.")
    except (MemoryError, RuntimeError) as error:
        full = whose_memory_is_full(error)
        if full is None:
            raise
        ways = (
            "--device cpu, smaller photos or a smaller model" if full == "GPU" else "smaller photos or a smaller model"
        )
        fail(f"memory: that of the {full} is full. Give {ways}, or end other programs that use it.")
