"""What one data year is: formats, addresses, dates, code lists, each value with its source and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Mark(StrEnum):
    """How sure a value is: said by the owner or an official file, by several signs, or by us alone."""

    CONFIRMED = "confirmed"
    PROBABLE = "probable"
    ASSUMED = "assumed"


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Marked(_Value, Generic[T]):
    """A value with its source and its mark."""

    value: T
    source: str
    mark: Mark


class Milestone(_Value):
    """A date of the season: a date means 23:59:59 that day in Norway (calendar.md K2)."""

    id: str
    date: date
    source: str
    mark: Mark
    counts_in: str | None = None

    @property
    def is_deadline(self) -> bool:
        """Whether something must have been sent by then; openings and publications are only information."""
        return "opens" not in self.id and "publication" not in self.id


class ContactRoute(_Value):
    """A functional mailbox and the days on which it is valid; never a person."""

    address: str
    use: str
    valid_from: date = Field(alias="from")
    valid_to: date | None = Field(default=None, alias="to")
    source: str
    mark: Mark


def _marked(value: Any, said: Milestone | ContactRoute) -> Marked[Any]:
    return Marked(value=value, source=said.source, mark=said.mark)


@dataclass(frozen=True, slots=True)
class CodeText:
    """What a code means, and how sure it is that it may be sent this year."""

    text_nb: str
    mark: Mark
    source: str


@dataclass(frozen=True, slots=True)
class ServiceType:
    """A row of list 9151 in one data year; ``obligations`` are the register's S, D, V, T, R."""

    code: str
    text_nb: str
    group: str
    obligations: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality by the number that it had in the data year, with its bydeler by two digits."""

    number: str
    name: str
    districts: dict[str, str]


class EbxmlNames(_Value):
    """What stands in an ebXML envelope; ``{type}`` is the message type (HISD 1209). An agreement (CPA) goes before it."""

    service: Marked[str]
    service_type: Marked[str]
    action: Marked[str]
    role_from: Marked[str]
    role_to: Marked[str]


class Profile(_Value):
    """The values of one year's file, merged with the year it is based on and with an override."""

    data_year: int
    iplos_version: Marked[str]
    iplos_namespace: Marked[str]
    ident_version: Marked[str]
    ident_namespace: Marked[str]
    receiver_name: Marked[str]
    receiver_production: Marked[str]
    receiver_qa: Marked[str] | None
    receiver_test: Marked[str] | None
    edi_address: Marked[str] | None
    message_type_ident: Marked[str]
    message_type_iplos: Marked[str]
    function_set: Marked[int]
    not_receiving_code: Marked[str]
    max_bytes_edi: Marked[int]
    max_bytes_amqp: Marked[int]
    ack_hours: Marked[int]
    ident_feedback_hours: Marked[int]
    age_from_id: Marked[bool]
    milestones: tuple[Milestone, ...]
    contacts: tuple[ContactRoute, ...]
    ebxml: EbxmlNames | None = None


