"""The rules of parcels as files: names, and the table of what can go wrong. No files, no servers."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kpr.transports.edi as edi
from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi import folder, ftps_session, sftp
from kpr.transports.edi.files import is_whole, numbered, own_file
from kpr.transports.edi.outcomes import carrier_error, table

#: Names as bytes on a disk may be: anything but a slash and a zero, and what is no UTF-8 as surrogates.
on_disk = st.binary(min_size=1, max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
anything = st.text(max_size=60) | on_disk | st.text("./\\ -_aA1\n\r\t~%", max_size=12)


@given(anything)
@example("..")
@example("../../etc/passwd")
def test_no_name_of_ours_leads_out_of_a_folder(name: str) -> None:
    """Whatever a label is called, its file is one plain name with the suffix, or there is none."""
    file = own_file(name)
    if file is None:
        return
    assert re.fullmatch(r"[A-Za-z0-9-]+\.mime", file)
    assert PurePosixPath("outbox", file).parts == ("outbox", file)


@given(st.uuids())
def test_every_uuid_is_a_name(number: object) -> None:
    """The transport's own ids can be file names, and the file is one that the other side would read."""
    file = own_file(str(number))
    assert file == f"{number}.mime"
    assert is_whole(file)


@given(anything)
@example("a\u2028b")
@example("\ud800")
def test_a_name_that_is_read_is_harmless(name: str) -> None:
    """A name that counts as a parcel is one part of a path, fits into one line, and can be said to every server."""
    if not is_whole(name):
        return
    assert PurePosixPath("inbox", name).parts == ("inbox", name)
    assert name not in (".", "..")
    assert "\\" not in name
    assert len(name.splitlines()) == 1
    assert name.isprintable()
    assert name.encode("utf-8").decode("utf-8") == name
    assert len((numbered(name, 999_999) + ".reason").encode()) <= 255


@given(anything, st.sampled_from([".part", ".tmp", ".PART", ".Tmp", ".filepart"]))
def test_a_half_written_file_is_never_a_parcel(name: str, suffix: str) -> None:
    """Whatever stands before it, a suffix of half-written files is believed."""
    assert not is_whole(name + suffix)


@given(anything)
def test_a_hidden_file_is_never_a_parcel(name: str) -> None:
    """Programs hide what they have not finished behind a dot."""
    assert not is_whole("." + name)


@pytest.mark.parametrize("name", ["a.mime", "KVITTERING 1.XML", "æøå.mime", "part", "x.party", "tmp.x", "x" * 200])
def test_ordinary_names_are_parcels(name: str) -> None:
    """The other side names its files as it likes."""
    assert is_whole(name)


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "..", " a", "a ", "a\nb", "a\0b", "a\x7f", "x" * 201, "å" * 101])
def test_other_names_are_left_alone(name: str) -> None:
    """Names that could be paths, several lines, or too long are nobody's parcel."""
    assert not is_whole(name)


@given(st.lists(anything.filter(is_whole), min_size=1, max_size=5, unique=True), st.integers(1, 50))
def test_a_numbered_name_is_as_good_as_its_own(names: list[str], number: int) -> None:
    """The name of a second file keeps its suffix, is a parcel's name, and the first one is the name itself."""
    for name in names:
        again = numbered(name, number)
        assert (again == name) == (number == 1)
        assert is_whole(again) or len(again.encode()) > 200
        assert PurePosixPath(again).suffix == PurePosixPath(name).suffix or name.endswith(".")


@given(anything.filter(is_whole))
def test_numbered_names_differ(name: str) -> None:
    """No two files of one name get the same one."""
    assert len({numbered(name, number) for number in range(1, 30)}) == 29


#: What the code can raise besides its tables of numbers and what it names in full.
IN_PASSING = {"sftp": {"failure", "gone"}, "ftps": {"gone", "timeout", "tls", "away"}, "folder": {"failure", "gone"}}
BY_NUMBER = {"sftp": sftp._CONDITIONS, "ftps": ftps_session._CONDITIONS, "folder": folder._CONDITIONS}


def test_every_condition_of_the_carriers_of_files_is_in_the_table() -> None:
    """Each condition that the code can raise has its row, for each carrier that can raise it, and no row is unused."""
    text = {path.stem: path.read_text("utf-8") for path in Path(edi.__path__[0]).glob("*.py")}
    shared = set(re.findall(r'self\._error\("([a-z-]+)"\)', text["file_carrier"]))
    assert len(shared) >= 5
    expected = set()
    for kind, by_number in BY_NUMBER.items():
        expected |= {f"{kind}:{what}" for what in shared | IN_PASSING[kind] | set(by_number.values())}
        own = text[kind] + text.get(f"{kind}_session", "")
        expected |= set(re.findall(rf'"({kind}:[a-z-]+)"', own))
    assert {name for name in table() if not name.startswith(("mail:", "carrier:"))} == expected


def test_each_row_is_two_sentences() -> None:
    """Every outcome has a Norwegian and an English sentence, which end as sentences do."""
    for name, outcome in table().items():
        assert isinstance(outcome.retry, bool), name
        assert outcome.text.nb.endswith("."), name
        assert outcome.text.en.endswith("."), name
        assert outcome.text.nb != outcome.text.en, name


def test_the_kind_of_error_follows_the_row() -> None:
    """What may pass is exit 5, what somebody must mend is exit 7, and both tell the code."""
    away, stranger = carrier_error("sftp:away"), carrier_error("sftp:unknown-host-key")
    assert type(away) is TransportError
    assert type(stranger) is TransportRefused
    assert "(sftp:away)" in str(away)


def test_an_unknown_condition_is_a_refusal() -> None:
    """What nobody has thought of is not tried again by itself."""
    error = carrier_error("sftp:never-heard-of")
    assert type(error) is TransportRefused
    assert "(sftp:never-heard-of)" in str(error)
