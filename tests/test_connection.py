"""Before the season: every finding by the pure judgement, the probes that need no broker, and the command."""

from __future__ import annotations

import json
import re
import socket
import string
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import ntplib
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from place import Place
from revocation import Wish, issue, key

from kpr.address_book import AddressBook
from kpr.cli import main
from kpr.connection import ConnectionCode, ConnectionFinding, Severity, exit_code, gather, judge, verdict
from kpr.connection.facts import BusFacts, CertificateFacts, ClockFacts, Facts, FolderFacts, QueueFacts, Role
from kpr.connection.findings import table
from kpr.connection.probes import ask_bus, ask_clock, ask_folder
from kpr.errors import BadCertificate, BadSettings, KprError
from kpr.security.certificates import Identity, Purpose
from kpr.security.refusals import Revoked
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.security.trust_settings import Checked, RevocationUnknown
from kpr.settings import Settings, load_settings
from kpr.transports.amqp.queues import Presence, QueueLook
from kpr.transports.amqp.settings import AmqpSettings
from kpr.years import load_year

NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)
DOCS = Path(__file__).resolve().parents[1] / "docs" / "connection.md"
DAY = timedelta(days=1)

Run = Callable[..., tuple[int, str, str]]


# -- facts when all is well, and one thing changed -----------------------------------------------------------------

AMQP = {
    "kind": "amqp",
    "host": "tb.example.invalid",
    "exchange": "SIM",
    "username": "municipality",
    "dead_letter_queue": "8000002_dl",
    "max_bytes": 1_000_000,
}


def settings_with(**changes: Any) -> Settings:
    """Settings over AMQP; ``transport`` is laid over the usual one."""
    values: dict[str, Any] = {
        "municipality": {"number": "1103", "name": "Eksempel kommune", "organisation_number": "777777777"},
        "data_year": 2020,
        "sender": party("8000001", "8000002"),
        "receiver": party("8000003", "8000004"),
        "keys": {"signing_certificate": "sign.pem", "decryption_certificate": "decrypt.pem"},
    }
    transport = AMQP | changes.pop("transport", {})
    return Settings(**values | {"transport": transport} | changes)


def party(organisation: str, service: str) -> dict[str, str]:
    """Two levels of HER-id, with names."""
    return {
        "organisation_name": "Oppdiktet",
        "organisation_her_id": organisation,
        "service_name": "Del",
        "service_her_id": service,
    }


def book(fetched: date = date(2021, 1, 1), own: Any = None, receiver: Any = None) -> AddressBook:
    """The address book of both parties; an entry's fields may be changed, ``False`` leaves the party out."""
    parties = []
    for changes, parent, her_id in ((own, "8000001", "8000002"), (receiver, "8000003", "8000004")):
        addresses = {"E_SB_ASYNC": f"tb/SIM/{her_id}_async", "E_SB_ERROR": f"tb/SIM/{her_id}_error"}
        entry = {"her_id": her_id, "name": "x", "parent_her_id": parent, "parent_name": "x", "addresses": addresses}
        if changes is not False:
            parties.append(entry | (changes or {}))
    return AddressBook.model_validate({"fetched": fetched, "source": "test", "parties": parties})


def queue(role: Role, waiting: int | None = 0, **changes: Any) -> QueueFacts:
    """A queue that is there."""
    presence = Presence.UNKNOWN if waiting is None else Presence.THERE
    return replace(QueueFacts(role, f"{role}_queue", look=QueueLook(presence, waiting)), **changes)


MISSING = QueueLook(Presence.MISSING)
QUEUES = tuple(queue(role) for role in Role)


def bus(*changed: QueueFacts, **changes: Any) -> BusFacts:
    """A bus where all is well, but for the queues that are given."""
    queues = tuple(next((each for each in changed if each.role is usual.role), usual) for usual in QUEUES)
    good = BusFacts(tls="TLSv1.3", product="RabbitMQ 4.1.0", exchange=Presence.THERE, queues=queues)
    return replace(good, **changes)


@cache
def authority() -> Identity:
    """One authority for all of them."""
    return make_authority()


@cache
def certificate(
    purpose: Purpose = Purpose.SIGN,
    until: datetime = datetime(2030, 1, 1, tzinfo=UTC),
    since: datetime = datetime(2015, 1, 1, tzinfo=UTC),
) -> x509.Certificate:
    """A certificate of a throw-away authority."""
    return make_identity(authority(), "x", purpose, valid_from=since, valid_to=until).certificate


