"""Typed values (Parquet, SQL) as the text that the message will carry; CSV and XML hold that text already."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

#: Columns that hold a decimal number, with a point.
DECIMALS = ("tjTimerUke", "tjResTimerUke")

#: Columns that hold a month, YYYYMM.
_MONTHS = ("poVurdTann", "poVurdLege")

#: Tables whose dates are written YYYY-MM-DD (xs:date); all others YYYYMMDD.
_ISO_DATES = ("melding",)


class NoText(TypeError):
    """The value is of a kind that the message cannot carry; says nothing of the value."""


def as_text(value: Any, table: str, column: str) -> str | None:
    """The text of a value: None when there is none, :class:`NoText` when it is of a kind that cannot be told.

    A whole number in a column that holds no decimals is written plainly whatever its type: tools for tables turn
    whole numbers into 80.0 as soon as one of them is missing, and write NaN for the missing one.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        raise NoText
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number(value, column)
    if isinstance(value, date):
        return _date(value.date() if isinstance(value, datetime) else value, table, column)
    raise NoText


def _number(value: float | Decimal, column: str) -> str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise NoText
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if column not in DECIMALS and exact == exact.to_integral_value():
        return str(int(exact))
    return f"{exact:f}"


def _date(value: date, table: str, column: str) -> str:
    text = value.isoformat()  # not strftime: it does not pad the year
    if table in _ISO_DATES:
        return text
    return text.replace("-", "")[: 6 if column in _MONTHS else 8]
