"""Scenarios: which faults the stand-in register shall play, message by message, from a YAML file.

A scenario that cannot be played as it is written is refused when it is read: a play that would never be used, a play
that contradicts itself, or one that says something about a mail that does not exist.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kpr.errors import BadSettings
from kpr.messages.app_rec import error_codes
from kpr.yaml_file import read_yaml

Version = Literal["1.0", "1.1"]

#: Ten years: an answer later than any rehearsal. A longer delay could not be reckoned with.
_LONGEST = 87_600
_OF_THE_RECEIPT = ("negative", "part", "late_hours", "double", "contradict", "unreadable", "unknown_original")
_OF_THE_SENDER = ("unknown_sender", "app_rec_version")
#: For routes on which messages are acknowledged (EDI).
OF_EDI = (
    *("acknowledge_late_hours", "acknowledge_double", "acknowledge_as_warning", "receipt_first"),
    *("wrong_signature", "unknown_certificate", "returned"),
)
_OF_THE_ACKNOWLEDGMENT = ("acknowledge_late_hours", "acknowledge_as_warning", "receipt_first")
#: What is said once, to the first try.
_OF_THE_FIRST_TRY = ("acknowledge_double", "error", "returned")
_OF_THE_MAIL = ("no_mail", "mail_faults", "mail_unreadable", "mail_double", "mail_late_hours", "mail_unknown_sender")
#: What cannot both be had: without a receipt there is none to spoil, and so on.
_EXCLUDE_EACH_OTHER = (
    *(("silent", other) for other in (*_OF_THE_RECEIPT, *_OF_THE_SENDER) if other != "negative"),
    *(("error", other) for other in ("silent", *_OF_THE_RECEIPT, *_OF_THE_SENDER, *_OF_THE_MAIL)),
    *(("returned", other) for other in ("silent", "error", *_OF_THE_RECEIPT, *_OF_THE_SENDER, *_OF_THE_MAIL)),
    *(("returned", other) for other in OF_EDI if other != "returned"),
    *(("error", other) for other in OF_EDI if other != "returned"),
    ("silent", "receipt_first"),
    ("wrong_signature", "unknown_certificate"),
    ("negative", "part"),
    ("double", "contradict"),
    *(("no_mail", other) for other in _OF_THE_MAIL if other != "no_mail"),
    ("mail_unreadable", "mail_faults"),
    *(("negative", other) for other in _OF_THE_MAIL),
)


class Play(BaseModel):
    """What to do with one message. Without any field: behave."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    number: int | None = Field(default=None, ge=1, description="the n-th message of its type; absent: every one")
    municipality: str | None = Field(
        default=None, pattern=r"^\d{4}$", description="only this sender's messages; number counts among them"
    )
    type: Literal["ident", "iplos"] = "iplos"
    negative: str | None = Field(default=None, description="a code of list 8221")
    detail: str = Field(default="", max_length=500, description="OT of that code")
    part: str | None = Field(default=None, description="status 3 with this code")
    silent: bool = Field(default=False, description="no receipt at all")
    late_hours: float = Field(default=0, ge=0, le=_LONGEST, description="the receipt comes so much later")
    double: bool = Field(default=False, description="the same receipt twice")
    contradict: bool = Field(default=False, description="a second receipt with the other verdict")
    unreadable: bool = Field(default=False, description="the receipt cannot be read")
    unknown_original: bool = Field(default=False, description="a receipt for a message that was never sent")
    unknown_sender: bool = Field(default=False, description="a receipt whose sender is not the register")
    acknowledge_from_try: int = Field(default=1, ge=0, le=100, description="acknowledged from this try on; 0: never")
    acknowledge_late_hours: float = Field(default=0, ge=0, le=_LONGEST, description="acknowledged so much later")
    acknowledge_double: bool = Field(default=False, description="the acknowledgment twice")
    acknowledge_as_warning: bool = Field(default=False, description="a warning instead of the acknowledgment")
    receipt_first: bool = Field(default=False, description="the receipt comes before the acknowledgment")
    wrong_signature: bool = Field(
        default=False, description="acknowledgment and receipt with a signature that is wrong"
    )
    unknown_certificate: bool = Field(default=False, description="both signed with a certificate that nobody knows")
    returned: bool = Field(default=False, description="the mail comes back, as undeliverable")
    error: str | None = Field(
        default=None, pattern=r"^[a-z]+:[A-Za-z-]{1,60}$", description="an error of the transport instead of any answer"
    )
    error_form: Literal["spec", "reference", "soap"] = Field(default="spec", description="how the error is written")
    error_detail: str = Field(default="", max_length=500, description="errorDescription")
    error_data: str = Field(default="", max_length=500, description="errorConditionData")
    app_rec_version: Version | None = Field(default=None, description="this receipt's version")
    no_mail: bool = Field(default=False, description="no ident e-mail")
    mail_faults: int = Field(default=0, ge=0, description="the ident e-mail reports at least so many faults")
    mail_unreadable: bool = Field(default=False, description="an ident e-mail that says nothing one can recognise")
    mail_double: bool = Field(default=False, description="the ident e-mail twice")
    mail_late_hours: float = Field(default=0, ge=0, le=_LONGEST, description="the ident e-mail comes so much later")
    mail_unknown_sender: bool = Field(default=False, description="the ident e-mail comes from another domain")

    @model_validator(mode="after")
    def _can_be_played(self) -> Self:
        for code in (self.negative, self.part):
            if code is not None and code not in error_codes():
                raise ValueError(f"{code[:8]} is no code of list 8221 (T02, E10, X99 …)")
        if self.detail and not (self.negative or self.part):
            raise ValueError("detail belongs to negative or part, and there is neither")
        if not self.detail.isprintable():
            raise ValueError("detail holds a sign that cannot be written in XML")
        if (self.error_detail or self.error_data or self.error_form != "spec") and not self.error:
            raise ValueError("error_detail, error_data and error_form belong to error, and there is none")
        for one, other in _EXCLUDE_EACH_OTHER:
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{one} and {other} exclude each other")
        if self.acknowledge_from_try != 1:
            for other in (
                _OF_THE_FIRST_TRY if self.acknowledge_from_try else (*_OF_THE_FIRST_TRY, *_OF_THE_ACKNOWLEDGMENT)
            ):
                if getattr(self, other):
                    raise ValueError(f"acknowledge_from_try and {other} exclude each other")
        if self.type == "iplos" and (said := [name for name in _OF_THE_MAIL if getattr(self, name)]):
            raise ValueError(f"{said[0]} is for type ident: an IPLOS message gets no e-mail")
        return self


