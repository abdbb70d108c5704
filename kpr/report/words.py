"""Words that the pages and lists share, in both languages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kpr.checks.finding import Fate, Owner, Severity, Text
from kpr.yaml_file import read_yaml

SEVERITIES = {
    Severity.FATAL: Text("stanser alt", "stops everything"),
    Severity.ERROR: Text("feil", "error"),
    Severity.WARNING: Text("advarsel", "warning"),
    Severity.INFO: Text("til orientering", "for information"),
}
OWNERS = {
    Owner.UNIT: Text("enheten som registrerte", "the unit that registered"),
    Owner.EXTRACT: Text("leverandørens uttrekk", "the vendor's extract"),
    Owner.CODE: Text("kodetabellen", "the code table"),
}
FATES = {
    Fate.MESSAGE_DELETED: Text("hele meldingen slettes", "the whole message is deleted"),
    Fate.ROW_DELETED: Text("raden og alt under den slettes", "the row and all under it are deleted"),
    Fate.VALUE_LOST: Text("verdien tømmes", "the value is set to NULL"),
    Fate.NOTED: Text("bemerkes bare", "noted only"),
    Fate.NONE: Text("", ""),
}
MILESTONES = {
    "opens": Text("registeret tar imot", "the register opens"),
    "ordinary": Text("ordinær frist", "ordinary deadline"),
    "corrections_preliminary": Text("rettelser til foreløpige tall", "corrections for the preliminary figures"),
    "preliminary_publication": Text("foreløpige tall publiseres", "preliminary figures are published"),
    "absolute_last": Text("siste dato", "last date"),
}


def said(kind: str, value: str) -> Text:
    """A state in words: ``kind`` is submission, ident, receipt, attempt, message or mark (``states.yaml``)."""
    told = _states()[kind].get(value)
    return Text(told["nb"], told["en"]) if told else Text(value, value)


@cache
def _states() -> dict[str, dict[str, dict[str, str]]]:
    return dict(read_yaml(Path(__file__).with_name("states.yaml")))
