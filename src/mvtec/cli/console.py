"""What all commands share: where they print, their bars, their JSON, and how an error ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from mvtec.evaluate.statistics.metric import Metric

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all that is random.")]
SeedOfTraining = Annotated[
    int, typer.Option(min=0, help="Seed of the training; a split that is not given is made with seed 0 always.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar on standard error, on a terminal only; yields the function that moves it one step."""
    with bar(what, total) as update:
        yield lambda: update(1)


@contextmanager
def bar(what: str, total: int | None, *, as_bytes: bool = False) -> Iterator[Callable[..., None]]:
    """As `progress`, and what it yields takes the steps, or `completed` and `total`, and a `note`."""
    if not sys.stderr.isatty():
        yield lambda *_args, **_values: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if as_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    ]
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        task = bars.add_task(what, total=total, note="")

        def update(steps: int = 0, **values: Any) -> None:
            bars.update(task, advance=steps, **values)

        yield update


@contextmanager
def download_bar() -> Iterator[Callable[[int, int | None], None]]:
    """A bar of bytes; yields what a download calls with those that have come, and how many there are."""
    with bar("downloading", None, as_bytes=True) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def run_folder(out: Path, *, resume: bool, overwrite: bool, inputs: Iterable[Path]) -> Iterator[None]:
    """A training's folder. When a new one fails before its first checkpoint, what was there before comes back."""
    from mvtec import run

    with resumable(out), run.run_folder(out, resume=resume, overwrite=overwrite, inputs=inputs):
        yield


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Say how to go on where a training that has a checkpoint is interrupted."""
    from mvtec.run import is_begun

    try:
        yield
    except KeyboardInterrupt:
        if is_begun(out):
            warn(f"the finished epochs are in {out}; go on with the same command and --resume")
        raise


def say(text: str) -> None:
    """Print a line of the result."""
    _print(text, sys.stdout)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    _print(f"warning: {text}", sys.stderr)


def _print(text: str, stream: IO[str]) -> None:
    """Print a line; where its reader has gone, as `head -1` does, the work goes on all the same."""
    try:
        typer.echo(text, file=stream)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Columns as wide as they must be, numbers to the right; plain text, so that it can be piped."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def print_json(
    command: str,
    *,
    inputs: dict[str, Any],
    outputs: list[Path] | None = None,
    metrics: dict[str, Metric] | None = None,
    warnings: list[str] | None = None,
    **more: Any,
) -> None:
    """The one JSON object of a command with `--json`."""
    value = {
        "command": command,
        "inputs": {name: str(item) if isinstance(item, Path) else item for name, item in inputs.items()},
        "outputs": [str(path) for path in outputs or []],
        "metrics": {name: metric.to_json() for name, metric in (metrics or {}).items()},
        "warnings": warnings or [],
        **more,
    }
    say(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def fail(message: str, code: int = 2) -> NoReturn:
    """Print one line to standard error and end the program."""
    with suppress(OSError):
        typer.echo(f"error: {' '.join(message.split())}", err=True)
    sys.stdout.flush()
    raise SystemExit(code)


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option was given on the command line, be it with its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def command_words() -> list[str]:
    """The command line as it was typed, for the record of a run."""
    return ["mvtec", *sys.argv[1:]]
