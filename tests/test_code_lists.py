"""Code lists and municipalities per data year: what may be sent, and what the register would accept."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from kpr.years import Mark, known_years, load_year
from kpr.years.model import Municipality

XSD = {"xs": "http://www.w3.org/2001/XMLSchema"}


def span(first: int, last: int) -> set[str]:
    """Codes from first to last, both included."""
    return {str(code) for code in range(first, last + 1)}


YES_NO, THREE = {"1", "2"}, {"1", "2", "9"}

#: element: codes of 2018, codes from 2019 on
CODES = {
    "Type": (span(1, 3), span(1, 3)),
    "diKodeVersjon": ({"ICPC-2", "ICD-10"}, {"ICPC-2", "ICD-10"}),
    "fnFunkType": (span(1, 18), span(1, 20)),
    "fnFunkVerdi": (span(1, 5) | {"9"}, span(1, 5) | {"9"}),
    "meldingstype": ({"B"}, {"B"}),
    "peKjonn": ({"M", "K"}, {"M", "K"}),
    "poArbBistBehov": (THREE, THREE),
    "poArbBistMottar": (span(1, 3), span(1, 3)),
    "poArbTranspBehov": (THREE, THREE),
    "poArbTranspMottar": (span(1, 3), span(1, 3)),
    "poBoligTilr": (YES_NO, YES_NO),
    "poErnKartlagt": (THREE, YES_NO),
    "poErnPlan": (THREE, YES_NO),
    "poErnRisiko": (THREE, YES_NO),
    "poFriBistBehov": (THREE, THREE),
    "poFriBistMottar": (span(1, 3), span(1, 3)),
    "poFriTranspBehov": (THREE, THREE),
    "poFriTranspMottar": (span(1, 3), span(1, 3)),
    "poHab": (set(), YES_NO),
    "poHarKoordinator": (THREE, span(11, 14)),
    "poHeldg": (set(), {"1"}),
    "poHusstand": (span(1, 3), span(1, 3)),
    "poIndPlan": ({"1", "2", "3", "9"}, span(1, 4)),
    "poLegeMiddGj": (THREE, YES_NO),
    "poOmsorgBarn": (YES_NO, YES_NO),
    "poPrivHjelp": (span(1, 6), span(1, 6)),
    "poVenteliste": (set(), YES_NO),
    "tjRullerende": (YES_NO, YES_NO),
    "tjTjenType": (span(1, 26) - {"10"}, span(1, 29) - {"10", "12", "13", "16"}),
    "tjTjenUnderType": ({"10", "11", "20", "21", "30", "31"}, set()),
    "tjVedtak": (YES_NO, YES_NO),
    "typeID": (span(1, 12) - {"11"}, span(1, 12) - {"11"}),
    "typeKontaktperson": (span(1, 16), span(1, 17)),
}

# -- what may be sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", known_years())
@pytest.mark.parametrize("element", CODES)
def test_codes_that_may_be_sent(element: str, year: int) -> None:
    """Each element has the codes of its data year and no other."""
    assert set(load_year(year).codes(element)) == CODES[element][0 if year == 2018 else 1]


def test_free_elements_have_no_codes() -> None:
    """An element that is no code has no codes."""
    assert load_year(2020).codes("peAlder") == {}


def test_codes_of_2018_are_those_of_the_strict_schema(official: Path) -> None:
    """Every enumeration of the strict schema of 2018 is exactly what we say may be sent that year."""
    root = etree.parse(official / "schemas/iplos-2018/iplos_2018_sender.xsd")
    year, compared = load_year(2018), 0
    for element in root.xpath("//xs:element[.//xs:enumeration]", namespaces=XSD):
        values = set(element.xpath(".//xs:enumeration/@value", namespaces=XSD))
        if element.get("name") in CODES:
            assert set(year.codes(element.get("name"))) == values, element.get("name")
            compared += 1
    assert compared >= 22


#: attribute: the simple type of the ident schema that lists its codes
IDENT_TYPES = {
    "typeKontaktperson": "kontaktperson_type",
    "typeID": "type_personidentifikasjon",
    "meldingstype": "meldingstype",
}


@pytest.mark.parametrize("year", [2018, 2019])
def test_ident_codes_are_those_of_the_official_schemas(year: int, official: Path) -> None:
    """The ident schema of the year lists exactly our codes; of the message types we only send B."""
    known = load_year(year)
    file = official / f"schemas/ident-{known.ident_version.value}/XPR(ide)_CodingSchemes.xsd"
    root = etree.parse(file)
    for element, kind in IDENT_TYPES.items():
        values = set(root.xpath(f"//xs:simpleType[@name='{kind}']//xs:enumeration/@value", namespaces=XSD))
        assert set(known.codes(element)) == (values - {"E"}), element


TEXTS = [
    (2018, "tjTjenType", "11", "Omsorgslønn"),
    (2019, "tjTjenType", "11", "Omsorgsstønad"),
    (2018, "tjTjenType", "26", "Varslings- og lokaliseringsteknologi (GPS)"),
    (2020, "tjTjenType", "26", "Lokaliseringsteknologi (GPS)"),
    (2020, "tjTjenType", "28", "Digitalt tilsyn"),
    (2020, "tjTjenType", "23", "Skadeavvergende tiltak i nødssituasjoner (§ 9-5 tredje ledd a)"),
    (2018, "poIndPlan", "2", "Nei"),
    (2020, "poIndPlan", "4", "Nei, oppfyller ikke retten til individuell plan"),
    (2020, "poHarKoordinator", "11", "Ja, oppnevnt koordinator"),
    (2020, "poPrivHjelp", "4", "Ja, 15 timer/uke eller mer"),
    (2020, "tjVedtak", "1", "Avslag"),
    (2020, "tjVedtak", "2", "Innvilget"),
    (2020, "fnFunkType", "19", "Initiativevne"),
    (2020, "fnFunkType", "20", "Opplevelse av trygghet"),
    (2020, "poArbBistMottar", "3", "Nei, mottar ikke bistand"),
    (2020, "typeID", "12", "Felles hjelpenummer (FH-nummer)"),
    (2019, "typeKontaktperson", "17", "IPLOS innsendingsansvarlig"),
    (2018, "tjTjenUnderType", "31", "Fast tilknyttet personell hele døgnet, del av ordinær boligmasse"),
]


@pytest.mark.parametrize(("year", "element", "code", "text"), TEXTS)
def test_texts(year: int, element: str, code: str, text: str) -> None:
    """A code has the Norwegian text of its data year."""
    assert load_year(year).codes(element)[code].text_nb == text


@pytest.mark.parametrize(
    ("element", "codes"), [("tjTjenType", {"27", "28"}), ("fnFunkType", {"19", "20"}), ("tjVedtak", set())]
)
def test_new_codes_are_only_probable_in_2019(element: str, codes: set[str]) -> None:
    """The codes that the letter calls new for 2020 are probable in 2019 and confirmed from 2020 on."""
    marks = {code for code, text in load_year(2019).codes(element).items() if text.mark is Mark.PROBABLE}
    assert marks == codes
    assert all(text.mark is Mark.CONFIRMED for text in load_year(2020).codes(element).values())


@pytest.mark.parametrize("year", known_years())
def test_every_code_has_text_and_source(year: int) -> None:
    """No code stands without a text and a source."""
    for element in CODES:
        assert all(text.text_nb and text.source for text in load_year(year).codes(element).values())


# -- what the register accepts ----------------------------------------------------------------------------------

REGISTER = [
    (2018, ["9336"], {"1", "2", "3", "9"}),
    (2020, ["9336"], {"1", "2", "3", "4", "9"}),
    (2020, ["9188"], span(1, 4) | span(11, 14)),
    (2020, ["9188", "1110"], span(1, 4) | {"9"} | span(11, 14)),
    (2020, ["1101"], YES_NO),
    (2020, ["1101", "1110"], THREE),
    (2020, ["9338"], span(1, 3)),
    (2020, ["9340"], span(1, 3)),
    (2020, ["9165", "9166", "9167"], span(1, 5) | {"9"}),
    (2018, ["9151"], span(1, 26) - {"10"}),
    (2019, ["9151"], span(1, 29) - {"10", "12", "13", "16"}),
    (2018, ["9111"], span(1, 18)),
    (2020, ["9111"], span(1, 20)),
    (2018, ["9170"], {"10", "11", "20", "21", "30", "31"}),
    (2019, ["9170"], set()),
    (2020, ["9171"], YES_NO),
    (2020, ["3100"], {"M", "K"}),
    (2020, ["9341"], span(1, 3)),
    (2020, ["7371"], {"B", "E"}),
    (2020, [], set()),
]


@pytest.mark.parametrize(("year", "lists", "codes"), REGISTER)
def test_register_codes(year: int, lists: list[str], codes: set[str]) -> None:
    """The register knows the union of the lists on 1 January, with old values that must not be sent (K1, K5 to K7)."""
    assert load_year(year).register_codes(lists) == codes


@pytest.mark.parametrize("year", known_years())
def test_what_may_be_sent_is_accepted(year: int) -> None:
    """The register accepts every code that we say may be sent."""
    known = load_year(year)
    for element in CODES:
        assert set(known.codes(element)) <= known.register_codes(known.lists_of(element))


# -- services and functions -------------------------------------------------------------------------------------

#: code: obligations (S application, D decision date, V decision, T hours, R rotating), organisation number
SERVICES = {
    **dict.fromkeys(("1", "2", "3", "4", "15", "17", "22"), ("SDVT", "required")),
    **dict.fromkeys(("7", "9", "11"), ("SDVT", "optional")),
    **dict.fromkeys(("18", "19", "20", "21"), ("SDV", "required")),
    **dict.fromkeys(("14", "23"), ("DV", "none")),
    **dict.fromkeys(("12", "13", "26", "27", "28"), ("", "none")),
    **dict.fromkeys(("6", "16"), ("", "optional")),
    "5": ("SDV", "optional"),
    "8": ("SDVR", "required"),
    "24": ("D", "none"),
    "25": ("", "required"),
    "29": ("SDV", "none"),
}
GROUPS = {
    "hjemmeboende": {"1", "2", "3", "4", "5", "7", "9", "11", "15"},
    "velferdsteknologi": {"6", "26"},
    "institusjon": {"8", "17", "18", "19", "20", "21", "22", "25"},
    "tvang": {"14", "23", "24"},
}


@pytest.mark.parametrize("year", known_years())
def test_service_types(year: int) -> None:
    """Each service type has the register's own conditions and the expectation of a provider's number."""
    types = load_year(year).service_types
    assert set(types) == set(load_year(year).codes("tjTjenType"))
    assert {code: (kind.obligations, kind.organisation) for code, kind in types.items()} == {
        code: SERVICES[code] for code in types
    }
    assert all(kind.code == code and kind.text_nb for code, kind in types.items())


@pytest.mark.parametrize("year", known_years())
def test_groups(year: int) -> None:
    """The groups of the statistics: dwellings and rehabilitation moved in 2019, welfare technology grew."""
    groups: dict[str, set[str]] = {}
    for code, kind in load_year(year).service_types.items():
        groups.setdefault(kind.group, set()).add(code)
    new = {"velferdsteknologi": {"27", "28"}, "bolig": {"29"}}
    old = {"hjemmeboende": {"16"}, "bolig": {"12", "13"}}
    more = old if year == 2018 else new
    names = {*GROUPS, "bolig"}
    assert groups == {name: GROUPS.get(name, set()) | more.get(name, set()) for name in names}


@pytest.mark.parametrize(("function_type", "text"), [("13", "Blind"), ("14", "Døv"), ("1", "Fullt"), ("20", "Fullt")])
def test_score_lists(function_type: str, text: str) -> None:
    """Sight and hearing have score lists of their own; all have 1 to 5 and 9."""
    year = load_year(2020)
    number = {"13": "9166", "14": "9167"}.get(function_type, "9165")
    assert year.score_list(function_type) == span(1, 5) | {"9"}
    assert year.list_codes(number)["5"].text_nb.startswith(text)


# -- districts and municipalities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "codes", "some"),
    [
        ("0301", {f"{n:02d}" for n in (*range(1, 18), 99)}, ("15", "Søndre Nordstrand")),
        ("1103", {f"{n:02d}" for n in (*range(1, 8), 99)}, ("03", "Eiganes og Våland")),
        ("4601", {f"{n:02d}" for n in (*range(1, 9), 99)}, ("08", "Åsane")),
        ("1201", {f"{n:02d}" for n in (*range(1, 9), 99)}, ("01", "Arna")),
        ("5001", {f"{n:02d}" for n in (*range(1, 5), 99)}, ("04", "Heimdal")),
        ("1108", set(), None),
    ],
)
def test_districts(number: str, codes: set[str], some: tuple[str, str] | None) -> None:
    """Four municipalities have bydeler, by two digits as text (08 and 09 too); the others have none."""
    districts = load_year(2020).districts(number)
    assert set(districts) == codes
    assert some is None or districts[some[0]] == some[1]


@pytest.mark.parametrize("year", known_years())
def test_number_of_municipalities(year: int) -> None:
    """There are as many municipalities as the register's statistics count: 422, 356 from 2020, 357 from 2024."""
    numbers = [item.number for item in load_year(year).municipalities]
    assert len(numbers) == len(set(numbers)) == (422 if year < 2020 else 356 if year < 2024 else 357)
    assert all(len(number) == 4 and number.isdigit() for number in numbers)
    assert all(item.name.strip() for item in load_year(year).municipalities)


