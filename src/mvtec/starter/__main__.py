"""`make starter`: trains the starting weights, or goes on with them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mvtec.errors import MvtecError
from mvtec.starter.sheet import write_sheet
from mvtec.starter.train import train_starter


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m mvtec.starter", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("starter"), help="the run's folder")
    parser.add_argument("--model", default="yolov5n.yaml", help="the architecture, of Ultralytics")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--photos", type=int, default=1000, help="photos of an epoch, none seen twice")
    parser.add_argument("--side", type=int, default=256, help="width and height of a photo")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw; 0 to draw in between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-class", action="store_true", help="teach the single class defect, not the mechanisms")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the first photos here, and end")
    arguments = parser.parse_args()
    if arguments.sheet is not None:
        if arguments.sheet.suffix not in (".jpg", ".png") or not arguments.sheet.parent.is_dir():
            parser.error(f"{arguments.sheet} is no .jpg or .png in a folder that is there")
        write_sheet(arguments.sheet, seed=arguments.seed, side=arguments.side)
        return
    began = time.perf_counter()

    def show(epoch: int, epochs: int, losses: dict[str, float]) -> None:
        figures = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
        print(f"epoch {epoch} of {epochs}: {figures}, {time.perf_counter() - began:.0f} s", flush=True)

    try:
        made = train_starter(
            arguments.out,
            model=arguments.model,
            epochs=arguments.epochs,
            photos=arguments.photos,
            side=arguments.side,
            workers=arguments.workers,
            seed=arguments.seed,
            one_class=arguments.one_class,
            on_epoch=show,
        )
    except MvtecError as error:
        parser.error(str(error))
    print(made)


if __name__ == "__main__":
    main()
