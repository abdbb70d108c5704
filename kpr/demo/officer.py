"""The officer's part of the demo: what she gives, decides, explains, compares and signs. Each says what was done."""

from __future__ import annotations

from pathlib import Path

from kpr.checks.counting import ALL_PERSONS, FIELDS, service_type_counts
from kpr.messages.shape import iplos_shape
from kpr.mirror.compare import Agreement
from kpr.persons.decisions import Verdict
from kpr.sources.contract import Source
from kpr.sources.work_rows import WorkRows, load
from kpr.steps.last_year import give_last_year
from kpr.steps.mirror import give, mirror, sign
from kpr.steps.officer import write_page
from kpr.steps.persons import decide, give_names
from kpr.steps.persons import look as look_at_persons
from kpr.steps.plausibility import Explained, explain
from kpr.steps.plausibility import look as look_at_swings
from kpr.steps.proof import make_proof
from kpr.steps.work_list import write_work_list
from kpr.steps.workplace import Workplace
from kpr.whole_file import whole_file
from kpr.years import Year, load_year

OFFICER = "fagansvarlig"

#: The line that has grown since last year, by how much, and her reason; more persons than a swing needs, however few.
_GROWN, _GROWTH, _AT_LEAST = "6", 1.4, 11
_WHY_GROWN = "Digitale trygghetsalarmer ble innført i hele kommunen i 2020"
#: The other lines were about the same.
_ABOUT = (0.97, 1.02, 1.0, 1.03, 0.98)

TEST_PERSON = "Donald Duck"
_WHY_OUT = "Testperson fra opplæringen i fagsystemet"


def give_what_is_known(place: Workplace, extract: Source) -> str:
    """Last year's figures as a table, and the names of the care-record system; ``extract`` is one without faults."""
    rows = load(extract, iplos_shape(place.year.iplos_version.value))
    before = load_year(place.settings.data_year - 1)
    table = give_last_year(place, last_year_table(rows, place.year, before), by=OFFICER, name="i-fjor.csv")
    give_names(place, names_list(rows), name="navn.csv")
    return f"{OFFICER} gir tallene fra i fjor ({len(table.lines)} linjer) og navnelisten fra fagsystemet."


def last_year_table(rows: WorkRows, year: Year, before: Year) -> bytes:
    """The same municipality a year ago, as the officer gives it: one line has grown much since."""
    known = {*before.codes("tjTjenType"), ALL_PERSONS, *FIELDS}
    counts = {line: now for line, now in service_type_counts(rows, year).items() if line in known}
    then = {line: round(now * _ABOUT[at % len(_ABOUT)]) for at, (line, now) in enumerate(counts.items())}
    grown = counts.get(_GROWN, 0)
    then[_GROWN] = max(0, min(round(grown / _GROWTH), grown - _AT_LEAST))
    return "\n".join(["kode;personer", *(f"{line};{persons}" for line, persons in then.items())]).encode()


def names_list(rows: WorkRows) -> bytes:
    """Names by local key: a test person among them, whom the line that has grown does not count."""
    last = (
        "SELECT pePeID FROM person WHERE row_no NOT IN (SELECT person_row FROM tjeneste WHERE tjTjenType = ?"
        " AND person_row IS NOT NULL) ORDER BY row_no DESC LIMIT 1"
    )
    keys = [key for (key,) in rows.connection.execute(last, (_GROWN,))]
    return "\n".join(["pid;navn", *(f"{key};{TEST_PERSON}" for key in keys)]).encode()


def waiting(place: Workplace) -> list[str]:
    """What waits for her word."""
    swings = [f"{_said(line)}. Det svinger mye, og venter på en grunn." for line in _swinging(place)]
    persons = [f"Person {key}: kan være en testperson, og venter på en avgjørelse." for key in _suspected(place)]
    return swings + persons


def leave_out_test_persons(place: Workplace) -> list[str]:
    """Decide about everybody who may be one."""
    keys = _suspected(place)
    for key in keys:
        decide(place, key, Verdict.LEAVE_OUT, by=OFFICER, why=_WHY_OUT)
    return [f"Person {key} er «{TEST_PERSON}», en testperson: {OFFICER} utelater den." for key in keys]


def explain_swings(place: Workplace) -> list[str]:
    """Say why of every line that waits for it; empty where none does."""
    found = _swinging(place)
    for line in found:
        explain(place, line.swing.line, why=_WHY_GROWN, by=OFFICER)
    return [f"{_said(line)}. {OFFICER} skriver hvorfor: «{_WHY_GROWN}»." for line in found]


def compare_and_sign(place: Workplace, shown: bytes) -> str:
    """Hold the register's view against what was sent, and sign that it agrees."""
    give(place, shown, by=OFFICER)
    rows = mirror(place).document.compared
    sign(place, by=OFFICER)
    small = sum(row.agreement is Agreement.SMALL for row in rows)
    return f"{len(rows) - small} rader er like, {small} er for små til å vises. {OFFICER} underskriver."


def hand_out(place: Workplace, folder: Path) -> str:
    """The work list for the units, over the one before."""
    with whole_file(folder / "arbeidsliste.csv") as file:
        made = write_work_list(place, file)
    counted = f"{made.new} nye funn, {made.remaining} som står igjen, {made.mended} rettet"
    return f"Arbeidslisten til enhetene er skrevet (arbeidsliste.csv): {counted}."


def leave_behind(place: Workplace, folder: Path) -> None:
    """The page and the proof."""
    (folder / "innsending.html").write_text(write_page(place), encoding="utf-8")
    (folder / "bevis.zip").write_bytes(make_proof(place, by=OFFICER).content)


def _swinging(place: Workplace) -> list[Explained]:
    return [line for line in look_at_swings(place).lines if line.waits]


def _suspected(place: Workplace) -> list[str]:
    return [line.key for line in look_at_persons(place).lines if line.stops]


def _said(line: Explained) -> str:
    swing = line.swing
    percent = f" ({swing.percent:+.0f} %)" if swing.percent is not None else ""
    return f"{line.text.nb}: {swing.now} nå, {swing.before} i fjor{percent}"
