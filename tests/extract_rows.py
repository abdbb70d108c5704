"""Small invented extracts for the tests of the sources: rows by table, as a source, and the strategies for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from kpr.messages.shape import CHILD_CLASSES, PayloadShape, iplos_shape
from kpr.sources.contract import TABLES, Batch, Row, Source, table_columns
from kpr.sources.work_rows import load

SHAPE = iplos_shape("3.7")
CHILDREN = tuple(name.lower() for name in CHILD_CLASSES)
SYNTHETIC_ID = "01818012337"

Values = dict[str, str | None]


@dataclass
class Rows:
    """An extract in memory, in one round; ``parents`` tells each child row's person by row number."""

    tables: Mapping[str, Sequence[Values]]
    parents: Mapping[str, list[int]] = field(default_factory=dict)
    shape: PayloadShape = SHAPE

    def batches(self) -> Iterator[Batch]:
        """Heads first, then the persons with all that belongs to them."""
        columns = table_columns(self.shape)
        heads = [table for table in TABLES if table not in (*CHILDREN, "person", "ident")]
        for table in (*heads, "person", *CHILDREN, "ident"):
            if self.tables.get(table):
                rows = [tuple(map(row.get, columns[table])) for row in self.tables[table]]
                yield Batch(table, columns[table], rows, self.parents.get(table))


def small(**tables: Sequence[Values]) -> Rows:
    """One person with one service and an id; ``tables`` are put in the place of these."""
    usual: dict[str, Sequence[Values]] = {
        "innhinfo": [{"versjon": "3.7", "iiKomnr": "1103"}],
        "person": [{"pePeID": "1", "peKjonn": "K"}],
        "tjeneste": [{"tjPeID": "1", "tjTjID": "1", "tjTjenType": "15", "tjTimerUke": "3.50"}],
        "melding": [{"versjon": "53.1.3", "lopenr": "1"}],
        "ident": [{"institusjonID": "777777777", "pid": "1", "fid": SYNTHETIC_ID, "typeID": "1"}],
    }
    made = usual | tables
    keys = [row.get("pePeID") for row in made["person"]]
    parents = {
        table: [keys.index(row[f"{table[:2]}PeID"]) + 1 for row in made[table]]
        for table in ("tjeneste",)
        if made.get(table) and all(row.get(f"{table[:2]}PeID") in keys for row in made[table])
    }
    return Rows(made, parents)


def everything(source: Source, shape: PayloadShape = SHAPE) -> dict[str, list[Row]]:
    """All work rows that a source ends as: per table, each row with the row number of its person."""
    work = load(source, shape)
    links = {table: ("person_row",) if table in CHILDREN else () for table in TABLES}
    return {table: list(work.select(table, (*links[table], *work.columns[table]))) for table in TABLES}


#: Any text that XML can carry; the checks, not the readers, say whether it is right.
_CONTROLS = [chr(code) for code in range(0x7F, 0xA0)]
TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters=_CONTROLS),
        st.sampled_from("\t\n\r;,\"'<&"),
    ),
    min_size=1,
    max_size=8,
)
HOURS = st.sampled_from(["3.50", "0", "168.00", "x", "1.2.3"])


@st.composite
def rows(draw: st.DrawFn, shape: PayloadShape = SHAPE) -> Rows:
    """Any extract in which keys tie every row to its person; every other value is any text, or none."""
    columns = table_columns(shape)

    def values(table: str, fixed: Values) -> Values:
        free = [name for name in columns[table] if name not in fixed]
        chosen = draw(st.sets(st.sampled_from(free), max_size=4)) if free else set()
        hours = ("tjTimerUke", "tjResTimerUke")
        return {name: draw(HOURS if name in hours else TEXT) for name in sorted(chosen)} | fixed

    keys = draw(st.lists(st.integers(1, 10**9).map(str), min_size=1, max_size=4, unique=True))
    tables: dict[str, list[Values]] = {"innhinfo": [values("innhinfo", {"versjon": shape.version})]}
    tables["melding"] = [values("melding", {"versjon": "53.1.3"})]
    for table in ("iikontakt", "kontaktperson"):
        tables[table] = [values(table, {}) for _ in range(draw(st.integers(0, 2)))]
    tables["person"] = [values("person", {"pePeID": key}) for key in keys]
    unit = {"institusjonID": "777777777"}
    tables["ident"] = [values("ident", unit | {"pid": key, "fid": draw(TEXT), "typeID": "1"}) for key in keys]
    parents: dict[str, list[int]] = {}
    for table in CHILDREN:
        own = shape[table.upper()].keys[0]
        counts = [draw(st.integers(0, 2)) for _ in keys]
        parents[table] = [number for number, count in enumerate(counts, 1) for _ in range(count)]
        tables[table] = [values(table, {own: keys[number - 1]}) for number in parents[table]]
    return Rows(tables, parents, shape)
