"""`mvtec demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, bar, command_words, print_json, say


def demo(
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    per_class: Annotated[int | None, typer.Option(help="Photos of each class; by default 20.")] = None,
    size: Annotated[int | None, typer.Option(help="Width and height of the photos; by default 320.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training; by default 50.")] = None,
    imgsz: Annotated[int | None, typer.Option(help="Pixels the detector sees; by default 160.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole workflow on a synthetic data set, and end with the path of a report."""
    from contextlib import contextmanager
    from time import perf_counter

    from mvtec.workflows.demo import DemoSize, run_demo

    chosen = {"per_class": per_class, "side": size, "epochs": epochs, "imgsz": imgsz}
    began = perf_counter()

    @contextmanager
    def stage(what, total):  # type: ignore[no-untyped-def]
        typer.echo(f"[{perf_counter() - began:4.0f} s] {what}", err=True)
        with bar(what, total) as update:
            yield update

    metrics = run_demo(
        out,
        size=DemoSize(**{name: value for name, value in chosen.items() if value is not None}),
        seed=seed,
        overwrite=overwrite,
        command=command_words(),
        stage=stage,
    )
    report = out.absolute() / "report.html"
    if as_json:
        print_json("demo", inputs={"seed": seed}, outputs=[report], metrics=metrics)
        return
    typer.echo(f"[{perf_counter() - began:4.0f} s] done", err=True)
    say(f"AP50 {metrics['AP50'].text()}, AP {metrics['AP'].text()} on {metrics['AP50'].n} test photos")
    say(f"report: {report}")