@cache
def elliptic() -> x509.Certificate:
    """A certificate for signing whose key is not an RSA key."""
    private, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + 200 * DAY)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return builder.add_extension(usage, critical=True).sign(private, hashes.SHA256())


def signing(**changes: Any) -> Facts:
    """Facts with one certificate of ours."""
    usual: dict[str, Any] = {"name": "keys.signing_certificate", "purpose": Purpose.SIGN, "certificate": certificate()}
    return facts(certificates=(CertificateFacts(**usual | changes),))


def facts(**changes: Any) -> Facts:
    """Facts over AMQP where all is well."""
    return replace(Facts(book=book(), bus=bus()), **changes)


def by_folder(fault: str = "") -> dict[str, Any]:
    """Facts and settings of the directory transport."""
    settings = settings_with()
    moved = settings.model_copy(update={"transport": _directory()})
    return {"seen": Facts(folder=FolderFacts(Path("exchange"), fault)), "settings": moved}


def _directory() -> Any:
    from kpr.transports.open import DirectorySettings

    return DirectorySettings(folder=Path("exchange"))


def refused(role: Role, condition: str, waiting: int | None = None) -> dict[str, Any]:
    """Facts with one queue that the bus refuses."""
    return {"seen": facts(bus=bus(queue(role, waiting, condition=condition)))}


def receiver_with(largest: int) -> Facts:
    """Facts with a bus that says how large a message it takes."""
    return facts(bus=bus(queue(Role.RECEIVER, largest=largest)))


BAD = BadSettings("There is no password for the bus.", place="transport.password_file", remedy="Set one.")
UNREADABLE = BadCertificate("The certificate file cannot be read.", place="sign.pem")
REAL = party("8000003", "134197")
TRUST = {"roots": "roots.pem"}


