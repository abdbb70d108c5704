"""Is a proof what was signed? Offline, from the file alone: no settings, no store, no keys.

A change is named as exactly as can be told: the part, and of ``proof.json`` the value. That a proof is whole says that
nobody has changed it since it was signed by the certificate that it names; whose certificate that is, is the reader's
to look at, or to have checked against roots.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kpr.checks.finding import Text
from kpr.errors import BadCertificate, BadMessage
from kpr.proof.bundle import FACTS, MANIFEST, SIGNATURE, altered_fields, digest, unpack
from kpr.proof.facts import FORMAT
from kpr.security.cms_read import SignedApart, verify_detached
from kpr.security.trust_settings import Trust

#: Values named of an altered proof.json; the rest are counted.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Verified:
    """What a proof says, who signed it, and what was altered; nothing in ``altered`` means that it is whole.

    ``said`` is empty when proof.json cannot be read.
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
        try:
            return datetime.fromisoformat(str(self.said.get("made_at"))).astimezone(UTC)
        except ValueError:
            at = self.signature.at if self.signature else None
            return at.astimezone(UTC) if at else datetime.now(UTC)


def verify(raw: bytes) -> Verified:
    """Look at a proof. BadMessage when the file is no proof at all, or of a later version of the program."""
    parts = unpack(raw)
    for name in (MANIFEST, SIGNATURE):
        if name not in parts:
            return Verified({}, (Text(f"{name} mangler.", f"{name} is missing."),))
    manifest = _manifest(parts[MANIFEST])
    said = _object(parts.get(FACTS, b""))
    _refuse_later(manifest or said)
    found = Verified(said, (), _signature(parts))
    return replace(found, altered=(*_of_signature(found, manifest or {}), *_of_parts(parts, manifest)))


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
    if isinstance(version, int) and version > FORMAT:
        raise BadMessage(
            f"Beviset er laget av en nyere utgave av programmet (format {version}; denne kan {FORMAT}).",
            place=FACTS,
            remedy="Bruk den nyere utgaven til å kontrollere det.",
        )


def _signature(parts: Mapping[str, bytes]) -> SignedApart | None:
    try:
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
    """Why the signer's certificate does not lead to one of these roots; empty when it does. Asks nobody.

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
    return ()


def name_of(certificate: x509.Certificate) -> str:
    """Who a certificate says it belongs to: name, and organisation number where it has one."""

    def first(oid: x509.ObjectIdentifier) -> str:
        found = certificate.subject.get_attributes_for_oid(oid)
        return str(found[0].value) if found else ""

    name = first(NameOID.ORGANIZATION_NAME) or first(NameOID.COMMON_NAME)
    number = first(NameOID.ORGANIZATION_IDENTIFIER) or first(NameOID.SERIAL_NUMBER)
    return f"{name} ({number})" if number else name


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
    where = altered_fields(content, fields) if name == FACTS else []
    if not where:
        return Text(f"{name} er endret.", f"{name} was altered.")
    named = ", ".join(where[:_NAMED]) + (f" (+{len(where) - _NAMED})" if len(where) > _NAMED else "")
    return Text(f"{name} er endret: {named}.", f"{name} was altered: {named}.")
