"""Is a proof what was signed? Offline, from the file alone: no settings, no store, no keys.

A change is named as exactly as can be told: the part, and of ``proof.json`` the value. That a proof is whole says that
nobody has changed it since it was signed by the certificate that it names; whose certificate that is, is the reader's
to look at, or to have checked against roots.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from kpr.checks.finding import Text
from kpr.errors import BadCertificate, BadMessage
from kpr.proof.altered import altered_values
from kpr.proof.bundle import FACTS, MANIFEST, SIGNATURE, digest, unpack
from kpr.proof.facts import FORMAT
from kpr.proof.shape import demand_ours, is_ours
from kpr.security.cms_read import SignedApart, verify_detached
from kpr.security.trust_settings import Trust

#: Values named of an altered proof.json; the rest are counted.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Verified:
    """What a proof says, who signed it, and what was altered; nothing in ``altered`` means that it is whole.

    ``said`` is empty when proof.json cannot be read, or is of another shape than ours.
    """

    said: Mapping[str, Any]
    altered: tuple[Text, ...]
    signature: SignedApart | None = None

    @property
    def signer(self) -> str:
        """Who the certificate says it belongs to; empty when the signature does not hold."""
        return name_of(self.signature.signer) if self.signature else ""

    @property
    def made_at(self) -> datetime:
        """When the proof was made by its own word; otherwise when it was signed by the signature's."""
        told = _moment(str(self.said.get("made_at", "")))
        return told or (self.signature.at if self.signature else None) or datetime.now(UTC)