@cache
def cases() -> dict[str, dict[str, Any]]:
    """For each finding the facts and settings that give it."""
    return {
        "settings_incomplete": {"seen": facts(bus=BusFacts(error=BAD))},
        "book_missing": {"seen": facts(book=None)},
        "book_ok": {},
        "book_stale": {"seen": facts(book=book(date(2020, 12, 1)))},
        "party_missing": {"seen": facts(book=book(receiver=False))},
        "party_inactive": {"seen": facts(book=book(own={"active": False}))},
        "party_parent_differs": {"seen": facts(book=book(receiver={"parent_her_id": "9"}))},
        "own_queue_unregistered": {"seen": facts(book=book(own={"addresses": {}}))},
        "receiver_queue_unregistered": {"seen": facts(book=book(receiver={"addresses": {}}))},
        "tls_ok": {},
        "tls_off": {
            "seen": facts(bus=bus(tls=None)),
            "settings": settings_with(transport={"tls": False, "host": "localhost"}),
        },
        "tls_fault": {"seen": facts(bus=BusFacts(line="tls"))},
        "bus_unreachable": {"seen": facts(bus=BusFacts(line="connection-lost"))},
        "login_ok": {},
        "login_refused": {"seen": facts(bus=BusFacts(tls="TLSv1.3", login="amqp:unauthorized-access"))},
        "login_not_allowed": {"seen": facts(bus=BusFacts(tls="TLSv1.3", login="amqp:not-allowed"))},
        "login_broken_off": {"seen": facts(bus=BusFacts(tls="TLSv1.3", login="connection-lost"))},
        "login_not_understood": {"seen": facts(bus=BusFacts(tls="TLSv1.3", login="amqp:connection:framing-error"))},
        "bus_busy": refused(Role.RECEIVER, "no-credit"),
        "connection_lost": refused(Role.ASYNC, "connection-lost"),
        "not_understood": refused(Role.RECEIVER, "amqp:invalid-field"),
        "bus_not_asked": {"seen": facts(bus=BusFacts(line="timeout"))},
        "exchange_ok": {},
        "exchange_missing": {"seen": facts(bus=bus(exchange=Presence.MISSING))},
        "own_queue_ok": {},
        "own_queue_unseen": {"seen": facts(bus=bus(queue(Role.ASYNC, None)))},
        "own_queue_missing": {"seen": facts(bus=bus(queue(Role.ERROR, None, look=MISSING)))},
        "own_queue_forbidden": refused(Role.ASYNC, "amqp:unauthorized-access"),
        "own_queue_refused": refused(Role.ERROR, "amqp:resource-locked"),
        "queue_piles_up": {"seen": facts(bus=bus(queue(Role.ASYNC, 100)))},
        "queue_not_empty": {"seen": facts(bus=bus(queue(Role.DEAD_LETTER, 1)))},
        "dead_letter_unnamed": {"settings": settings_with(transport={"dead_letter_queue": None})},
        "receiver_queue_ok": {},
        "receiver_queue_unseen": {"seen": facts(bus=bus(queue(Role.RECEIVER, None)))},
        "receiver_queue_missing": {"seen": facts(bus=bus(queue(Role.RECEIVER, None, look=MISSING)))},
        "receiver_forbidden": refused(Role.RECEIVER, "amqp:unauthorized-access"),
        "receiver_refused": refused(Role.RECEIVER, "amqp:resource-limit-exceeded"),
        "size_ok": {"seen": receiver_with(1_000_000)},
        "size_unsaid": {},
        "size_to_agree": {"settings": settings_with(transport={"max_bytes": 1_000_001})},
        "size_below_ours": {
            "seen": receiver_with(1_000_000),
            "settings": settings_with(transport={"max_bytes": 1_000_001}),
        },
        "size_too_small": {"seen": receiver_with(999_999)},
        "folder_ok": by_folder(),
        "folder_not_writable": by_folder("Permission denied"),
        "certificate_ok": {"seen": signing()},
        "former_key_ok": {"seen": signing(purpose=None)},
        "certificate_unreadable": {"seen": signing(certificate=None, error=UNREADABLE)},
        "certificate_unnamed": {"seen": signing(certificate=None, error=BadSettings("None."))},
        "key_unusable": {"seen": signing(key_error=UNREADABLE)},
        "certificate_expired": {"seen": signing(certificate=certificate(until=NOW - DAY))},
        "certificate_expires": {"seen": signing(certificate=certificate(until=NOW + 20 * DAY))},
        "certificate_not_yet": {"seen": signing(certificate=certificate(since=NOW + DAY))},
        "certificate_wrong_use": {"seen": signing(certificate=certificate(Purpose.ENCRYPT))},
        "certificate_not_usable": {"seen": signing(certificate=elliptic())},
        "certificate_untrusted": {"seen": signing(trust=BadCertificate("No way leads to a trusted root."))},
        "certificate_revoked": {"seen": signing(trust=Revoked("The certificate was revoked on 2021-01-02."))},
        "revocation_unknown": {"seen": signing(trust=RevocationUnknown("no answer"))},
        "trust_unchecked": {"seen": signing(), "settings": settings_with(environment="test")},
        "clock_ok": {"seen": facts(clock=ClockFacts("ntp.invalid", -1.0))},
        "clock_not_measured": {},
        "clock_unanswered": {"seen": facts(clock=ClockFacts("ntp.invalid"))},
        "clock_drifts": {"seen": facts(clock=ClockFacts("ntp.invalid", 30.0))},
        "clock_off": {"seen": facts(clock=ClockFacts("ntp.invalid", -30.5))},
        "who_over_amqp": {},
        "who_by_folder": by_folder(),
        "receiver_differs": {
            "settings": settings_with(environment="production", trust=TRUST),
        },
        "receiver_unknown": {"settings": settings_with(environment="qa", trust=TRUST)},
        "simulator_to_register": {"settings": settings_with(receiver=REAL)},
    }


def judged(seen: Facts | None = None, settings: Settings | None = None) -> list[ConnectionFinding]:
    """The findings of one case, in data year 2020."""
    return judge(seen or facts(), load_year(2020), settings or settings_with(), NOW)


def ids(found: list[ConnectionFinding]) -> list[str]:
    """What was found, by id."""
    return [finding.id for finding in found]


# -- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table()["findings"])
def test_every_row_can_be_found(row: str) -> None:
    """Each row is what the judgement says of some facts, with nothing left unfilled in either language."""
    from test_judge_edi import CASES  # it is made of what stands here

    found = {finding.id: finding for finding in judged(**(cases() | CASES)[row])}
    assert row in found
    said = found[row].text
    assert not set("{}") & set(said.nb + said.en)
    assert "None" not in said.nb
    assert (found[row].exit_code is ConnectionCode.READY) is (found[row].severity is not Severity.FAULT)


