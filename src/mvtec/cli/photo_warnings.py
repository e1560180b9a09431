"""Warns of photos that a command passes over, and of those that a model hardly sees."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mvtec.cli.console import warn


def warn_of_photos(*places: Path | None) -> None:
    """Warn of images whose ending is not read, and of photos of 12 bits that are nearly black in 8.

    Args:
        places: What the command reads: a category, a folder of photos, a YOLO folder or its `data.yaml`, a photo.
    """
    from mvtec.datasets.deep import nearly_black
    from mvtec.datasets.listing import say_unread
    from mvtec.errors import InputError

    for place in places:
        if place is None:
            continue
        with suppress(InputError):  # which the command itself names
            photos, unread = _photos_of(place)
            for warning in (say_unread(unread), nearly_black(photos)):
                if warning:
                    warn(warning)


def _photos_of(place: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The photos of a place, and the images there whose ending is not read."""
    from mvtec.datasets.listing import list_images
    from mvtec.datasets.tree import layout_of, read_tree

    if place.suffix.lower() in (".yaml", ".yml") and place.is_file():
        place = place.parent
    if place.is_file():
        return [place], ()
    if layout_of(place) is not None and not (place / "data.yaml").is_file():
        dataset = read_tree(place)
        return [sample.photo for sample in dataset.samples], dataset.unread
    listing = list_images(place, deep=True)
    return [place / name for name in listing.images], listing.unread
