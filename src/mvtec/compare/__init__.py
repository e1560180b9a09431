"""Runs detector, classifier and anomaly detector over the same photos, by folds where asked for, and judges them."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Stage = Callable[[str, int | None], AbstractContextManager[Callable[..., None]]]
"""Called with the name and the number of steps of a stage of the work; its `with` block gets what moves the bar."""
