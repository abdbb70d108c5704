"""Test persons and dead persons: the list that the officer reviews, and who is left out of the rows by her word.

A check takes its rows with :func:`settle`, and once it is done keeps whom it left out with :func:`remember_left_out`;
building takes :func:`rows_as_checked`. What was checked is thereby what is sent, whatever is decided in between.
Local keys are the officer's to see: they stand in no event, no log and no error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kpr.conversation import SubmissionState
from kpr.errors import BadInput
from kpr.free_text import refuse_ids
from kpr.people import Deed
from kpr.persons.decisions import Decision, Document, Known, Line, Verdict, decided, lines, read_document, together
from kpr.persons.left_out import LeftOut, Sides, leave_out, sides
from kpr.persons.names import keys_named, known_marks, read_names
from kpr.persons.sheet import Wish, read_sheet, write_sheet
from kpr.persons.suspects import keys_of, known_reasons, suspects
from kpr.plausibility.units import numbers_in
from kpr.settings import Environment
from kpr.sources.work_rows import WorkRows
from kpr.steps.extract import is_fixed, kept_rows, read_extract
from kpr.steps.last_year import read_kept
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind, Submission
from kpr.store.kept_before import kept_before

# -- the check and the build -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settled:
    """What the list did to the rows of a check: who was left out, and what the rules must know of the rest."""

    left_out: LeftOut
    sides: Sides

    def into(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of :class:`kpr.checks.content.ContentOptions`, these added.

        Whom she has left out has not fallen out of the extract: the comparison with the former one forgets them.
        """
        former = {key: count for key, count in options.get("former_services", {}).items() if key not in self.sides.out}
        persons = frozenset(options.get("former_persons", frozenset())) - frozenset(self.sides.out)
        filled = dict(options) | {"former_services": former, "former_persons": persons}
        return filled | self.sides.options(self.left_out)


def settle(place: Workplace, work: WorkRows, submission: Submission | None = None) -> Settled:
    """Take out of the rows whom the officer has decided to leave out; nobody else. Nothing is kept.

    Once a submission is approved, those go out who did when it was checked, and no decision since changes that.
    """
    now = sides(_lines(place, work))
    if submission is not None and is_fixed(submission):
        now = Sides(_left_out_then(place, submission), now.real, now.waiting, now.waiting_vendors)
    return Settled(leave_out(work, now.out), now)


def remember_left_out(place: Workplace, submission: Submission, settled: Settled) -> None:
    """Keep whom a check left out, for the build; once for the same. The event has counts by reason, never a key.

    Before the check's verdict is written down, so that none stands without it; and only when there will be one.
    """
    out = dict(settled.sides.out)
    if submission.state is not SubmissionState.EXTRACTED or out == _left_out_then(place, submission):
        return
    _keep(place, Document(left_out=out), submission_id=submission.id)
    act = place.act(why=settled.left_out.said)
    with place.store.transaction() as session:
        place.store.note(
            session, act, "persons", "LEFT_OUT", submission=submission, to_state=str(settled.left_out.persons)
        )


def rows_as_checked(place: Workplace, submission: Submission) -> WorkRows:
    """The kept rows without those whom the last check left out: what is built, and what the register will have."""
    work = kept_rows(place, submission)
    leave_out(work, _left_out_then(place, submission))
    return work


def _left_out_then(place: Workplace, submission: Submission) -> dict[str, tuple[str, ...]]:
    """Whom the last check of this version left out. BadMessage when it cannot be read: then nothing may be built."""
    for kept in reversed(place.kept.every(KeptKind.PERSONS)):
        if kept.submission_id == submission.id:
            return read_document(place.kept.read(kept)).left_out or {}
    return {}


# -- the list ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonsLook:
    """The list for the extract that would be sent next, and how many persons that has."""

    lines: tuple[Line, ...] = field(repr=False)
    persons: int

    @property
    def stopping(self) -> int:
        """For how many the submission waits."""
        return sum(line.stops for line in self.lines)

    @property
    def counts(self) -> dict[str, int]:
        """How many stand in each verdict."""
        counted = Counter(line.verdict.value for line in self.lines)
        return {verdict.value: counted[verdict.value] for verdict in Verdict}


def look(place: Workplace) -> PersonsLook:
    """The list for the extract that would be sent next: the one taken for an open version, or else the source's own."""
    work = _next_rows(place)
    return PersonsLook(_lines(place, work), work.count("person"))


@dataclass(frozen=True, slots=True)
class NamesGiven:
    """How many persons a list of names had, how many of them the extract has, and at how many of those it points."""

    listed: int
    known: int
    pointed: int


def give_names(place: Workplace, raw: bytes, *, name: str = "") -> NamesGiven:
    """Compare a list of names with the marks. Keys and reasons are kept, no name is.

    It takes the place of the list before. BadInput, and nothing is kept, when it cannot be read, or when the extract
    has none of its keys: such a list has been compared with nothing.
    """
    there = keys_of(_next_rows(place))
    listed = keys_named(raw, name)
    known = listed & there
    if not known:
        raise BadInput(
            f"Listen har {len(listed)} navn; 0 av nøklene finnes i uttrekket. Ingenting er endret.",
            place=name or "--names",
            remedy="Skriv nøklene som i fagsystemet; «kpr persons export» viser hvordan de ser ut.",
        )
    found = {key: tuple(sorted(why)) for key, why in read_names(raw, known_marks(), name).items() if key in known}
    if dict(_known(place).found) != found:
        _keep(place, Document(found=found))
        _note(place, "NAMES_READ", str(len(found)))
    return NamesGiven(len(listed), len(known), len(found))


