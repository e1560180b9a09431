"""Runs detector and classifier over the same photos, trains them by folds where that is asked for, and judges both."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Stage = Callable[[str, int | None], AbstractContextManager[Callable[..., None]]]
"""Called with the name and the number of steps of a stage of the work; its `with` block gets what moves the bar."""