class Year:
    """One data year, ready to ask. Attributes of :class:`Profile` can be asked for directly."""

    def __init__(self, profile: Profile, code_lists: dict[str, Any]) -> None:
        self.profile = profile
        self._code_lists = code_lists

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in Profile.model_fields:
            raise AttributeError(name)
        return getattr(self.profile, name)

    @property
    def first_day(self) -> date:
        """1 January of the data year: what iiFraDato holds, and the day on which codes are judged."""
        return date(self.profile.data_year, 1, 1)

    @property
    def last_day(self) -> date:
        """31 December of the data year."""
        return date(self.profile.data_year, 12, 31)

    def milestone(self, milestone_id: str) -> Milestone | None:
        """The milestone with this id; None when it is not known for this year."""
        return next((item for item in self.profile.milestones if item.id == milestone_id), None)

    def contact_on(self, day: date, use: str = "all") -> ContactRoute | None:
        """The mailbox for this use on this day; one for all uses where there is no special one."""
        valid = [r for r in self.profile.contacts if r.valid_from <= day and (r.valid_to is None or day <= r.valid_to)]
        wanted = [route for route in valid if route.use == use] + [route for route in valid if route.use == "all"]
        return next(iter(wanted or valid), None)

    def assumed(self) -> tuple[tuple[str, Marked[Any]], ...]:
        """Every value that is only assumed, with its dotted name; milestones, routes and ebXML names too."""
        values = [(name, getattr(self.profile, name)) for name in Profile.model_fields]
        values += [(f"milestones.{m.id}", _marked(m.date, m)) for m in self.profile.milestones]
        values += [(f"contacts.{c.address}", _marked(c.address, c)) for c in self.profile.contacts]
        values += [(f"ebxml.{name}", value) for name, value in self.profile.ebxml or ()]
        return tuple((name, v) for name, v in values if isinstance(v, Marked) and v.mark is Mark.ASSUMED)

    # -- code lists ---------------------------------------------------------------------------------------------

    def lists_of(self, element: str) -> tuple[str, ...]:
        """The numbers of the lists from which this element is drawn this year."""
        lists = self._code_lists["elements"].get(element, [])
        if isinstance(lists, dict):
            lists = lists[max(year for year in lists if year <= max(self.profile.data_year, 2018))]
        return tuple(lists)

    def codes(self, element: str) -> dict[str, CodeText]:
        """The codes that may be sent for this element this year."""
        return {code: text for number in self.lists_of(element) for code, text in self.list_codes(number).items()}

    def list_codes(self, number: str, *, sending: bool = True) -> dict[str, CodeText]:
        """The codes of one list that are valid on 1 January of the data year (and may be sent)."""
        if number == "9151":
            rows, source = self._code_lists["service_types"], "Volven 9151; register conditions"
        else:
            entry = self._code_lists["lists"][number]
            rows, source = entry["codes"], entry["source"]
        valid = [row for row in rows if self._is_valid(row, sending=sending)]
        return {row["code"]: CodeText(self._text(row), self._mark(row), source) for row in valid}

    def register_codes(self, lists: Sequence[str]) -> frozenset[str]:
        """Every code that the register knows in these lists on 1 January of the data year."""
        return frozenset(code for number in lists for code in self.list_codes(number, sending=False))

    def score_list(self, function_type: str) -> frozenset[str]:
        """The scores that a function variable may have."""
        return frozenset(self.list_codes(self._code_lists["score_lists"].get(function_type, "9165")))

    @property
    def service_types(self) -> dict[str, ServiceType]:
        """List 9151 this year, by code."""
        rows = [row for row in self._code_lists["service_types"] if self._is_valid(row, sending=True)]
        fields = ("group", "obligations", "organisation")
        return {row["code"]: ServiceType(row["code"], self._text(row), *(row[f] for f in fields)) for row in rows}

    @property
    def all_service_types(self) -> dict[str, ServiceType]:
        """List 9151 with every code it ever had, valid this year or not."""
        fields = ("group", "obligations", "organisation")
        rows = self._code_lists["service_types"]
        return {row["code"]: ServiceType(row["code"], self._text(row), *(row[f] for f in fields)) for row in rows}

    @property
    def municipalities(self) -> tuple[Municipality, ...]:
        """The municipalities that existed on 1 January of the data year; empty when no list is known."""
        whole, year = self._code_lists["municipalities"], self.profile.data_year
        if not whole["from"] <= year <= whole["to"]:
            return ()
        valid = (row for row in whole["municipalities"] if row.get("from", year) <= year <= row.get("to", year))
        return tuple(Municipality(row["number"], row["name"], self.districts(row["number"])) for row in valid)

    def municipality(self, number: str) -> Municipality | None:
        """The municipality with this number; None when there was none (ask ``municipalities`` whether any is known)."""
        return next((item for item in self.municipalities if item.number == number), None)

    def districts(self, municipality: str) -> dict[str, str]:
        """Bydeler of a municipality by two digits; empty where there are none."""
        return dict(self._code_lists["districts"].get(municipality, {}))

    def _is_valid(self, row: dict[str, Any], *, sending: bool) -> bool:
        year = self.profile.data_year
        last = row.get("to", 9999)
        if sending:
            last = min(last, row.get("send_to", 9999))
        return bool(row.get("from", 2018) <= year <= last and (row.get("send", True) or not sending))

    def _text(self, row: dict[str, Any]) -> str:
        return str(row.get("text_2018", row["text"]) if self.profile.data_year == 2018 else row["text"])

    def _mark(self, row: dict[str, Any]) -> Mark:
        if self.profile.data_year < row.get("probable_before", 0):
            return Mark.PROBABLE
        return Mark(row.get("mark", "confirmed"))
