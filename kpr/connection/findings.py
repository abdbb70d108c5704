"""How a finding is said: its severity, its exit code and its sentence, from findings.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any

from kpr.address_book import AddressBook
from kpr.checks.finding import Text
from kpr.connection.facts import Facts
from kpr.errors import BadInput
from kpr.settings import Environment, Settings
from kpr.transports.amqp.outcomes import outcome
from kpr.yaml_file import table_beside
from kpr.years import Year


class Severity(StrEnum):
    """Only a fault keeps one from sending."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class ConnectionCode(IntEnum):
    """What ``kpr check connection`` ends with; the lower, the sooner it must be mended (docs/connection.md)."""

    READY = 0
    SETTINGS = 2
    UNREACHABLE = 20
    TLS = 21
    LOGIN = 22
    OWN_QUEUE = 23
    RECEIVER_QUEUE = 24
    SIZE = 25
    CERTIFICATE = 26
    CLOCK = 27
    WHO = 28
    UNKNOWN_NOW = 29


@dataclass(frozen=True, slots=True)
class ConnectionFinding:
    """One thing that was looked at: a sentence with the remedy in it, and the setting or file where one mends it."""

    id: str
    severity: Severity
    exit_code: ConnectionCode
    text: Text
    place: str = ""


@cache
def table() -> dict[str, Any]:
    """findings.yaml."""
    return dict(table_beside(__file__))


def exit_code(findings: Iterable[ConnectionFinding]) -> ConnectionCode:
    """The code of the fault that must be mended first; READY when there is none."""
    faults = (finding.exit_code for finding in findings if finding.severity is Severity.FAULT)
    return min(faults, default=ConnectionCode.READY)


def verdict(findings: Iterable[ConnectionFinding]) -> Text:
    """One sentence about all of them."""
    found = list(findings)
    faults, warnings = (sum(each.severity is kind for each in found) for kind in (Severity.FAULT, Severity.WARNING))
    word = "mend" if faults else "ready_but_look" if warnings else "ready"
    return filled(table()["words"][word], {"faults": faults, "warnings": warnings, "code": exit_code(found).value})


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is judged, at one moment."""

    facts: Facts
    year: Year
    settings: Settings
    now: datetime

    @property
    def book(self) -> AddressBook | None:
        """The address book, where it could be read."""
        return self.facts.book if isinstance(self.facts.book, AddressBook) else None

    @property
    def environment(self) -> Environment:
        """Where the submission goes."""
        return self.settings.environment


def say(row_id: str, place: str = "", **values: Any) -> ConnectionFinding:
    """The finding of a row, its placeholders filled; a value may be a Text in both languages."""
    row = table()["findings"][row_id]
    code = ConnectionCode(row.get("exit_code", ConnectionCode.READY))
    return ConnectionFinding(row_id, Severity(row["severity"]), code, filled(row, values), place)


def filled(row: dict[str, str], values: dict[str, Any]) -> Text:
    """A row's sentence in both languages."""
    nb = {name: value.nb if isinstance(value, Text) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Text) else value for name, value in values.items()}
    return Text(row["nb"].format(**nb), row["en"].format(**en))


def word_of(name: str) -> Text:
    """A word that is put into sentences."""
    row = table()["words"][name]
    return Text(row["nb"], row["en"])


def limit(name: str) -> int:
    """A limit of findings.yaml."""
    return int(table()["limits"][name]["value"])


def bus_row(where: str, condition: str) -> str:
    """The row for what the bus answered at this point."""
    rows = table()["outcomes"][where]
    return str(rows.get(outcome(condition).name, rows["else"]))


def on_day(moment: date) -> Text:
    """A day as it is written in each language."""
    return Text(f"{moment:%d.%m.%Y}", moment.isoformat()[:10])


def number(value: int) -> str:
    """A large number, its thousands apart."""
    return f"{value:,}".replace(",", " ")


def bad_setting(error: BadInput) -> ConnectionFinding:
    """A setting that keeps something from being asked."""
    return say("settings_incomplete", error.place, said=error.problem, remedy=error.remedy)
