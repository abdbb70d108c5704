"""What a sender needs of the exchange with one receiver: by agreement, by settings, by rule; and where they differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cpa_maker import AES, CPA_ID, MAIL, OTHER, OWN, cpa_text, identity

from kpr.checks.finding import Severity
from kpr.errors import BadSettings
from kpr.messages.ebxml.agreement import Agreement, agreement, plain_cpa_id
from kpr.messages.ebxml.cpa import Cpa, read_cpa
from kpr.messages.ebxml.mismatch import Ours, mismatches, rows
from kpr.messages.ebxml.names import RSA_SHA1, RSA_SHA256, SHA1, SHA256
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity
from kpr.transports.edi.settings import EdiSettings
from kpr.years import Year, known_years, load_year

NOW = datetime(2024, 6, 1, tzinfo=UTC)
SERVER = {"host": "mail.example", "username": "u"}


def settings(**values: Any) -> EdiSettings:
    """Settings of EDI by mail."""
    carrier = {"kind": "mail", "smtp": SERVER, "imap": SERVER}
    return EdiSettings.model_validate({"kind": "edi", "carrier": carrier, **values})


def cpa(*changes: tuple[str, str]) -> Cpa:
    """A good agreement with texts in it replaced."""
    text = cpa_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read_cpa(text.encode())


def held(with_cpa: Cpa | None = None, kind: str = "KPR_IPL", year: int = 2023, **values: Any) -> Agreement:
    """What holds for a message from us to the register."""
    return agreement(settings(**values), load_year(year), OWN, OTHER, kind, with_cpa)


# -- by rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", known_years())
@pytest.mark.parametrize("kind", ["KPR_IDE", "KPR_IPL"])
def test_names_without_an_agreement(year: int, kind: str) -> None:
    """Every year's names are those of the rule in HISD 1209, as long as nobody knows better."""
    found = held(kind=kind, year=year)
    assert (found.service, found.service_type, found.action) == (f"S-{kind}", "string", kind)
    assert (found.from_role, found.to_role) == (f"{kind}sender", f"{kind}receiver")
    assert not found.agreed


def test_names_of_a_year_of_ones_own(tmp_path: Path) -> None:
    """Names that the register has told us go before the rule."""
    names = {"service": "KPR", "service_type": "kithService", "action": "Send{type}", "role_from": "K", "role_to": "R"}
    rows = ", ".join(f"{name}: {{value: '{value}', source: mail, mark: confirmed}}" for name, value in names.items())
    file = tmp_path / "year.yaml"
    file.write_text(f"ebxml: {{{rows}}}", encoding="utf-8")
    found = agreement(settings(), load_year(2023, file), OWN, OTHER, "KPR_IDE", None)
    assert (found.service, found.service_type, found.action) == ("KPR", "kithService", "SendKPR_IDE")
    assert (found.from_role, found.to_role) == ("K", "R")


def test_a_year_without_names() -> None:
    """A year that says nothing of the envelope leaves it to the rule."""
    packaged = load_year(2023)
    bare = Year(packaged.profile.model_copy(update={"ebxml": None}), packaged._code_lists)
    assert agreement(settings(), bare, OWN, OTHER, "KPR_IPL", None) == held()


def test_the_frameworks_retries() -> None:
    """Five retries twelve hours apart, and silence for 72 hours before anybody is told (HIS 1037 s. 5.2)."""
    found = held()
    assert (found.retries, found.retry_hours) == (5, 12)
    assert found.longest_silence == found.persist == timedelta(hours=72)


def test_settings_without_an_agreement() -> None:
    """Retries, interval, signature and id come from the settings where there is no agreement."""
    found = held(retries=2, retry_hours=0.5, signature="rsa-sha1", cpa_id="nav:qass:1")
    assert (found.retries, found.retry_interval, found.signature) == (2, timedelta(minutes=30), "rsa-sha1")
    assert (found.cpa_id, found.encryption) == ("nav:qass:1", "aes-256-cbc")


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [("79768", "80225", "79768_80225"), ("8000123", "122612", "122612_8000123"), ("9", "10", "9_10")],
)
def test_the_id_where_there_is_no_agreement(one: str, two: str, expected: str) -> None:
    """The lower HER-id goes first, by number and not by text, whoever sends."""
    assert plain_cpa_id(one, two) == plain_cpa_id(two, one) == expected
    assert agreement(settings(), load_year(2023), one, two, "KPR_IPL", None).cpa_id == expected


