"""Downloads one file: resumes where it broke off, checks size and checksum, and keeps nothing that is not whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from mvtec.errors import InputError, OutputError
from mvtec.files import sha256_file

_TRIES = 5
_TIMEOUT_S = 30
_BLOCK = 1 << 16


class _InterruptedError(Exception):
    """The connection broke; what has arrived is kept."""


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None,
    pause_s: float = 1.0,
) -> str:
    """Download `url` to `target`.

    What has arrived lies in `target.part`. After a broken connection, or a broken-off run, only the rest is asked for.

    Args:
        url: An http or https address.
        target: Where the file is to lie; its folder exists.
        sha256: Hex SHA-256 the file must have; None where nobody publishes one.
        on_bytes: Called with the bytes that are here and the total, or None while the server does not tell.
        pause_s: Seconds to wait before the second try; each further try waits twice as long.

    Returns:
        Hex SHA-256 of the file.

    Raises:
        InputError: The address is not one, does not answer, or what it serves is not the file asked for.
        OutputError: The disk is full or not writable.
    """
    if not _is_web_address(url):
        raise InputError(url, "is not a web address", "Give one that starts with https://")
    part = target.with_name(target.name + ".part")
    reason = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            _fetch_rest(url, part, on_bytes)
            break
        except (
            _InterruptedError,
            urllib3.exceptions.HTTPError,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            reason = str(error) or type(error).__name__
        except (requests.RequestException, UnicodeError) as error:  # a host name that cannot be written as ASCII
            raise InputError(url, f"cannot be fetched ({error})", "Check the address") from error
        except OSError as error:
            raise OutputError(
                part, f"cannot be written ({error.strerror})", "Free some space and run it again"
            ) from error
    else:
        arrived = part.stat().st_size if part.exists() else 0
        raise InputError(
            url,
            f"the connection broke {_TRIES} times ({reason[:120]}); {arrived} bytes are kept",
            "Run the same command again to go on from there",
        )
    digest = sha256_file(part)
    if sha256 is not None and digest != sha256.lower():
        part.unlink()
        raise InputError(url, f"has the SHA-256 {digest}, not {sha256}", "Check the address; nothing was kept")
    part.replace(target)
    return digest


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is not a number
        return False


def _fetch_rest(url: str, part: Path, on_bytes: Callable[[int, int | None], None]) -> None:
    """Append to `part` what it lacks.

    Raises:
        _InterruptedError: Fewer bytes came than the server had announced.
    """
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == 416:  # nothing after what we have: it is whole, or of another file
            total = _total(response)
            if total == have:
                return
            part.unlink()
            raise _InterruptedError("the kept part is not of this file")
        if response.status_code >= 500:
            raise _InterruptedError(f"the server answered {response.status_code}")
        response.raise_for_status()
        resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        total = _total(response)
        done = have if resumed else 0
        with part.open("ab" if resumed else "wb") as stream:
            # not iter_content: it waits for whole blocks, and loses the bytes of the one that a break cuts short
            while block := response.raw.read1(_BLOCK):
                stream.write(block)
                done += len(block)
                on_bytes(done, total)
    if total is not None and done != total:
        raise _InterruptedError(f"{done} of {total} bytes came")


def _total(response: requests.Response) -> int | None:
    """Size of the whole file, as the headers tell it."""
    content_range = response.headers.get("Content-Range", "")
    text = content_range.rpartition("/")[2] if content_range else response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None
