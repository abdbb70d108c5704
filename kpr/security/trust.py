"""Trust: does a certificate lead to a root that we trust, and is it not revoked (AMQP specification s. 3)?

Two questions, kept apart. The path, its signatures, times and policy are judged first and without any network: a fault
there is a bad certificate. Then revocation is asked for each certificate of that path by itself: one "revoked" always
counts; an answer that is missing, unusable or out of date means "not known, try again" (s. 2.1.4), and is never held
against the sender, however many such answers there are.

Fetched is only over http(s), and only from the addresses in certificates of a path that leads to a root: no redirects,
no ldap, no intermediates. Nothing is kept from one call to the next.

The time: revocation can be asked about the present only, for lists and answers hold for some days. By a rehearsal
clock that stands far from it they are out of date, or not valid yet: a rehearsal has ``revocation: off``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from asn1crypto import crl
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext, errors, policy_decl
from pyhanko_certvalidator.authority import AuthorityWithCert, CertTrustAnchor, TrustQualifiers
from pyhanko_certvalidator.fetchers import common_utils
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.registry import CertificateRegistry, SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer
from pyhanko_certvalidator.revinfo.manager import RevinfoManager
from pyhanko_certvalidator.sig_validate import DEFAULT_VALIDATION_CONTEXT, DefaultSignatureValidator
from pyhanko_certvalidator.util import get_ocsp_urls, get_relevant_crl_dps
from pyhanko_certvalidator.validate import async_validate_path

from kpr.errors import BadCertificate, BadSettings
from kpr.security.refusals import Revoked
from kpr.security.trust_settings import Checked, RevocationUnknown, Trust

R = TypeVar("R")
T = TypeVar("T", bound=x509.ExtensionType)

#: A longer answer is not read to its end.
_LARGEST = 20_000_000
#: More issuers than this are not tried: the ways through them grow with the factorial. Real chains have one or two.
_MOST_ISSUERS = 5
#: An answer is made after ``at`` was read, and by a clock that may differ from ours this much.
_CLOCKS_DIFFER = timedelta(minutes=5)
#: Asks about the last certificate of a path only, by OCSP or by CRL.
_LAST = policy_decl.RevocationCheckingPolicy(
    policy_decl.RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, policy_decl.RevocationCheckingRule.NO_CHECK
)
_STRONG = policy_decl.DisallowWeakAlgorithmsPolicy()  # type: ignore[no-untyped-call]
_NO_ADDRESS = "The certificate, or its issuer's, names no http address where one can ask whether it is revoked"


def check_trust(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], trust: Trust, at: datetime
) -> Checked:
    """Whether the certificate leads to a trusted root at this (aware) time, has the policy and is not revoked.

    ``chain`` is what came along with it, in any order. BadCertificate when it must not be used; RevocationUnknown when
    that cannot be known and is ``required``; BadSettings when the file of roots is of no use. Key usage is left to
    ``check_certificate``. Several servers may be asked, one after the other; may be called inside a running loop.
    """
    if at.utcoffset() is None:
        raise ValueError("the time must say its zone")
    if trust.roots is None:
        return Checked.NOTHING
    known = _Known(_load(trust.roots), [extra for extra in chain if extra != certificate and _is_authority(extra)])
    with ThreadPoolExecutor(1) as aside:  # the thread that calls may have a loop of its own, running
        return aside.submit(asyncio.run, _check(certificate, known, trust, at)).result()


async def _check(certificate: x509.Certificate, known: _Known, trust: Trust, at: datetime) -> Checked:
    path = await _find_path(certificate, known, at)
    policies = _extension(certificate, x509.CertificatePolicies) or ()
    if trust.policies and not any(each.policy_identifier.dotted_string in trust.policies for each in policies):
        raise BadCertificate(
            "The certificate was issued under another policy than those accepted.",
            remedy="Use an enterprise certificate of this environment (test or production), or add its policy.",
        )
    if trust.revocation == "off":
        return Checked.WITHOUT_REVOCATION
    doubts = await _ask_about_all(path, known, trust.timeout_seconds, at)
    if not doubts:
        return Checked.FULL
    if trust.revocation == "when_reachable":
        return Checked.WITHOUT_REVOCATION
    if _NO_ADDRESS in doubts:  # it will not have one next time either
        raise BadCertificate(f"{_NO_ADDRESS}.", remedy="Use an enterprise certificate of an issuer that can be asked.")
    raise RevocationUnknown(f"Whether the certificate is revoked cannot be known now: {doubts[0]}. Try again later.")


# -- the path, without any network -------------------------------------------------------------------------------


class _Known:
    """The roots, and all certificates from which a way to them can be built."""

    def __init__(self, trusted: Sequence[x509.Certificate], chain: Sequence[x509.Certificate]) -> None:
        ours = [_translated(each) for each in trusted]
        self.roots = SimpleTrustManager.build([_anchor(each) for each in ours if each.self_issued])
        self.registry = CertificateRegistry.build([*ours, *map(_translated, chain[:_MOST_ISSUERS])])  # the first wins

    def context(
        self, asked: policy_decl.RevocationCheckingPolicy, at: datetime, tolerance: timedelta, heard: Any = None
    ) -> ValidationContext:
        return ValidationContext(
            trust_manager=self.roots,
            certificate_registry=self.registry,
            revinfo_policy=policy_decl.CertRevTrustPolicy(asked),
            revinfo_manager=heard,
            algorithm_usage_policy=_STRONG,
            signature_validator=_StrongOnly(),
            moment=at,
            time_tolerance=tolerance,
        )


def _translated(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER))


def _anchor(root: asn1.Certificate) -> CertTrustAnchor:
    # Left to itself, the library asks a root neither for its times nor for its path length.
    longest = root.max_path_length
    limits = TrustQualifiers(None, longest, longest, root.not_valid_before, root.not_valid_after)
    return CertTrustAnchor(root, limits)


def _load(roots: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(roots.read_bytes())
    except OSError:
        raise BadSettings(
            "The file of trusted roots cannot be read.", place=roots.name, remedy="Check path and rights."
        ) from None
    except ValueError:
        found = []
    if not all(map(_is_authority, found)) or not any(each.subject == each.issuer for each in found):
        raise BadSettings(
            "The file of trusted roots must hold CA certificates in PEM, one of them self-signed, and nothing else.",
            place=roots.name,
            remedy="Put the issuers' root and intermediate certificates there.",
        )
    return found


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


async def _find_path(certificate: x509.Certificate, known: _Known, at: datetime) -> ValidationPath:
    context = known.context(policy_decl.NO_REVOCATION, at, timedelta(0))
    try:
        return await CertificateValidator(_translated(certificate), validation_context=context).async_validate_path()
    except (errors.PathBuildingError, errors.InvalidCertificateError):
        problem = "No way leads from the certificate to a trusted root"
    except errors.ExpiredError as error:
        problem = f"The certificate, or one of its issuers, expired on {error.expired_dt.date()}"
    except errors.NotYetValidError as error:
        problem = f"The certificate, or one of its issuers, is not valid until {error.valid_from.date()}"
    except errors.DisallowedAlgorithmError:
        problem = "The certificate, or one of its issuers, is signed with a weak algorithm or key"
    except Exception:  # the library's parser meets what a stranger made, and fails in many ways
        problem = "The signatures or the constraints between the certificate and a trusted root do not hold"
    raise BadCertificate(
        f"{problem}.",
        remedy="Check that it is a present certificate of a known issuer, and that the file of roots has that issuer.",
    ) from None


class _StrongOnly(DefaultSignatureValidator):
    """The library refuses weak hashes in certificates only; lists and answers must do without them too."""

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: Any,
        signature_algorithm: Any,
        context: Any = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        if not _STRONG.signature_algorithm_allowed(signature_algorithm, None, public_key_info):
            raise InvalidSignature
        super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)


# -- revocation --------------------------------------------------------------------------------------------------


async def _ask_about_all(path: ValidationPath, known: _Known, timeout: float, at: datetime) -> list[str]:
    """Why it is not known of some; empty when none is revoked. BadCertificate when one is, whatever the others are."""
    doubts: list[str] = []
    limit = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limit, trust_env=True, auto_decompress=False) as session:
        for length in range(1, path.pkix_len + 1):
            part = ValidationPath(path.trust_anchor, [path[place] for place in range(1, length)], path[length])
            try:
                doubts += await _ask_about_last(part, known, session, at)
            except errors.RevokedError as error:
                whose = "The certificate" if length == path.pkix_len else "The certificate of its issuer"
                raise Revoked(
                    f"{whose} was revoked on {error.revocation_dt.date()}.",
                    remedy="Use the holder's present one; order a new one if it is your own.",
                ) from None
    return doubts


async def _ask_about_last(
    part: ValidationPath, known: _Known, session: aiohttp.ClientSession, at: datetime
) -> tuple[str, ...]:
    addresses = get_ocsp_urls(part.last) + _list_urls(part.last)
    if not addresses:
        return (_NO_ADDRESS,)
    async for lists, answers in _heard(part, session):
        try:
            heard = _Heard(known.registry, POEManager(), lists, answers)
            await async_validate_path(known.context(_LAST, at, _CLOCKS_DIFFER, heard), part)
        except errors.RevokedError:
            raise
        except Exception:  # noqa: S112  all that is new here came over the network: what breaks it is no answer
            continue
        return ()
    hosts = sorted({urlsplit(url).hostname or "a nameless server" for url in addresses})
    return (f"no answer that is good on {at.date()} came from {', '.join(hosts)}",)


class _Heard(RevinfoManager):
    """What the servers said; the signature of every list is verified.

    The library remembers who issued a list by the bytes of its signature alone, and does not verify the next one with
    the same bytes: a list that is out of date could lend its signature to a forged new one.
    """

    def check_crl_issuer(self, certificate_list: crl.CertificateList) -> None:  # noqa: ARG002
        return None


async def _heard(
    part: ValidationPath, session: aiohttp.ClientSession
) -> AsyncIterator[tuple[list[CRLContainer], list[OCSPContainer]]]:
    """Lists and answers about the last certificate: each responder's answer by itself, then all lists together."""
    issuer = AuthorityWithCert(part[part.pkix_len - 1])
    # SHA-1 only names the certificate here; it is what every responder understands (RFC 5019 s. 2.1.1).
    request = common_utils.format_ocsp_request(part.last, issuer, certid_hash_algo="sha1", request_nonces=True)

    def answers(body: bytes) -> list[OCSPContainer]:
        answer = common_utils.process_ocsp_response_data(body, ocsp_request=request, ocsp_url="")
        return OCSPContainer.load_multi(answer)

    for url in get_ocsp_urls(part.last):
        yield [], await _fetch(session, url, answers, request.dump())
    yield [each for url in _list_urls(part.last) for each in await _fetch(session, url, _lists)], []


def _list_urls(certificate: asn1.Certificate) -> list[str]:
    points = get_relevant_crl_dps(certificate, use_deltas=True)
    return list(dict.fromkeys(url for point in points for url in common_utils.enumerate_delivery_point_urls(point)))


def _lists(body: bytes) -> list[CRLContainer]:
    return [CRLContainer(crl.CertificateList.load(body, strict=True))]


async def _fetch(
    session: aiohttp.ClientSession, url: str, read: Callable[[bytes], list[R]], request: bytes | None = None
) -> list[R]:
    """What is read from that address; nothing when it does not answer, or not with something that can be read."""
    method, kind = ("POST", {"Content-Type": "application/ocsp-request"}) if request else ("GET", {})
    headers = {"Accept-Encoding": "identity", **kind}
    body = bytearray()
    try:
        async with session.request(method, url, data=request, headers=headers, allow_redirects=False) as answer:
            while answer.status == 200 and len(body) <= _LARGEST and (piece := await answer.content.readany()):
                body += piece
        return read(bytes(body)) if 0 < len(body) <= _LARGEST else []
    except Exception:  # a stranger's server and a stranger's bytes fail in many ways, all of which mean nothing
        return []
