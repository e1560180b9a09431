"""`mvtec datasets`: check, describe and split; what makes a data set is in `datasets_made.py`."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvtec.cli.console import AsJson, Overwrite, Seed, print_json, print_table, progress, say, warn
from mvtec.words import counted

if TYPE_CHECKING:
    from mvtec.convert.label_set import LabelSet

app = typer.Typer(help="Where images come from: check, describe, split, make, download.", no_args_is_help=True)

Layout = Annotated[str | None, typer.Option(help="The layout of DIR, such as mvtec-loco, if looking does not find it.")]
Category = Annotated[Path, typer.Argument(metavar="DIR", help="A category's folder, in a layout that the guide names.")]


_EXAMPLES = 3  # of a kind of problem


class OnError(str, Enum):
    fail = "fail"
    skip = "skip"


Labels = Annotated[
    Path, typer.Argument(metavar="DATA", help="A category's folder, a COCO annotation file, or a YOLO folder.")
]
ImagesOfFile = Annotated[
    Path | None, typer.Option("--images", help="Of a COCO file: the folder its file names are relative to.")
]


class SimilarPhotos(str, Enum):
    together = "together"
    apart = "apart"


@app.command()
def check(
    directory: Labels,
    images: ImagesOfFile = None,
    layout: Layout = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print every problem, not three of each kind.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the problems of a data set with file and remedy, by kind; exit 1 if there is one beyond a warning."""
    from mvtec.datasets.check import by_kind
    from mvtec.datasets.check import check as find_problems
    from mvtec.datasets.tree import read_tree

    if (labels := _labels(directory, images, layout)) is not None:
        from mvtec.convert.check_labels import check_labels

        notes, count = labels.notes, len(labels.photos)
        with progress("checking", count) as step:
            problems = check_labels(labels, step)
    else:
        dataset = read_tree(directory, layout)
        notes, count = dataset.notes, len(dataset.samples)
        with progress("checking", count) as step:
            problems = find_problems(dataset, step)
    if as_json:
        found = [asdict(problem) for problem in problems]
        print_json("datasets check", inputs={"directory": directory}, problems=found)
    else:
        for note in notes:
            warn(note)
        kinds = by_kind(problems)
        for kind, of_kind in kinds.items():
            shown = of_kind if show_all else of_kind[:_EXAMPLES]
            for problem in shown:
                warning = "warning: " if problem.is_warning else ""
                say(f"{warning}{problem.file}: {problem.problem}. {problem.hint}. [{kind}]")
            if len(shown) < len(of_kind):
                say(f"and {len(of_kind) - len(shown)} more of the kind {kind}; --all lists them")
        counts = ", ".join(f"{len(of_kind)} {kind}" for kind, of_kind in kinds.items())
        said = f": {counts}" if len(kinds) > 1 or len(problems) > _EXAMPLES else ""
        say(f"{counted(count, 'photo')} checked, {counted(len(problems), 'problem')}{said}")
    if not all(problem.is_warning for problem in problems):
        raise typer.Exit(1)


@app.command()
def info(directory: Labels, images: ImagesOfFile = None, layout: Layout = None, as_json: AsJson = False) -> None:
    """Print the data card: classes, images per class, dimensions, defect sizes, imbalance."""
    from mvtec.datasets.info import describe
    from mvtec.datasets.tree import read_tree

    labels = _labels(directory, images, layout)
    if labels is not None:
        from mvtec.convert.check_labels import describe_labels

        card, notes = describe_labels(labels), labels.notes
    else:
        dataset = read_tree(directory, layout)
        notes = dataset.notes
        with progress("reading", len(dataset.labelled)) as step:
            card = describe(dataset, step)
    if as_json:
        content = asdict(card) | {"sizes_wh": [[*size, count] for size, count in card.sizes_wh.items()]}
        print_json("datasets info", inputs={"directory": directory}, card=content)
        return
    for note in notes:
        warn(note)
    say(f"category   {card.category}")
    where = "" if labels is not None else f" in test/, {card.train_good} in train/good/"
    say(f"images     {sum(card.images.values())}{where}")
    say("size       " + ", ".join(f"{w}×{h} ({count})" for (w, h), count in card.sizes_wh.items()))
    say(f"imbalance  {card.imbalance_ratio:.2f} (largest class over smallest)")
    say("")
    rows = []
    for name, count in card.images.items():
        size = card.defect_size.get(name)
        cells = ["–"] * 3 if size is None else [f"{v:.2f} %" for v in (size.minimum, size.median, size.maximum)]
        rows.append([name, str(count), *cells])
    print_table(["class", "images", "smallest defect", "median", "largest"], rows)


