"""The prediction: what the register will keep, null and delete, counted from the findings of its own checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kpr.checks.finding import Text
from kpr.messages.shape import CHILD_CLASSES
from kpr.sources.work_rows import WorkRows

_CHILDREN = tuple(name.lower() for name in CHILD_CLASSES)

#: Only the register's own checks decide; our rules on content tell of the same in other words.
_REGISTER = "rule GLOB 'R-*'"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What will be left: persons, rows per table (all, kept), and values set to NULL on rows that stay."""

    message_deleted: bool
    persons: int
    persons_kept: int
    rows: Mapping[str, tuple[int, int]]
    values_lost: Mapping[str, int]

    @property
    def sentence(self) -> Text:
        """The last line of ``kpr check``."""
        if self.message_deleted:
            return Text(
                f"Registeret vil slette hele meldingen: ingen av {self.persons} personer blir med.",
                f"The register will delete the whole message: none of {self.persons} persons will count.",
            )
        lost = self._lost_rows()
        return Text(
            f"Registeret vil beholde {self.persons_kept} av {self.persons} personer, "
            f"miste {lost} rader under dem og tømme {sum(self.values_lost.values())} felt.",
            f"The register will keep {self.persons_kept} of {self.persons} persons, "
            f"lose {lost} rows under them and set {sum(self.values_lost.values())} values to NULL.",
        )

    def _lost_rows(self) -> int:
        return sum(total - kept for table, (total, kept) in self.rows.items() if table != "person")


def predict(work: WorkRows) -> Prediction:
    """Count what is left after the register's checks; leaves ``kept_<table>`` behind, with ``row_no`` of what stays."""
    connection = work.connection
    deleted = f"SELECT 1 FROM finding WHERE {_REGISTER} AND fate = 'MESSAGE_DELETED' LIMIT 1"  # noqa: S608
    message_deleted = connection.execute(deleted).fetchone() is not None
    for table in ("person", *_CHILDREN):
        _keep(work, table, message_deleted=message_deleted)
    rows = {table: (work.count(table), _count(work, f"temp.kept_{table}")) for table in ("person", *_CHILDREN)}
    return Prediction(message_deleted, *rows["person"], rows, _values_lost(work))


def _keep(work: WorkRows, table: str, *, message_deleted: bool) -> None:
    connection = work.connection
    connection.execute(f"DROP TABLE IF EXISTS temp.kept_{table}")
    connection.execute(f"CREATE TEMP TABLE kept_{table} (row_no INTEGER PRIMARY KEY)")
    if message_deleted:
        return
    lost = f"SELECT row_no FROM finding WHERE {_REGISTER} AND fate = 'ROW_DELETED' AND tab = '{table.upper()}'"  # noqa: S608
    under = "" if table == "person" else "AND person_row IN (SELECT row_no FROM temp.kept_person)"
    query = f"INSERT INTO temp.kept_{table} SELECT row_no FROM {table} WHERE row_no NOT IN ({lost}) {under}"  # noqa: S608
    connection.execute(query)


def _count(work: WorkRows, table: str) -> int:
    return int(work.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _values_lost(work: WorkRows) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in ("person", *_CHILDREN):
        query = (
            f"SELECT element, count(DISTINCT row_no) FROM finding WHERE {_REGISTER} AND fate = 'VALUE_LOST' "  # noqa: S608
            f"AND tab = '{table.upper()}' AND row_no IN (SELECT row_no FROM temp.kept_{table}) GROUP BY element"
        )
        counts |= dict(work.connection.execute(query).fetchall())
    return counts


def lost_persons(work: WorkRows) -> Iterator[tuple[str | None, str]]:
    """Each person whom the register will delete: local key (None when it cannot be shown) and the rule."""
    query = (
        f"SELECT person, min(rule) FROM finding WHERE {_REGISTER} AND fate = 'ROW_DELETED' AND tab = 'PERSON' "  # noqa: S608
        "GROUP BY row_no ORDER BY row_no"
    )
    yield from work.connection.execute(query)


def apply_prediction(work: WorkRows) -> None:
    """Leave in the work rows what the register will hold: lost rows removed, lost values NULL. Predict first.

    What was sent is gone from ``work`` afterwards: only for a copy from which tables are counted.
    """
    for table in ("person", *_CHILDREN):
        lost = f"{_REGISTER} AND fate = 'VALUE_LOST' AND tab = '{table.upper()}'"
        elements = work.connection.execute(f"SELECT DISTINCT element FROM finding WHERE {lost}")  # noqa: S608
        for (element,) in elements.fetchall():  # names of our own data files, never the input's
            rows = f"SELECT row_no FROM finding WHERE {lost} AND element = ?"  # noqa: S608
            work.connection.execute(f'UPDATE {table} SET "{element}" = NULL WHERE row_no IN ({rows})', (element,))  # noqa: S608
        work.connection.execute(f"DELETE FROM {table} WHERE row_no NOT IN (SELECT row_no FROM temp.kept_{table})")  # noqa: S608
