"""The list of photos: filtered, sorted, a part at a time, so that 50,000 of them cost no more than what is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mvtec.annotate.records import Only, Order, Row, Rows
from mvtec.annotate.store import Store

MOST_ROWS = 500

_STATES = {"unreviewed": "state IS NULL", "reviewed": "state IN ('reviewed', 'good')"}
_ONLY: dict[str, str] = {
    "unlabelled": "labels = 0 AND state IS NOT 'good'",
    "disagrees": "disagrees",
    "low-score": "low_score",
}
_ORDERS: dict[str, str] = {"name": "name", "worth": "worth DESC, name"}


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


def list_photos(
    store: Store, version: Callable[[str], str], *, only: Filter, order: Order, offset: int, limit: int
) -> Rows:
    """A part of the list.

    Args:
        store: The store.
        version: Tells a photo's version by its name.
        only: Which photos.
        order: `name`, or `worth`: the one most worth a person's time first.
        offset: How many to leave out.
        limit: How many at most.
    """
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
        conditions.append("instr(lower(name), lower(?))")
        values.append(only.text)
    where = " AND ".join(conditions)
    total = store.rows(f"SELECT count(*) AS n FROM photo WHERE {where}", values)[0]["n"]
    found = store.rows(
        f"SELECT id, name, state, labels, proposals, worth FROM photo WHERE {where} "
        f"ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return Rows(total=total, offset=offset, photos=[Row(**dict(row), version=version(row["name"])) for row in found])


def count_photos(store: Store) -> int:
    """How many photos are in the folder."""
    number: Any = store.rows("SELECT count(*) AS n FROM photo WHERE here")[0]["n"]
    return int(number)
