"""Finds the photos that an annotation file names: under the photos' folder, beside the file, or by their name alone.

Exporters write the path of their server, the `\\` of Windows, or a hash before the name. Where such a path leads
nowhere, the one photo of that name is taken, and the receipt says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mvtec.convert.fitting import photo_named, spellings
from mvtec.convert.receipt import Receipt
from mvtec.datasets.layouts.folders import images_in
from mvtec.errors import InputError
from mvtec.words import counted

_HASH = re.compile(r"^[0-9a-f]{8}-(?=.)")  # Label Studio puts it before the name of an upload


class PhotoFinder:
    """Finds the photos of one annotation file.

    Args:
        source: The annotation file.
        photos: The folder that `--images` names.
    """

    def __init__(self, source: Path, photos: Path) -> None:
        self._source = source
        self._photos = photos
        self._name_of: dict[Path, str] = {}
        self._by_name: list[tuple[str, str]] = []

    def find(self, name: str) -> tuple[str, Path]:
        """What the photo is called under its folder, and where it lies.

        Args:
            name: The photo as the annotation file has it.

        Raises:
            InputError: There is no such photo, there are several, or another name has led to it already.
        """
        found, photo = self._find(name)
        if (other := self._name_of.setdefault(photo, name)) != name:
            raise InputError(
                self._source, f"{other} and {name} both lead to the photo {photo}", "Correct one of the two names"
            )
        return found, photo

    def note(self, receipt: Receipt) -> None:
        """Say how many photos were found by their name alone."""
        if self._by_name:
            name, found = self._by_name[0]
            photos = counted(len(self._by_name), "photo")
            receipt.notes.append(
                f"{photos} of {self._source.name} found by name alone: {name} leads nowhere, {found} is taken"
            )

    def _find(self, name: str) -> tuple[str, Path]:
        for root in (self._photos, self._source.parent):
            if (found := photo_named(root, name)) is not None:
                return found, root / found
        for bare in _bare_names(name):
            if candidates := self._listed.get(bare):
                if len(candidates) > 1:
                    raise InputError(
                        self._source,
                        f"{name} leads nowhere, and {self._photos} holds {len(candidates)} photos of that name: "
                        f"{candidates[0]}, {candidates[1]}",
                        "Give the folder that the names are relative to as --images, or correct the names",
                    )
                self._by_name.append((name, candidates[0]))
                return candidates[0], self._photos / candidates[0]
        tried = dict.fromkeys([str(self._photos), str(self._source.parent)])
        raise InputError(
            self._photos / name,
            f"no such photo; looked for it in {' and in '.join(tried)}, and for its name alone in {self._photos}",
            f"Give the folder of the photos of {self._source.name} as --images",
        )

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        """The photos under `--images` by their bare names, and by those without a hash before them."""
        listed: defaultdict[str, list[str]] = defaultdict(list)
        for path in images_in(self._photos, "", deep=True):
            name = PurePosixPath(path).name
            for bare in {*spellings(name), *spellings(_HASH.sub("", name))}:
                listed[bare].append(path)
        return listed


def _bare_names(name: str) -> list[str]:
    """What the photo may be called without its folder, the likeliest first: as it stands, decoded, without its hash."""
    plain = name.split("?d=", 1)[-1].replace("\\", "/")  # what follows ?d= is a path in Label Studio's local files
    path = plain
    if "://" in plain:
        with suppress(ValueError):  # such as http://[::1/x.png, which is not a valid address
            path = urlsplit(plain).path
    last = PurePosixPath(path).name
    decoded = PurePosixPath(unquote(path).replace("\\", "/")).name
    return [bare for bare in dict.fromkeys([last, decoded, _HASH.sub("", decoded)]) if bare]
