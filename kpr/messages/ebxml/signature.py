"""The signature of the envelope (HIS 1037 s. 6.2.3; HITS 1171 s. 5.2.5): made, and verified.

One ds:Signature in the SOAP header covers the envelope by three transforms, and each part by its ``cid:``, over the
decoded bytes. Nothing is fetched: a reference names the envelope or a part that is at hand. The key is that of the
certificate that we expect; what is enclosed is only compared with it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha1, sha256
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from kpr.messages.ebxml.model import Reference
from kpr.messages.ebxml.names import (
    C14N,
    ENVELOPED,
    FOR_NEXT_NODE,
    NAMESPACES,
    RSA_SHA1,
    RSA_SHA256,
    SHA1,
    SHA256,
    SOAP,
    XPATH,
    XPATH_TEXT,
)
from kpr.messages.ebxml.read import read_reference
from kpr.messages.safe_xml import parse_small
from kpr.security.certificates import Identity
from kpr.security.refusals import BadSignature, Unsupported, WrongSigner

_END_OF_HEADER = b"</SOAP-ENV:Header>"
_SIGNED_WITH: dict[str, tuple[str, str, Any, Any]] = {
    "rsa-sha256": (RSA_SHA256, SHA256, sha256, hashes.SHA256),
    "rsa-sha1": (RSA_SHA1, SHA1, sha1, hashes.SHA1),
}
_HASHES: dict[str, Any] = {SHA256: sha256, SHA1: sha1}
_METHODS: dict[str, Any] = {RSA_SHA256: hashes.SHA256, RSA_SHA1: hashes.SHA1}
#: What the envelope's reference may say: three transforms, or two, as HIS 1037's own examples have it.
_ROOT_TRANSFORMS = ((ENVELOPED, XPATH, C14N), (ENVELOPED, C14N))


# -- signing -----------------------------------------------------------------------------------------------------


def sign(
    soap: bytes,
    signer: Identity,
    payload_digests: Mapping[str, bytes],
    *,
    algorithm: Literal["rsa-sha256", "rsa-sha1"] = "rsa-sha256",
) -> bytes:
    """The envelope with its signature in it; nothing else of its bytes is changed.

    ``payload_digests`` has, by content id, the digest of each part's decoded bytes, made with the algorithm's hash.
    """
    if soap.count(_END_OF_HEADER) != 1:
        raise ValueError("the envelope must be one that soap.py wrote")
    method, digest_method, hashed, key_hash = _SIGNED_WITH[algorithm]
    digest = hashed(_canonical_envelope(parse_small(soap), with_xpath=True)).digest()
    references = _reference("", digest, digest_method, _TRANSFORMS) + "".join(
        _reference(f"cid:{content_id}", each, digest_method, "") for content_id, each in payload_digests.items()
    )
    info = (
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>{references}</ds:SignedInfo>'
    )
    unsigned = _with_signature(soap, info, "", signer)
    [element] = _all(parse_small(unsigned), "soap:Header/ds:Signature/ds:SignedInfo")
    value = signer.private_key.sign(_canonical(element), padding.PKCS1v15(), key_hash())
    return _with_signature(soap, info, base64.b64encode(value).decode(), signer)


_TRANSFORMS = (
    f'<ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/>'
    f'<ds:Transform Algorithm="{XPATH}"><ds:XPath xmlns:SOAP-ENV="{SOAP}">{XPATH_TEXT}</ds:XPath></ds:Transform>'
    f'<ds:Transform Algorithm="{C14N}"/></ds:Transforms>'
)


def _reference(uri: str, digest: bytes, method: str, transforms: str) -> str:
    value = base64.b64encode(digest).decode()
    return (
        f"<ds:Reference URI={quoteattr(uri)}>{transforms}"
        f'<ds:DigestMethod Algorithm="{method}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>'
    )


def _with_signature(soap: bytes, info: str, value: str, signer: Identity) -> bytes:
    certificate = base64.b64encode(signer.certificate.public_bytes(Encoding.DER)).decode()
    signature = (
        f'<ds:Signature xmlns:ds="{NAMESPACES["ds"]}">{info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        "</ds:Signature>"
    )
    return soap.replace(_END_OF_HEADER, signature.encode() + _END_OF_HEADER)


# -- verifying ---------------------------------------------------------------------------------------------------


def verify(
    soap: bytes, parts: Mapping[str, Mapping[str, bytes]], pinned: x509.Certificate, *, accept_sha1: bool = False
) -> tuple[Reference, ...]:
    """What the signature covers. ``parts`` has, by content id, each part's digests by algorithm.

    BadSignature: it does not hold, or leaves something uncovered. WrongSigner: made with another certificate.
    Unsupported: algorithms or transforms that are not accepted. BadMessage: no envelope to look at.
    """
    root = parse_small(soap)
    signature = _only_signature(root)
    info = _one(signature, "ds:SignedInfo")
    _check_signer(signature, pinned)
    _check_value(signature, info, pinned, accept_sha1=accept_sha1)
    references = tuple(read_reference(each) for each in _all(info, "ds:Reference"))
    _check_covered(root, references, parts)
    for reference in references:
        _check_reference(reference, soap, parts, accept_sha1=accept_sha1)
    return references


def _only_signature(root: etree._Element) -> etree._Element:
    everywhere = _all(root, "//ds:Signature")
    if len(everywhere) != 1 or everywhere != _all(root, "/soap:Envelope/soap:Header/ds:Signature"):
        raise BadSignature("There is not exactly one signature in the header.")
    return everywhere[0]


def _check_signer(signature: etree._Element, pinned: x509.Certificate) -> None:
    enclosed = _all(signature, "ds:KeyInfo//ds:X509Certificate")
    if len(enclosed) != 1:
        raise BadSignature("The signature does not name exactly one certificate.")
    try:
        der = base64.b64decode("".join((enclosed[0].text or "").split()), validate=True)
    except ValueError:
        raise BadSignature("The certificate in the signature cannot be read.") from None
    if der != pinned.public_bytes(Encoding.DER):
        raise WrongSigner("The message is signed with another certificate than the registered one.")


def _check_value(
    signature: etree._Element, info: etree._Element, pinned: x509.Certificate, *, accept_sha1: bool
) -> None:
    if _one(info, "ds:CanonicalizationMethod").get("Algorithm") != C14N:
        raise Unsupported("The signature is canonicalised in a way that is not accepted.")
    method = str(_one(info, "ds:SignatureMethod").get("Algorithm"))
    key = pinned.public_key()
    if method not in _METHODS or (method == RSA_SHA1 and not accept_sha1) or not isinstance(key, RSAPublicKey):
        raise Unsupported("The signature's algorithm is not accepted.")
    try:
        value = base64.b64decode("".join((_one(signature, "ds:SignatureValue").text or "").split()), validate=True)
        key.verify(value, _canonical(info), padding.PKCS1v15(), _METHODS[method]())
    except (InvalidSignature, ValueError):
        raise BadSignature("The signature does not hold.") from None


def _check_covered(
    root: etree._Element, references: tuple[Reference, ...], parts: Mapping[str, Mapping[str, bytes]]
) -> None:
    """The envelope and every part, once each, and every part that the manifest names."""
    named = {str(href).removeprefix("cid:") for href in _all(root, "soap:Body/eb:Manifest/eb:Reference/@xlink:href")}
    wanted = sorted(["", *(f"cid:{content_id}" for content_id in {*parts, *named})])
    if sorted(reference.uri for reference in references) != wanted:
        raise BadSignature("The signature does not cover the envelope and each part, once each.")


def _check_reference(
    reference: Reference, soap: bytes, parts: Mapping[str, Mapping[str, bytes]], *, accept_sha1: bool
) -> None:
    method = reference.digest_method
    if method not in _HASHES or (method == SHA1 and not accept_sha1):
        raise Unsupported("A digest's algorithm is not accepted.")
    if reference.uri:
        if reference.transforms:
            raise Unsupported("A part is transformed before it is signed, which is not accepted.")
        digest = parts.get(reference.uri.removeprefix("cid:"), {}).get(method)
    else:
        if reference.transforms not in _ROOT_TRANSFORMS:
            raise Unsupported("The envelope is transformed in a way that is not accepted.")
        root = parse_small(soap)
        _check_xpath(root, with_xpath=XPATH in reference.transforms)
        digest = _HASHES[method](_canonical_envelope(root, with_xpath=XPATH in reference.transforms)).digest()
    if digest is None or digest != reference.digest:
        raise BadSignature("A digest in the signature is not that of what came.")


def _check_xpath(root: etree._Element, *, with_xpath: bool) -> None:
    """Only the framework's own expression is evaluated; whatever else it says is not ours to run."""
    said = [" ".join((each.text or "").split()) for each in _all(root, "//ds:Signature//ds:XPath")]
    if said != ([XPATH_TEXT] if with_xpath else []):
        raise Unsupported("The signature's XPath is not the framework's.")


