"""The rules for ds:Signature and its certificate (HITS 1172 s. 5.9.4 and 5.10), by number.

Whether the signature holds is not decided here: that is ``signature.verify``, whose verdict comes in. These rules say
what is wrong with it in the words of the guide.
"""

from __future__ import annotations

from kpr.messages.ebxml.names import C14N, ENVELOPED, RSA_SHA1, RSA_SHA256, SHA1, SHA256, XPATH
from kpr.messages.ebxml.rule_view import HEADER, SIGNATURE, SIGNED_INFO, Check, Seen, absent, missing, other

_REFERENCE = f"{SIGNED_INFO}/ds:Reference"
_KEY_INFO = f"{SIGNATURE}/ds:KeyInfo"
_X509_DATA = f"{_KEY_INFO}/ds:X509Data"
_TRANSFORMS = f"{_REFERENCE}[@URI='']/ds:Transforms/ds:Transform"


def _no_root_reference(seen: Seen) -> bool:
    return seen.has(_REFERENCE) and not seen.has(f"{_REFERENCE}[@URI='']")


def _other_than_cid(seen: Seen) -> bool:
    return any(uri and not uri.startswith("cid:") for uri in seen.values(f"{_REFERENCE}/@URI"))


def _unsigned_payload(seen: Seen) -> bool:
    """Not in the guide: a payload that no reference covers could be exchanged for another."""
    payload, uris = seen.entity.payload, seen.values(f"{_REFERENCE}/@URI")
    return payload is not None and bool(uris) and f"cid:{payload.content_id}" not in uris


def _transform(number: int, wanted: str) -> Check:
    """Asked only where there are three: otherwise rule 38 has said it all."""

    def check(seen: Seen) -> bool:
        found = [each.get("Algorithm") for each in seen.find(_TRANSFORMS)]
        return len(found) == len(_THREE) and found[number] != wanted

    return check


_THREE = (ENVELOPED, XPATH, C14N)


def _not_three_transforms(seen: Seen) -> bool:
    return seen.has(f"{_REFERENCE}[@URI='']") and len(seen.find(_TRANSFORMS)) != len(_THREE)


def _several_certificates(seen: Seen) -> bool:
    return len(seen.find(f"{_X509_DATA}/ds:X509Certificate")) > 1


def _unreadable_certificate(seen: Seen) -> bool:
    return len(seen.find(f"{_X509_DATA}/ds:X509Certificate")) == 1 and seen.enclosed is None


def _too_early(seen: Seen) -> bool:
    at, certificate = seen.timestamp, seen.enclosed
    return at is not None and certificate is not None and at < certificate.not_valid_before_utc


def _too_late(seen: Seen) -> bool:
    at, certificate = seen.timestamp, seen.enclosed
    return at is not None and certificate is not None and at > certificate.not_valid_after_utc


def _other_certificate(seen: Seen) -> bool:
    wanted, found = seen.expected.certificate, seen.enclosed
    return wanted is not None and found is not None and wanted != found


def _unsupported_method(seen: Seen) -> bool:
    allowed = (RSA_SHA256, RSA_SHA1) if seen.expected.accept_sha1 else (RSA_SHA256,)
    path = f"{SIGNED_INFO}/ds:SignatureMethod"
    return seen.has(SIGNED_INFO) and not any(each.get("Algorithm") in allowed for each in seen.find(path))


def _does_not_hold(seen: Seen) -> bool:
    """Where nothing could be verified the rule that says why is enough."""
    return not seen.verified and not any(CHECKS[rule](seen) for rule in _WHY_NOT)


#: Faults for which no signature can hold, so that rule 50 would only say it again.
_WHY_NOT = (
    "45",
    "52",
    "363",
    "42",
    "32",
    "39",
    "40",
    "34",
    "85",
    "64",
    "unsigned_payload",
    "41",
    "103",
    "65",
    "46",
    "84",
)

CHECKS: dict[str, Check] = {
    "79": lambda seen: seen.expected.certificate is None,
    "44": _other_certificate,
    "45": lambda seen: seen.has(HEADER) and not seen.has(SIGNATURE),
    "52": lambda seen: len(seen.find("//ds:Signature")) > 1,
    "363": absent(SIGNATURE, "ds:SignedInfo"),
    "42": missing(SIGNATURE, "ds:SignatureValue"),
    "32": absent(SIGNATURE, "ds:KeyInfo"),
    "39": absent(SIGNED_INFO, "ds:Reference"),
    "40": _no_root_reference,
    "34": _other_than_cid,
    "85": absent(_REFERENCE, "@URI"),
    "64": lambda seen: seen.has(f"{_REFERENCE}[not(normalize-space(ds:DigestValue))]"),
    "unsigned_payload": _unsigned_payload,
    "33": other(f"{_REFERENCE}/ds:DigestMethod/@Algorithm", SHA1, SHA256),
    "37": _transform(0, ENVELOPED),
    "36": _transform(1, XPATH),
    "35": _transform(2, C14N),
    "38": _not_three_transforms,
    "41": absent(_KEY_INFO, "ds:X509Data"),
    "103": absent(_X509_DATA, "ds:X509Certificate"),
    "65": _several_certificates,
    "46": _unreadable_certificate,
    "104": _too_early,
    "105": _too_late,
    "84": _unsupported_method,
    "50": _does_not_hold,
}