@pytest.mark.parametrize("row", table()["findings"])
def test_both_languages_say_the_same(row: str) -> None:
    """Placeholders are the same in Norwegian and English, and only faults have a code."""
    said = table()["findings"][row]
    names = [{name for _, name, _, _ in string.Formatter().parse(said[language]) if name} for language in ("nb", "en")]
    assert names[0] == names[1]
    assert ("exit_code" in said) is (said["severity"] == "fault")
    assert set(said) <= {"severity", "exit_code", "nb", "en"}


def test_every_outcome_leads_to_a_row() -> None:
    """What the bus may answer is an outcome that it has, and leads to a row that there is; limits have a source."""
    import yaml

    import kpr.transports.amqp.outcomes as bus_outcomes

    path = Path(bus_outcomes.__file__).with_suffix(".yaml")
    known = set(yaml.safe_load(path.read_text("utf-8"))["outcomes"]) | {"else"}
    for rows in table()["outcomes"].values():
        assert set(rows) <= known
        assert set(rows.values()) <= set(table()["findings"])
        assert "else" in rows
    assert all(limit["source"] and limit["mark"] for limit in table()["limits"].values())


def test_the_page_has_every_code_and_every_row() -> None:
    """docs/connection.md tells each exit code with just the rows that have it."""
    text = DOCS.read_text("utf-8")
    rows = re.findall(r"^\| \*\*(\d+)\*\* \|.*\| (.*) \|$", text, re.MULTILINE)
    told = {ConnectionCode(int(code)): set(re.findall(r"`(\w+)`", said)) for code, said in rows}
    assert set(told) == set(ConnectionCode)
    faults: dict[ConnectionCode, set[str]] = {code: set() for code in ConnectionCode}
    for name, row in table()["findings"].items():
        if row["severity"] == "fault":
            faults[ConnectionCode(row["exit_code"])].add(name)
    assert told == faults
    warnings = {name for name, row in table()["findings"].items() if row["severity"] == "warning"}
    assert warnings <= set(re.findall(r"`(\w+)`", text))


# -- the judgement --------------------------------------------------------------------------------------------------


def test_all_well_is_only_ok() -> None:
    """When everything is in place nothing but ok is said, in the order of the probes, and the code is 0."""
    found = judged(facts(certificates=signing().certificates, clock=ClockFacts("ntp.invalid", 0.1)))
    assert ids(found) == [
        *("book_ok", "tls_ok", "login_ok", "exchange_ok", "own_queue_ok", "own_queue_ok", "own_queue_ok"),
        *("receiver_queue_ok", "size_unsaid", "certificate_ok", "clock_ok", "who_over_amqp"),
    ]
    assert {finding.severity for finding in found} == {Severity.OK}
    assert (exit_code(found), verdict(found).nb) == (0, "Alt er på plass.")


def test_warnings_end_with_0() -> None:
    """Warnings alone do not keep one from sending."""
    found = judged(facts(book=book(date(2020, 12, 1)), bus=bus(queue(Role.ERROR, 3))))
    assert (exit_code(found), verdict(found).nb) == (0, "Alt er på plass; se på 2 til.")
    assert "3" in next(finding.text.nb for finding in found if finding.id == "queue_not_empty")


def test_the_code_is_that_of_what_must_be_mended_first() -> None:
    """Of several faults the lowest code ends the command, wherever it stands; the sentence counts them all."""
    expired = certificate(until=NOW - DAY)
    seen = facts(clock=ClockFacts("ntp.invalid", 60), bus=bus(queue(Role.RECEIVER, None, look=MISSING)))
    found = judged(replace(seen, certificates=signing(certificate=expired).certificates))
    assert exit_code(found) is ConnectionCode.RECEIVER_QUEUE
    assert verdict(found).nb == "3 ting må rettes før sesongen (sluttkode 24)."