def test_the_receipt() -> None:
    """A receipt has the message's service, an action of its own, and the roles changed over (HISD 1209)."""
    found = held().for_app_rec()
    assert (found.service, found.action) == ("S-KPR_IPL", "APPREC")
    assert (found.from_role, found.to_role) == ("KPR_IPLreceiver", "KPR_IPLsender")


# -- by agreement -----------------------------------------------------------------------------------------------


def test_the_agreement_goes_first() -> None:
    """What the agreement says holds, whatever the settings say."""
    found = held(cpa((RSA_SHA256, RSA_SHA1)), retries=1, retry_hours=1, cpa_id="other")
    assert (found.cpa_id, found.agreed) == (CPA_ID, True)
    assert (found.retries, found.retry_hours, found.persist) == (4, 4, timedelta(days=2))
    assert (found.signature, found.encryption) == ("rsa-sha1", "aes-256-cbc")


def test_names_of_the_agreement() -> None:
    """Service and roles are the agreement's, which need not follow the rule."""
    found = held(cpa(("S-KPR_IPL", "Innsending"), ("KPR_IPLsender", "Kommune"), ("KPR_IPLreceiver", "Register")))
    assert (found.service, found.action) == ("Innsending", "KPR_IPL")
    assert (found.from_role, found.to_role) == ("Kommune", "Register")


def test_what_the_agreement_leaves_out() -> None:
    """Where the agreement says nothing, the settings hold; the rest of it still counts."""
    silent = cpa(
        ("Retries>", "No>"), ("RetryInterval>", "No>"), ("PersistDuration>", "No>"), ("SignatureAlgorithm", "No")
    )
    found = held(silent, retries=3)
    assert (found.retries, found.retry_hours, found.persist) == (3, 12, timedelta(hours=48))
    assert (found.signature, found.cpa_id) == ("rsa-sha256", CPA_ID)


