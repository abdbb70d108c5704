"""What a vendor is told about extracts is what the program does: the page, and the examples that it shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from extract_rows import SHAPE, SYNTHETIC_ID, everything
from pydantic import SecretStr

from kpr.checks.content import ContentOptions
from kpr.checks.finding import Severity
from kpr.checks.run import check
from kpr.messages.shape import iplos_shape
from kpr.national_id import IdKind, kind_of
from kpr.sources.contract import TABLES, table_columns
from kpr.sources.extract_page import all_columns, extract_markdown, meanings
from kpr.sources.open import source_from, spec_of
from kpr.sources.sql import SqlSource, read_queries
from kpr.sources.work_rows import load
from kpr.years import load_year

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def test_the_page_is_what_the_program_says() -> None:
    """docs/extract.md is made of schemas, code lists and examples; when one changes, the page is made again."""
    assert (ROOT / "docs" / "extract.md").read_text(encoding="utf-8") == extract_markdown(EXAMPLES)


def test_every_column_has_a_meaning_and_no_other_has() -> None:
    """A new column in a schema is missed here until somebody says what it means."""
    assert {table: set(columns) for table, columns in meanings().items()} == {
        table: set(columns) for table, columns in all_columns().items()
    }


@pytest.mark.parametrize("version", ["3.5", "3.7"])
def test_every_table_and_column_of_both_formats_stands_on_the_page(version: str) -> None:
    """Nothing that a source may give is left unsaid."""
    page = extract_markdown(EXAMPLES)
    for table, columns in table_columns(iplos_shape(version)).items():
        section = page.partition(f"### {table}\n")[2].partition("\n### ")[0]
        for column in columns:
            assert f"| `{column}` |" in section, (table, column)


@pytest.mark.parametrize(
    ("column", "years"), [("tjTjenUnderType", "2018 only"), ("poHeldg", "2019→"), ("tjTjenType", "2018→")]
)
def test_the_page_says_in_which_years_a_column_exists(column: str, years: str) -> None:
    """A column that one format lacks is marked so."""
    (line,) = (line for line in extract_markdown(EXAMPLES).splitlines() if line.startswith(f"| `{column}` |"))
    assert f"| {years} |" in line


def test_the_example_folder_is_clean() -> None:
    """What a vendor copies from has every usual table, synthetic persons, and nothing to mend but last year's figures."""
    year = load_year(2020)
    work = load(source_from(spec_of(EXAMPLES / "csv"), SHAPE), SHAPE)
    found = check(work, year, ContentOptions(municipality_number="1103"))
    assert [count.rule for count in found.counts if count.severity is not Severity.INFO] == ["X32b"]
    assert all(work.count(table) for table in TABLES if table != "dogntilbud")
    assert {kind_of(str(row[0])) for row in work.select("ident", ("fid",))} == {IdKind.SYNTHETIC_80}


def test_the_example_queries_run(tmp_path: Path) -> None:
    """The queries are taken as they stand, run on tables as they name them, and give one person's rows."""
    path = tmp_path / "epj.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.executescript(f"""
            CREATE TABLE recipient (id, birth_year, sex, municipality, district, entered, died, changed, national_id,
                                    id_type);
            INSERT INTO recipient VALUES (1, 1980, 'K', '1103', '00', '20190101', NULL, '20200101', '{SYNTHETIC_ID}', 1);
            INSERT INTO recipient VALUES (2, 1980, 'K', '1103', '00', '20190101', NULL, '20200101', '{SYNTHETIC_ID}', 1);
            CREATE TABLE service (recipient, id, decision, prolongation, kind, applied, decided, granted, hours, provider,
                                  started, ended);
            INSERT INTO service VALUES (1, 1, 1, 1, 15, '20200101', '20200102', 1, 3.5, '900000006', '20200103', NULL);
            INSERT INTO service VALUES (2, 2, 2, 1, 15, '20180101', '20180102', 1, 3.5, NULL, '20180103', '20181231');
            CREATE TABLE assessment (recipient, id, variable, score, since, until);
            INSERT INTO assessment VALUES (1, 1, 1, 2, '20200101', NULL);
        """)
    queries = read_queries(EXAMPLES / "extract-sql.yaml")
    found = everything(SqlSource(SecretStr(f"sqlite:///{path}"), queries, SHAPE))
    assert {table: len(rows) for table, rows in found.items() if rows} == dict.fromkeys(queries, 1)
