"""The last net around a task: what we did not raise on purpose is told by its kind and place, never by its text.

Prefect keeps the text of an exception and of everything it was raised from. The text of a library's exception may
quote what it choked on.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kpr.errors import KprError

Words = ParamSpec("Words")
Result = TypeVar("Result")


def guarded(step: Callable[Words, Result]) -> Callable[Words, Result]:
    """The same function; an unexpected exception becomes a KprError that says what kind it was and where it came up."""

    @functools.wraps(step)
    def inner(*args: Words.args, **words: Words.kwargs) -> Result:
        try:
            return step(*args, **words)
        except KprError as error:
            error.__cause__ = error.__context__ = None
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = f"Uventet feil ({type(error).__name__} i {last.name}, linje {last.lineno}). Meld den gjerne inn."
        raise KprError(said)

    return inner