def _moment(said: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_YEAR <= moment.year < MAXYEAR else None


#: No proof is older than this; at both ends of the calendar a moment has no other time zone.
_FIRST_YEAR = 2000


def verify(raw: bytes) -> Verified:
    """Look at a proof. BadMessage when the file is no proof at all, or of another or a later version of the program."""
    parts = unpack(raw)
    for name in (MANIFEST, SIGNATURE):
        if name not in parts:
            return Verified({}, (Text(f"{name} mangler.", f"{name} is missing."),))
    said, signature = _object(parts.get(FACTS, b"")), _signature(parts)
    if signature is not None:
        _refuse_later(_object(parts[MANIFEST]))
    manifest = _manifest(parts[MANIFEST])
    found = Verified(said if is_ours(said) else {}, (), signature)
    altered = (*_of_signature(found, manifest or {}), *_of_parts(parts, manifest))
    if not altered:
        demand_ours(manifest or {}, said)
    return replace(found, altered=altered)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _manifest(raw: bytes) -> dict[str, Any] | None:
    found = _object(raw)
    parts, fields = found.get("parts"), found.get("fields")
    if not all(isinstance(each, dict) and all(isinstance(v, str) for v in each.values()) for each in (parts, fields)):
        return None
    return found


def _refuse_later(said: Mapping[str, Any]) -> None:
    version = said.get("format")
    if type(version) is int and version > FORMAT:
        raise BadMessage(
            f"Beviset er laget av en nyere utgave av programmet (format {version}; denne kan {FORMAT}).",
            place=FACTS,
            remedy="Bruk den nyere utgaven til å kontrollere det.",
        )


def _signature(parts: Mapping[str, bytes]) -> SignedApart | None:
    try:
        with warnings.catch_warnings():  # of an odd certificate: whether it fits is what is asked here
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return verify_detached(parts[SIGNATURE], parts[MANIFEST])
    except BadMessage:
        return None


def _of_signature(found: Verified, manifest: Mapping[str, Any]) -> Iterator[Text]:
    """A signature that does not fit, or a certificate that was not valid when the proof says that it was made."""
    if found.signature is None:
        yield Text(
            "manifest.json eller underskriften (manifest.p7s) er endret: de passer ikke sammen.",
            "manifest.json or the signature (manifest.p7s) was altered: they do not fit.",
        )
        return
    certificate, made = found.signature.signer, found.made_at
    if digest(certificate.public_bytes(Encoding.DER)) != manifest.get("signer"):
        yield Text(
            "Sertifikatet i underskriften (manifest.p7s) er et annet enn det som underskrev.",
            "The certificate in the signature (manifest.p7s) is another than the one that signed.",
        )
    if not certificate.not_valid_before_utc <= made <= certificate.not_valid_after_utc:
        days = f"{certificate.not_valid_before_utc:%d.%m.%Y}–{certificate.not_valid_after_utc:%d.%m.%Y}"
        yield Text(
            f"Sertifikatet det er underskrevet med, gjaldt {days}, og ikke {made:%d.%m.%Y}, da beviset ble laget.",
            f"The certificate it is signed with was valid {days}, and not on {made:%d.%m.%Y}, when the proof was made.",
        )


def not_trusted(found: Verified, roots: Path) -> tuple[Text, ...]:
    """Why the signer is not to be trusted by these roots as the one whose proof it is; empty when it is. Asks nobody.

    BadSettings when the file of roots cannot be read. Whether the certificate was revoked cannot be known offline.
    """
    from kpr.security.trust import check_trust  # takes half a second to import

    if found.signature is None:
        return ()
    try:
        trust = Trust(roots=roots, revocation="off")
        check_trust(found.signature.signer, found.signature.others, trust, found.made_at)
    except BadCertificate as error:
        return (Text(f"Underskriverens sertifikat er ikke til å stole på. {error}", f"Not to be trusted: {error}"),)
    other = another_organisation(found)
    return (other,) if other else ()


def another_organisation(found: Verified) -> Text | None:
    """That the certificate bears another organisation number than the proof's own; None when it bears none, or that."""
    if found.signature is None or not found.said:
        return None
    own = str(found.said["whose"]["organisation_number"])
    signer = _NUMBER.fullmatch(_number_of(found.signature.signer))
    if signer is None or signer[1] == own:
        return None
    return Text(
        f"Beviset er for organisasjonsnummer {own}, men er underskrevet med sertifikatet til {found.signer}.",
        f"The proof is of organisation number {own}, but signed with the certificate of {found.signer}.",
    )


#: As an enterprise certificate bears it: alone (SEID 1) or with the register's name (SEID 2, ETSI EN 319 412-1 5.1.4).
_NUMBER = re.compile(r"(?:NTRNO-)?([0-9]{9})")


def name_of(certificate: x509.Certificate) -> str:
    """Who a certificate says it belongs to: name, and organisation number where it has one."""

    name = _first(certificate, NameOID.ORGANIZATION_NAME) or _first(certificate, NameOID.COMMON_NAME)
    number = _number_of(certificate)
    return f"{name} ({number})" if number else name


def _number_of(certificate: x509.Certificate) -> str:
    return _first(certificate, NameOID.ORGANIZATION_IDENTIFIER) or _first(certificate, NameOID.SERIAL_NUMBER)


def _first(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _of_parts(parts: Mapping[str, bytes], manifest: Mapping[str, Any] | None) -> list[Text]:
    """What is missing, was added or was changed, by the manifest."""
    if manifest is None:
        return [Text("manifest.json kan ikke leses.", "manifest.json cannot be read.")]
    known: dict[str, str] = manifest["parts"]
    found = {name: content for name, content in parts.items() if name not in (MANIFEST, SIGNATURE)}
    told = [Text(f"{name} mangler.", f"{name} is missing.") for name in sorted(known.keys() - found.keys())]
    told += [
        Text(f"{name} er lagt til etter underskriften.", f"{name} was added after the signature.")
        for name in sorted(found.keys() - known.keys())
    ]
    for name in sorted(found.keys() & known.keys()):
        if digest(found[name]) != known[name]:
            told.append(_changed(name, found[name], manifest["fields"]))
    return told


def _changed(name: str, content: bytes, fields: Mapping[str, str]) -> Text:
    where = altered_values(content, fields) if name == FACTS else []
    if not where:
        return Text(f"{name} er endret.", f"{name} was altered.")
    more = f" (+{len(where) - _NAMED})" if len(where) > _NAMED else ""
    nb, en = (", ".join(getattr(each, tongue) for each in where[:_NAMED]) for tongue in ("nb", "en"))
    return Text(f"{name} er endret: {nb}{more}.", f"{name} was altered: {en}{more}.")