@pytest.mark.parametrize(
    ("condition", "look", "exchange", "expected"),
    [
        ("amqp:not-found", Presence.MISSING, Presence.THERE, ["exchange_ok", "receiver_queue_missing"]),
        ("amqp:not-found", Presence.THERE, Presence.MISSING, ["exchange_missing"]),
        ("amqp:not-found", Presence.MISSING, Presence.MISSING, ["exchange_missing", "receiver_queue_missing"]),
        ("amqp:not-found", Presence.UNKNOWN, Presence.UNKNOWN, ["exchange_missing"]),
        (None, Presence.UNKNOWN, Presence.UNKNOWN, ["exchange_ok", "receiver_queue_unseen"]),
        (None, Presence.MISSING, Presence.THERE, ["exchange_ok", "receiver_queue_missing"]),
        ("released", Presence.UNKNOWN, Presence.THERE, ["exchange_ok", "receiver_queue_missing"]),
        ("amqp:unauthorized-access", Presence.UNKNOWN, Presence.UNKNOWN, ["receiver_forbidden"]),
    ],
)
def test_exchange_and_receivers_queue_are_told_apart(
    condition: str | None, look: Presence, exchange: Presence, expected: list[str]
) -> None:
    """ "Not found" on the way to the receiver is the exchange or the queue, as far as one can see."""
    asked = queue(Role.RECEIVER, None, condition=condition, look=QueueLook(look))
    found = ids(judged(facts(bus=bus(asked, exchange=exchange))))
    assert [name for name in found if name.startswith(("exchange", "receiver"))] == expected


@pytest.mark.parametrize(
    ("trust", "until", "expected"),
    [
        (BadCertificate("Expired."), NOW - DAY, ["certificate_expired"]),
        (RevocationUnknown("x"), NOW - DAY, ["certificate_expired", "revocation_unknown"]),
        (Revoked("x"), NOW + 20 * DAY, ["certificate_expires", "certificate_revoked"]),
        (Checked.FULL, NOW + 70 * DAY, ["certificate_expires"]),
        (Checked.FULL, NOW + 100 * DAY, ["certificate_ok"]),
    ],
)
def test_a_certificates_troubles_are_told_once(trust: Checked | KprError, until: datetime, expected: list[str]) -> None:
    """One that has expired is not told of again as untrusted; other troubles stand beside each other."""
    found = ids(judged(signing(certificate=certificate(until=until), trust=trust)))
    assert [name for name in found if name.startswith(("certificate", "revocation"))] == expected


def test_an_unreadable_file_of_roots_is_told_once() -> None:
    """The setting is named once, however many certificates would have been checked by it."""
    bad = BadSettings("The file of trusted roots cannot be read.", place="roots.pem", remedy="Check path and rights.")
    each = signing(trust=bad).certificates * 4
    found = judged(facts(certificates=each))
    assert ids(found).count("settings_incomplete") == 1
    assert exit_code(found) is ConnectionCode.SETTINGS


def test_a_clock_ahead_and_behind() -> None:
    """A server ahead of us means that our clock is behind; both say by how much."""
    said = {
        way: judged(facts(clock=ClockFacts("ntp.invalid", seconds))) for way, seconds in (("etter", 5), ("foran", -5))
    }
    for way, found in said.items():
        assert f"5,00 sekunder {way} ntp.invalid" in next(each.text.nb for each in found if each.id == "clock_drifts")


# -- probes that need no broker -------------------------------------------------------------------------------------


def test_a_folder_is_tried_by_writing_and_left_as_it_was(tmp_path: Path) -> None:
    """A folder that is there or can be made is in order, and nothing is left behind; under a file none can be made."""
    (tmp_path / "8000002").mkdir()
    (tmp_path / "8000002" / "one.json").touch()
    before = sorted(tmp_path.rglob("*"))
    assert ask_folder(tmp_path, "8000002") == FolderFacts(tmp_path, waiting=1)
    assert ask_folder(tmp_path / "new" / "exchange", "8000002").fault == ""
    assert ask_folder(tmp_path / "8000002" / "one.json" / "exchange", "8000002").fault
    assert sorted(tmp_path.rglob("*")) == before


