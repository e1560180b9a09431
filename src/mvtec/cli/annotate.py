"""`mvtec annotate`: the web page where a person corrects boxes and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mvtec.cli.console import bar, fail, say, warn
from mvtec.cli.photo_warnings import warn_of_photos
from mvtec.words import counted


def annotate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A category's folder, or any folder of photos.")],
    ann: Annotated[
        Path | None,
        typer.Option(
            help="The annotation file to work on; by default NAME.json in the current folder, NAME being DIR's."
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="A model's answers to accept or reject: mvtec predict's, or a COCO file.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="SAM: auto, mobile_sam, vit_b, vit_l or vit_h; auto takes the first that is here.")
    ] = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="SAM's checkpoint, or a run of mvtec segment finetune, instead of --model.")
    ] = None,
    sam: Annotated[bool, typer.Option("--sam/--no-sam", help="Have SAM behind the page.")] = True,
    device: Annotated[str, typer.Option(help="Where SAM computes: auto, cpu, mps, or a GPU's number.")] = "auto",
    host: Annotated[
        str, typer.Option(help="What to listen on; 0.0.0.0 lets other machines reach the page.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")] = 8765,
    token: Annotated[
        bool,
        typer.Option(
            "--token/--no-token",
            help="Ask for the token that is in the printed address; without it any user of this machine can edit.",
        ),
    ] = True,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Draw, correct and accept labels in a web page; every change is on the disk before the page says "saved".

    Starts from ANN.json, else from the masks in DIR, else from nothing. Stop it with Ctrl+C.
    """
    from mvtec.errors import InputError, install_hint

    try:
        from mvtec.annotate.server.serve import listen, prepare, serve
    except ImportError as error:
        raise InputError("mvtec annotate", f"needs {error.name}", f"To have it, {install_hint('annotate')}") from error
    waiting = listen(host, port, use_token=token)
    warn_of_photos(directory)
    annotations = ann or Path(f"{directory.resolve().name}.json")
    with bar("reading masks", None) as step:
        ready = prepare(
            directory,
            annotations,
            was_named=ann is not None,
            predictions=predictions,
            model=model,
            weights=weights,
            use_sam=sam,
            device=device,
            on_photo=lambda: step(1),
        )
    for note in ready.notes:
        warn(note)
    if ready.work.sam is None:
        warn(f"no SAM behind the page: {ready.work.no_sam}")
    say(f"{counted(ready.photos, 'photo')}; labels go to {annotations}, and at once to {ready.work.store.path}")
    problem = serve(ready.work, waiting, host, use_token=token, open_browser=open_browser, say=say)
    if problem is not None:
        fail(f"{problem} Nothing is lost: all changes are in {ready.work.store.path}.", code=1)
    say(str(annotations))
