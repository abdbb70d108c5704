"""How long work tells how far it has come: a step's name, what is done, and the total (0 when unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(_step: str, _done: int, _total: int) -> None:
    """Nobody is looking."""
