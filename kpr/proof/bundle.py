"""The file of a proof: a zip of its parts, a manifest with the SHA-256 of each, and a signature over the manifest.

    proof.json      what is proved, for programs
    proof.html      the same, for people
    manifest.json   format, SHA-256 of the signer's certificate, of each part, and of each single value of proof.json
    manifest.p7s    detached CMS signature over manifest.json (DER), which openssl verifies as well

The same parts give the same bytes, the signature apart. A zip that comes from outside is read with bounds.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping

from kpr.errors import BadMessage
from kpr.proof.facts import FORMAT, leaves

FACTS, PAGE, MANIFEST, SIGNATURE = "proof.json", "proof.html", "manifest.json", "manifest.p7s"

#: No proof is near these; what is larger is something else.
MAX_FILE, MAX_PART, MAX_PARTS = 50_000_000, 50_000_000, 16


def pack(parts: Mapping[str, bytes], signer_sha256: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The file. ``sign`` gives the detached signature of the manifest, with the certificate of that SHA-256 (DER).

    The certificate stands in what is signed: of its own bytes only the key is held by the signature.
    """
    manifest = manifest_json(parts, signer_sha256)
    whole = {**parts, MANIFEST: manifest, SIGNATURE: sign(manifest)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(whole):
            bundle.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), whole[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def manifest_json(parts: Mapping[str, bytes], signer_sha256: str) -> bytes:
    """The manifest of these parts, its names in order."""
    fields = {path: plain_digest(value) for path, value in leaves(json.loads(parts[FACTS]))}
    told = {
        "format": FORMAT,
        "signer": signer_sha256,
        "parts": {name: digest(content) for name, content in parts.items()},
        "fields": fields,
    }
    return json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True).encode()


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def plain_digest(value: object) -> str:
    """SHA-256 in hex of one value as JSON."""
    return digest(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))


def unpack(raw: bytes) -> dict[str, bytes]:
    """The parts by name; BadMessage when it is no zip of a proof: too large, doubled, a path in a name, broken.

    Only the parts count: their order and how they are packed say nothing. Nothing may stand around them.
    """
    if len(raw) > MAX_FILE:
        raise _no_proof("Filen er for stor til å være et bevis.")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as bundle:
            _refuse_around(raw, bundle)
            return _parts(bundle)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError):
        raise _no_proof("Filen er ikke et bevis, eller den er skadet så den ikke kan åpnes.") from None


def _refuse_around(raw: bytes, bundle: zipfile.ZipFile) -> None:
    """What stands before the first part, behind the zip's end or as its comment would be signed by nobody."""
    first = min((entry.header_offset for entry in bundle.infolist()), default=0)
    if first or bundle.comment or raw[-_END_SIZE:][:4] != _END:
        raise _no_proof("Filen har noe foran eller bak delene som ikke hører til beviset.")


#: How a zip without a comment ends (APPNOTE 4.3.16).
_END, _END_SIZE = b"PK\5\6", 22


def _parts(bundle: zipfile.ZipFile) -> dict[str, bytes]:
    entries = bundle.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > MAX_PARTS or len(set(names)) != len(names):
        raise _no_proof("Filen har for mange deler, eller to av samme navn.")
    if any(not name or set(name) - _NAME for name in names):
        raise _no_proof("Filen har en del med et navn som ikke kan være et bevis sitt.")
    parts: dict[str, bytes] = {}
    for entry in entries:
        with bundle.open(entry) as part:
            content = part.read(MAX_PART + 1 - sum(map(len, parts.values())))
        if len(content) + sum(map(len, parts.values())) > MAX_PART:
            raise _no_proof("Filen pakker ut til mer enn et bevis kan være.")
        parts[entry.filename] = content
    return parts


_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")


def _no_proof(problem: str) -> BadMessage:
    return BadMessage(problem, place="bevis", remedy="Hent filen på nytt fra den som laget den.")