def test_triple_des() -> None:
    """An agreement of the older kind may want triple DES, and gets it."""
    assert held(cpa((AES, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"))).encryption == "des-ede3-cbc"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('c:action="KPR_IPL"', 'c:action="ELSE"', "no action KPR_IPL"),
        (f'c:type="HER">{OWN}', 'c:type="HER">77', OWN),
        (RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#dsa-sha1", "dsa-sha1"),
        (AES, "http://www.w3.org/2001/04/xmlenc#rc2", "rc2"),
    ],
)
def test_an_agreement_that_does_not_cover_the_message(old: str, new: str, says: str) -> None:
    """An agreement that lacks the action or a party, or wants what we cannot make, is never replaced by a guess."""
    with pytest.raises(BadSettings, match=says) as error:
        held(cpa((old, new)))
    assert error.value.remedy
    assert error.value.place == "transport.cpa_file"


# -- where they differ ------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"retries": 4, "retry_hours": 4}


def ours(**values: Any) -> Ours:
    """What we have, as the good agreement says it."""
    held: dict[str, Any] = {
        "own_her_id": OWN,
        "other_her_id": OTHER,
        "actions": ("KPR_IDE", "KPR_IPL"),
        "signing": identity("own-sign").certificate,
        "own_encryption": identity("own-crypt").certificate,
        "encryption": identity("other-crypt").certificate,
        "edi_address": MAIL[OTHER].upper(),
        "own_edi_address": MAIL[OWN],
        "until": datetime(2024, 12, 1, tzinfo=UTC),
    }
    return Ours(**{**held, **values})


def test_nothing_differs() -> None:
    """An agreement that says what we have gives no finding; addresses differ only in case."""
    assert mismatches(settings(**GOOD), cpa(), ours(), NOW) == []


#: row: changes in the agreement, what we have otherwise, settings otherwise, the time
CASES: dict[str, tuple[tuple[tuple[str, str], ...], dict[str, Any], dict[str, Any], datetime]] = {
    "own_party_missing": (((f'c:type="HER">{OWN}', 'c:type="HER">77'),), {}, {}, NOW),
    "receiver_missing": ((), {"other_her_id": "134197"}, {}, NOW),
    "action_missing": ((), {"actions": ("KPR_IPL", "KPR_XYZ")}, {}, NOW),
    "not_yet_valid": ((), {}, {}, datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "ended": ((), {}, {}, datetime(2024, 12, 31, 23, 0, 1, tzinfo=UTC)),
    "ends_in_season": ((), {"until": datetime(2025, 3, 1, tzinfo=UTC)}, {}, NOW),
    "signing_certificate_differs": ((), {"signing": identity("new-sign").certificate}, {}, NOW),
    "own_encryption_certificate_differs": ((), {"own_encryption": identity("new-crypt").certificate}, {}, NOW),
    "receiver_certificate_differs": ((), {"encryption": identity("new-crypt").certificate}, {}, NOW),
    "endpoint_differs": ((), {"edi_address": "other@edi.example"}, {}, NOW),
    "own_endpoint_differs": ((), {"own_edi_address": "other@edi.example"}, {}, NOW),
    "not_by_mail": ((("<c:TransportProtocol>SMTP", "<c:TransportProtocol>HTTP"),), {"actions": ("KPR_IPL",)}, {}, NOW),
    "no_acknowledgment": (
        (('ackSignatureRequested="always"', 'ackSignatureRequested="never"'),),
        {"actions": ("KPR_IPL",)},
        {},
        NOW,
    ),
    "algorithm_unknown": (((RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#dsa-sha1"),), {}, {}, NOW),
    "signature_differs": (((RSA_SHA256, RSA_SHA1), (SHA256, SHA1)), {}, {}, NOW),
    "digest_differs": (((SHA256, SHA1),), {}, {}, NOW),
    "retries_differ": ((), {}, {"retries": 5}, NOW),
    "cpa_id_differs": ((), {}, {"cpa_id": "122612_8000123"}, NOW),
}


@pytest.mark.parametrize("row", CASES)
def test_each_difference(row: str) -> None:
    """One difference gives exactly its own finding, in both languages, and once however many actions share it."""
    changes, have, otherwise, now = CASES[row]
    [found] = mismatches(settings(**{**GOOD, **otherwise}), cpa(*changes), ours(**have), now)
    assert (found.id, found.severity) == (row, Severity(rows()[row]["severity"]))
    assert found.text.nb != found.text.en
    assert "{" not in found.text.nb + found.text.en


def test_every_row_has_a_case() -> None:
    """No row of mismatch.yaml is without a test."""
    assert set(rows()) == set(CASES)


def test_what_must_be_mended_first() -> None:
    """Only what keeps our messages from being taken is an error; what the agreement decides anyway is information."""
    by_severity: dict[str, set[str]] = {}
    for name, row in rows().items():
        by_severity.setdefault(row["severity"], set()).add(name)
    assert by_severity["ERROR"] == {
        "own_party_missing",
        "receiver_missing",
        "action_missing",
        "not_yet_valid",
        "ended",
        "signing_certificate_differs",
        "algorithm_unknown",
    }
    assert by_severity["INFO"] == {"signature_differs", "retries_differ", "cpa_id_differs"}


def test_the_last_moment_of_an_agreement() -> None:
    """An agreement holds from its first moment to its last one, both included."""
    for moment in (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, tzinfo=UTC)):
        assert mismatches(settings(**GOOD), cpa(), ours(), moment) == []


def test_what_has_no_end() -> None:
    """A certificate without an end, which is written as the last second of year 9999, can be told of."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    signing = make_identity(make_authority(), "for-ever", Purpose.SIGN, valid_to=end).certificate
    [found] = mismatches(settings(**GOOD), cpa(), ours(signing=signing), NOW)
    assert "9999-12-31" in found.text.en


def test_what_is_not_known_is_not_compared() -> None:
    """Without certificates and addresses of our own, nothing is said of them."""
    bare = Ours(own_her_id=OWN, other_her_id=OTHER, actions=("KPR_IPL",))
    assert mismatches(settings(**GOOD), cpa(), bare, NOW) == []


def test_addresses_of_mail_do_not_matter_by_file(tmp_path: Path) -> None:
    """Where files go by a folder, the agreement's addresses of mail are not compared."""
    by_file = settings(**GOOD, carrier={"kind": "folder", "folder": tmp_path})
    assert mismatches(by_file, cpa(), ours(edi_address="other@edi.example"), NOW) == []


def test_the_day_is_the_norwegian_one() -> None:
    """The agreement ends at 23:00 UTC on the last day of the year, which is 1 January in Norway."""
    [found] = mismatches(settings(**GOOD), cpa(), ours(), datetime(2025, 1, 2, tzinfo=UTC))
    assert "01.01.2025" in found.text.nb
    assert "2025-01-01" in found.text.en
