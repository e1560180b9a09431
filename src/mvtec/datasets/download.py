"""Fetches a category of MVTec AD from its public address and unpacks it safely."""

from __future__ import annotations

import errno
import hashlib
import lzma
import shutil
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mvtec.datasets.samples import GOOD
from mvtec.datasets.tree import read_tree
from mvtec.errors import InputError, OutputError
from mvtec.fetch import fetch
from mvtec.files import check_output, staged_folder

LICENCE = (
    "MVTec AD is © 2019 MVTec Software GmbH, licensed CC BY-NC-SA 4.0 "
    "(https://creativecommons.org/licenses/by-nc-sa/4.0/): not for commercial use.\n"
    "Cite: P. Bergmann, M. Fauser, D. Sattlegger, C. Steger. MVTec AD: A Comprehensive Real-World Dataset for "
    "Unsupervised Anomaly Detection. CVPR 2019."
)
_SHARE = "https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f282/download"
_MAX_BYTES = 8 << 30  # the largest category unpacks to about 1 GB; a bomb does not
_BLOCK = 1 << 20
# What a system says of a name that no file can have, or that a file has where a folder is to be.
_NAME_ERRORS = frozenset({errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ})


@dataclass(frozen=True)
class _Published:
    """What is public of a category: its address on MVTec's share, and the photo counts of table 1 of the paper.

    MVTec publishes no checksum of the single categories; the archive's own checksums and these counts stand in.
    """

    key: str
    train_good: int
    test_good: int
    test_defect: int


CATEGORIES = {
    "bottle": _Published("420937370-1629951468", 209, 20, 63),
    "cable": _Published("420937413-1629951498", 224, 58, 92),
    "capsule": _Published("420937454-1629951595", 219, 23, 109),
    "carpet": _Published("420937484-1629951672", 280, 28, 89),
    "grid": _Published("420937487-1629951814", 264, 21, 57),
    "hazelnut": _Published("420937545-1629951845", 391, 40, 70),
    "leather": _Published("420937607-1629951964", 245, 32, 92),
    "metal_nut": _Published("420937637-1629952063", 220, 22, 93),
    "pill": _Published("420938129-1629953099", 267, 26, 141),
    "screw": _Published("420938130-1629953152", 320, 41, 119),
    "tile": _Published("420938133-1629953189", 230, 33, 84),
    "toothbrush": _Published("420938134-1629953256", 60, 12, 30),
    "transistor": _Published("420938166-1629953277", 213, 60, 40),
    "wood": _Published("420938383-1629953354", 247, 19, 60),
    "zipper": _Published("420938385-1629953449", 240, 32, 119),
}


def download(
    category: str,
    out: Path,
    *,
    url: str | None = None,
    sha256: str | None = None,
    overwrite: bool = False,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
    pause_s: float = 1.0,
) -> str:
    """Download a category into the folder `out`, which becomes the category's own folder.

    Args:
        category: One of the 15 names of MVTec AD; with a `url` of your own, any.
        out: The folder to make.
        url: Another address of the archive, a `.tar.xz`; the photo counts are then not checked.
        sha256: Hex SHA-256 that the archive must have.
        overwrite: Replace what is there.
        on_bytes: Called with the bytes that are here and the total.
        pause_s: See `mvtec.fetch.fetch`.

    Returns:
        Hex SHA-256 of the archive.

    Raises:
        InputError: There is no such category, the connection failed, or the archive is broken, hostile or another's.
        OutputError: `out` exists already or cannot be written.
    """
    published = CATEGORIES.get(category)
    if url is None:
        if published is None:
            raise InputError(category, "is not a category of MVTec AD", f"Choose one of {', '.join(CATEGORIES)}")
        url = f"{_SHARE}/{published.key}/{category}.tar.xz"
    else:
        published = None
    check_output(out, overwrite=overwrite)
    of_this_address = hashlib.sha256(url.encode()).hexdigest()[:8]
    archive = out.absolute().with_name(f".{out.name}.{of_this_address}.tar.xz")
    part = archive.with_name(archive.name + ".part")
    with staged_folder(out, overwrite=overwrite) as staged:
        if archive.exists():  # of a run that was killed while it unpacked
            archive.replace(part)
        digest = fetch(url, archive, sha256=sha256, on_bytes=on_bytes, pause_s=pause_s)
        try:
            _unpack(archive, staged, url)
            _lift_single_folder(staged)
            _check_counts(staged, published, url)
        except InputError:
            archive.unlink()
            raise
        except BaseException:  # a full disk, an interruption: the archive is whole, and the next run need not fetch it
            archive.replace(part)
            raise
    archive.unlink()
    return digest


