"""Reads a category's folder, in whichever of the known layouts it is, into samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mvtec.datasets.layouts import btad, images_masks, kolektor, mvtec_ad, mvtec_ad2, mvtec_loco, visa
from mvtec.datasets.layouts.folders import folders_in
from mvtec.datasets.listing import list_images, say_unread
from mvtec.datasets.samples import Dataset
from mvtec.errors import InputError, no_folder

# The first that recognises a folder reads it: the layouts that look like MVTec AD with something more come before it.
LAYOUTS = {layout.NAME: layout for layout in (mvtec_loco, btad, mvtec_ad, mvtec_ad2, visa, images_masks, kolektor)}


def read_tree(root: Path, layout: str | None = None) -> Dataset:
    """Read a category's folder. No photo is decoded.

    Args:
        root: The folder.
        layout: One of `LAYOUTS`; None to find out.

    Raises:
        InputError: `root` is not a folder, is in no known layout, holds several categories, or a name in it cannot be
            written into an annotation file.
    """
    if not root.is_dir():
        raise no_folder(root, "Give the folder of one category, the one that holds test/ and ground_truth/")
    if layout is not None:
        if layout not in LAYOUTS:
            raise InputError("--layout", f"{layout} is no layout", f"Choose one of {', '.join(sorted(LAYOUTS))}")
        if not LAYOUTS[layout].found_in(root):
            raise InputError(root, f"is not in the layout {layout}", f"That is {LAYOUTS[layout].TREE}")
        return _read(root, layout)
    found = layout_of(root)
    if found is not None:
        return _read(root, found)
    inside = [name for name in folders_in(root, "") if layout_of(root / name) is not None]
    if inside:
        names = ", ".join(inside)
        raise InputError(root, f"holds several categories ({names})", f"Give one of them, such as {root / inside[0]}")
    capital = next((name for name in folders_in(root, "") if name.casefold() == "test"), None)
    but = f", but {capital}/" if capital else ""
    raise InputError(
        root,
        f"is not an MVTec category: it has no folder test/{but}",
        f"The layout is {mvtec_ad.TREE}; others are {', '.join(sorted(LAYOUTS.keys() - {mvtec_ad.NAME}))}",
    )


def _read(root: Path, name: str) -> Dataset:
    """The category in a layout, and what its folders hold of images whose ending is not read.

    Such a file among the masks is a mask that belongs to no photo: left out in silence, its photo could count as good.
    """
    layout = LAYOUTS[name]
    found = layout.read(root)
    listed = {file for folder in layout.PHOTOS for file in list_images(root, folder, deep=True).unread}
    masks = set(list_images(root, layout.MASKS, deep=True).unread) if layout.MASKS else set()
    unread = tuple(sorted(listed - masks))
    note = say_unread(unread)
    return replace(
        found,
        orphan_masks=tuple(sorted({*found.orphan_masks, *masks})),
        unread=unread,
        notes=(*found.notes, note) if note else found.notes,
    )


def layout_of(root: Path) -> str | None:
    """The layout a folder is in, by looking at its folders; None if in none."""
    return next((name for name, layout in LAYOUTS.items() if layout.found_in(root)), None)