@pytest.mark.parametrize(
    ("number", "name", "first", "last"),
    [
        ("0301", "Oslo", 2018, 2026),
        ("1201", "Bergen", 2018, 2019),
        ("4601", "Bergen", 2020, 2026),
        ("5001", "Trondheim", 2018, 2026),
        ("1103", "Stavanger", 2018, 2026),
        ("1567", "Rindal", 2018, 2018),
        ("5061", "Rindal", 2019, 2026),
        ("0101", "Halden", 2018, 2019),
        ("3001", "Halden", 2020, 2023),
        ("3101", "Halden", 2024, 2026),
        ("1504", "Ålesund", 2018, 2019),
        ("1507", "Ålesund", 2020, 2023),
        ("1508", "Ålesund", 2024, 2026),
        ("1534", "Haram", 2018, 2019),
        ("1580", "Haram", 2024, 2026),
        ("2030", "Sør-Varanger", 2018, 2019),
        ("5444", "Sør-Varanger", 2020, 2023),
        ("5605", "Sør-Varanger", 2024, 2026),
    ],
)
def test_a_number_lives_for_its_years(number: str, name: str, first: int, last: int) -> None:
    """A municipality is found under the number that it had on 1 January of the data year, and under no other."""
    found = {year: load_year(year).municipality(number) for year in known_years()}
    assert {year: item.name for year, item in found.items() if item} == dict.fromkeys(range(first, last + 1), name)


