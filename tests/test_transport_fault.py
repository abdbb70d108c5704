"""The other side's transport errors: what each means, what of them may be shown, and how they are kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kpr.feedback import transport_fault
from kpr.feedback.transport_fault import as_kept, fingerprint, meaning, shown
from kpr.security.refusals import condition_of
from kpr.transports.seam import Envelope, Fault

MEANINGS = yaml.safe_load(Path(transport_fault.__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
SPECIFICATION = (  # s. 2.2.6 and 2.2.3, amqp.md s. 4.4
    "transport:invalid-cms-pkcs",
    "transport:invalid-certificate",
    "transport:expired-certificate",
    "transport:revoked-certificate",
    "transport:decryption-failed",
    "transport:invalid-signature",
    "transport:required-field-missing",
    "transport:invalid-field-value",
    "transport:invalid-encoding",
    "transport:xml-not-interpretable",
    "abuse:spoofing-attack",
    "transport:unsupported-message",
    "transport:not-well-formed-xml",
)
REFERENCE_LIBRARY = (  # amqp.md s. 4.2
    "transport:invalid-field-value",
    "transport:missing-certificate",
    "transport:expired-certificate",
    "transport:invalid-certificate",
    "transport:revoked-certificate",
    "transport:not-well-formed-xml",
    "transport:internal-error",
    "abuse:spoofing-attack",
    "transport:unsupported-message",
    "transport:unverified-certificate",
)
NOON = datetime(2021, 1, 11, 9, tzinfo=UTC)
ID = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11"
FAULT = Fault("transport:expired-certificate", ID, "Invalid end date", "", NOON)
ENVELOPE = Envelope("a", "KPR_IPL", "8000004", "8000002", NOON, None, FAULT, "error")
OTHER = meaning("other")


# -- what it means ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted({*SPECIFICATION, *REFERENCE_LIBRARY}))
def test_every_known_code_has_a_meaning_of_its_own(code: str) -> None:
    """What the specification and the reference library can tell us is explained, with what to do."""
    assert meaning(code) != OTHER


def test_every_code_that_we_tell_others_has_a_meaning() -> None:
    """What we report ourselves we also understand."""
    from kpr.security import refusals

    told = {code for _, code in refusals._CONDITIONS} | {condition_of(ValueError())}  # type: ignore[arg-type]
    assert {code for code in told if meaning(code) == OTHER} == set()


@pytest.mark.parametrize("code", MEANINGS)
def test_each_meaning_stands_in_both_languages(code: str) -> None:
    """A sentence each, which goes on where another ends, and says who mends it or what to do."""
    row = MEANINGS[code]
    assert set(row) == {"nb", "en"}
    assert row["nb"] != row["en"]
    assert all(text.endswith(".") and text[0].islower() and len(text) > 40 for text in row.values())
    assert not re.search(r"[{}]", row["nb"] + row["en"])  # they are put into other sentences


@pytest.mark.parametrize("code", ["", "?", "transport:revoked-cerificate", "amqp:something-new", "other"])
def test_an_unknown_code_has_a_meaning_too(code: str) -> None:
    """The set is open: the register is asked, and nothing breaks."""
    assert meaning(code) == OTHER


# -- what is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [*SPECIFICATION, "transport:revoked-cerificate", "transport:something-new", "com.example:x_1", "E10", "HTTP-500"],
)
def test_what_looks_like_a_code_is_shown_as_it_is(code: str) -> None:
    """Also one that nobody knows, so that the register can be asked about it."""
    assert shown(Fault(code, ID)) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ola Nordmann",
        "transport:x for Ola",
        "transport:x\n",
        "feil på bruker",
        "bruker-æøå",
        "<b>",
        "a" * 65,
        "unreadable SOAP fault",
        "01818012337",
        "5",
    ],
)
def test_free_text_is_not_shown(text: str) -> None:
    """A text could be about somebody: it is kept with the raw message, and a question mark stands for it."""
    assert shown(Fault(text, ID)) == "?"


IDS = [
    "{}",
    "{}a",
    "a{}",
    "transport:{}",
    "fid-{}-x",
    "x1{}",
    "x{}1",
    "x12{}34",
    "transport:{}0123",
    "transport:{}{}",
]
SPLIT = ["018180-12337", "018180.12337", "018180_12337", "018180:12337", "01.81.80-12337", "0-1-8-1-8-0-1-2-3-3-7"]


@pytest.mark.parametrize("where", IDS)
def test_a_national_id_is_never_shown(where: str) -> None:
    """Wherever it stands in what looks like a code, and whatever digits stand beside it."""
    assert "01818012337" not in shown(Fault(where.replace("{}", "01818012337"), ID))


@pytest.mark.parametrize("id", SPLIT)
def test_a_national_id_with_signs_in_it_is_never_shown(id: str) -> None:
    """Written with a dash or a dot it is as much an id as before."""
    assert "0181801233" not in re.sub(r"\D", "", shown(Fault(f"transport:{id}", ID)))


SIGNS = st.text("abcXYZ0123456789:._-;åØ {}<>'\n", max_size=70)


@given(SIGNS, SIGNS)
def test_whatever_comes_at_most_a_code_and_field_names_are_shown(condition: str, data: str) -> None:
    """No blank but the one before the bracket, no sign beyond a code's, and never eleven digits."""
    text = shown(Fault(condition, ID, "Ola Nordmann", data))
    assert re.fullmatch(r"(\?|[A-Za-z][A-Za-z0-9:._-]*)( \([A-Za-z;]+\))?", text)
    assert len(re.sub(r"\D", "", text)) < 11
    assert "Nordmann" not in text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Label;applicationTimeStamp;", "transport:x (Label;applicationTimeStamp)"),
        ("toHerId;", "transport:x (toHerId)"),
        ("ContentType", "transport:x (ContentType)"),
        ("", "transport:x"),
        (";", "transport:x"),
        ("FromHerId;8000002;", "transport:x (FromHerId)"),
        ("Nordmann;", "transport:x"),
    ],
)
def test_the_names_of_fields_are_shown(data: str, expected: str) -> None:
    """They help whoever mends it."""
    assert shown(Fault("transport:x", ID, "", data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        "Subject: CN=Eksempel kommune;Thumbprint: 00;",
        '{"thumbprint": {"expected": "x"}}',
        "Ola Nordmann",
        "01818012337",
        "navn=Ola",
        "a" * 121,
    ],
)
def test_other_data_is_not_shown(data: str) -> None:
    """Values, descriptions of certificates and texts stay with the raw message."""
    assert shown(Fault("transport:x", ID, "", data)) == "transport:x"


