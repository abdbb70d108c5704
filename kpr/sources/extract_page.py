"""The page ``docs/extract.md``: how to write an extract, from schemas and code lists, so that it cannot drift.

Columns, types, years and codes come from where the program itself reads them; only the meanings are written by hand
(``columns.yaml``), and a test holds them against the schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lxml import etree

from kpr.messages.shape import PayloadShape, iplos_shape, schema_path
from kpr.sources.contract import REQUIRED_TABLES, TABLES, table_columns
from kpr.sources.tables import required_columns
from kpr.sources.typed_values import DECIMALS
from kpr.yaml_file import read_yaml
from kpr.years import Year, load_year

_XS = "{http://www.w3.org/2001/XMLSchema}"
_MEANINGS = Path(__file__).parent / "columns.yaml"

#: The first data year of each format, oldest first.
_FORMATS = ((2018, "3.5"), (2019, "3.7"))
#: The year whose codes the page shows beside those of 2018.
_SHOWN_YEAR = 2020
_MOST_CODES = 6

_ROWS = {
    "innhinfo": "One row: whose extract it is, and of which period.",
    "iikontakt": "Contact persons of the IPLOS message. Those of the settings are sent where this is left out.",
    "person": "One row per recipient.",
    "personoppl": "Circumstances; one row per dated snapshot.",
    "funksjon": "Functional scores; one row per variable and period.",
    "tjeneste": "Services and decisions; one row per decision, refusals too.",
    "diagnose": "Diagnoses.",
    "dogntilbud": "Stays in specialist care. Not compulsory since data year 2018.",
    "melding": "One row: the head of the ident message.",
    "kontaktperson": "Contact persons of the ident message. Those of the settings are sent where this is left out.",
    "ident": "One row per recipient: whose the local key is. Kept apart from everything else about the person.",
}

_HEAD = """# How to write an extract

For the vendor of a care-record system. An extract is a set of tables about one municipality and one calendar year.
kpr reads it, checks it, and makes the ident message and the IPLOS message of it. There are three ways to give it:

| Way | What kpr is given |
| --- | --- |
| XML | the IPLOS file (3.5 for data year 2018, 3.7 from 2019) and the ident file (53.1.2, 53.1.3), as exported |
| Tables | a folder with one file per table: `person.csv`, `tjeneste.csv`, … or `person.parquet`, … |
| SQL | the address of a database and a YAML file with one query per table |

`kpr check FOLDER --year 2020` tries an extract without sending anything, and says what is wrong and whose fault it is.
`kpr synth FOLDER --format csv` makes one with invented persons to look at; a small one is in `examples/csv`.

## Rules for all tables

- Tables and columns are named as the elements of the message. A name that is not listed below stops the reading:
  what kpr does not know must not be lost in silence.
- A column may be left out, unless it is marked *must be there*. So may a table, unless it is {required}.
- Leave a value out when there is none: an empty field in CSV, NULL in Parquet and SQL. Never 0, `-` or `99`.
- Values are passed on as they are. kpr mends nothing: a fault is found, shown and mended in the care record.
- Give everybody with a service, a decision or a refusal in the year, and everything valid at some time in it.
- Every row of a person's tables carries the person's key in its first column. Persons come before what belongs to
  them; a table of persons of its own, as below, sees to that.
- A national id stands in `ident.fid` and nowhere else; a recipient's name or address stands nowhere.

| Kind of value | How it is written | Typed columns (Parquet, SQL) |
| --- | --- | --- |
| date | `YYYYMMDD`; in `melding`: `YYYY-MM-DD` | a date type is rewritten |
| month | `YYYYMM` | a date type is rewritten |
| whole number, key | digits, no sign, no blanks | integers; 80.0 becomes 80 |
| hours ({decimals}) | point, one or two decimals: `3.50`; a comma is refused | decimals as they are |
| code | as in the code list | text or integer |

**CSV**: UTF-8 with or without byte-order mark. The first line holds the names of the columns. Semicolon or comma,
whichever the first line has more of. A value with a separator, a quote or a line end stands in double quotes.

**Parquet**: any column types of the table above, and NULL. NaN counts as NULL.

**SQL**: any database for which SQLAlchemy has a dialect and a driver is installed. One SELECT per table, every column
named, `*` is refused. Upper and lower case in names of columns do not matter. The session is read-only where the
database knows how (SQLite, PostgreSQL), and is rolled back. Give kpr a user that may only read. The password belongs
in the settings' secret, never in the file with queries. `examples/extract-sql.yaml` is a whole one:

```yaml
{sql}
```

A piece of `examples/csv/tjeneste.csv`:

```csv
{csv}
```

## Tables