def _canonical_envelope(root: etree._Element, *, with_xpath: bool) -> bytes:
    """The document without its signature, and without what is for the next node on the way."""
    for element in _all(root, "//ds:Signature"):
        _remove(element)
    for element in _all(root, f"//*[{FOR_NEXT_NODE}]") if with_xpath else []:
        _remove(element)
    return _canonical(root.getroottree())


def _remove(element: etree._Element) -> None:
    """With all that is in it; the text after it stays."""
    parent = element.getparent()
    if parent is None:
        raise Unsupported("The whole envelope is for the next node on the way.")
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def _canonical(node: etree._Element | etree._ElementTree) -> bytes:
    try:
        return bytes(etree.tostring(node, method="c14n", exclusive=False, with_comments=False))
    except etree.LxmlError:  # a relative namespace, say, which canonical XML does not know (s. 1.3)
        raise BadSignature("The envelope has no canonical form.") from None


def _one(element: etree._Element, path: str) -> etree._Element:
    found = _all(element, path)
    if len(found) != 1:
        raise BadSignature("The signature is not complete, or holds something twice.", place=path)
    return found[0]


def _all(element: etree._Element, path: str) -> list[etree._Element]:
    found: list[etree._Element] = element.xpath(path, namespaces=NAMESPACES)  # type: ignore[assignment]
    return list(found)
