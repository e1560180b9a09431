"""How a number of things is put in words."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """`1 photo`, `2 photos`, `no photos`; the last word of `what` is a noun that takes an s."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
