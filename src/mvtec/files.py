"""Whole-file writes and content hashes: an output appears complete or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mvtec.errors import InputError, OutputError, WeightsError, whose_memory_is_full
from mvtec.pickles import scan_checkpoint
from mvtec.staging import BEING_MADE, repair, staged, staging

# What tells the folders that commands make, and the endings of the files that they write.
_RECORDS = ("run.json", "plan.json", "conversion.json", "provenance.json", "synthetic.json", "anomaly.json")
_FILES_WRITTEN = frozenset({"", ".json", ".html", ".xml"})
_OBJECTS = "holds Python objects, not tensors alone"
_LONGEST_NAME = 200  # file systems take 255; some outputs have another beside them, of a longer name


def check_output(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse an output place before any work is done; nothing is made yet.

    What killed commands left in its folder is repaired first.

    Args:
        path: Where the output is to lie.
        overwrite: Whether what lies there may be replaced.
        inputs: What the work reads: an output that would replace one of these, what links in them lead to, or the
            current folder, is refused, and in a folder that is read whatever this package has not made.

    Raises:
        OutputError: `path` exists and `overwrite` is false, is a device or a pipe, holds or is part of an input, has
            too long a name, or cannot be written.
    """
    repair(path.absolute().parent)
    _check_output(path, overwrite=overwrite, inputs=inputs)


def _check_output(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    inputs = list(inputs)
    if os.path.lexists(path):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            raise OutputError(
                path, "is a device, a pipe or a socket, not a file", "Choose another place for the output"
            )
        if not overwrite:
            raise OutputError(path, "exists already", "Choose another place for the output, or pass --overwrite")
        inputs += _linked_from(inputs)
        for kept in (Path.cwd(), *inputs):
            if _lies_in(kept, path):
                is_input = kept in inputs and kept.resolve() == path.resolve()
                holds = "is read, and" if is_input else f"holds {kept}, which"
                raise OutputError(path, f"{holds} would be lost", "Choose another place for the output")
        if (read := next((kept for kept in inputs if _lies_in(path, kept)), None)) and not _is_made_by_us(path):
            raise OutputError(
                path, f"lies in {read}, which is read, and mvtec has not made it", "Choose another place for the output"
            )
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise OutputError(path, f"has a name of more than {_LONGEST_NAME} bytes", "Choose a shorter one")
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:  # of a drive that is not there, there is no parent
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from error


def _linked_from(inputs: Iterable[Path]) -> list[Path]:
    """The folders that links in some folders lead to: where the photos of a folder of links really lie."""
    links = (file for folder in inputs if folder.is_dir() for file in folder.rglob("*") if file.is_symlink())
    return sorted({Path(os.path.realpath(link)).parent for link in links})  # which passes over a link to itself


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or in it, by its name or by where its links lead."""
    places = (lambda place: Path(os.path.abspath(place)), Path.resolve)  # noqa: PTH100, a link has two places
    return any(place(path).is_relative_to(place(folder)) for place in places)


def _is_made_by_us(path: Path) -> bool:
    """Whether something that exists looks like the output of a command: its record is in it, or it ends like one."""
    if path.is_dir():
        return not any(path.iterdir()) or any((path / name).is_file() for name in _RECORDS)
    return path.suffix.lower() in _FILES_WRITTEN and path.name not in _RECORDS


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(path, f"cannot be written ({error.strerror or error})", "Choose a folder you can write to")


def _make_parent(path: Path) -> None:
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextmanager
def staged_file(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield where to write `path`; the file is moved into place when the block ends without an error.

    In a block of `staging.together` it comes into place with the others.

    Raises:
        OutputError: See `check_output`; or another command writes it now, or has written it meanwhile.
    """
    _check_output(path, overwrite=overwrite, inputs=inputs)
    _make_parent(path)
    with staged(path, overwrite=overwrite) as new:
        yield new
        if path.is_dir() and not path.is_symlink():
            raise OutputError(path, "is a folder, and a file is to be written there", "Choose another place for it")


@contextmanager
def staged_folder(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield a new folder; it is moved to `path` whole when the block ends without an error.

    An older folder of that name is removed only after the new one is complete and in its place.

    Raises:
        OutputError: See `staged_file`.
    """
    _check_output(path, overwrite=overwrite, inputs=inputs)
    _make_parent(path)
    with staged(path, overwrite=overwrite) as new:
        new.mkdir()
        yield new


@contextmanager
def fresh_folder(path: Path, *, overwrite: bool) -> Iterator[None]:
    """Make the folder `path` itself for work that must know its final place.

    When the block fails, or is killed, the folder goes, and what it had replaced comes back.

    Raises:
        OutputError: See `staged_file`.
    """
    _check_output(path, overwrite=overwrite)
    _make_parent(path)
    with staging(path) as stage:
        new = stage.new(path.name)
        new.mkdir()
        (new / BEING_MADE).touch()
        stage.add(path.name, overwrite=overwrite)
        stage.move_in_early()
        try:
            yield
            stage.finish()
        except BaseException:
            stage.take_back()
            raise


def remove(path: Path) -> None:
    """Delete a file, a link (never what it points to) or a folder with all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def json_bytes(value: Any) -> bytes:
    """The one JSON form we write: sorted keys, one space of indent, UTF-8, a newline at the end."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_json(path: Path, value: Any, *, overwrite: bool) -> None:
    """Write `value` as JSON, whole or not at all.

    Raises:
        OutputError: See `check_output`.
    """
    with staged_file(path, overwrite=overwrite) as staged:
        staged.write_bytes(json_bytes(value))


def write_tensors(path: Path, content: Any) -> None:
    """Write what `torch.save` can; the same content gives the same bytes, wherever it is written.

    Written to a file by name, torch puts that name into it.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(buffer.getvalue())


def read_tensors(path: Path, hint: str) -> dict[str, Any]:
    """Read a dictionary that `torch.save` wrote; no code in it is run.

    Args:
        path: The file.
        hint: What to give instead, for the error line.

    Raises:
        WeightsError: It is cut off, compressed, no file of torch, holds other objects than plain ones and tensors, or
            no dictionary.
    """
    import torch

    if _is_packed(path):
        raise WeightsError(path, "unpacks to more bytes than it has, which no file of torch does", hint)
    try:
        # torch calls the classes that a program has told it to trust; here it is to call those it trusts by itself
        trusted = torch.serialization.get_safe_globals()
        names = {one[1] if isinstance(one, tuple) else f"{one.__module__}.{one.__qualname__}" for one in trusted}
        if names & scan_checkpoint(path).named:
            raise WeightsError(path, _OBJECTS, hint)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(path, f"cannot be read ({error.strerror})", hint) from error
    except Exception as error:  # a broken file fails in many ways, and in torch's words, which say how to run its code
        if whose_memory_is_full(error):
            raise
        has_objects = isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path)
        problem = _OBJECTS if has_objects else "is cut off or no file of torch"
        raise WeightsError(path, problem, hint) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WeightsError(path, "holds no tensors by name", hint)
    return content


def _is_packed(path: Path) -> bool:
    """Whether a file is a compressed archive: torch writes none, and would unpack one of any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist()) > path.stat().st_size
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False  # it is not an archive, or a broken one, which torch will say


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        InputError: The file cannot be read, or is not a plain file: a pipe would be waited for.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "is not a plain file", "Give a file")
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "Check the path and its permissions") from error


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of `value` as `json_bytes` writes it."""
    return hashlib.sha256(json_bytes(value)).hexdigest()