def test_what_is_shown_still_leads_to_its_meaning() -> None:
    """The code stands before the first blank, with and without fields."""
    told = shown(Fault("transport:invalid-field-value", ID, "", "Label;"))
    assert meaning(told.partition(" ")[0]) == meaning("transport:invalid-field-value")


def test_a_fault_shows_nobodys_words() -> None:
    """Description and data are in no text form of a fault or its envelope."""
    fault = Fault("transport:x", ID, "Ola Nordmann", "hemmelig")
    assert not re.search("Nordmann|hemmelig", f"{fault} {replace(ENVELOPE, fault=fault)!r}")


# -- how it is kept --------------------------------------------------------------------------------------------------


def test_the_whole_error_message_is_kept() -> None:
    """Everything that stood on it, the other side's words too, so that a person can look it up."""
    fault = Fault("feil på bruker", ID, "Ola Nordmann", "data", NOON)
    kept = json.loads(as_kept(replace(ENVELOPE, fault=fault)))
    assert kept["fault"] == {
        "condition": "feil på bruker",
        "original_message_id": ID,
        "description": "Ola Nordmann",
        "data": "data",
        "noticed_at": "2021-01-11T09:00:00+00:00",
    }
    assert (kept["from_her_id"], kept["came_by"], kept["sent_at"]) == ("8000004", "error", "2021-01-11T09:00:00+00:00")


def test_the_same_error_twice_has_the_same_fingerprint() -> None:
    """And it tells nothing of what is in it."""
    assert fingerprint(ENVELOPE) == fingerprint(replace(ENVELOPE, fault=replace(FAULT)))
    assert re.fullmatch(r"error:[0-9a-f]{64}", fingerprint(ENVELOPE))


@pytest.mark.parametrize(
    "other",
    [
        replace(ENVELOPE, message_id="b"),
        replace(ENVELOPE, sent_at=None),
        replace(ENVELOPE, fault=replace(FAULT, original_message_id="b")),
        replace(ENVELOPE, fault=replace(FAULT, condition="transport:internal-error")),
        replace(ENVELOPE, fault=replace(FAULT, description="other")),
        replace(ENVELOPE, fault=replace(FAULT, noticed_at=None)),
    ],
)
def test_another_error_has_another_fingerprint(other: Envelope) -> None:
    """Whatever differs, it is another message, and is kept beside the first."""
    assert fingerprint(other) != fingerprint(ENVELOPE)


def test_the_same_error_from_another_queue_is_the_same() -> None:
    """Where a message lay is no part of what it says: read from the dead-letter queue it is not another one."""
    assert fingerprint(replace(ENVELOPE, came_by="dead letter")) == fingerprint(ENVELOPE)