@contextmanager
def time_server(ahead: float = 0, *, leap: int = 0, stratum: int = 1, broken: bool = False) -> Iterator[str]:
    """A server that answers SNTP (RFC 4330) with a clock of its own; its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            asked, address = server.recvfrom(256)
            if not address[1] or len(asked) < 48:
                return
            request, reply = ntplib.NTPPacket(), ntplib.NTPPacket(version=4, mode=4)
            request.from_data(asked)
            now = ntplib.system_to_ntp_time(time.time() + ahead)
            reply.leap, reply.stratum, reply.orig_timestamp = leap, stratum, request.tx_timestamp
            reply.recv_timestamp = reply.tx_timestamp = now
            server.sendto(b"?" if broken else reply.to_data(), address)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.sendto(b"", ("127.0.0.1", port))
            thread.join()


@pytest.mark.parametrize(
    ("ahead", "expected"), [(0.0, "clock_ok"), (20.0, "clock_drifts"), (-90.0, "clock_off"), (90.0, "clock_off")]
)
def test_the_clock_is_held_against_a_server(ahead: float, expected: str) -> None:
    """Within a second is right, within half a minute a warning, and more a fault of its own."""
    with time_server(ahead) as server:
        clock = ask_clock(server)
    assert clock.offset_seconds == pytest.approx(ahead, abs=0.5)
    assert expected in ids(judged(facts(clock=clock)))


@pytest.mark.parametrize("faulty", [{"leap": 3}, {"stratum": 0}, {"stratum": 16}, {"broken": True}])
def test_a_time_server_that_does_not_know_tells_nothing(faulty: dict[str, Any]) -> None:
    """Not synchronised, a kiss of death, or garbage: the clock is not measured."""
    with time_server(60, **faulty) as server:
        assert ask_clock(server) == ClockFacts(server)


@pytest.mark.parametrize("server", ["127.0.0.1:99999", "127.0.0.1:x", "no-such-host.invalid", "a" * 70 + ".invalid"])
def test_a_time_server_that_is_not_there(server: str) -> None:
    """An address that is none is told as not measured, and raises nothing."""
    assert ask_clock(server) == ClockFacts(server)
    assert ask_clock(None) == ClockFacts()


@contextmanager
def listening(says: bytes | None) -> Iterator[int]:
    """Something on a port that is no bus: it says this and hangs up, or with None keeps silent until the end."""
    silent: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            while True:
                line, _ = server.accept()
                if done.is_set() or says is None:
                    silent.append(line)
                    if done.is_set():
                        return
                    continue
                with line:
                    line.settimeout(2)
                    if line.recv(64):
                        line.sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            socket.create_connection(server.getsockname()).close()
            thread.join()
            for line in silent:
                line.close()


def amqp(**changes: Any) -> AmqpSettings:
    """Settings of a bus on this machine, with a password."""
    usual = AMQP | {"host": "127.0.0.1", "password": "hemmelig", "timeout_seconds": 3, "dialect": "amqp091"}
    return AmqpSettings.model_validate(usual | changes)


def test_a_closed_port_and_a_host_that_is_none() -> None:
    """Nobody listens, or the name cannot be asked for: not reachable."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for changes in ({"port": port}, {"host": "no-such-host.invalid"}, {"host": "a..b"}):
        assert ask_bus(amqp(**changes), {}).line == "connection-lost"


def test_a_port_without_tls_is_a_fault_of_tls() -> None:
    """Something that answers in the clear where TLS is demanded."""
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert ask_bus(amqp(port=port), {}).line == "tls"


@pytest.mark.parametrize(
    ("says", "login"),
    [(b"", "connection-lost"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "connection-lost"), (None, "timeout")],
)
def test_a_port_that_is_no_bus_is_not_a_login(says: bytes | None, login: str) -> None:
    """Something takes the connection and is no broker: one is told where it ended, and that queues were not asked for."""
    with listening(says) as port:
        seen = ask_bus(amqp(port=port, tls=False, timeout_seconds=1), {Role.ASYNC: "x"})
    assert (seen.line, seen.login, seen.queues) == (None, login, ())
    found = judged(facts(bus=seen), settings_with(transport={"tls": False, "host": "127.0.0.1"}))
    assert exit_code(found) is ConnectionCode.LOGIN
    assert {"tls_off", "login_broken_off", "bus_not_asked"} <= set(ids(found))


def test_no_password_and_no_authorities_are_settings(tmp_path: Path) -> None:
    """A missing password or file of authorities is told as the setting that it is."""
    with listening(b"") as port:
        seen = ask_bus(amqp(port=port, tls=False, password=None, password_file=tmp_path / "none"), {})
        assert (seen.error and seen.error.place) == "transport.password_file"
    seen = ask_bus(amqp(ca_file=tmp_path / "none.pem"), {})
    assert (seen.error and seen.error.place) == "transport.ca_file"
    assert exit_code(judged(facts(bus=seen))) is ConnectionCode.SETTINGS


