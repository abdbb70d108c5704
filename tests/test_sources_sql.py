"""SQL: one query per table that names its columns; read-only, streamed, and nothing of the address in an error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from extract_rows import SHAPE, SYNTHETIC_ID
from postgresql import Server, find_binaries, running_postgresql
from pydantic import SecretStr

from kpr.errors import BadExtract, BadInput, BadSettings
from kpr.sources.contract import BATCH_ROWS
from kpr.sources.sql import SqlSource, read_queries

USUAL = {
    "innhinfo": "SELECT '1103' AS iiKomnr",
    "person": "SELECT id AS pePeID, age AS peAlder FROM recipient ORDER BY id",
    "ident": "SELECT id AS pid, fnr AS fid, 1 AS typeID FROM recipient",
}
SECRET = "hemmelig"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A care-record database with one recipient."""
    path = tmp_path / "epj.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE recipient (id INTEGER, age INTEGER, fnr TEXT, hours NUMERIC)")
        made.execute("INSERT INTO recipient VALUES (7, 80, ?, 3.5)", (SYNTHETIC_ID,))
    return path


def queries(folder: Path, **changed: str | None) -> Path:
    """A file with queries; ``person="…"`` puts a query in the place of the usual one, None takes it away."""
    kept = {table: query for table, query in (USUAL | changed).items() if query is not None}
    path = folder / "queries.yaml"
    path.write_text(yaml.safe_dump(kept), encoding="utf-8")
    return path


def source(database: Path, **changed: str | None) -> SqlSource:
    """The source over the database."""
    return SqlSource(SecretStr(f"sqlite:///{database}"), read_queries(queries(database.parent, **changed)), SHAPE)


def rows(made: SqlSource) -> dict[str, list[object]]:
    """All rows by table."""
    found: dict[str, list[object]] = {}
    for batch in made.batches():
        found.setdefault(batch.table, []).extend(batch.rows)
    return found


def refused(made: SqlSource) -> BadInput:
    """What is said against reading it."""
    with pytest.raises(BadInput) as said:
        rows(made)
    assert SYNTHETIC_ID not in str(said.value)
    assert SECRET not in str(said.value)
    return said.value


def count(database: Path) -> int:
    """How many recipients the database has now."""
    with closing(sqlite3.connect(database)) as opened:
        return int(opened.execute("SELECT count(*) FROM recipient").fetchone()[0])


# -- reading ---------------------------------------------------------------------------------------------------------


def test_typed_values_become_text(database: Path) -> None:
    """What the database holds as numbers comes out as the message will carry it."""
    hours = "SELECT id AS tjPeID, hours AS tjTimerUke, '' AS tjVedtak FROM recipient"
    assert rows(source(database, tjeneste=hours)) == {
        "innhinfo": [("1103",)],
        "person": [("7", "80")],
        "tjeneste": [("7", "3.5", None)],
        "ident": [("7", SYNTHETIC_ID, "1")],
    }


def test_the_case_of_a_column_does_not_matter(database: Path) -> None:
    """Databases fold names that are not quoted to one case: the contract's spelling is put back."""
    found = source(database, person='SELECT id AS "PEPEID", age AS "pealder" FROM recipient').batches()
    assert [batch.columns for batch in found if batch.table == "person"] == [("pePeID", "peAlder")]


def test_a_long_table_comes_in_batches(database: Path) -> None:
    """No query is held whole in memory."""
    total = BATCH_ROWS * 2 + 1
    many = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {total}) SELECT i AS pePeID FROM n"
    )
    batches = [batch for batch in source(database, person=many).batches() if batch.table == "person"]
    assert [len(batch.rows) for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]


@pytest.mark.parametrize(
    "query",
    [
        "select id as pePeID, count(*) as peAlder from recipient group by id",
        "select id as pePeID, 2 * age as peAlder from recipient",
        "select id as pePeID, '*' as peKjonn from recipient -- *",
        "select id as pePeID /* not * */ from recipient;",
        "with r as (select id from recipient) select id as pePeID from r",
        "\n  (SELECT id AS pePeID FROM recipient)\n",
    ],
)
def test_a_star_that_takes_no_columns_is_allowed(tmp_path: Path, query: str) -> None:
    """Counting, multiplying, texts and remarks are not columns."""
    assert read_queries(queries(tmp_path, person=query))["person"] == query


# -- queries that are refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "select * from recipient",
        "SELECT DISTINCT * FROM recipient",
        "select r.* from recipient r",
        "select r.*, 1 as x from recipient r",
        "select 1 as x, * from recipient",
        "select /* every */ * from recipient",
        "select top 5 * from recipient",
        "with r as (select * from recipient) select id as pePeID from r",
    ],
)
def test_a_query_that_takes_every_column_is_refused(tmp_path: Path, query: str) -> None:
    """Columns are named, so that what is not asked for cannot come along."""
    with pytest.raises(BadSettings, match="does not name its columns"):
        read_queries(queries(tmp_path, person=query))


