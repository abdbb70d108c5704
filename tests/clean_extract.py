"""A small extract without a fault, to be spoilt one thing at a time: two invented persons with synthetic ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kpr.checks.content import ContentOptions, content_rules, run_content_rules
from kpr.checks.rules import Catalogue, create_finding_table
from kpr.messages.shape import iplos_shape
from kpr.national_id import check_digits, make_synthetic
from kpr.sources.contract import TABLES, Batch
from kpr.sources.work_rows import WorkRows
from kpr.years import Year, load_year

Row = dict[str, str | None]

KEYS = {"personoppl": "po", "funksjon": "fn", "tjeneste": "tj", "diagnose": "di", "dogntilbud": "dg"}
MAN = "01818012337"
WOMAN = "01818012094"


def numbered(day: str, serial: int = 123, verdict: tuple[bool, bool] = (True, True)) -> str:
    """A number for six digits of date, whose check digits hold by the old rule and by that of 2032, or do not.

    The serial counts up by two until there is one: the sex stays.
    """
    candidates = (f"{day}{number:03d}{tail:02d}" for number in range(serial, 500, 2) for tail in range(100))
    return next(number for number in candidates if check_digits(number) == verdict)


def synthetic(day: date, serial: int) -> str:
    """A synthetic number (month + 80), from this serial upwards by two: the sex stays."""
    return next(found for at in range(serial, 500, 2) if (found := make_synthetic(day, at)))


@dataclass
class Extract:
    """Rows by table; ``person`` in a child row ties it to a person's row number when its key does not."""

    year: Year
    tables: dict[str, list[Row]]

    def work(self) -> WorkRows:
        """The extract as work rows."""
        work = WorkRows(iplos_shape(self.year.iplos_version.value))
        first = {row["pePeID"]: number for number, row in reversed(list(enumerate(self.tables["person"], 1)))}
        for table in TABLES:
            columns = work.columns[table]
            rows = self.tables[table]
            unknown = {name for row in rows for name in row} - {*columns, "person"}
            assert not unknown, f"{table} has no {unknown}"
            persons = None
            if table in KEYS:
                persons = [int(r["person"]) if r.get("person") else first.get(r[f"{KEYS[table]}PeID"]) for r in rows]
            work.add(Batch(table, columns, [tuple(row.get(name) for name in columns) for row in rows], persons))
        work.finish()
        return work

    def of(self, table: str, key: str) -> list[Row]:
        """The rows of one person in a child table, by local key."""
        return [row for row in self.tables[table] if row[f"{KEYS[table]}PeID"] == key]

    def drop(self, table: str, key: str) -> None:
        """Take one person's rows out of a child table."""
        self.tables[table] = [row for row in self.tables[table] if row[f"{KEYS[table]}PeID"] != key]

    def add(self, table: str, key: str, **values: str | None) -> Row:
        """One more row in a child table, with the next running number."""
        prefix = KEYS[table]
        number = {"funksjon": "FnID", "tjeneste": "TjID", "personoppl": "PoID", "diagnose": "DiID"}.get(table, "DgID")
        row: Row = {f"{prefix}PeID": key, f"{prefix}{number}": str(len(self.of(table, key)) + 1), **values}
        self.tables[table].append(row)
        return row

    def add_service(self, key: str, service_type: str, **values: str | None) -> Row:
        """A granted service that runs from December before the data year."""
        before = self.year.data_year - 1
        usual: Row = {
            "tjTjenType": service_type,
            "tjSoknadDato": f"{before}1001",
            "tjVedtDato": f"{before}1101",
            "tjVedtak": "2",
            "tjTimerUke": "3.50",
            "tjInstOrgnr": "123456785",
            "tjFraDato": f"{before}1201",
        }
        return self.add("tjeneste", key, **(usual | values))

    def add_person(self, key: str, fid: str | None, *, sex: str = "M", type_id: str | None = "1", **values: str) -> Row:
        """A person with one diagnosis and an id."""
        year = self.year.data_year
        row: Row = {
            "pePeID": key,
            "peAlder": str(year - 1980),
            "peKjonn": sex,
            "peKomnr": "0301",
            "peBydelsnr": "00",
            "peFraDato": "20150301",
            "peEndrDato": f"{year}0601",
            **values,
        }
        self.tables["person"].append(row)
        self.tables["ident"].append({"institusjonID": "777777777", "pid": key, "fid": fid, "typeID": type_id})
        self.add(
            "diagnose", key, diKodeVersjon="ICD-10", diDiagKode="F00.0", diFraDato="20150301", diTilDato="99991231"
        )
        return row

    def fired(self, **options: object) -> set[str]:
        """The ids of the rules that fire."""
        return {row[0] for row in findings(self, **options)}


