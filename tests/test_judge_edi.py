"""``kpr check connection`` over EDI: what each thing seen at the servers, the folders and in the agreement means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cpa_maker import OTHER, OWN, cpa_text
from test_connection import book, facts, ids, judged, party, settings_with

from kpr.connection.facts import Facts, Stop, StopFacts
from kpr.connection.findings import ConnectionCode, exit_code, table
from kpr.errors import BadMessage, BadSettings, KprError
from kpr.messages.ebxml.cpa import read_cpa
from kpr.settings import Settings
from kpr.transports.edi.outcomes import carrier_error
from kpr.transports.edi.settings import EdiSettings

SERVER = {"host": "localhost", "port": 1, "username": "u"}
MAIL = {"kind": "mail", "smtp": SERVER, "imap": SERVER}
FOLDER = {"kind": "folder", "folder": "exchange"}


def edi(carrier: dict[str, Any] = FOLDER, own: str = "8000002", theirs: str = "8000004", **changes: Any) -> Settings:
    """Settings over EDI."""
    transport = EdiSettings.model_validate({"kind": "edi", "carrier": carrier} | changes)
    usual = settings_with(sender=party("8000001", own), receiver=party("8000003", theirs))
    return usual.model_copy(update={"transport": transport})


def seen(*stops: StopFacts, **changes: Any) -> Facts:
    """What was seen, without a bus."""
    return replace(facts(bus=None, stops=stops), **changes)


def stop(error: KprError | None = None, **changes: Any) -> StopFacts:
    """The mail server."""
    return StopFacts(**{"stop": Stop.SMTP, "where": "localhost:1", "error": error} | changes)


def with_agreement(end: str = "2022-12-31T23:00:00Z") -> dict[str, Any]:
    """An agreement between the two parties that it names, valid through the season unless it ends earlier."""
    text = cpa_text(start="2020-01-01T00:00:00Z", end=end)
    return {
        "seen": seen(agreement=read_cpa(text.encode())),
        "settings": edi(own=OWN, theirs=OTHER, retries=4, retry_hours=4),
    }


CASES: dict[str, dict[str, Any]] = {
    "book_missing_for_mail": {"seen": seen(book=None), "settings": edi(MAIL)},
    "edi_address_missing": {"seen": seen(), "settings": edi(MAIL)},
    "stop_ok": {"seen": seen(stop(waiting=3)), "settings": edi()},
    "stop_away": {"seen": seen(stop(carrier_error("mail:away"))), "settings": edi()},
    "stop_not_trusted": {"seen": seen(stop(carrier_error("sftp:unknown-host-key"))), "settings": edi()},
    "stop_refused": {"seen": seen(stop(carrier_error("mail:login"))), "settings": edi()},
    "stop_folders_missing": {"seen": seen(stop(missing=("outbox",))), "settings": edi()},
    "stop_too_small": {"seen": seen(stop(largest=10_000_000)), "settings": edi(MAIL)},
    "agreement_ok": with_agreement(),
    "agreement_note": with_agreement() | {"settings": edi(own=OWN, theirs=OTHER, retries=3)},
    "agreement_differs": with_agreement(end="2021-02-01T00:00:00Z"),  # within the season
    "agreement_broken": with_agreement() | {"settings": edi(own="8999999", theirs=OTHER)},
    "who_over_edi": {"seen": seen(), "settings": edi()},
}


@pytest.mark.parametrize("row", CASES)
def test_each_row_says_its_sentence(row: str) -> None:
    """Each case is found, with nothing left unfilled, and a fault has its code."""
    found = {finding.id: finding for finding in judged(**CASES[row])}
    assert row in found
    said = found[row].text
    assert not set("{}") & set(said.nb + said.en)
    assert ("exit_code" in table()["findings"][row]) is (found[row].exit_code is not ConnectionCode.READY)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("book_missing_for_mail", ConnectionCode.SETTINGS),
        ("edi_address_missing", ConnectionCode.RECEIVER_QUEUE),
        ("stop_ok", ConnectionCode.READY),
        ("stop_away", ConnectionCode.UNREACHABLE),
        ("stop_not_trusted", ConnectionCode.TLS),
        ("stop_refused", ConnectionCode.LOGIN),
        ("stop_folders_missing", ConnectionCode.READY),
        ("stop_too_small", ConnectionCode.READY),
        ("agreement_ok", ConnectionCode.READY),
        ("agreement_broken", ConnectionCode.WHO),
    ],
)
def test_what_the_command_ends_with(row: str, code: ConnectionCode) -> None:
    """Faults end with the code of what must be mended; warnings end with 0."""
    assert exit_code(finding for finding in judged(**CASES[row]) if finding.id == row) is code


def test_a_certificate_of_a_mail_server_that_does_not_fit_is_about_whom_we_speak_with() -> None:
    """TLS faults of every carrier have the code of TLS."""
    for condition in ("mail:tls", "mail:no-starttls", "ftps:tls", "ftps:no-tls", "sftp:changed-host-key"):
        found = judged(seen(stop(carrier_error(condition))), edi())
        assert "stop_not_trusted" in ids(found)


def test_a_setting_that_keeps_one_from_asking_is_told_as_a_setting() -> None:
    """A missing password, or an agreement that cannot be read, names the setting."""
    missing = BadSettings("A password is missing.", place="transport.carrier.smtp.password_file", remedy="Set one.")
    broken = BadMessage("This is no agreement.", place="transport.cpa_file", remedy="Fetch it anew.")
    found = [each for each in judged(seen(stop(missing), agreement=broken), edi()) if each.id == "settings_incomplete"]
    assert [each.place for each in found] == ["transport.carrier.smtp.password_file", "transport.cpa_file"]


def test_both_parties_with_an_edi_address_are_not_complained_of() -> None:
    """With addresses for both there is nothing to say of them."""
    with_addresses = {"addresses": {"E_EDI": "a@example.invalid"}}
    addressed = book(own=with_addresses, receiver=with_addresses)
    assert "edi_address_missing" not in ids(judged(seen(book=addressed), edi(MAIL)))
    assert ids(judged(seen(), edi(MAIL))).count("edi_address_missing") == 2


def test_a_server_that_takes_enough_is_not_complained_of() -> None:
    """What a message of the largest size needs by mail is a third more than the message."""
    assert "stop_too_small" not in ids(judged(seen(stop(largest=70_000_000)), edi(MAIL)))
    assert "stop_too_small" not in ids(judged(seen(stop()), edi(MAIL)))