def test_counties_by_year() -> None:
    """The first two digits are the counties of the year: 18 in 2018, 11 from 2020, 15 again from 2024."""
    counties = {year: {item.number[:2] for item in load_year(year).municipalities} for year in known_years()}
    assert [len(counties[year]) for year in known_years()] == [18, 18, 11, 11, 11, 11, 15, 15, 15]
    assert {"30", "38", "54"} <= counties[2023]
    assert not {"30", "38", "54"} & counties[2024]


def test_a_municipality_knows_its_districts() -> None:
    """A municipality carries its bydeler; most have none."""
    year = load_year(2020)
    assert year.municipality("4601") == Municipality("4601", "Bergen", year.districts("4601"))
    assert year.municipality("1108") == Municipality("1108", "Sandnes", {})


def test_a_year_that_the_list_does_not_reach(tmp_path: Path) -> None:
    """A year after the list is unknown and has no municipalities, so that no number is called wrong."""
    file = tmp_path / "our-2027.yaml"
    file.write_text("based_on: 2026", encoding="utf-8")
    assert load_year(2027, file).municipalities == ()
    assert load_year(2027, file).municipality("0301") is None
    longer = tmp_path / "ours.yaml"
    longer.write_text("{based_on: 2026, municipalities: {to: 2027}}", encoding="utf-8")
    assert len(load_year(2027, longer).municipalities) == 357
