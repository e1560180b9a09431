"""How a long command tells which stage of its work it is in."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Stage = Callable[[str, int | None], AbstractContextManager[Callable[..., None]]]
"""Called with the name and the number of steps of a stage of the work; its `with` block gets what moves the bar."""
