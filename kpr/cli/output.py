"""How the command line speaks: plain words for people, one JSON object for programs, errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from kpr.errors import BadInput, KprError
from kpr.log import blot

#: People read standard error while standard output may be piped.
console = Console(stderr=True, highlight=False)
out = Console(highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2, sort_keys=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def tell_error(error: KprError, *, as_json: bool) -> int:
    """Say what went wrong, where and what to do; the exit code."""
    if as_json:
        print_json(
            {
                "error": type(error).__name__,
                "message": blot(str(error)),
                "place": getattr(error, "place", ""),
                "remedy": getattr(error, "remedy", ""),
                "exit_code": error.exit_code,
            }
        )
    else:
        problem = error.problem if isinstance(error, BadInput) else str(error)
        console.print(f"[bold red]✗[/] {blot(problem)}", markup=True)
        for label, text in (("Hvor", getattr(error, "place", "")), ("Gjør dette", getattr(error, "remedy", ""))):
            if text:
                console.print(f"  [bold]{label}:[/] ", end="")
                console.print(blot(text), markup=False)
    return error.exit_code


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for long work; nothing when quiet or when nobody looks."""
    if quiet or not console.is_terminal:
        yield lambda _step, _done, _total: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, Any] = {}

        def move(step: str, done: int, total: int) -> None:
            if step not in bars:
                bars[step] = progress.add_task(step, total=total or None)
            progress.update(bars[step], completed=done, total=total or None)

        yield move