*Message* says whether the message must have the value (m) or may lack it (o); the checks say more, by service type.
Where the years differ, 2018 stands first. Codes are those that may be sent in 2018 and in {year}.
"""


def extract_markdown(examples: Path) -> str:
    """The page; ``examples`` is the folder of the examples that it shows."""
    head = _HEAD.format(
        required=", ".join(f"`{table}`" for table in REQUIRED_TABLES[:-1]) + f" or `{REQUIRED_TABLES[-1]}`",
        decimals=", ".join(f"`{name}`" for name in DECIMALS),
        sql=(examples / "extract-sql.yaml").read_text(encoding="utf-8").strip(),
        csv="\n".join((examples / "csv" / "tjeneste.csv").read_text(encoding="utf-8").splitlines()[:4]),
        year=_SHOWN_YEAR,
    )
    return head + "\n" + "\n".join(_section(table) for table in TABLES)


def meanings() -> dict[str, dict[str, str]]:
    """What each column means, by table and column."""
    return dict(read_yaml(_MEANINGS))


def all_columns() -> dict[str, tuple[str, ...]]:
    """Every column that some data year has, by table, in the order of the newest format that has it."""
    old, new = (table_columns(iplos_shape(version)) for _, version in _FORMATS)
    return {table: tuple(dict.fromkeys((*new[table], *old[table]))) for table in TABLES}


def _section(table: str) -> str:
    must = " **Must be there.**" if table in REQUIRED_TABLES else ""
    lines = [f"### {table}", "", f"{_ROWS[table]}{must}", "", "| Column | Meaning | Kind | Message | Years | Codes |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    said = meanings()[table]
    return "\n".join([*lines, *(_line(table, column, said[column]) for column in all_columns()[table]), ""])


def _line(table: str, column: str, meaning: str) -> str:
    newest = iplos_shape(_FORMATS[-1][1])
    must = " *Must be there.*" if column in required_columns(table, newest) else ""
    cells = (f"`{column}`", meaning + must, _kind(table, column), *_presence(table, column), _codes(column))
    return f"| {' | '.join(cells)} |"


def _presence(table: str, column: str) -> tuple[str, str]:
    """Whether the message must have it, and in which data years it exists."""
    if table in ("melding", "kontaktperson", "ident"):
        return ("m" if column in _ident_required() else "o"), "2018→"
    having = [
        (first, shape) for first, shape in _shapes() if column == "versjon" or column in table_columns(shape)[table]
    ]
    needs = dict.fromkeys("m" if _is_required(shape, table, column) else "o" for _, shape in having)
    years = "2018→" if len(having) == len(_FORMATS) else {2018: "2018 only", 2019: "2019→"}[having[0][0]]
    return " / ".join(needs), years


def _shapes() -> list[tuple[int, PayloadShape]]:
    return [(first, iplos_shape(version)) for first, version in _FORMATS]


def _is_required(shape: PayloadShape, table: str, column: str) -> bool:
    kind = shape["iiKontakt" if table == "iikontakt" else table.upper()]
    return column == "versjon" or column in kind.required


def _kind(table: str, column: str) -> str:
    """Kind of value, from the newest schema that has the column."""
    if table in ("melding", "kontaktperson", "ident"):
        return "date" if "ato" in column and table == "melding" else "text"
    if column in ("poVurdTann", "poVurdLege"):
        return "month"
    for _, version in reversed(_FORMATS):
        node = _declared(version).get(column)
        if node is not None:
            return _kind_of(node)
    return "text"


def _kind_of(node: etree._Element) -> str:
    said = node.get("type", "").rpartition(":")[2]
    restriction = node.find(f".//{_XS}restriction")
    if restriction is not None:
        said = restriction.get("base", "").rpartition(":")[2]
    named = {"DatoType": "date", "decimal": "hours"} | dict.fromkeys(("int", "long", "short"), "whole number")
    if said in named:
        return named[said]
    for limit, sign in (("length", ""), ("maxLength", "≤ ")):
        facet = node.find(f".//{_XS}{limit}")
        if facet is not None:
            return f"text {sign}{facet.get('value')}"
    return "text"


@cache
def _declared(version: str) -> dict[str, etree._Element]:
    """Every element and attribute of a format, by name."""
    root = etree.parse(schema_path("iplos", version)).getroot()
    return {str(node.get("name")): node for node in root.iter(f"{_XS}element", f"{_XS}attribute")}


@cache
def _ident_required() -> frozenset[str]:
    root = etree.parse(schema_path("ident", "53.1.3")).getroot()
    return frozenset(str(node.get("name")) for node in root.iter(f"{_XS}attribute") if node.get("use") == "required")


def _codes(column: str) -> str:
    """The codes of 2018, and those of the year shown where they differ."""
    old, new = (", ".join(_code_cells(column, load_year(year))) for year in (2018, _SHOWN_YEAR))
    if old == new:
        return new
    return "; ".join(part for part in (old and f"2018: {old}", new and f"{_SHOWN_YEAR}: {new}") if part)


def _code_cells(column: str, year: Year) -> Iterator[str]:
    codes = year.codes(column)
    told = len(codes) <= _MOST_CODES and len(year.lists_of(column)) == 1
    for code, text in codes.items():
        yield f"{code} {text.text_nb}" if told and text.text_nb != code else code