class Scenario(BaseModel):
    """All plays, and the version of receipts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    app_rec_version: Version = "1.1"
    plays: tuple[Play, ...] = ()

    @model_validator(mode="after")
    def _every_play_is_used(self) -> Self:
        taken: set[tuple[str, str | None, int | None]] = set()
        for place, play in enumerate(self.plays, 1):
            whose = (play.type, play.municipality)
            if {(*whose, play.number), (*whose, None), (play.type, None, None)} & taken:
                raise ValueError(f"play {place} is never used: one before it fits the same messages")
            taken.add((*whose, play.number))
        return self

    def play(self, family: str, number: int, municipality: str = "", own_number: int = 0) -> Play:
        """What to do with the n-th message of a family (the n-th of its sender's); the first play that fits."""
        numbers = {None: number, municipality: own_number}
        for play in self.plays:
            fits = play.type == family and play.municipality in numbers
            if fits and play.number in (None, numbers[play.municipality]):
                return play
        return Play()

    def needs_edi(self) -> str | None:
        """The first thing in a play that only a route with acknowledgments can do; None when there is none."""
        for play in self.plays:
            said = [name for name in OF_EDI if getattr(play, name)]
            if said or play.acknowledge_from_try != 1:
                return said[0] if said else "acknowledge_from_try"
        return None

    def version(self, play: Play) -> Version:
        """The version of the receipt for one message."""
        return play.app_rec_version or self.app_rec_version


def delay(play: Play) -> timedelta:
    """How much later the receipt comes."""
    return timedelta(hours=play.late_hours)


def mail_delay(play: Play) -> timedelta:
    """How much later the ident e-mail comes."""
    return timedelta(hours=play.mail_late_hours)


def load_scenario(path: Path | None) -> Scenario:
    """Read a scenario file; BadSettings names the field that is wrong."""
    if path is None:
        return Scenario()
    try:
        return Scenario.model_validate(read_yaml(path) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings("The scenario file cannot be read as YAML.", place=path.name, remedy=_DOCS) from None
    except (ValidationError, ValueError) as error:  # ValueError: YAML with a day that does not exist
        raise BadSettings(f"The scenario is wrong: {_said(error)}.", place=_place(path, error), remedy=_DOCS) from None


_DOCS = "See docs/stand-in-register.md."


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "a value cannot be read"
    return str(error.errors(include_input=False, include_url=False)[0]["msg"]).removeprefix("Value error, ")


def _place(path: Path, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return path.name
    where = error.errors(include_input=False, include_url=False)[0]["loc"]
    return f"{path.name}: {'.'.join(str(part) for part in where)}" if where else path.name
