"""The rules for eb:MessageHeader, and for what Adresseregisteret and the agreement say (HITS 1172 s. 5.8, 5.9)."""

from __future__ import annotations

import re

from kpr.messages.ebxml.rule_view import (
    HEADER,
    MESSAGE_DATA,
    MESSAGE_HEADER,
    Check,
    Seen,
    absent,
    empty,
    is_message_id,
    is_uuid,
    missing,
    other,
)

_TWO_HER_IDS = re.compile(r"([0-9]{1,15})_([0-9]{1,15})(?:_[0-9]{1,15})?")
#: The id of a private agreement, ``nav:qass:35065``: the guide does not know it, and messages in use have it.
_PRIVATE = re.compile(r"[^\s:]+(:[^\s:]+){2,}")

_FROM, _TO = f"{MESSAGE_HEADER}/eb:From", f"{MESSAGE_HEADER}/eb:To"
_HER = "eb:PartyId[@eb:type='HER']"
_MESSAGE_ID, _CPA_ID = f"{MESSAGE_DATA}/eb:MessageId", f"{MESSAGE_HEADER}/eb:CPAId"


def _her_ids(seen: Seen, end: str) -> list[str]:
    return [text for text in seen.values(f"{end}/{_HER}") if text]


def _no_digits(end: str) -> Check:
    return lambda seen: any(not (text.isascii() and text.isdecimal()) for text in _her_ids(seen, end))


def _without_her(end: str) -> Check:
    return lambda seen: seen.has(f"{end}/eb:PartyId") and not seen.has(f"{end}/{_HER}")


def _unfit_cpa_id(seen: Seen) -> bool:
    text = seen.value(_CPA_ID)
    if not text or is_uuid(text) or _PRIVATE.fullmatch(text):
        return False
    found = _TWO_HER_IDS.fullmatch(text)
    return found is None or int(found.group(1)) > int(found.group(2))


def _unexpected(end: str, name: str) -> Check:
    def check(seen: Seen) -> bool:
        known: frozenset[str] = getattr(seen.expected, name)
        return bool(known) and any(text not in known for text in _her_ids(seen, end))

    return check


def _other_agreement(seen: Seen) -> bool:
    """Anybody may leave the agreement aside, and say so by the id of two HER-ids (s. 5.9.2)."""
    text, cpa = seen.value(_CPA_ID), seen.expected.cpa
    return cpa is not None and bool(text) and not _TWO_HER_IDS.fullmatch(text) and text != cpa.id


def _by_agreement(seen: Seen) -> bool:
    return seen.expected.cpa is not None and seen.value(_CPA_ID) == seen.expected.cpa.id


def _not_in_agreement(end: str) -> Check:
    def check(seen: Seen) -> bool:
        cpa = seen.expected.cpa
        return cpa is not None and _by_agreement(seen) and any(cpa.party(each) is None for each in _her_ids(seen, end))

    return check


def _before_agreement(seen: Seen) -> bool:
    at, cpa = seen.timestamp, seen.expected.cpa
    return cpa is not None and at is not None and _by_agreement(seen) and at < cpa.start


def _after_agreement(seen: Seen) -> bool:
    at, cpa = seen.timestamp, seen.expected.cpa
    return cpa is not None and at is not None and _by_agreement(seen) and at > cpa.end


def _other_address(found: tuple[str, ...], wanted: str) -> bool:
    return bool(wanted and found) and wanted.lower() not in [each.lower() for each in found]


def _expired(seen: Seen) -> bool:
    until, now = seen.moment(f"{MESSAGE_DATA}/eb:TimeToLive"), seen.expected.now
    return until is not None and now is not None and until < now


CHECKS: dict[str, Check] = {
    "4": lambda seen: seen.has(HEADER) and not seen.has(MESSAGE_HEADER),
    "8": absent(MESSAGE_HEADER, "@eb:version"),
    "70": other(f"{MESSAGE_HEADER}/@eb:version", "2.0"),
    "7": absent(MESSAGE_HEADER, "@soap:mustUnderstand"),
    "69": other(f"{MESSAGE_HEADER}/@soap:mustUnderstand", "1"),
    "76": missing(MESSAGE_HEADER, "eb:MessageData/eb:MessageId"),
    "102": lambda seen: bool(seen.value(_MESSAGE_ID)) and not is_message_id(seen.value(_MESSAGE_ID)),
    "77": lambda seen: seen.has(MESSAGE_HEADER) and seen.timestamp is None,
    "time_to_live": _expired,
    "11": missing(MESSAGE_HEADER, "eb:CPAId"),
    "12": _unfit_cpa_id,
    "10": absent(MESSAGE_HEADER, "eb:From"),
    "9": absent(MESSAGE_HEADER, "eb:To"),
    "58": absent(_FROM, "eb:PartyId"),
    "59": absent(_TO, "eb:PartyId"),
    "25": empty(f"{_FROM}/eb:PartyId"),
    "55": empty(f"{_TO}/eb:PartyId"),
    "60": _without_her(_FROM),
    "61": _without_her(_TO),
    "14": lambda seen: len(seen.find(f"{_FROM}/{_HER}")) > 1,
    "13": lambda seen: len(seen.find(f"{_TO}/{_HER}")) > 1,
    "31": _no_digits(_FROM),
    "56": _no_digits(_TO),
    "47": absent(MESSAGE_HEADER, "eb:Service"),
    "71": empty(f"{MESSAGE_HEADER}/eb:Service"),
    "48": absent(MESSAGE_HEADER, "eb:Action"),
    "72": empty(f"{MESSAGE_HEADER}/eb:Action"),
    "29": _unexpected(_FROM, "senders"),
    "54": _unexpected(_TO, "receivers"),
    "110": _other_agreement,
    "111": _not_in_agreement(_FROM),
    "112": _not_in_agreement(_TO),
    "113": _before_agreement,
    "114": _after_agreement,
    "261": lambda seen: _other_address(seen.entity.head.senders, seen.expected.sender_address),
    "262": lambda seen: _other_address(seen.entity.head.recipients, seen.expected.receiver_address),
}
