"""The published set on which the search for test persons is measured: made anew from its seed, never on disk.

Some 5,000 persons who look real, among them all who are easily taken for test persons (H-numbers, D-numbers, people
without an id, people with an example's name, registered twice), and so many test persons of each kind, among them those
whom no rule can find. What rules look at is here and nothing else: this is no extract that could be sent.

The ids of those who look real have a wrong last digit on purpose, so that none can be anybody's; no rule that is
measured looks at check digits. Names of test persons are partly such as stand on no list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from kpr.messages.shape import iplos_shape
from kpr.national_id import make_synthetic
from kpr.sources.contract import Batch, table_columns
from kpr.synth.person import Dice, Values
from kpr.years import Year

_MADE_UP = ("777777777", "900000006")
_GIVEN = ("Anne", "Inger", "Kari", "Marit", "Ingrid", "Liv", "Jan", "Per", "Bjørn", "Ole", "Lars", "Kjell", "Donald")
_FAMILY = ("Hansen", "Johansen", "Olsen", "Larsen", "Andersen", "Berg", "Haugen", "Hagen", "Bakken", "Moen", "Musum")
#: As they were seen or may be thought of; the last five stand on no list.
_TEST_NAMES = (
    "Donald Duck", "DUCK, Donald", "Mikke Mus 2", "Petter Smart", "Pippi Langstrømpe", "Harry James Potter",
    "Test Testesen", "Testpasient Tolv", "TEST1 Hansen", "Prøvepasient Sone Vest", "Dummy Bruker", "Ole Test",
    "Spiderman", "Asdf Qwerty", "Guffen", "Xxx Yyy", "Emil Fra Lønneberga",
)  # fmt: skip


@dataclass
class _Made:
    """One person as rows; ``kind`` None: lawful."""

    kind: str | None
    person: Values
    ident: Values
    name: str
    mark: str = ""
    service: Values = field(default_factory=dict)
    again: str = ""


@dataclass(frozen=True)
class TestPersonSet:
    """A source like any other, with the names and the truth beside it."""

    __test__ = False  # no test, whatever pytest makes of the name

    year: Year
    lawful: int = 5_000
    of_each: int = 200
    seed: int = 2020

    def batches(self) -> Iterator[Batch]:
        """Persons, one service each, and ids; the same arguments give the same rows."""
        columns = table_columns(iplos_shape(self.year.iplos_version.value))
        tables: dict[str, list[Values]] = {
            "person": [each.person for each in self._people],
            "tjeneste": [each.service for each in self._people],
            "ident": [{**each.ident, "institusjonID": "900000006"} for each in self._people],
        }
        for table, rows in tables.items():
            persons = list(range(1, len(rows) + 1)) if table == "tjeneste" else None
            yield Batch(table, columns[table], [tuple(map(row.get, columns[table])) for row in rows], persons)

    def names(self) -> bytes:
        """The list of names that the care-record system gives: pid;navn;merke."""
        rows = [f"{each.person['pePeID']};{each.name};{each.mark}" for each in self._people]
        return "\n".join(["pid;navn;merke", *rows]).encode()

    @property
    def truth(self) -> dict[str, str]:
        """Local key of each test person or dead person, with its kind."""
        return {str(each.person["pePeID"]): each.kind for each in self._people if each.kind is not None}

    @cached_property
    def _people(self) -> list[_Made]:
        dice, used = Dice(self.seed), set[str]()
        people = [_lawful(dice, self.year, number, used) for number in range(1, self.lawful + 1)]
        for kind, spoil in KINDS.items():
            for _ in range(self.of_each):
                made = _plain(dice, self.year, len(people) + 1, used)
                made.kind = kind
                spoil(dice, made)
                people.append(made)
        _register_twice(people, self.lawful)
        return people


def _plain(dice: Dice, year: Year, number: int, used: set[str]) -> _Made:
    """Somebody in whom nothing is remarkable."""
    key, first = str(number), year.first_day
    service: Values = {
        "tjPeID": key, "tjTjID": "1", "tjTjenType": "15", "tjVedtak": "2", "tjInstOrgnr": "900000006",
        "tjFraDato": f"{first:%Y%m%d}", "tjTilDato": f"{dice.day(year.first_day, year.last_day):%Y%m%d}",
    }  # fmt: skip
    name = f"{dice.choice(_GIVEN)} {dice.choice(_FAMILY)}"
    ident: Values = {"pid": key, "fid": _looks_real(dice, used), "typeID": "1"}
    return _Made(None, {"pePeID": key}, ident, name, service=service)


def _lawful(dice: Dice, year: Year, number: int, used: set[str]) -> _Made:
    """Of a hundred: two D-numbers, one H-number, one without an id; some more that are easily taken for another."""
    made = _plain(dice, year, number, used)
    place = number % 100
    if place in (1, 2):
        made.ident |= {"fid": _moved(made, day=40), "typeID": "2"}
    elif place == 3:
        made.ident |= {"fid": _moved(made, month=40), "typeID": "3"}
    elif place == 4:
        made.ident |= {"fid": _fid(made)[:6], "typeID": "9"}
    elif number % 500 == 5:
        made.name = dice.choice(("Ola Nordmann", "Kari Nordmann"))
    elif number % 2_500 == 7:
        made.name = "Petter Smart"
    elif number % 250 == 6:  # died in the year, as the service says
        made.person["peDodDato"] = made.service["tjTilDato"]
    return made


def _looks_real(dice: Dice, used: set[str]) -> str:
    """An id of the ordinary form that cannot be anybody's, since its last digit is wrong, and that nobody here has."""
    while True:
        born = dice.day(date(1925, 1, 1), date(1999, 12, 31))
        made = make_synthetic(born, int(dice.random.random() * 500))
        if made is not None and made not in used:
            used.add(made)
            return _wrong_at_the_end(f"{made[:2]}{born.month:02d}{made[4:]}")


