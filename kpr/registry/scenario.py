"""Scenarios: which faults the stand-in register shall play, message by message, from a YAML file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kpr.errors import BadSettings
from kpr.messages.app_rec import error_codes


class Play(BaseModel):
    """What to do with one message. Without any field: behave."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int | None = Field(default=None, ge=1, description="the n-th message of its type; absent: every one")
    type: Literal["ident", "iplos"] = "iplos"
    negative: str | None = Field(default=None, description="a code of list 8221")
    detail: str = Field(default="", description="OT of that code")
    part: str | None = Field(default=None, description="status 3 with this code")
    silent: bool = Field(default=False, description="no receipt at all")
    late_hours: float = Field(default=0, ge=0, description="the receipt comes so much later")
    double: bool = Field(default=False, description="the same receipt twice")
    contradict: bool = Field(default=False, description="a second receipt with the other verdict")
    unreadable: bool = Field(default=False, description="the receipt cannot be read")
    unknown_original: bool = Field(default=False, description="a receipt for a message that was never sent")
    no_mail: bool = Field(default=False, description="no ident e-mail")
    mail_faults: int = Field(default=0, ge=0, description="the ident e-mail reports so many faults")
    mail_unreadable: bool = Field(default=False, description="an ident e-mail that says nothing one can recognise")
    mail_double: bool = Field(default=False, description="the ident e-mail twice")


class Scenario(BaseModel):
    """All plays, and the version of receipts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_rec_version: Literal["1.0", "1.1"] = "1.1"
    plays: tuple[Play, ...] = ()

    def play(self, family: str, number: int) -> Play:
        """What to do with the n-th message of a family; the first play that fits."""
        fitting = (play for play in self.plays if play.type == family and play.number in (None, number))
        return next(fitting, Play())


def delay(play: Play) -> timedelta:
    """How much later the receipt comes."""
    return timedelta(hours=play.late_hours)


def load_scenario(path: Path | None) -> Scenario:
    """Read a scenario file; BadSettings names the field that is wrong."""
    if path is None:
        return Scenario()
    try:
        scenario = Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadSettings(
            "The scenario file cannot be read as YAML.", place=path.name, remedy="See the docs."
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadSettings(
            f"The scenario is wrong: {first['msg']}.", place=f"{path.name}: {field}", remedy="See the docs."
        ) from None
    for play in scenario.plays:
        for code in (play.negative, play.part):
            if code is not None and code not in error_codes():
                raise BadSettings(f"{code} is no code of list 8221.", place=path.name, remedy="Use T02, E10, X99 …")
    return scenario
