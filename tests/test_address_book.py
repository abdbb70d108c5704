"""The address book: what the registry says about parties, as a file that an operator keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kpr.address_book import STALE_DAYS, AddressBook, Entry, load_address_book, queue_name
from kpr.errors import BadCertificate, BadSettings
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity

REGISTER = {
    "her_id": "8133973",
    "name": "KPR",
    "parent_her_id": "8000003",
    "parent_name": "Registereier",
    "addresses": {
        "E_SB_ASYNC": "tb.example.invalid/SIM/8133973_async",
        "E_SB_SYNC": "tb.example.invalid/SIM/8133973_sync",
        "E_SB_ERROR": "tb.example.invalid/SIM/8133973_error",
        "E_EDI": "kpr@edi.example.invalid",
    },
    "encryption_certificate": "keys/encrypt.pem",
    "signing_certificate": "keys/sign.pem",
}
OURS = {"her_id": "90001", "name": "Saksbehandling", "parent_her_id": "90000", "parent_name": "Eksempel kommune"}
BOOK = {"fetched": "2026-11-20", "source": "Adresseregisteret", "parties": [REGISTER, OURS]}


def load(folder: Path, **changes: Any) -> AddressBook:
    """A book from a file with these fields; ``None`` leaves one out."""
    values = {name: value for name, value in (BOOK | changes).items() if value is not None}
    path = folder / "addresses.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return load_address_book(path)


# -- loading ---------------------------------------------------------------------------------------------------------


def test_a_book_is_read_with_the_registrys_own_codes(tmp_path: Path) -> None:
    """Parties, their organisation, and each address by its type code."""
    book = load(tmp_path)
    assert (book.fetched, book.source, len(book.parties)) == (date(2026, 11, 20), "Adresseregisteret", 2)
    entry = book.entry("8133973")
    assert (entry.name, entry.parent_her_id, entry.active) == ("KPR", "8000003", True)
    assert entry.addresses.asynchronous == "tb.example.invalid/SIM/8133973_async"
    assert entry.addresses.synchronous == "tb.example.invalid/SIM/8133973_sync"
    assert entry.addresses.error == "tb.example.invalid/SIM/8133973_error"
    assert entry.addresses.edi == "kpr@edi.example.invalid"


def test_what_a_party_does_not_have_is_none(tmp_path: Path) -> None:
    """A party need not have queues, nor certificates."""
    entry = load(tmp_path).entry("90001")
    assert (entry.addresses.asynchronous, entry.addresses.error, entry.encryption_certificate) == (None, None, None)


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from where the program runs; an absolute path stays as it is."""
    (tmp_path / "book").mkdir()
    elsewhere = tmp_path / "elsewhere" / "sign.pem"
    load(tmp_path / "book", parties=[REGISTER | {"signing_certificate": str(elsewhere)}])
    monkeypatch.chdir(tmp_path)
    entry = load_address_book(Path("book/addresses.yaml")).entry("8133973")
    assert entry.encryption_certificate == tmp_path / "book" / "keys" / "encrypt.pem"
    assert entry.signing_certificate == elsewhere


def party(**changes: Any) -> list[dict[str, Any]]:
    """One party with changed fields; ``None`` leaves one out."""
    return [{name: value for name, value in (REGISTER | changes).items() if value is not None}]


CANARY = "Ola Nordmann 01818012337"
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no date": ("addresses.yaml: fetched", {"fetched": None}),
    "a date that is none": ("addresses.yaml: fetched", {"fetched": CANARY}),
    "no source": ("addresses.yaml: source", {"source": None}),
    "an empty source": ("addresses.yaml: source", {"source": ""}),
    "no parties": ("addresses.yaml: parties", {"parties": None}),
    "parties that are no list": ("addresses.yaml: parties", {"parties": CANARY}),
    "a party that is no mapping": ("addresses.yaml: parties.0", {"parties": [CANARY]}),
    "a HER-id that is a number": ("addresses.yaml: parties.0.her_id", {"parties": party(her_id=8133973)}),
    "a HER-id that is a name": ("addresses.yaml: parties.0.her_id", {"parties": party(her_id=CANARY)}),
    "a HER-id with a line after it": ("addresses.yaml: parties.0.her_id", {"parties": party(her_id="8133973\n")}),
    "a HER-id in other digits": ("addresses.yaml: parties.0.her_id", {"parties": party(her_id="8١٣٣٩٧٣")}),
    "no organisation": ("addresses.yaml: parties.0.parent_her_id", {"parties": party(parent_her_id=None)}),
    "an organisation that is none": ("addresses.yaml: parties.0.parent_her_id", {"parties": party(parent_her_id="0")}),
    "an unknown address type": (
        "addresses.yaml: parties.0.addresses.E_X",
        {"parties": party(addresses={"E_X": CANARY})},
    ),
    "an address that is a list": (
        "addresses.yaml: parties.0.addresses.E_SB_ASYNC",
        {"parties": party(addresses={"E_SB_ASYNC": [CANARY]})},
    ),
    "an unknown field": ("addresses.yaml: parties.0.phone", {"parties": party(phone=CANARY)}),
    "active that is no yes or no": ("addresses.yaml: parties.0.active", {"parties": party(active=CANARY)}),
    "a certificate that is no path": (
        "addresses.yaml: parties.0.signing_certificate",
        {"parties": party(signing_certificate=[CANARY])},
    ),
}