def _wrong_at_the_end(text: str) -> str:
    """The last digit such that neither rule for it holds (kpr.national_id.check_digits)."""
    weights = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    right = -sum(weight * int(digit) for weight, digit in zip(weights, text[:10], strict=True)) % 11
    return f"{text[:10]}{(right + 1) % 10 if right < 10 else 0}"


def _fid(made: _Made) -> str:
    return made.ident["fid"] or ""


def _moved(made: _Made, *, day: int = 0, month: int = 0) -> str:
    fid = _fid(made)
    return _wrong_at_the_end(f"{int(fid[:2]) + day:02d}{int(fid[2:4]) + month:02d}{fid[4:]}")


# -- test persons, and dead persons ------------------------------------------------------------------------------------


def _synthetic(month: int) -> Callable[[Dice, _Made], None]:
    def spoil(_dice: Dice, made: _Made) -> None:
        made.ident["fid"] = _moved(made, month=month)

    return spoil


def _undated(_dice: Dice, made: _Made) -> None:
    made.ident["fid"] = _wrong_at_the_end(f"32{_fid(made)[2:]}")


def _vendors(_dice: Dice, made: _Made) -> None:
    key = f"9999{int(made.person['pePeID'] or 0):06d}"
    made.person["pePeID"] = made.ident["pid"] = made.service["tjPeID"] = key


def _named(dice: Dice, made: _Made) -> None:
    made.name = dice.choice(_TEST_NAMES)


def _marked(_dice: Dice, made: _Made) -> None:
    made.mark = "J"


def _same(_dice: Dice, made: _Made) -> None:
    """Five share one id."""
    number = int(made.person["pePeID"] or 0)
    made.again = f"same {number // 5}"


def _test_unit(_dice: Dice, made: _Made) -> None:
    made.service["tjInstOrgnr"] = _MADE_UP[0]


def _unmarked(_dice: Dice, _made: _Made) -> None:
    """Nothing shows it: an ordinary id, an ordinary name."""


def _dead_before(_dice: Dice, made: _Made) -> None:
    made.person["peDodDato"] = f"{int((made.service['tjFraDato'] or '')[:4]) - 1}0601"


def _after_death(_dice: Dice, made: _Made) -> None:
    made.person["peDodDato"] = made.service["tjFraDato"]
    made.service["tjTilDato"] = None


#: kind -> what makes somebody one.
KINDS: dict[str, Callable[[Dice, _Made], None]] = {
    "synthetic-80": _synthetic(80),
    "synthetic-65": _synthetic(65),
    "synthetic-40": _synthetic(40),
    "no-birth-date": _undated,
    "vendor-key": _vendors,
    "named": _named,
    "marked": _marked,
    "same-id": _same,
    "test-unit": _test_unit,
    "unmarked": _unmarked,
    "dead-before-year": _dead_before,
    "service-after-death": _after_death,
}

#: Those of them that are no test persons.
DEAD = frozenset({"dead-before-year", "service-after-death"})


def _register_twice(people: list[_Made], lawful: int) -> None:
    """Test persons who share an id get it; and of the lawful, ten were registered under two keys."""
    shared: dict[str, str] = {}
    for made in people:
        if made.again:
            made.ident["fid"] = shared.setdefault(made.again, _fid(made))
    for first in range(10, lawful - 1, max(2, lawful // 10)):
        people[first].ident["fid"] = _fid(people[first - 1])
        people[first].ident["typeID"] = people[first - 1].ident["typeID"]
