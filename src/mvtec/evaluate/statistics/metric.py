"""A figure that says how far it can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        value: The figure; None where it is undefined.
        n: The number of images it was measured on.
        instances: The number of ground-truth instances it counts.
        low: Lower end of the 95 % interval; None where none is due.
        high: Upper end.
        reason: Why the value is undefined, or there is no interval.
        method: How the interval was made; None without one.
    """

    value: float | None
    n: int
    instances: int
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    method: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """`0.571 (0.322 to 0.804)`, or `1.000 (no resample differs)`."""
        if self.value is None:
            return f"– ({self.reason})"
        interval = f"{self.low:.3f} to {self.high:.3f}" if self.low is not None else self.reason or "no interval"
        return f"{self.value:.3f} ({interval})"
