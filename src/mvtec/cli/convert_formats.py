"""`mvtec convert coco-to-X` and `X-to-coco`: two commands for each line of the table `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from mvtec.cli.console import AsJson, Overwrite
from mvtec.cli.convert import (
    AnnotationFile,
    ImagesBy,
    KeepCrowds,
    MinIou,
    OnErrorOption,
    OutFile,
    OutFolder,
    PlaceBy,
    Segmentation,
    SegmentationOption,
    Tolerance,
    app,
    report,
    segmentation_options,
)
from mvtec.cli.datasets import OnError
from mvtec.convert.formats import FORMATS, Format, Option, Reader, Writer

__all__ = ["app"]  # the group of `convert`, with the commands of this file

PhotosIfKnown = Annotated[Path | None, typer.Option("--images", help="The folder the file names are relative to.")]


def _parameter(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _of_option(option: Option) -> Parameter:
    kind: Any = Path | None if option.kind is Path else option.kind
    return _parameter(option.name, Annotated[kind, typer.Option(option.flag, help=option.help)], option.default)


_LAST = [
    _parameter("on_error", OnErrorOption, OnError.fail),
    _parameter("min_iou", MinIou, 0),
    _parameter("overwrite", Overwrite, False),
    _parameter("as_json", AsJson, False),
]


def _with_parameters(command: Callable[..., None], parameters: list[Parameter], help_text: str) -> Callable[..., None]:
    """The command as Typer reads it: with the parameters and the help that the table gives it."""
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = help_text
    return command


def _writes(name: str, writer: Writer) -> Callable[..., None]:
    def command(**given: Any) -> None:
        from mvtec.convert.with_coco import coco_to_format

        outputs, receipt = coco_to_format(
            writer,
            given["annotations"],
            given["out"],
            photos=given.get("images"),
            images_by=given.get("images_by", ImagesBy.link).value,
            options={option.name: given[option.name] for option in writer.options},
            keep_crowds=given["keep_crowds"],
            skip_errors=given["on_error"] is OnError.skip,
            overwrite=given["overwrite"],
        )
        report(f"convert coco-to-{name}", given["annotations"], outputs, receipt, given["min_iou"], given["as_json"])

    folder = writer.makes == "folder"
    photos = [_parameter("images", PhotosIfKnown, None), _parameter("images_by", PlaceBy, ImagesBy.link)]
    parameters = [
        _parameter("annotations", AnnotationFile),
        _parameter("out", OutFolder if folder else OutFile),
        *(photos if folder else []),
        *map(_of_option, writer.options),
        _parameter("keep_crowds", KeepCrowds, False),
        *_LAST,
    ]
    return _with_parameters(command, parameters, writer.help)


def _reads(name: str, reader: Reader) -> Callable[..., None]:
    def command(**given: Any) -> None:
        from mvtec.convert.with_coco import format_to_coco

        receipt = format_to_coco(
            reader,
            given["source"],
            given["out"],
            options={option.name: given[option.name] for option in reader.options},
            segmentation=segmentation_options(given["segmentation"], given["tolerance"]),
            skip_errors=given["on_error"] is OnError.skip,
            overwrite=given["overwrite"],
        )
        report(f"convert {name}-to-coco", given["source"], [given["out"]], receipt, given["min_iou"], given["as_json"])

    parameters = [
        _parameter("source", Annotated[Path, typer.Argument(metavar=reader.source, help=reader.source_help)]),
        _parameter("out", OutFile),
        *map(_of_option, reader.options),
        _parameter("segmentation", SegmentationOption, Segmentation.rle),
        _parameter("tolerance", Tolerance, 0),
        *_LAST,
    ]
    return _with_parameters(command, parameters, reader.help)


def add_commands(group: typer.Typer, name: str, form: Format) -> None:
    """Give a group the commands of a format."""
    if form.writer is not None:
        group.command(f"coco-to-{name}")(_writes(name, form.writer))
    if form.reader is not None:
        group.command(f"{name}-to-coco")(_reads(name, form.reader))


for _name, _format in FORMATS.items():
    add_commands(app, _name, _format)
