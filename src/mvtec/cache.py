"""Where this machine keeps what is ours, and where weights are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where we keep what is ours on this machine: `$MVTEC_CACHE`, else `mvtec` in the user's cache folder."""
    if place := os.environ.get("MVTEC_CACHE"):
        return Path(place)
    return platformdirs.user_cache_path("mvtec", appauthor=False)


def weights_folders() -> list[Path]:
    """The folders that weights are looked for in, in order: `$MVTEC_WEIGHTS`, then our cache, where downloads go."""
    folders = [os.environ.get("MVTEC_WEIGHTS"), cache_folder() / "weights"]
    return [Path(folder) for folder in folders if folder]


def find_in(folders: Iterable[Path], name: str) -> Path | None:
    """The file of that name in the first of the folders that has it; one that we may not look into has none."""
    places = (folder / name for folder in folders)
    return next((place for place in places if os.access(place, os.R_OK) and place.is_file()), None)