def _unpack(archive: Path, target: Path, url: str) -> None:
    """Write the folders and plain files of an archive below `target`; anything else in it is refused.

    The archive is read to its end, beyond that of its last file: there the checksum of xz, gzip and bzip2 stands.

    Raises:
        InputError: The archive is cut off, corrupt, holds a path that leads out or that no file can have, a path
            twice, a link or a device, or is a bomb.
    """
    left = _MAX_BYTES
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                place = target.joinpath(*_safe_path(member, url).parts)
                left -= member.size
                if left < 0:
                    raise _bomb(url)
                try:
                    _unpack_member(tar, member, place)
                except OSError as error:
                    if error.errno not in _NAME_ERRORS:
                        raise
                    problem = f"the archive holds {_shown(member.name)}, a name that is taken or that no file can have"
                    raise InputError(url, problem, "Do not trust this address") from error
            assert tar.fileobj is not None
            while rest := tar.fileobj.read(_BLOCK):
                left -= len(rest)
                if left < 0:
                    raise _bomb(url)
                if any(rest):  # tar fills up with zeros
                    raise tarfile.ReadError("there is something behind the end of its list of files")
    except OSError as error:
        if error.errno is not None:
            raise OutputError(target, f"cannot be written ({error.strerror})", "Free some space") from error
        raise _broken(url, error) from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise _broken(url, error) from error


def _safe_path(member: tarfile.TarInfo, url: str) -> PurePosixPath:
    """Where a folder or plain file lies in the archive.

    Raises:
        InputError: The path leads out of the archive or is empty, or the member is something else.
    """
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts or any(sign in member.name for sign in "\\:\0")
    if outside or not (member.isdir() or (member.isfile() and path.parts)) or member.size < 0:
        raise InputError(url, f"the archive holds {_shown(member.name)}, which is unsafe", "Do not trust this address")
    return path


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, place.open("xb") as stream:
            shutil.copyfileobj(content, stream)


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}…")


def _bomb(url: str) -> InputError:
    return InputError(url, "the archive unpacks to more than 8 GB", "Do not trust this address")


def _broken(url: str, error: Exception) -> InputError:
    return InputError(
        url, f"the archive is cut off or corrupt ({error})", "Run the same command again; nothing was kept"
    )


def _lift_single_folder(folder: Path) -> None:
    """Where all lies in one folder, as in MVTec's archives, move its content up."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in {"test", "train"}:
        single = inside[0].rename(folder / ".single")
        for child in single.iterdir():
            child.rename(folder / child.name)
        single.rmdir()


def _check_counts(folder: Path, published: _Published | None, url: str) -> None:
    try:
        dataset = read_tree(folder)
    except InputError as error:
        raise InputError(url, "the archive holds no MVTec category", "Check the address") from error
    if published is None:
        return
    counts = Counter((sample.official_split, sample.is_good) for sample in dataset.samples)
    found = (counts["train", True], counts["test", True], counts["test", False])
    expected = (published.train_good, published.test_good, published.test_defect)
    if found != expected:
        raise InputError(
            url,
            f"the archive holds {found} photos (train/{GOOD}, test/{GOOD}, defects) where the paper counts {expected}",
            "Check the address; nothing was kept",
        )