def decide(place: Workplace, key: str, verdict: Verdict, *, by: str, why: str) -> Line:
    """Decide about one person, marked or not; the line as it stands then.

    BadInput when the person is not in the extract, when why or by is missing, or when a synthetic id is called real.
    """
    work = _next_rows(place)
    if key not in keys_of(work):
        raise BadInput(
            "Ingen person i uttrekket har denne nøkkelen. Ingenting er endret.",
            place="--key",
            remedy="Skriv nøkkelen som «kpr persons show» viser den.",
        )
    _decide(place, work, [Wish(key, verdict, why, "--as")], by=by, why="")
    return next(line for line in _lines(place, work, also=(key,)) if line.key == key)


def export(place: Workplace) -> bytes:
    """The list as CSV, to be edited in a spreadsheet."""
    return write_sheet(look(place).lines).encode()


def take_sheet(place: Workplace, raw: bytes, *, by: str, why: str = "", name: str = "") -> int:
    """Decide what an edited list says; how many decisions changed. ``why`` is for rows without one of their own.

    BadInput, with the row, and nothing is changed, when one of the rows cannot be used.
    """
    work = _next_rows(place)
    return _decide(place, work, read_sheet(raw, keys_of(work), name), by=by, why=why)


def _decide(place: Workplace, work: WorkRows, wishes: list[Wish] | tuple[Wish, ...], *, by: str, why: str) -> int:
    """Every wish that differs from what stands, in one document; all of them or none."""
    if not by.strip():
        raise BadInput("Navnet mangler. Ingenting er endret.", place="--by", remedy="Skriv hvem som avgjør.")
    refuse_ids(by, "--by")
    place.demand(Deed.EXCLUDE_PERSON, by)
    now = {line.key: line for line in _lines(place, work, also=[wish.key for wish in wishes])}
    changed = [wish for wish in wishes if _differs(wish, now[wish.key])]
    made = {wish.key: _decision(place, wish, now[wish.key], by, wish.why.strip() or why.strip()) for wish in changed}
    if made:
        _keep(place, Document(decided=made), by)
        counted = Counter(decision.verdict.value for decision in made.values())
        _note(place, "DECIDED", ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counted.items())), by)
    return len(made)


def _differs(wish: Wish, line: Line) -> bool:
    if wish.verdict is not line.verdict:
        return True
    return line.decision is not None and bool(wish.why.strip()) and wish.why.strip() != line.decision.why


def _decision(place: Workplace, wish: Wish, line: Line, by: str, why: str) -> Decision:
    refuse_ids(why, wish.place)
    if not why and wish.verdict is not Verdict.UNDECIDED:
        raise BadInput("Grunnen mangler. Ingenting er endret.", place=wish.place, remedy="Skriv hvorfor.")
    marks = [known_reasons()[name] for name in line.reasons]
    if wish.verdict is Verdict.REAL and not all(mark.may_be_real for mark in marks):
        raise BadInput(
            "Personen har et syntetisk nummer og kan ikke sendes som virkelig. Ingenting er endret.",
            place=wish.place,
            remedy="Rett nummeret i fagsystemet og ta ut på nytt, eller utelat personen.",
        )
    return decided(line, wish.verdict, by=by.strip(), at=place.clock(), why=why)


# -- what is kept ------------------------------------------------------------------------------------------------------


def _next_rows(place: Workplace) -> WorkRows:
    latest = place.store.latest()
    if latest is not None and latest.extract_sha256 and not is_fixed(latest):
        return kept_rows(place, latest)
    return read_extract(place)


def _lines(place: Workplace, work: WorkRows, also: list[str] | tuple[str, ...] = ()) -> tuple[Line, ...]:
    """The list for these rows; ``also`` are keys that get a line though nothing points at them."""
    known = _known(place)
    production = place.settings.environment is Environment.PRODUCTION
    found = suspects(work, place.year, production=production, named=known.found)
    return lines({key: frozenset[str]() for key in also} | found, keys_of(work), known, _before(place))


def _known(place: Workplace) -> Known:
    """BadMessage when a document cannot be read: nobody is sent because her word about them was lost."""
    return together(read_document(place.kept.read(kept)) for kept in place.kept.every(KeptKind.PERSONS))


def _before(place: Workplace) -> Known:
    """What was decided last year, where the municipality was one and the same then; it is only proposed."""
    year, own = place.settings.data_year, place.settings.municipality.number
    former = numbers_in(year - 1, own, year) or (own,)
    if len(former) != 1:
        return Known()  # merged: the same key may have been another's
    raw = (read_kept(place, kept) for kept in kept_before(place.store, former[0], year - 1, KeptKind.PERSONS))
    return together(read_document(each) for each in raw if each is not None)


def _keep(place: Workplace, document: Document, by: str = "kpr", *, submission_id: str | None = None) -> None:
    place.kept.keep(KeptKind.PERSONS, document.as_bytes(), place.act(by), submission_id=submission_id)


def _note(place: Workplace, event: str, count: str, by: str = "kpr") -> None:
    with place.store.transaction() as session:
        place.store.note(session, place.act(by), "persons", event, to_state=count)
