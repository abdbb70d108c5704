"""The letter's points one by one (D1-D8): which lines each has, how they are counted, when to look."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kpr.checks.fact import Change, Fact, FactLine, FactOptions
from kpr.checks.finding import Text
from kpr.sources.work_rows import WorkRows
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class Counter:
    """Asks the counting tables; shared by the facts of one extract."""

    connection: sqlite3.Connection
    work: WorkRows
    year: Year
    changes: Mapping[str, Change]

    def __call__(self, query: str, *values: str) -> int:
        """How many rows the query gives."""
        return int(self.connection.execute(f"SELECT count(*) FROM ({query})", values).fetchone()[0])  # noqa: S608

    def grouped(self, query: str) -> dict[str, int]:
        """The query's pairs as a mapping."""
        return dict(self.connection.execute(query).fetchall())


def _share(part: int, whole: int) -> float | None:
    return round(part * 100 / whole, 1) if whole else None


def _service_lines(count: Counter, fact: str, code: str) -> tuple[FactLine, ...]:
    change = count.changes[code]
    last_day = count("SELECT DISTINCT person_row FROM service WHERE on_last_day AND type = ?", code)
    return (
        FactLine(
            f"{fact}.in_year",
            Text(f"brukere gjennom året (kode {code})", f"recipients through the year (code {code})"),
            change.now,
            change.last_year,
            look_at_it=change.look_at_it,
        ),
        FactLine(f"{fact}.on_last_day", Text("brukere 31. desember", "recipients on 31 December"), last_day),
    )


def _welfare_technology(fact: str, code: str, text: Text) -> Callable[[Counter], Fact]:
    return lambda count: Fact(fact, "L7", text, _service_lines(count, fact, code))


def _rehabilitation(count: Counter) -> Fact:
    lines = []
    if "poHab" in count.changes:
        change = count.changes["poHab"]
        undated = count("SELECT DISTINCT person_row FROM personoppl WHERE poHab = '1' AND coalesce(poHabDato, '') = ''")
        text = Text("personer med (re)habilitering utenfor institusjon", "persons with (re)habilitation outside")
        lines += [
            FactLine("D3.persons", text, change.now, change.last_year, look_at_it=change.look_at_it),
            FactLine("D3.undated", Text("av dem uten dato", "of them without a date"), undated),
        ]
    old = count("SELECT 1 FROM tjeneste WHERE tjTjenType = '16'")
    retired = "16" not in count.year.codes("tjTjenType")
    text = Text("rader med tjenestetype 16", "rows with service type 16")
    lines.append(FactLine("D3.type_16", text, old, look_at_it=retired and old > 0))
    title = Text("Rehabilitering og habilitering utenfor institusjon", "Rehabilitation and habilitation outside")
    return Fact("D3", "L8", title, tuple(lines))


def _dwelling(count: Counter) -> Fact:
    old = count("SELECT 1 FROM tjeneste WHERE tjTjenType IN ('12', '13')")
    retired = "12" not in count.year.codes("tjTjenType")
    text = Text("rader med den gamle koden 12 eller 13", "rows with the old code 12 or 13")
    lines = (*_service_lines(count, "D4", "29"), FactLine("D4.old", text, old, look_at_it=retired and old > 0))
    return Fact("D4", "L9", Text("Bolig", "Dwelling"), lines)


def _round_the_clock(count: Counter) -> Fact:
    change = count.changes["poHeldg"]
    others = count("SELECT 1 FROM personoppl WHERE coalesce(poHeldg, '') NOT IN ('', '1')")
    both = count(
        "SELECT DISTINCT person_row FROM service WHERE in_year AND type = '29' "
        "AND person_row IN (SELECT person_row FROM personoppl WHERE poHeldg = '1')"
    )
    lines = (
        FactLine(
            "D5.persons",
            Text("personer med heldøgnstjenestetilbud", "persons with round-the-clock services"),
            change.now,
            change.last_year,
            look_at_it=change.look_at_it or change.now == 0,
        ),
        FactLine(
            "D5.others",
            Text("rader med annet svar enn ja", "rows with another answer than yes"),
            others,
            None,
            None,
            others > 0,
        ),
        FactLine("D5.dwelling", Text("av personene, med bolig (kode 29)", "of the persons, with dwelling (29)"), both),
    )
    return Fact("D5", "L10", Text("Heldøgnstjenestetilbud", "Round-the-clock services"), lines)


def _new_variables(count: Counter) -> Fact:
    persons = count("SELECT person_row FROM assessment")
    # Coverage of the old variables: the mean over 1-18 of the persons who have a score.
    scored = count.grouped(
        "SELECT fnFunkType, count(DISTINCT person_row) FROM funksjon "
        "WHERE fnFunkVerdi IN ('1', '2', '3', '4', '5', '9') GROUP BY fnFunkType"
    )
    not_relevant = count.grouped(
        "SELECT fnFunkType, count(DISTINCT person_row) FROM funksjon WHERE fnFunkVerdi = '9' "
        "AND fnFunkType IN ('19', '20') GROUP BY fnFunkType"
    )
    usual = sum(scored.get(str(number), 0) for number in range(1, 19)) / 18
    lines = [FactLine("D6.persons", Text("personer med funksjonsvurdering", "persons with an assessment"), persons)]
    names = count.year.codes("fnFunkType")
    for number in ("19", "20"):
        have, nine = scored.get(number, 0), not_relevant.get(number, 0)
        name = names[number].text_nb
        text = Text(f"vurdert på {number} {name} (andel av dem)", f"scored on {number} {name} (share of them)")
        lines.append(FactLine(f"D6.{number}", text, have, None, _share(have, persons), have < usual / 2))
        text = Text(f"med 9 «ikke relevant» på {number}", f'with 9 "not relevant" on {number}')
        all_nine = have > 0 and nine == have
        lines.append(FactLine(f"D6.{number}.nine", text, nine, None, _share(nine, have), all_nine))
    return Fact("D6", "L11", Text("To nye funksjonsvariabler", "Two new function variables"), tuple(lines))