@pytest.mark.parametrize(
    "query",
    ["delete from recipient", "drop table recipient", "select 1 as pePeID; drop table recipient", "", "table r"],
)
def test_what_is_not_one_select_is_refused_before_it_reaches_the_database(tmp_path: Path, query: str) -> None:
    """An extract only reads."""
    with pytest.raises(BadSettings, match="not one SELECT"):
        read_queries(queries(tmp_path, person=query))


@pytest.mark.parametrize("query", ["delete from recipient", "drop table recipient"])
def test_the_database_itself_is_told_that_nothing_is_written(database: Path, query: str) -> None:
    """Also a query that got past the file cannot change anything."""
    made = source(database)
    refused(SqlSource(made.url, made.queries | {"person": query}, SHAPE))
    assert count(database) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a", "holds no queries"),
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
        ("pasient: select 1", "There is no table 'pasient'"),
        ("person: [1]", "not one SELECT"),
    ],
)
def test_a_file_that_holds_no_queries_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    """The file is named, and what is wrong with it."""
    path = tmp_path / "queries.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadSettings, match=problem) as said:
        read_queries(path)
    assert said.value.place == "queries.yaml"


@pytest.mark.parametrize("table", ["innhinfo", "person", "ident"])
def test_a_query_that_must_be_there_is_asked_for(tmp_path: Path, table: str) -> None:
    """Without these three there is no extract."""
    with pytest.raises(BadSettings, match=f"no query for {table}"):
        read_queries(queries(tmp_path, **{table: None}))


# -- reading that is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("select id as pePeID, fnr from recipient", "Column 2 has a name that the table does not know."),
        ("select age as peAlder from recipient", "The column pePeID is missing."),
        ("select id as pePeID, age as pePeID from recipient", "The column pePeID stands twice."),
        ("select no_such as pePeID from recipient", "The query for person failed in the database."),
        ("select id as pePeID from recipient where fnr = :fnr", "The query for person failed in the database."),
        ("select x'00ff' as pePeID", "A value is of a kind that the message cannot carry."),
        ("select cast(x'ff' as text) as pePeID", "The query for person failed in the database."),
    ],
)
def test_a_query_that_gives_something_else_is_named(database: Path, query: str, problem: str) -> None:
    """The query's table is the place; neither the query nor a value is repeated."""
    said = refused(source(database, person=query))
    assert said.problem == problem
    assert said.place == "query person"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://epj:{SECRET}@127.0.0.1:1/epj",
        f"postgresql+psycopg://epj:{SECRET}@127.0.0.1:port/epj",
        f"nosuch://epj:{SECRET}@127.0.0.1/epj",
        f"{SECRET}",
        f"sqlite:////{SECRET}/{SECRET}.db",
    ],
)
def test_a_database_that_does_not_answer_is_said_without_its_address(tmp_path: Path, url: str) -> None:
    """The password stands in the address, so no part of it is shown."""
    made = SqlSource(SecretStr(url), USUAL, SHAPE)
    said = refused(made)
    assert said.place == "source.url"
    assert SECRET not in repr(made)
    assert said.__cause__ is None


def test_a_database_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A slip in the name ends in a sentence, not in an empty database and an extract without persons."""
    refused(SqlSource(SecretStr(f"sqlite:///{tmp_path / 'borte.db'}"), USUAL, SHAPE))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Any other file in the database's place is BadExtract."""
    (tmp_path / "epj.db").write_bytes(b"no database" * 100)
    with pytest.raises(BadExtract):
        rows(source(tmp_path / "epj.db"))


# -- another database ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL that the tests start."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here")
    with running_postgresql(binaries) as running:
        yield running


def test_postgresql_is_read_in_a_transaction_that_cannot_write(server: Server) -> None:
    """Types and folded names come out as from any other database, and a query that writes is refused by it."""
    url = server.new_database()
    with server.connect(url.rpartition("/")[2]) as connection:
        connection.execute("CREATE TABLE recipient (id bigint, age numeric(5,1), fnr text, born date)")
        connection.execute("INSERT INTO recipient VALUES (7, 80.0, '01818012337', '1980-01-01')")
    person = "SELECT id AS pePeID, age AS peAlder, born AS peFraDato FROM recipient"
    made = SqlSource(SecretStr(url), USUAL | {"person": person}, SHAPE)
    assert rows(made)["person"] == [("7", "80", "19800101")]
    writes = "WITH gone AS (DELETE FROM recipient RETURNING id) SELECT id AS pePeID FROM gone"
    assert refused(SqlSource(made.url, USUAL | {"person": writes}, SHAPE)).place == "query person"
    assert rows(made)["person"] == [("7", "80", "19800101")]