def probed(made: Place, **changes: Any) -> list[ConnectionFinding]:
    """Gathered and judged from a place on this machine."""
    settings = load_settings(made.settings).model_copy(update=changes)
    now = made.now.astimezone(UTC)
    return judge(gather(settings, now), load_year(2020), settings, now)


def test_every_certificate_is_looked_at(tmp_path: Path) -> None:
    """Ours with their keys and the register's, each by the setting that names it; one trouble does not hide another."""
    made = Place(tmp_path)
    keys = tmp_path / "keys"
    assert ids(probed(made)).count("certificate_ok") == 4
    (keys / "sign.key").write_bytes((keys / "decrypt.key").read_bytes())
    (keys / "register-encrypt.pem").unlink()
    (keys / "register-sign.pem").write_bytes((keys / "decrypt.pem").read_bytes())
    write_identity(
        make_identity(authority(), "x", Purpose.ENCRYPT, valid_to=made.now - DAY),
        keys / "decrypt.pem",
        keys / "decrypt.key",
    )
    found = {finding.id: finding for finding in probed(made)}
    assert found["key_unusable"].place == "keys.signing_certificate"
    assert found["certificate_expired"].place == "keys.decryption_certificate"
    assert found["certificate_unreadable"].place == "keys.register_encryption_certificate"
    assert found["certificate_wrong_use"].place == "keys.register_signing_certificate"
    assert exit_code(found.values()) is ConnectionCode.CERTIFICATE


def test_the_registers_certificates_may_stand_in_the_address_book(tmp_path: Path) -> None:
    """Named by the book when the settings do not; one that is nowhere is told as not named."""
    made = Place(tmp_path)
    addresses = tmp_path / "addresses.yaml"
    entry = {"her_id": "8000004", "name": "x", "parent_her_id": "8000003", "parent_name": "x"}
    own = {"her_id": "8000002", "name": "x", "parent_her_id": "8000001", "parent_name": "x"}
    entry["encryption_certificate"] = "keys/register-encrypt.pem"
    addresses.write_text(json.dumps({"fetched": "2021-01-02", "source": "x", "parties": [entry, own]}), "utf-8")
    keys = load_settings(made.settings).keys
    nowhere = keys.model_copy(update={"register_encryption_certificate": None, "register_signing_certificate": None})
    found = probed(made, keys=nowhere, addresses=addresses)
    assert "addresses: encryption_certificate" in [each.place for each in found if each.id == "certificate_ok"]
    assert [each.place for each in found if each.id == "certificate_unnamed"] == ["addresses: signing_certificate"]
    unnamed = [each.place for each in probed(made, keys=nowhere) if each.id == "certificate_unnamed"]
    assert unnamed == ["keys.register_encryption_certificate", "keys.register_signing_certificate"]


def test_the_former_pair_is_tried_and_may_have_expired(tmp_path: Path) -> None:
    """What is on its way can be opened with it or not; its days are over anyway."""
    made = Place(tmp_path)
    old, old_key = tmp_path / "keys" / "old.pem", tmp_path / "keys" / "old.key"
    write_identity(make_identity(authority(), "x", Purpose.ENCRYPT, valid_to=made.now - DAY), old, old_key)
    keys = load_settings(made.settings).keys
    update = {"former_decryption_certificate": old, "former_decryption_key": old_key}
    assert "former_key_ok" in ids(probed(made, keys=keys.model_copy(update=update)))
    old_key.unlink()
    found = probed(made, keys=keys.model_copy(update=update))
    assert [each.place for each in found if each.id == "key_unusable"] == ["keys.former_decryption_certificate"]


def test_trust_is_asked_where_there_are_roots(tmp_path: Path) -> None:
    """With roots each certificate is checked: a foreign issuer is a fault, as is a file of roots that is none."""
    made = Place(tmp_path)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(issue("root", None, Wish(authority=True, key=key(1))).pem)
    trust = load_settings(made.settings).trust.model_copy(update={"roots": roots})
    found = probed(made, trust=trust)
    assert ids(found).count("certificate_untrusted") == 4
    roots.write_text("nothing", "utf-8")
    found = probed(made, trust=trust)
    assert [each.place for each in found if each.id == "settings_incomplete"] == ["roots.pem"]


