"""How numbers of things, and a few of many, are put in words."""

from __future__ import annotations

from collections.abc import Sequence

_EXAMPLES = 3


def counted(number: int, what: str) -> str:
    """`1 photo`, `2 photos`, `no photos`; the last word of `what` is a noun that takes an s."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def examples(names: Sequence[str]) -> str:
    """The first three of some names, with a mark where there are more.

    >>> examples(["a", "b", "c"]), examples(["a", "b", "c", "d"])
    ('a, b, c', 'a, b, c, …')
    """
    return ", ".join([*names[:_EXAMPLES], *(["…"] if len(names) > _EXAMPLES else [])])
