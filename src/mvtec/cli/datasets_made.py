"""`mvtec datasets make`, `download` and `synthesize`: what makes a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, download_bar, print_json, print_table, progress, say, warn
from mvtec.cli.datasets import Category, Layout, app

__all__ = ["app"]


@app.command()
def make(
    out: Annotated[Path, typer.Option(help="The category's folder to make.")],
    category: Annotated[str, typer.Option(help="What to draw.")] = "bottle",
    per_class: Annotated[int, typer.Option(help="Photos of each class.")] = 20,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 900,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw a synthetic category in the MVTec layout, with pixel-exact masks."""
    from mvtec.datasets.synthetic import folders, make_dataset

    total = sum(count for _, _, count in folders(per_class))
    with progress("drawing", total) as step:
        make_dataset(
            out, category=category, per_class=per_class, side=size, seed=seed, overwrite=overwrite, on_photo=step
        )
    if as_json:
        print_json("datasets make", inputs={"category": category, "seed": seed}, outputs=[out], photos=total)
    else:
        say(f"{out}: {total} photos of {category}, drawn, {size}×{size} pixels")


@app.command()
def download(
    category: Annotated[str, typer.Argument(metavar="CATEGORY", help="A category of MVTec AD, such as bottle.")],
    out: Annotated[Path, typer.Option(help="The category's folder to make.")],
    url: Annotated[str | None, typer.Option(help="Another address of the archive.")] = None,
    sha256: Annotated[str | None, typer.Option(help="SHA-256 the archive must have.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a category of MVTec AD from its public address; a broken download goes on where it stopped."""
    from mvtec.datasets.download import LICENCE
    from mvtec.datasets.download import download as fetch_category

    typer.echo(LICENCE, err=True)
    with download_bar() as on_bytes:
        digest = fetch_category(
            category,
            out,
            url=url,
            sha256=sha256,
            overwrite=overwrite,
            on_bytes=on_bytes,
        )
    if as_json:
        print_json("datasets download", inputs={"category": category}, outputs=[out], sha256=digest)
    else:
        say(f"{out}: {category}, archive SHA-256 {digest}")


@app.command()
def synthesize(
    directory: Category,
    split_file: Annotated[Path, typer.Option("--split", help="The split; only its train part is taken from.")],
    out: Annotated[Path, typer.Option(help="The category's folder to make: the photos of the split and the new ones.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="paste, poisson, perlin, quilt or cutpaste; may be given several times. By default poisson."),
    ] = None,
    per_defect: Annotated[int, typer.Option(help="New photos of each defect type and method.")] = 20,
    fold: Annotated[int | None, typer.Option(help="Leave out this fold of the split, as val.")] = None,
    seed: Seed = 0,
    layout: Layout = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make more defect photos from the train part: real defects moved and bent, or of real texture, on good photos."""
    from mvtec.datasets.split import read_split
    from mvtec.datasets.tree import read_tree
    from mvtec.detect.recipe import Recipe
    from mvtec.files import check_output
    from mvtec.synthesize.make import DEFAULT
    from mvtec.synthesize.make import synthesize as make_photos

    check_output(out, overwrite=overwrite, inputs=[directory, split_file])
    dataset = read_tree(directory, layout)
    wanted = read_split(split_file)
    wanted = wanted if fold is None else wanted.fold(fold)
    methods = method or [DEFAULT]
    with progress("drawing", len(dataset.defects) * len(methods) * max(per_defect, 0)) as step:
        done = make_photos(
            dataset,
            wanted,
            out,
            methods=methods,
            per_defect=per_defect,
            seed=seed,
            overwrite=overwrite,
            on_photo=step,
        )
    notes = ["the folds of the split are left out: new photos have parents in several"] if wanted.folds else []
    most = per_defect * len(methods)
    few = {name: count for name, count in done.photos.items() if count < most}
    notes += [f"only {count} of {most} photos of {name} were made" for name, count in few.items()]
    if as_json:
        print_json(
            "datasets synthesize",
            inputs={"directory": directory, "split": split_file, "methods": methods, "seed": seed},
            outputs=[out],
            warnings=notes,
            photos=done.photos,
            hash=done.split.hash,
        )
        return
    for line in notes:
        warn(line)
    print_table(["class", "new photos"], [[name, str(count)] for name, count in done.photos.items()])
    before, now = len(wanted.train), len(done.split.train)
    epochs = round(Recipe.epochs * before / now)
    made = out / "split.json"
    say(f"{made}: {now} photos to train on, where there were {before}; split {done.split.hash[:12]}")
    say(f"as many looks at photos as before: mvtec train-detector {out} --split {made} --epochs {epochs} --out RUN")