def _distribution(fact: str, element: str, title: Text, must_have: str | None) -> Callable[[Counter], Fact]:
    def make(count: Counter) -> Fact:
        answers = count.grouped(
            f"SELECT coalesce(nullif(o.{element}, ''), 'none'), count(*) "  # noqa: S608
            "FROM snapshot n JOIN personoppl o ON o.row_no = n.row_no GROUP BY 1"
        )
        missing = answers.pop("none", 0)
        known = count.year.codes(element)
        lines = [
            FactLine(
                f"{fact}.{code}",
                Text(f"{code} {meaning.text_nb}", f"{code} {meaning.text_nb}"),
                answers.get(code, 0),
                look_at_it=code == must_have and bool(answers) and code not in answers,
            )
            for code, meaning in known.items()
        ]
        old = sum(persons for code, persons in answers.items() if code not in known)
        lines.append(FactLine(f"{fact}.old", Text("gamle koder", "old codes"), old, look_at_it=old > 0))
        lines.append(FactLine(f"{fact}.missing", Text("ikke besvart", "not answered"), missing))
        return Fact(fact, "L12", title, tuple(lines))

    return make


#: Points of every data year, and those of the format 3.7.
ALWAYS: tuple[Callable[[Counter], Fact], ...] = (
    _welfare_technology("D2a", "6", Text("Trygghetsalarm", "Safety alarm")),
    _welfare_technology("D2b", "26", Text("Lokaliseringsteknologi", "Location technology")),
    _rehabilitation,
    _dwelling,
)
FROM_2019: tuple[Callable[[Counter], Fact], ...] = (
    _welfare_technology("D2c", "27", Text("Elektronisk medisineringsstøtte", "Electronic medication support")),
    _welfare_technology("D2d", "28", Text("Digitalt tilsyn", "Digital supervision")),
    _round_the_clock,
    _new_variables,
    _distribution("D7a", "poIndPlan", Text("Individuell plan", "Individual plan"), "4"),
    _distribution("D7b", "poHarKoordinator", Text("Koordinator", "Coordinator"), None),
)

_REASONS = {
    "X29a": Text("syntetisk nummer (+80)", "synthetic number (+80)"),
    "X29b": Text("nummer som ligner testnummer (+65)", "number like a test number (+65)"),
    "X29c": Text("H-nummer eller testnummer (+40)", "H-number or test number (+40)"),
    "X29d": Text("på listen over testpersoner", "on the list of test persons"),
    "X29e": Text("uten virkelig fødselsdato", "without a real birth date"),
    "X29f": Text("laget av leverandøren", "made by the vendor"),
    "X29g": Text("ser virkelig ut i testmiljø", "looks real in a test environment"),
}


def persons_to_decide(work: WorkRows, limits: FactOptions) -> Fact:
    """D1, letter L6: what the rules on test persons (X29) found, and who was left out by decision."""
    has_run = work.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'finding'").fetchone()
    hits: dict[str, int] = {}
    if has_run:
        query = "SELECT rule, count(*) FROM finding WHERE rule LIKE 'X29_' GROUP BY rule"
        hits = dict(work.connection.execute(query).fetchall())
    lines = [
        FactLine(f"D1.{rule}", text, hits.get(rule, 0) if has_run else None, look_at_it=rule in hits)
        for rule, text in _REASONS.items()
    ]
    text = Text("utelatt etter beslutning", "left out by decision")
    lines.append(FactLine("D1.left_out", text, limits.persons_left_out))
    return Fact("D1", "L6", Text("Testpersoner", "Test persons"), tuple(lines))


def care_record_system(work: WorkRows, limits: FactOptions) -> Fact:
    """D8, letter L5: name and version of the care-record system in both messages."""
    header, melding = work.single("innhinfo"), work.single("melding")
    said = {
        "iiSysID": (Text("system i IPLOS-meldingen", "system in the IPLOS message"), header),
        "iiSysVersjon": (Text("versjon i IPLOS-meldingen", "version in the IPLOS message"), header),
        "navnEPJ": (Text("system i identmeldingen", "system in the ident message"), melding),
        "versjonEPJ": (Text("versjon i identmeldingen", "version in the ident message"), melding),
    }
    lines = tuple(
        FactLine(f"D8.{name}", text, part.get(name), look_at_it="ersj" in name and _is_old(part.get(name), limits))
        for name, (text, part) in said.items()
    )
    return Fact("D8", "L5", Text("Fagsystemets versjon", "Version of the care-record system"), lines)


def _is_old(version: str | None, limits: FactOptions) -> bool:
    if not version or not limits.least_system_version:
        return False
    return _numbers(version) < _numbers(limits.least_system_version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
