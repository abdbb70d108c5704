"""The XML of a care-record system: read as it stands, or refused in a sentence with the place and the remedy."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from extract_rows import SHAPE, everything, small

from kpr.errors import BadExtract
from kpr.messages.shape import iplos_shape
from kpr.sources.contract import Batch
from kpr.sources.open import source_from, spec_of
from kpr.sources.xml_files import XmlSource
from kpr.synth import SyntheticMunicipality
from kpr.synth.write import write_xml
from kpr.years import load_year

IPLOS = 'xmlns="http://www.npr.no/xmlstds/iplos/2019"'
IDENT = 'xmlns="http://www.npr.no/xmlstds/53_1_3_ide"'


def iplos(persons: str = "", root: str = IPLOS) -> bytes:
    """An IPLOS document around these persons."""
    head = "<INNHINFO><iiKomnr>1103</iiKomnr></INNHINFO>"
    return f'<IPLOS {root} versjon="3.7">{head}{persons}</IPLOS>'.encode()


def person(inside: str = "", attributes: str = 'pePeID="1"') -> bytes:
    """An IPLOS document with one person."""
    return iplos(f"<PERSON {attributes}>{inside}</PERSON>")


def ident(inside: str, root: str = IDENT) -> bytes:
    """An ident document around this."""
    return f'<Melding {root} versjon="53.1.3">{inside}</Melding>'.encode()


def unit(inside: str) -> bytes:
    """An ident document with one institution around this."""
    return ident(f'<Institusjon institusjonID="777777777">{inside}</Institusjon>')


def opens(data: bytes | None) -> Callable[[], io.BytesIO] | None:
    """An opener of bytes in memory."""
    return None if data is None else lambda: io.BytesIO(data)


def read(first: bytes | None, second: bytes | None = None) -> list[Batch]:
    """All batches of two documents."""
    return list(XmlSource(SHAPE, opens(first), opens(second)).batches())


def refused(first: bytes | None, second: bytes | None = None) -> BadExtract:
    """What the reader says against them."""
    with pytest.raises(BadExtract) as said:
        read(first, second)
    return said.value


def value(document: bytes, name: str) -> str | None:
    """One value of the one person."""
    (batch,) = (batch for batch in read(document) if batch.table == "person")
    return batch.rows[0][batch.columns.index(name)]


# -- what is read ----------------------------------------------------------------------------------------------------


def test_values_keep_their_exact_text() -> None:
    """Blanks, signs and nonsense come through, since the checks must see what was given."""
    assert value(person("<peAlder> 0x7 &amp; </peAlder>"), "peAlder") == " 0x7 & "


def test_an_empty_element_is_not_a_missing_one() -> None:
    """An element without text is an empty text, one that is not there is nothing."""
    assert value(person("<peAlder/>"), "peAlder") == ""
    assert value(person(), "peAlder") is None


@pytest.mark.parametrize("inside", ["1<!--x-->2", "1<?x y?>2", "<![CDATA[12]]>", "<!--x-->12", "&#49;2"])
def test_a_value_is_whole_however_it_is_written(inside: str) -> None:
    """A comment, an instruction or a CDATA section inside a value cuts nothing off."""
    assert value(person(f"<peAlder>{inside}</peAlder>"), "peAlder") == "12"


def test_a_file_in_iso_8859_1_is_read_when_it_says_so() -> None:
    """Older systems declare ISO-8859-1, and their letters come out right."""
    document = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + person("<peKjonn>\u00f8</peKjonn>").decode().encode(
        "latin-1"
    )
    assert value(document, "peKjonn") == "ø"


def test_schema_hints_on_the_ident_root_are_no_values() -> None:
    """Exports carry xsi:schemaLocation; it is passed over."""
    root = f'{IDENT} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    assert read(None, ident("", root))[0].table == "melding"


def test_a_row_belongs_to_the_person_around_it() -> None:
    """Nesting tells whose row it is, whatever its key says."""
    second = '<PERSON pePeID="2"><TJENESTE tjPeID="1" tjTjID="1"><tjTjenType>15</tjTjenType></TJENESTE></PERSON>'
    (batch,) = (b for b in read(iplos('<PERSON pePeID="1"/>' + second)) if b.table == "tjeneste")
    assert batch.persons == [2]


@pytest.mark.parametrize("data_year", [2018, 2020])
def test_both_formats_are_read_bare_and_inside_a_message_head(tmp_path: Path, data_year: int) -> None:
    """The same rows come out of the bare payload and of the payload in a MsgHead."""
    year = load_year(data_year)
    shape = iplos_shape(year.iplos_version.value)
    bare = write_xml(SyntheticMunicipality(year, 20), year, tmp_path)
    spec = spec_of(bare[0])
    wrapped = [tmp_path / "wrapped" / path.name for path in bare]
    wrapped[0].parent.mkdir()
    for path, into in zip(bare, wrapped, strict=True):
        into.write_bytes(in_head(path.read_bytes()))
    again = spec_of(wrapped[0], wrapped[1])
    assert everything(source_from(spec, shape), shape) == everything(source_from(again, shape), shape)


def in_head(payload: bytes) -> bytes:
    """The payload inside a message head, as another system would write it."""
    space = b"http://www.kith.no/xmlstds/msghead/2006-05-24"
    inside = payload.partition(b"?>")[2]
    return (
        b'<m:MsgHead xmlns:m="' + space + b'"><m:MsgInfo><m:MIGversion>v1.2 2006-05-24</m:MIGversion></m:MsgInfo>'
        b"<m:Document><m:RefDoc><m:Content>" + inside + b"</m:Content></m:RefDoc></m:Document></m:MsgHead>"
    )


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_file_of_2018_given_for_2020_is_named_as_such() -> None:
    """The sentence names both formats, and says to choose the right file or year."""
    said = refused(iplos(root='xmlns="http://www.npr.no/xmlstds/iplos/2018"'))
    assert "2018" in said.problem
    assert "2019" in said.problem
    assert said.place.endswith("IPLOS")
    assert "data year" in said.remedy


def test_a_namespace_is_never_repeated() -> None:
    """What somebody else wrote as a namespace does not end up in a log."""
    assert "01818012337" not in str(refused(iplos(root='xmlns="http://example.invalid/01818012337"')))
    assert "another format" in refused(iplos(root="")).problem


@pytest.mark.parametrize(
    ("document", "name", "row"),
    [
        (person("<peFnr>01818012337</peFnr>"), "peFnr", "PERSON, row 1"),
        (person("<PERSON/>"), "PERSON", "PERSON, row 1"),
        (person("<peAlder>1<b/></peAlder>"), "b", "PERSON, row 1"),
        (person('<peAlder xmlns="x">1</peAlder>'), "peAlder", "PERSON, row 1"),
        (person('<TJENESTE tjPeID="1"/><TJENESTE tjPeID="1"><x/></TJENESTE>'), "x", "TJENESTE, row 2"),
        (iplos("<ANNET/>"), "ANNET", "IPLOS"),
        (iplos("<x><PERSON/></x>"), "x", "IPLOS"),
        (iplos('<PERSON xmlns="http://www.npr.no/xmlstds/iplos/2018"/>'), "PERSON", "IPLOS"),
    ],
)
def test_an_element_that_the_format_does_not_know_is_named(document: bytes, name: str, row: str) -> None:
    """Nothing is passed over in silence: the element and the row are named, never the value."""
    said = refused(document)
    assert said.problem == f"The element {name} does not belong here."
    assert said.place == f"IPLOS file, {row}"
    assert "01818012337" not in str(said)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (person("<peAlder>1</peAlder><peAlder>1</peAlder>"), "peAlder"),
        (iplos("<INNHINFO/>"), "INNHINFO"),
        (b"<r>" + iplos() + iplos() + b"</r>", "IPLOS"),
    ],
)
def test_an_element_twice_is_refused(document: bytes, name: str) -> None:
    """Where only one may stand, a second would hide the first."""
    assert refused(document).problem == f"The element {name} stands twice."


@pytest.mark.parametrize(
    "document",
    [
        person(attributes='pePeID="1" navn="Rolle A"'),
        person('<peAlder enhet="år">1</peAlder>'),
        person('<TJENESTE tjPeID="1" x="1"/>'),
    ],
)
def test_an_attribute_that_the_format_does_not_know_is_refused(document: bytes) -> None:
    """An attribute may hold what must not be sent, so it is not passed over."""
    assert "has an attribute that the format does not know" in refused(document).problem


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (unit('<PasientIdent pid="1"><navn/></PasientIdent>'), "The element navn does not belong here."),
        (unit('<PasientIdent xmlns="x" pid="1"/>'), "The element PasientIdent does not belong here."),
        (unit('<Kontaktperson kontPerson="Rolle A"/>'), "The element Kontaktperson does not belong here."),
        (ident('<PasientIdent pid="1"/>'), "The element PasientIdent does not belong here."),
        (unit('<PasientIdent pid="1" navn="x"/>'), "PasientIdent has an attribute that the format does not know."),
        (b"<r>" + ident("") + ident("") + b"</r>", "The element Melding stands twice."),
        (b"<Melding/>", "The file is no ident message of this family."),
        (iplos(), "The file holds no ident data."),
    ],
)
def test_an_ident_file_is_refused_for_what_it_should_not_hold(document: bytes, problem: str) -> None:
    """The ident file is held to its shape as strictly as the other: it is where the identities are."""
    assert refused(None, document).problem == problem


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
SECRET = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "empty"),
        (person()[:-20], "cut off"),
        (person().replace(b"1103", b"\xff\xfe"), "encoding"),
        (person().decode().encode("utf-16"), "UTF-8"),
        (LAUGHS.encode() + person("<peAlder>&c;</peAlder>"), "DOCTYPE"),
        (SECRET.encode() + person("<peAlder>&a;</peAlder>"), "DOCTYPE"),
        (person("<peAlder>&a;</peAlder>"), "entity"),
        (b"<Melding/>", "no IPLOS data"),
        (b"pePeID;peAlder\n1;2\n", "no XML"),
    ],
)
def test_a_damaged_or_hostile_file_is_refused_in_a_sentence(document: bytes, problem: str) -> None:
    """Cut, wrongly encoded, a billion laughs, an outside entity: one sentence, the file and what to do."""
    said = refused(document)
    assert problem in said.problem
    assert said.place.startswith("IPLOS file")
    assert said.remedy
    assert said.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is BadExtract with its name, also when it goes away between choosing and reading."""
    first, second = write_xml(small(), load_year(2020), tmp_path)
    source = source_from(spec_of(first, second), SHAPE)
    second.unlink()
    with pytest.raises(BadExtract) as said:
        everything(source)
    assert said.value.place == "IDENT.xml"


READ = """
import resource, sys
from pathlib import Path
from kpr.messages.shape import iplos_shape
from kpr.sources.open import source_from, spec_of
for batch in source_from(spec_of(Path(sys.argv[1])), iplos_shape("3.7")).batches():
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Ten times as many persons, some 20 MB more, need hardly more memory: each is let go of when it has been read."""
    year = load_year(2020)
    peaks = []
    for persons in (500, 5000):
        path = write_xml(SyntheticMunicipality(year, persons), year, tmp_path / str(persons))[0]
        told = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, check=True, text=True)
        peaks.append(int(told.stdout) / 1024)
    assert path.stat().st_size > 20e6
    assert peaks[1] - peaks[0] < 20