def clean(data_year: int = 2020) -> Extract:
    """An extract of the data year in which nothing is wrong."""
    year = load_year(data_year)
    extract = Extract(year, {table: [] for table in TABLES})
    _headers(extract)
    for key, fid, sex in (("1", MAN, "M"), ("2", WOMAN, "K")):
        extract.add_person(key, fid, sex=sex)
        extract.add("personoppl", key, **_circumstances(year))
        for number in year.codes("fnFunkType"):
            extract.add(
                "funksjon",
                key,
                fnFunkType=number,
                fnFunkVerdi="2",
                fnFraDato=f"{data_year}0201",
                fnTilDato="99991231",
            )
    extract.add_service("1", "15", tjVeID="11", tjVeNrID="1")
    extract.add("tjeneste", "1", tjTjenType="6", tjVedtDato=f"{data_year}0110", tjFraDato=f"{data_year}0115")
    extract.add_service("2", "21", tjTimerUke=None)
    extract.add("dogntilbud", "2", dgInstOrgnr="123456785", dgFraDato=f"{data_year}0101", dgTilDato=f"{data_year}0110")
    return extract


def _headers(extract: Extract) -> None:
    year = extract.year.data_year
    extract.tables["innhinfo"] = [
        {
            "versjon": extract.year.iplos_version.value,
            "iiInnhType": "P",
            "iiKomnr": "0301",
            "iiBydelsnr": "00",
            "iiFraDato": f"{year}0101",
            "iiTilDato": f"{year}1231",
            "iiLagetDato": f"{year + 1}0104",
            "iiSysID": "EPJ",
            "iiSysVersjon": "5.2",
            "iiLopenr": "1",
        }
    ]
    extract.tables["melding"] = [
        {
            "versjon": extract.year.ident_version.value,
            "meldingstype": "B",
            "fraDatoPeriode": f"{year}-01-01",
            "tilDatoPeriode": f"{year}-12-31",
            "uttakDato": f"{year + 1}-01-04",
            "navnEPJ": "EPJ",
            "versjonEPJ": "5.2",
            "lopenr": "1",
        }
    ]
    roles = [kind for kind in ("1", "15", "16", "17") if kind in extract.year.codes("typeKontaktperson")]
    extract.tables["kontaktperson"] = [
        {"kontPerson": "Rolle A", "meldEpost1": "a@example.invalid", "typeKontaktperson": kind} for kind in roles
    ]


def _circumstances(year: Year) -> Row:
    day, new = f"{year.data_year}0615", year.data_year >= 2019
    row: Row = {
        "poHusstand": "1",
        "poOmsorgBarn": "2",
        "poPrivHjelp": "6",
        "poBoligTilr": "1",
        "poVurdTann": day[:6],
        "poVurdLege": day[:6],
        "poIndPlan": "4" if new else "2",
        "poHarKoordinator": "14" if new else "2",
        "poArbBistBehov": "2",
        "poArbTranspBehov": "2",
        "poFriBistBehov": "2",
        "poFriTranspBehov": "2",
        "poLegeMiddGj": "1",
        "poLegeMiddGjDato": day,
        "poErnKartlagt": "1",
        "poErnKartlagtDato": day,
        "poErnRisiko": "2",
        "poErnPlan": "2",
        "poFraDato": f"{year.data_year}0101",
    }
    if new:
        row |= {"poVenteliste": "2", "poHeldg": "1", "poHab": "1", "poHabDato": day}
    return row


def findings(extract: Extract, **options: object) -> list[tuple[object, ...]]:
    """Every finding of the content rules, as rows of the table."""
    return _run(extract.work(), extract.year, ContentOptions(**options))  # type: ignore[arg-type]


def _run(work: WorkRows, year: Year, options: ContentOptions) -> list[tuple[object, ...]]:
    catalogue = Catalogue(content_rules(year))
    create_finding_table(work)
    run_content_rules(work, year, catalogue, options)
    query = "SELECT rule, tab, element, row_no, person_row, person, fate, severity, blocks FROM finding"
    return work.connection.execute(query).fetchall()