@pytest.mark.parametrize(("place", "changes"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_field_is_named_and_not_shown(tmp_path: Path, place: str, changes: dict[str, Any]) -> None:
    """The sentence says where to look, what to do, and never what stood there."""
    with pytest.raises(BadSettings) as told:
        load(tmp_path, **changes)
    assert told.value.place == place
    assert "Adresseregisteret" in told.value.remedy
    assert "Nordmann" not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"42", b"fetched: 2026-02-31", b"a: [", b"\xff\xfe", b"!!python/object:os.system x", b"a: &a [*a]"],
    ids=["empty", "a list", "a number", "31 February", "broken", "not UTF-8", "a tag", "a circle"],
)
def test_a_file_that_is_no_book_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    """The file is named, whatever is wrong with it."""
    path = tmp_path / "addresses.yaml"
    path.write_bytes(content)
    with pytest.raises(BadSettings) as told:
        load_address_book(path)
    assert told.value.place.startswith("addresses.yaml")
    assert not told.value.place.endswith((":", " "))


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    """And a folder in its place is no better."""
    for path in (tmp_path / "addresses.yaml", tmp_path):
        with pytest.raises(BadSettings, match="cannot be read") as told:
            load_address_book(path)
        assert told.value.place == path.name


def test_a_book_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    """What was read stands."""
    entry = load(tmp_path).entry("90001")
    with pytest.raises(ValueError, match="frozen"):
        entry.name = "other"  # type: ignore[misc]


# -- looking up ------------------------------------------------------------------------------------------------------


def test_a_party_that_is_not_there(tmp_path: Path) -> None:
    """It is told by its HER-id, with what to do; find says None."""
    book = load(tmp_path)
    with pytest.raises(BadSettings, match="HER-id 8000009 is not in the address book") as told:
        book.entry("8000009")
    assert told.value.place == "addresses"
    assert (book.find("8000009"), book.find("")) == (None, None)


def test_a_party_that_is_not_active_any_more(tmp_path: Path) -> None:
    """It can be found, and cannot be written to."""
    book = load(tmp_path, parties=party(active=False))
    with pytest.raises(BadSettings, match="HER-id 8133973 is not active"):
        book.entry("8133973")
    assert book.find("8133973") is not None


@pytest.mark.parametrize(("days", "stale"), [(-1, False), (0, False), (STALE_DAYS, False), (STALE_DAYS + 1, True)])
def test_a_copy_grows_old(tmp_path: Path, days: int, stale: bool) -> None:
    """After thirty days it should be fetched anew, and not on the thirtieth."""
    now = datetime(2026, 11, 20, 23, 59, tzinfo=UTC) + timedelta(days=days)
    assert load(tmp_path).is_stale(now) is stale


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with both certificates beside it."""
    folder = tmp_path_factory.mktemp("book")
    authority = make_authority()
    for name, purpose in (("sign", Purpose.SIGN), ("encrypt", Purpose.ENCRYPT)):
        write_identity(
            make_identity(authority, name, purpose), folder / "keys" / f"{name}.pem", folder / "keys" / f"{name}.key"
        )
    load(folder)
    return folder / "addresses.yaml"


def test_the_certificates_are_loaded_by_their_role(written: Path) -> None:
    """Each role has the file that the book names for it."""
    entry = load_address_book(written).entry("8133973")
    assert "encrypt" in entry.encryption().subject.rfc4514_string()
    assert "sign" in entry.signing().subject.rfc4514_string()


@pytest.mark.parametrize("role", ["encryption", "signing"])
def test_a_certificate_that_the_book_does_not_name(written: Path, role: str) -> None:
    """The missing one is named, with the party's HER-id."""
    entry = load_address_book(written).entry("90001")
    with pytest.raises(BadSettings, match=f"no {role}_certificate for HER-id 90001"):
        getattr(entry, role)()


def test_a_certificate_whose_file_is_missing(tmp_path: Path) -> None:
    """The file is named when it is needed, not when the book is read."""
    entry = load(tmp_path).entry("8133973")
    with pytest.raises(BadCertificate, match=r"encrypt\.pem"):
        entry.encryption()


# -- queue names -----------------------------------------------------------------------------------------------------

NAME = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(NAME, max_size=4), NAME)
def test_the_queue_is_what_follows_the_last_slash(before: list[str], queue: str) -> None:
    """Host and exchange, however many parts they have, are no part of it; a slash at the end is none either."""
    registered = "/".join([*before, queue])
    assert queue_name(registered) == queue
    assert queue_name(registered + "/") == queue


@pytest.mark.parametrize(
    ("registered", "queue"),
    [
        ("sb.test.nhn.no/DigitalDialog/93252_async", "93252_async"),
        ("93252_async", "93252_async"),
        ("amqps://tb:5671/SIM/q", "q"),
        ("", ""),
        ("///", ""),
    ],
)
def test_queue_names_as_they_are_registered(registered: str, queue: str) -> None:
    """Full addresses, bare names, and nothing."""
    assert queue_name(registered) == queue


def test_an_entry_can_be_made_by_its_own_names() -> None:
    """Program code may use our names for the addresses, files have the registry's codes."""
    entry = Entry.model_validate(OURS | {"addresses": {"asynchronous": "a/b/c"}})
    assert entry.addresses.asynchronous == "a/b/c"
