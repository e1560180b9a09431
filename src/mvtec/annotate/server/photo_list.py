"""The list of photos, filtered and sorted: its order whole, its rows a part at a time.

The order is a number for each photo, and does not change under a person who works through it. The rows of what is seen
are asked for by these numbers, so that 50,000 photos cost little more than what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mvtec.annotate.server.records import Only, Order, Row
from mvtec.annotate.server.store import Store

_STATES = {"unreviewed": "state IS NULL", "reviewed": "state IN ('reviewed', 'good')"}
_ONLY: dict[str, str] = {
    "unlabelled": "labels = 0 AND state IS NOT 'good'",
    "disagrees": "disagrees",
    "low-score": "low_score",
}
_ORDERS: dict[str, str] = {"name": "name", "priority": "state IS NOT NULL AND state != 'unsure', worth DESC, name"}


@dataclass(frozen=True)
class Filter:
    """Which photos.

    Attributes:
        category: With an annotation of this class.
        state: `reviewed`, which good photos are too; `unreviewed`; or exactly `good` or `unsure`.
        only: `unlabelled`, `disagrees` (labels and predictions differ) or `low-score` (a model was unsure).
        text: With this in the name.
    """

    category: int | None = None
    state: str | None = None
    only: Only | None = None
    text: str = ""


def order_of_photos(store: Store, only: Filter, order: Order) -> list[int]:
    """The numbers of the photos that pass.

    Args:
        store: The store.
        only: Which photos.
        order: `name`, or `priority`: the highest priority first, photos marked good or reviewed last.
    """
    where, values = _condition(only)
    return [row["id"] for row in store.rows(f"SELECT id FROM photo WHERE {where} ORDER BY {_ORDERS[order]}", values)]


def rows_of(store: Store, version: Callable[[str], str], numbers: Sequence[int]) -> list[Row]:
    """What the list shows of some photos, in their order; of those that are not there nothing.

    Args:
        store: The store.
        version: Tells a photo's version by its name.
        numbers: The photos.
    """
    marks = ", ".join("?" * len(numbers))
    found = {
        row["id"]: Row(**dict(row), version=version(row["name"]))
        for row in store.rows(
            f"SELECT id, name, state, labels, proposals, worth AS priority FROM photo WHERE here AND id IN ({marks})",
            numbers,
        )
    }
    return [found[number] for number in numbers if number in found]


def _condition(only: Filter) -> tuple[str, list[str | int]]:
    """The SQL that lets a photo through, and its values."""
    conditions = ["here"]
    values: list[str | int] = []
    if only.category is not None:
        conditions.append("EXISTS (SELECT 1 FROM has_category WHERE has_category.photo = photo.id AND category = ?)")
        values.append(only.category)
    if only.state is not None:
        conditions.append(_STATES.get(only.state, "state = ?"))
        values += [] if only.state in _STATES else [only.state]
    if only.only is not None:
        conditions.append(_ONLY[only.only])
    if only.text:
        conditions.append("instr(folded(name), folded(?))")
        values.append(only.text)
    return " AND ".join(conditions), values


def count_photos(store: Store) -> int:
    """How many photos are in the folder."""
    number: Any = store.rows("SELECT count(*) AS n FROM photo WHERE here")[0]["n"]
    return int(number)
