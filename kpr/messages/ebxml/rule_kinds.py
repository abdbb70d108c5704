"""The rules for the three kinds of message: which it is, and what each must have (HITS 1172 s. 5.11-5.14), by number."""

from __future__ import annotations

from kpr.messages.ebxml.names import ACKNOWLEDGMENT, EB, MESSAGE_ERROR, SIGNAL_SERVICE
from kpr.messages.ebxml.rule_view import (
    ACK_REQUESTED,
    ACKNOWLEDGED,
    BODY,
    ERROR_LIST,
    MANIFEST,
    MESSAGE_DATA,
    MESSAGE_HEADER,
    Check,
    Seen,
    absent,
    is_message_id,
)

_SERVICE, _ACTION = f"{MESSAGE_HEADER}/eb:Service", f"{MESSAGE_HEADER}/eb:Action"
_MANIFEST_REFERENCE = f"{MANIFEST}/eb:Reference"
_SCHEMA = f"{_MANIFEST_REFERENCE}/eb:Schema"
_REQUIRED = ("MSH-system", "MSH-versjon")

#: What there is one of at most, anywhere in the document: a second one could be taken for the one that was signed.
_SINGLE = ("MessageHeader", "AckRequested", "Acknowledgment", "ErrorList", "Manifest")

#: What never stands together (s. 5.11.3); Acknowledgment with ErrorList has rules 115 and 123.
_PAIRS = tuple((signal, part) for signal in (ACKNOWLEDGED, ERROR_LIST) for part in (ACK_REQUESTED, MANIFEST))


def _mixed(seen: Seen) -> bool:
    undecided = seen.kind is None and seen.has(ACKNOWLEDGED) and seen.has(ERROR_LIST)
    return undecided or any(seen.has(one) and seen.has(two) for one, two in _PAIRS)


def _no_kind(seen: Seen) -> bool:
    known = any(seen.has(path) for path in (ACKNOWLEDGED, ERROR_LIST, ACK_REQUESTED, f"{BODY}/*"))
    return seen.has(MESSAGE_HEADER) and seen.has(BODY) and not known and seen.kind is None


def _no_id(path: str) -> Check:
    return lambda seen: not is_message_id(seen.value(path))


def _names_another(seen: Seen) -> bool:
    payload = seen.entity.payload
    hrefs = [href for href in seen.values(f"{_MANIFEST_REFERENCE}/@xlink:href") if href]
    return payload is not None and any(href != f"cid:{payload.content_id}" for href in hrefs)


def _without_payload(seen: Seen) -> bool:
    return seen.entity.payload is None and seen.has(_MANIFEST_REFERENCE)


def _without_href(seen: Seen) -> bool:
    return seen.has(f"{_MANIFEST_REFERENCE}[not(normalize-space(@xlink:href))]")


# -- version monitoring (HITS 1210) ------------------------------------------------------------------------------


def _schemas(seen: Seen) -> list[tuple[str, str]]:
    """Location and version of each eb:Schema that has a location."""
    found = [
        tuple(each.get(f"{{{EB}}}{name}", "").strip() for name in ("location", "version"))
        for each in seen.find(_SCHEMA)
    ]
    return [(location, version) for location, version in found if location]


def _unknown_schema(seen: Seen) -> bool:
    known = {space for space, _version in seen.expected.schemas.values()}
    return bool(known) and any(location not in known for location, _version in _schemas(seen))


def _other_version(seen: Seen) -> bool:
    known = dict(seen.expected.schemas.values())
    return any(location in known and version and version != known[location] for location, version in _schemas(seen))


def _other_action(seen: Seen) -> bool:
    """The namespace is one of ours, but of the other message."""
    expected, action = seen.expected.schemas, seen.value(_ACTION)
    known = {space for space, _version in expected.values()}
    wanted = expected[action][0] if action in expected else ""
    return bool(action) and any(location in known and location != wanted for location, _version in _schemas(seen))


def _not_both(seen: Seen) -> bool:
    return seen.handler is None or not seen.has(_SCHEMA)


def _unsaid(name: str) -> Check:
    return lambda seen: seen.handler is not None and name not in seen.handler


def _no_text(name: str) -> Check:
    def check(seen: Seen) -> bool:
        said = (seen.handler or {}).get(name, "-")
        return not isinstance(said, str) or not said.strip()

    return check


CHECKS: dict[str, Check] = {
    "no_kind": _no_kind,
    "body": lambda seen: len(seen.find(f"{BODY}/*")) > 1,
    "mixed": _mixed,
    "twice": lambda seen: any(len(seen.find(f"//eb:{name}")) > 1 for name in _SINGLE),
    "106": lambda seen: seen.value(_SERVICE) != SIGNAL_SERVICE,
    "107": lambda seen: seen.value(_ACTION) != ACKNOWLEDGMENT,
    "108": _no_id(f"{ACKNOWLEDGED}/eb:RefToMessageId"),
    "109": lambda seen: seen.has(f"{MESSAGE_DATA}/eb:RefToMessageId"),
    "115": lambda seen: seen.has(ERROR_LIST),
    "116": lambda seen: not seen.has(f"{ACKNOWLEDGED}/ds:Reference[@URI='']"),
    "117": lambda seen: not seen.has(f"{ACKNOWLEDGED}/ds:Reference[starts-with(@URI, 'cid:')]"),
    "120": lambda seen: seen.value(_SERVICE) != SIGNAL_SERVICE,
    "121": lambda seen: seen.value(_ACTION) != MESSAGE_ERROR,
    "122": _no_id(f"{MESSAGE_DATA}/eb:RefToMessageId"),
    "123": lambda seen: seen.has(ACKNOWLEDGED),
    "74": absent(MESSAGE_HEADER, "eb:DuplicateElimination"),
    "75": lambda seen: not seen.has(ACK_REQUESTED),
    "ack_must_understand": lambda seen: seen.has(f"{ACK_REQUESTED}[not(@soap:mustUnderstand='1')]"),
    "94": lambda seen: seen.has(f"{ACK_REQUESTED}[not(@eb:signed='true' or @eb:signed='1')]"),
    "no_manifest": lambda seen: not seen.has(MANIFEST),
    "5": lambda seen: seen.has(f"{MANIFEST}[not(@eb:version='2.0')]"),
    "6": absent(MANIFEST, "eb:Reference"),
    "href": _without_href,
    "27": _without_payload,
    "23": _names_another,
    "265": lambda seen: seen.has(f"{_SCHEMA}[not(normalize-space(@eb:location))]"),
    "266": lambda seen: seen.has(f"{_SCHEMA}[not(normalize-space(@eb:version))]"),
    "267": _unknown_schema,
    "268": _other_version,
    "269": _other_action,
    "271": _unsaid(_REQUIRED[0]),
    "272": _unsaid(_REQUIRED[1]),
    "273": _no_text(_REQUIRED[0]),
    "274": _no_text(_REQUIRED[1]),
    "279": _not_both,
}