@app.command()
def split(
    directory: Labels,
    out: Annotated[Path, typer.Option(help="The split file to write.")],
    per_class: Annotated[int | None, typer.Option(help="Draw so many photos of each class first; else all.")] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of each class that goes to test.")] = 0.2,
    val_fraction: Annotated[float, typer.Option(help="Share of each class that goes to val.")] = 0.0,
    folds: Annotated[int, typer.Option(help="Divide train into so many folds for cross-validation.")] = 0,
    seed: Seed = 0,
    similar: Annotated[
        SimilarPhotos, typer.Option(help="Keep near-identical photos in one part; apart for a camera that never moves.")
    ] = SimilarPhotos.together,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Keep photos in one part whose path has the same match of this regular expression (its first group).",
        ),
    ] = None,
    on_error: Annotated[OnError, typer.Option(help="Stop at what breaks a rule, or leave it out.")] = OnError.fail,
    images: ImagesOfFile = None,
    layout: Layout = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Divide a data set into train, val and test: stratified, deterministic, near-identical photos together."""
    from mvtec.datasets.split import PARTS, make_split, untested
    from mvtec.datasets.tree import read_tree
    from mvtec.datasets.usable import usable
    from mvtec.files import check_output, write_json

    check_output(out, overwrite=overwrite, inputs=[directory])
    if (labels := _labels(directory, images, layout)) is not None:
        errors = [one.error for one in labels.refused]
        if errors and on_error is OnError.fail:
            raise errors[0].or_skip()
        dataset = labels.dataset()
    else:
        dataset = read_tree(directory, layout)
        with progress("looking at masks", len(dataset.samples)) as step:
            dataset, left_out = usable(dataset, skip_errors=on_error is OnError.skip, on_sample=step)
        errors = [one.error for one in left_out]
    notes = [*dataset.notes, *(f"left out: {error}" for error in errors)]
    with progress("comparing photos", len(dataset.labelled)) as step:
        made = make_split(
            dataset,
            per_class=per_class,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            folds=folds,
            seed=seed,
            similar=similar.value,
            group_by=group_by,
            on_photo=step,
        )
    write_json(out, made.to_json(), overwrite=overwrite)
    class_of = {sample.path: sample.defect for sample in dataset.labelled}
    count = {
        name: [sum(class_of[path] == name for path in made.part(part)) for part in PARTS]
        for name in sorted({class_of[path] for path in made.images})
    }
    notes += [
        f"{name} has {sum(parts)} photos, not {per_class}"
        for name, parts in count.items()
        if sum(parts) < (per_class or 0)
    ]
    notes += untested(dataset, made) if test_fraction else []
    if as_json:
        sizes = {part: len(made.part(part)) for part in PARTS}
        print_json(
            "datasets split",
            inputs={"directory": directory},
            outputs=[out],
            warnings=notes,
            hash=made.hash,
            photos=sizes,
        )
        return
    for line in notes:
        warn(line)
    rows = [[name, *map(str, parts)] for name, parts in count.items()]
    rows.append(["all", *(str(len(made.part(part))) for part in PARTS)])
    print_table(["class", *PARTS], rows)
    say(f"{out}: split {made.hash[:12]}" + (f", {folds} folds" if folds else ""))


def _labels(source: Path, images: Path | None, layout: str | None) -> LabelSet | None:
    """The labels of a COCO file or a YOLO folder; None of anything else, which is read as a category."""
    from mvtec.convert.label_set import is_label_set, read_label_set
    from mvtec.errors import InputError

    if layout is None and is_label_set(source):
        with progress("reading labels", None) as step:
            return read_label_set(source, images, step)
    if images is not None:
        raise InputError("--images", "is of a COCO file", "Leave it out")
    return None