def test_a_revocation_service_that_is_away_is_29(tmp_path: Path) -> None:
    """When the issuer's service does not answer, it cannot be known now: a code of its own, to try again."""
    root = issue("root", None, Wish(authority=True, key=key(1)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        away = f"http://127.0.0.1:{server.getsockname()[1]}/list"
    leaf = issue("leaf", root, Wish(lists=(away,)))
    made = Place(tmp_path)
    (tmp_path / "roots.pem").write_bytes(root.pem)
    for name in ("sign", "register-sign"):
        (tmp_path / "keys" / f"{name}.pem").write_bytes(leaf.pem)
    leaf_key = leaf.write(tmp_path)[1]
    (tmp_path / "keys" / "sign.key").write_bytes(leaf_key.read_bytes())
    settings = load_settings(made.settings)
    trust = settings.trust.model_copy(update={"roots": tmp_path / "roots.pem", "revocation": "required"})
    changed = settings.model_copy(update={"trust": trust})
    now = datetime.now(UTC)
    found = judge(gather(changed, now), load_year(2020), changed, now)
    unknown = [each for each in found if each.id == "revocation_unknown"]
    assert [each.place for each in unknown] == ["keys.signing_certificate", "keys.register_signing_certificate"]
    assert {each.exit_code for each in unknown} == {29}


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kpr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``kpr`` with these words: exit code, standard output, standard error."""

    def run(*words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kpr", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_place_to_rehearse_in_is_in_order(kpr: Run, tmp_path: Path) -> None:
    """What ``kpr init`` lays out needs nothing more; checking it leaves no trace."""
    assert kpr("init", tmp_path)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    code, said, _ = kpr("check", "connection", "--settings", tmp_path / "kpr.yaml")
    assert (code, "Alt er på plass." in said) == (0, True)
    assert "HER-id" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_fault_ends_the_command_with_its_code(kpr: Run, tmp_path: Path) -> None:
    """The code, where to mend it, and how many there are."""
    made = Place(tmp_path)
    (tmp_path / "keys" / "sign.key").unlink()
    code, said, _ = kpr("check", "connection", "--settings", made.settings)
    assert code == 26
    assert "keys.signing_certificate" in said
    assert "1 ting må rettes før sesongen (sluttkode 26)" in said


def test_as_json(kpr: Run, tmp_path: Path) -> None:
    """``--json`` gives one object: the code, the sentence, and each finding with both languages and its place."""
    made = Place(tmp_path)
    (tmp_path / "keys" / "sign.key").unlink()
    code, said, _ = kpr("check", "connection", "--settings", made.settings, "--json")
    data = json.loads(said)
    assert code == data["exit_code"] == 26
    [fault] = [finding for finding in data["findings"] if finding["severity"] == "fault"]
    assert (fault["id"], fault["exit_code"], fault["place"]) == ("key_unusable", 26, "keys.signing_certificate")
    assert set(fault["text"]) == set(data["sentence"]) == {"nb", "en"}


def test_names_with_brackets_are_shown_as_they_are(kpr: Run, tmp_path: Path) -> None:
    """A name is text, never a style."""
    made = Place(tmp_path)
    text = made.settings.read_text("utf-8").replace('name: "Eksempel kommune"', 'name: "[red]Eks[/]"', 1)
    made.settings.write_text(text, "utf-8")
    assert "[red]Eks[/]" in kpr("check", "connection", "--settings", made.settings)[1]


def test_bad_settings_are_2_as_everywhere(kpr: Run, tmp_path: Path) -> None:
    """Settings that cannot be read end as they do for every command; so do options that belong to an extract."""
    assert kpr("check", "connection", "--settings", tmp_path / "none.yaml")[0] == 2
    code, _, errors = kpr("check", "connection", "--html", tmp_path / "x.html")
    assert (code, "--settings and --json only" in errors) == (2, True)


def test_a_folder_of_that_name_is_an_extract(kpr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``./connection`` is a folder with tables, not the connection."""
    kpr("synth", tmp_path / "connection", "--format", "csv", "--persons", 5)
    monkeypatch.chdir(tmp_path)
    code, said, _ = kpr("check", "./connection", "--year", 2020)
    assert (code, "Registeret vil beholde 5 av 5 personer" in said) == (0, True)
