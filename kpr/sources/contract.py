"""The one contract of all sources: batches of rows, streamed, every value as the text that the message will carry.

An extract consists of these tables. Column names are the message's own element names; which columns a table may
have is read from the schema of the data year (:func:`table_columns`). Values are text or None; a source never
mends a value, so that a fault is found by the checks and mended in the care-record system.

    innhinfo       one row: municipality, period, system and version
    iikontakt      contact persons of the IPLOS message
    person         one row per recipient, key pePeID
    personoppl     personal circumstances      \\
    funksjon       functional scores            |  each row carries its person's key
    tjeneste       services and decisions       |  (poPeID, fnPeID, tjPeID, diPeID, dgPeID)
    diagnose       diagnoses                    |
    dogntilbud     stays in specialist care    /
    melding        one row: header of the ident message
    kontaktperson  contact persons of the ident message
    ident          one row per recipient: pid, fid, typeID (and institusjonID)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kpr.messages.shape import CHILD_CLASSES, PayloadShape

#: Header of the ident message: the attributes of ``Melding`` (ident 53.1.2 and 53.1.3).
MELDING_COLUMNS = (
    "versjon",
    "meldingstype",
    "fraDatoPeriode",
    "tilDatoPeriode",
    "uttakDato",
    "leverandor",
    "navnEPJ",
    "versjonEPJ",
    "versjonUt",
    "lopenr",
    "lokalident",
)
KONTAKTPERSON_COLUMNS = ("kontPerson", "meldTelefon", "meldEpost1", "meldEpost2", "typeKontaktperson")
IDENT_COLUMNS = ("institusjonID", "pasientGUID", "pid", "fid", "typeID")

#: The order in which a source should give its tables; persons come before what belongs to them.
TABLES = (
    "innhinfo",
    "iikontakt",
    "person",
    *(name.lower() for name in CHILD_CLASSES),
    "melding",
    "kontaktperson",
    "ident",
)

#: Tables without which there is no extract.
REQUIRED_TABLES = ("innhinfo", "person", "ident")

BATCH_ROWS = 2_000

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one table. ``persons`` holds the row number of each row's PERSON where nesting tells it."""

    table: str
    columns: tuple[str, ...]
    rows: list[Row]
    persons: list[int] | None = None


class Source(Protocol):
    """Anything that can give an extract as batches, in bounded memory."""

    def batches(self) -> Iterator[Batch]:
        """Yield all rows, persons before what belongs to them; BadExtract when it cannot be read."""
        ...


def table_columns(shape: PayloadShape) -> dict[str, tuple[str, ...]]:
    """The columns that each table may have in this version of the format."""
    columns = {name: shape[name.upper()].columns for name in ("innhinfo", "person")}
    columns["innhinfo"] = ("versjon", *columns["innhinfo"])
    columns["iikontakt"] = shape["iiKontakt"].columns
    columns |= {name.lower(): shape[name].columns for name in CHILD_CLASSES}
    columns |= {"melding": MELDING_COLUMNS, "kontaktperson": KONTAKTPERSON_COLUMNS, "ident": IDENT_COLUMNS}
    return {table: columns[table] for table in TABLES}
