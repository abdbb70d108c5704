"""Trust: which certificates lead to a root, which are revoked, and what is said when nobody can tell."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto.crl import CertificateList
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError
from revocation import (
    HOUR,
    NO_OPENSSL,
    NOW,
    OPENSSL,
    YEAR,
    Issued,
    Page,
    Shelf,
    Wish,
    issue,
    key,
    responder,
    revocation_list,
    shelf,
    weakly_signed,
)

from kpr.errors import BadCertificate, BadSettings, TransportError
from kpr.security import trust as trust_module
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity
from kpr.security.trust import check_trust
from kpr.security.trust_settings import Checked, RevocationUnknown, Trust

PRODUCTION, TEST = "2.16.578.1.26.1.3.2", "2.16.578.1.26.1.0.3.2"
CLOSED = "http://127.0.0.1:1"  # nothing ever listens there
LAST_WEEK = NOW - timedelta(days=7)
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason=NO_OPENSSL)


@dataclass
class Pki:
    """A root, an intermediate under it, and a server that has both their lists."""

    web: Shelf
    folder: Path
    root: Issued
    middle: Issued

    def trusting(self, *trusted: Issued) -> Path:
        """A file of roots with these."""
        path = self.folder / f"{threading.get_ident()}-{len(trusted)}.pem"
        path.write_bytes(b"".join(each.pem for each in trusted))
        return path

    def leaf(self, lists: tuple[str, ...] | None = None, **wish: Any) -> Issued:
        """A certificate by the intermediate; its list is the one on the server unless said otherwise."""
        return issue("leaf", self.middle, Wish(lists=(f"{self.web.url}/middle",) if lists is None else lists, **wish))

    def check(
        self, leaf: Issued, chain: list[Issued] | None = None, at: datetime | None = None, **trust: Any
    ) -> Checked:
        """What is found out about a certificate, now, with its intermediate."""
        bundle = [each.certificate for each in ([self.middle] if chain is None else chain)]
        settings = Trust(**{"roots": self.trusting(self.root), "timeout_seconds": 5, **trust})
        return check_trust(leaf.certificate, bundle, settings, at or datetime.now(UTC))


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pki]:
    """Servers and authorities of one test; no proxy stands between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with shelf() as web:
        root = issue("root", None, Wish(authority=True, key=key(1)))
        middle = issue("middle", root, Wish(authority=True, key=key(2), lists=(f"{web.url}/root",)))
        web.put("root", revocation_list(root))
        web.put("middle", revocation_list(middle))
        yield Pki(web, tmp_path, root, middle)


# -- the path ---------------------------------------------------------------------------------------------------


def test_good_chain(pki: Pki) -> None:
    """A certificate with its intermediate is checked in full, and each of the two is looked up in its issuer's list."""
    assert pki.check(pki.leaf()) is Checked.FULL
    assert pki.web.asked == ["/root", "/middle"]


def test_unknown_root(pki: Pki) -> None:
    """A chain to a root that is not in the file is refused, and none of its addresses is ever asked."""
    stranger = issue("root", None, Wish(authority=True, key=key(3)))
    middle = issue("middle", stranger, Wish(authority=True, key=key(4), lists=(f"{pki.web.url}/root",)))
    leaf = issue("leaf", middle, Wish(lists=(f"{pki.web.url}/middle",)))
    with pytest.raises(BadCertificate, match=r"trusted root.*file of roots has that issuer"):
        pki.check(leaf, [middle, stranger])
    assert pki.web.asked == []


def test_missing_intermediate(pki: Pki) -> None:
    """Without its intermediate a certificate leads nowhere, and none is fetched."""
    with pytest.raises(BadCertificate, match="No way leads from the certificate to a trusted root"):
        pki.check(pki.leaf(), [])
    assert pki.web.asked == []


def test_intermediate_from_the_file(pki: Pki) -> None:
    """An intermediate beside the root in the file stands in for one that did not come along, and is checked too."""
    assert pki.check(pki.leaf(), [], roots=pki.trusting(pki.middle, pki.root)) is Checked.FULL
    assert pki.web.asked == ["/root", "/middle"]


def test_signature_of_another(pki: Pki) -> None:
    """A certificate that only claims the issuer's name and key id is refused."""
    other = replace(pki.middle, private_key=key(5))
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(pki.middle.private_key.public_key())
    real = pki.leaf().certificate
    builder = x509.CertificateBuilder().subject_name(real.subject).issuer_name(real.issuer).serial_number(7)
    builder = builder.public_key(real.public_key()).not_valid_before(NOW - YEAR).not_valid_after(NOW + YEAR)
    forged = builder.add_extension(aki, critical=False).sign(other.private_key, hashes.SHA256())
    with pytest.raises(BadCertificate, match="signatures or the constraints"):
        pki.check(Issued(forged, key(0)))


@pytest.mark.parametrize("known", [True, False])
def test_many_forged_intermediates(pki: Pki, known: bool) -> None:
    """A heap of look-alike intermediates costs no more than a moment, and does not hide the one that we know."""
    heap = [issue("middle", None, Wish(authority=True, key=key(2))) for _ in range(20)]
    started = time.monotonic()
    if known:
        assert pki.check(pki.leaf(), heap, roots=pki.trusting(pki.root, pki.middle)) is Checked.FULL
    else:
        with pytest.raises(BadCertificate, match="No way leads"):
            pki.check(pki.leaf(), heap)
    assert time.monotonic() - started < 5


def test_leaf_is_no_authority(pki: Pki) -> None:
    """A certificate issued by an ordinary enterprise certificate is refused."""
    leaf = pki.leaf(key=key(3))
    under = issue("under", leaf, Wish())
    with pytest.raises(BadCertificate, match="No way leads"):
        pki.check(under, [leaf, pki.middle])


@pytest.mark.parametrize("name", ["middle", "leaf", "root"])
@pytest.mark.parametrize(
    ("valid", "said"),
    [
        ((NOW - YEAR, LAST_WEEK), f"expired on {LAST_WEEK.date()}"),
        ((NOW + 2 * HOUR, NOW + YEAR), f"is not valid until {(NOW + 2 * HOUR).date()}"),
    ],
)
def test_out_of_time(pki: Pki, name: str, valid: tuple[datetime, datetime], said: str) -> None:
    """When leaf, intermediate or root is out of its time the certificate is refused, with the day."""
    times = dict.fromkeys(("root", "middle", "leaf"), (NOW - YEAR, NOW + YEAR)) | {name: valid}
    pki.root = issue("root", None, Wish(authority=True, key=key(1), valid=times["root"]))
    pki.middle = issue("middle", pki.root, Wish(authority=True, key=key(2), valid=times["middle"]))
    with pytest.raises(BadCertificate, match=said):
        pki.check(pki.leaf(valid=times["leaf"]))


@pytest.mark.parametrize(
    ("carried", "accepted", "good"),
    [
        ((), (), True),
        ((TEST,), (), True),
        ((PRODUCTION,), (PRODUCTION,), True),
        (("1.2.3.4", TEST), (PRODUCTION, TEST), True),
        ((), (PRODUCTION,), False),
        ((TEST,), (PRODUCTION,), False),
        (("2.5.29.32.0",), (PRODUCTION,), False),
    ],
)
def test_policies(pki: Pki, carried: tuple[str, ...], accepted: tuple[str, ...], good: bool) -> None:
    """The certificate must carry one of the accepted policies itself; with none asked for, any will do."""
    leaf = pki.leaf(policies=carried)
    if good:
        assert pki.check(leaf, policies=accepted) is Checked.FULL
        return
    with pytest.raises(BadCertificate, match="another policy than those accepted"):
        pki.check(leaf, policies=accepted)
    assert pki.web.asked == []


def test_weak_key(pki: Pki) -> None:
    """An issuer's key of 1024 bits is too weak to be believed."""
    pki.middle = issue("middle", pki.root, Wish(authority=True, key=key(9, 1024), lists=(f"{pki.web.url}/root",)))
    with pytest.raises(BadCertificate, match="weak algorithm or key"):
        pki.check(pki.leaf())


def test_weak_hash(pki: Pki) -> None:
    """A certificate that is signed over SHA-1 is refused."""
    leaf = pki.leaf()
    weak = weakly_signed(leaf.certificate.public_bytes(Encoding.DER), pki.middle)
    with pytest.raises(BadCertificate, match="weak algorithm or key"):
        pki.check(replace(leaf, certificate=x509.load_der_x509_certificate(weak)))


# -- revoked ----------------------------------------------------------------------------------------------------


def test_revoked_by_list(pki: Pki) -> None:
    """A certificate on its issuer's list is refused, with the day when it was revoked."""
    leaf = pki.leaf()
    pki.web.put("middle", revocation_list(pki.middle, {leaf: LAST_WEEK}))
    with pytest.raises(BadCertificate, match=f"^The certificate was revoked on {LAST_WEEK.date()}"):
        pki.check(leaf)


def test_issuer_revoked(pki: Pki) -> None:
    """When the intermediate is revoked the certificate is refused, and it is said whose fault that is."""
    pki.web.put("root", revocation_list(pki.root, {pki.middle: LAST_WEEK}))
    with pytest.raises(BadCertificate, match="The certificate of its issuer was revoked"):
        pki.check(pki.leaf())


@pytest.mark.parametrize("mode", ["required", "when_reachable"])
@pytest.mark.parametrize("root_page", [Page(status=503), Page(b"garbage")])
def test_revoked_beats_unknown(pki: Pki, mode: str, root_page: Page) -> None:
    """A certificate that is surely revoked is refused, though nothing is known of its issuer's."""
    leaf = pki.leaf()
    pki.web.put("root", root_page)
    pki.web.put("middle", revocation_list(pki.middle, {leaf: LAST_WEEK}))
    with pytest.raises(BadCertificate, match="was revoked"):
        pki.check(leaf, revocation=mode)


@needs_openssl
@pytest.mark.parametrize("delegated", [False, True])
@pytest.mark.parametrize("revoked", [None, LAST_WEEK])
def test_responder(pki: Pki, delegated: bool, revoked: datetime | None) -> None:
    """The responder's word is enough, its list is not fetched; it may be the issuer or one whom the issuer appointed."""
    helper = issue("responder", pki.middle, Wish(key=key(3), responder=True)) if delegated else None
    with responder(pki.folder, pki.middle, {77: revoked}, helper) as running:
        leaf = pki.leaf(serial=77, responders=(running.url,))
        if revoked:
            with pytest.raises(BadCertificate, match=f"was revoked on {LAST_WEEK.date()}"):
                pki.check(leaf)
        else:
            assert pki.check(leaf) is Checked.FULL
    assert pki.web.asked == ["/root"]


# -- nobody can tell --------------------------------------------------------------------------------------------


def unknown(pki: Pki, leaf: Issued, **trust: Any) -> str:
    """The words of one that cannot be known, after making sure that it is passed when only asked for if reachable."""
    with pytest.raises(RevocationUnknown) as caught:
        pki.check(leaf, **trust)
    assert not isinstance(caught.value, BadCertificate)
    assert isinstance(caught.value, TransportError)
    assert pki.check(leaf, revocation="when_reachable", **trust) is Checked.WITHOUT_REVOCATION
    return str(caught.value)


#: What may lie where the list should be.
PAGES: dict[str, Callable[[Pki], Page | bytes]] = {
    "error": lambda pki: Page(b"out of order", 500),
    "error with a list": lambda pki: Page(revocation_list(pki.middle), 500),
    "absent": lambda pki: Page(status=404),
    "empty": lambda pki: b"",
    "garbage": lambda pki: b"<html>down for maintenance</html>",
    "half": lambda pki: revocation_list(pki.middle)[:-40],
    "not a list": lambda pki: pki.middle.certificate.public_bytes(Encoding.DER),
    "out of date": lambda pki: revocation_list(pki.middle, valid=(NOW - YEAR, NOW - HOUR)),
    "not yet": lambda pki: revocation_list(pki.middle, valid=(NOW + HOUR, NOW + YEAR)),
    "of another authority": lambda pki: revocation_list(pki.root),
    "signed by another": lambda pki: revocation_list(replace(pki.middle, private_key=key(5))),
    "weakly signed": lambda pki: weakly_signed(revocation_list(pki.middle), pki.middle),
    "too long": lambda pki: revocation_list(pki.middle) + bytes(trust_module._LARGEST),
    "elsewhere": lambda pki: Page(status=302, location=pki.web.put("moved", revocation_list(pki.middle))),
}


@pytest.mark.parametrize("page", PAGES)
def test_useless_list(pki: Pki, page: str) -> None:
    """What is no good list of the issuer's for today means that nobody can tell: try again, and no one is blamed."""
    pki.web.put("middle", PAGES[page](pki))
    assert "no answer that is good on" in unknown(pki, pki.leaf())
    assert set(pki.web.asked) == {"/root", "/middle"}


@pytest.mark.parametrize("page", PAGES)
def test_useless_answer(pki: Pki, page: str) -> None:
    """The same things from a responder mean nothing either; the list decides."""
    leaf = pki.leaf(responders=(f"{pki.web.url}/ocsp",))
    pki.web.put("ocsp", PAGES[page](pki))
    assert pki.check(leaf) is Checked.FULL
    pki.web.put("middle", revocation_list(pki.middle, {leaf: LAST_WEEK}))
    with pytest.raises(BadCertificate, match="was revoked"):
        pki.check(leaf)


def test_greatest_length(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good list of just the greatest length is read; one byte more, and nobody can tell."""
    page = revocation_list(pki.root)
    leaf = issue("flat", pki.root, Wish(lists=(pki.web.put("root", page),)))
    monkeypatch.setattr(trust_module, "_LARGEST", len(page))
    assert pki.check(leaf) is Checked.FULL
    monkeypatch.setattr(trust_module, "_LARGEST", len(page) - 1)
    unknown(pki, leaf)


def test_endless(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never stops sending is left soon after the greatest length."""
    monkeypatch.setattr(trust_module, "_LARGEST", 100_000)
    with pytest.raises(RevocationUnknown):
        pki.check(pki.leaf((pki.web.put("endless", Page(bytes(100_000), times=2000)),)))
    assert pki.web.sent < 30_000_000


def test_list_server_down(pki: Pki) -> None:
    """When the list's server is down nobody can tell, and its name is told to whoever must open the way there."""
    said = unknown(pki, pki.leaf((f"{CLOSED}/list",)))
    assert "127.0.0.1" in said
    assert "Try again later" in said
    assert "leaf" not in said


@needs_openssl
def test_responder_down(pki: Pki) -> None:
    """When the responder is down the list decides; without a list nobody can tell."""
    with responder(pki.folder, pki.middle, {77: None}) as running:
        leaf = pki.leaf(serial=77, responders=(running.url,))
        alone = pki.leaf((), serial=77, responders=(running.url,))
        assert pki.check(alone) is Checked.FULL
        running.stop()
        assert pki.check(leaf) is Checked.FULL
        unknown(pki, alone)


def test_both_down(pki: Pki) -> None:
    """List and responder down, for the certificate and its issuer alike, are four reasons to try again, not an error."""
    down = {"lists": (f"{CLOSED}/list",), "responders": (CLOSED,)}
    pki.middle = issue("middle", pki.root, Wish(authority=True, key=key(2), **down))
    unknown(pki, pki.leaf(**down))


@needs_openssl
def test_responder_does_not_know(pki: Pki) -> None:
    """A responder that does not know the certificate is no answer."""
    with responder(pki.folder, pki.middle, {77: None}) as running:
        unknown(pki, pki.leaf((), serial=78, responders=(running.url,)))


@needs_openssl
def test_responder_of_another(pki: Pki) -> None:
    """An answer that is signed by someone whom the issuer did not appoint is none, even from the same root."""
    cousin = issue("cousin", pki.root, Wish(key=key(3), responder=True))
    with responder(pki.folder, pki.middle, {77: None}, cousin) as running:
        unknown(pki, pki.leaf((), serial=77, responders=(running.url,)))


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_borrowed_signature(pki: Pki, order: tuple[str, str]) -> None:
    """A forged list is not believed because a genuine one, out of date, has the same bytes as signature."""
    old = revocation_list(pki.middle, valid=(NOW - YEAR, LAST_WEEK))
    pki.web.put("old", old)
    new = CertificateList.load(
        revocation_list(replace(pki.middle, private_key=key(5)), valid=(NOW - 2 * YEAR, NOW + YEAR))
    )
    new["signature"] = CertificateList.load(old)["signature"]
    pki.web.put("new", new.dump(force=True))
    unknown(pki, pki.leaf(tuple(f"{pki.web.url}/{name}" for name in order)))


def test_second_address(pki: Pki) -> None:
    """One dead address does not matter when another one has the list; the dead one is asked once."""
    assert pki.check(pki.leaf((f"{CLOSED}/x", f"{pki.web.url}/gone", f"{pki.web.url}/middle"))) is Checked.FULL
    assert pki.web.asked == ["/root", "/gone", "/middle"]


@pytest.mark.parametrize("lists", [(), ("ldap://127.0.0.1:1/cn=list",), ("file:///etc/hostname",)])
def test_no_address(pki: Pki, lists: tuple[str, ...]) -> None:
    """A certificate that names no http address will not do next time either: it is refused, unless that is allowed."""
    leaf = pki.leaf(lists)
    with pytest.raises(BadCertificate, match="names no http address"):
        pki.check(leaf)
    assert pki.check(leaf, revocation="when_reachable") is Checked.WITHOUT_REVOCATION


def test_slow_server(pki: Pki) -> None:
    """A server that does not answer in time is one that does not answer."""
    pki.web.slow = 1.5
    started = time.monotonic()
    with pytest.raises(RevocationUnknown):
        pki.check(pki.leaf(), timeout_seconds=0.2)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("days", [-100, 100])
def test_rehearsal_clock(pki: Pki, days: int) -> None:
    """By a clock far from the present today's list is of no use; path and policy can still be checked."""
    then = NOW + timedelta(days=days)
    assert f"good on {then.date()}" in unknown(pki, pki.leaf(), at=then)
    assert pki.check(pki.leaf(), at=then, revocation="off") is Checked.WITHOUT_REVOCATION


def test_clocks_differ(pki: Pki) -> None:
    """A list that was made a minute later by the server's clock than ours is good."""
    pki.web.put("middle", revocation_list(pki.middle, valid=(NOW + timedelta(minutes=1), NOW + YEAR)))
    assert pki.check(pki.leaf(), at=NOW) is Checked.FULL


# -- how it is asked for ----------------------------------------------------------------------------------------


def test_off(pki: Pki) -> None:
    """With revocation off nobody is asked, and a revoked certificate passes; the path must still hold."""
    leaf = pki.leaf()
    pki.web.put("middle", revocation_list(pki.middle, {leaf: LAST_WEEK}))
    assert pki.check(leaf, revocation="off") is Checked.WITHOUT_REVOCATION
    assert pki.web.asked == []
    with pytest.raises(BadCertificate):
        pki.check(leaf, [], revocation="off")


def test_no_roots(pki: Pki) -> None:
    """Without a file of roots nothing is checked, and that is said."""
    assert pki.check(pki.leaf(), [], roots=None) is Checked.NOTHING


def test_throwaway(tmp_path: Path) -> None:
    """The throw-away certificates of demo and simulator pass with their own authority as root and revocation off."""
    authority = make_authority()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(Issued(authority.certificate, authority.private_key).pem)
    certificate = make_identity(authority, "sender", Purpose.SIGN).certificate
    assert check_trust(certificate, [], Trust(roots=roots, revocation="off"), NOW) is Checked.WITHOUT_REVOCATION


def test_inside_a_running_loop(pki: Pki) -> None:
    """It may be called from a coroutine, and leaves the caller's loop running."""

    async def caller() -> tuple[Checked, asyncio.AbstractEventLoop]:
        found = pki.check(pki.leaf())
        await asyncio.sleep(0)
        return found, asyncio.get_running_loop()

    assert asyncio.run(caller())[0] is Checked.FULL


def test_from_threads(pki: Pki) -> None:
    """Several threads may ask at once, and leave none of theirs behind."""
    found: list[Checked] = []
    leaf, before = pki.leaf(), threading.active_count()
    threads = [threading.Thread(target=lambda: found.append(pki.check(leaf))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Checked.FULL] * 4
    assert threading.active_count() <= before + 4  # the server's own, still closing


def test_time_without_zone(pki: Pki) -> None:
    """A time without a zone is a mistake of the program, not of the certificate."""
    with pytest.raises(ValueError, match="zone"):
        pki.check(pki.leaf(), at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("what", ["absent", "empty", "garbage", "leaf", "no root"])
def test_file_of_roots(pki: Pki, what: str) -> None:
    """A file of roots that is absent, or holds anything but CA certificates with a root, is a fault in the settings."""
    stray = {"empty": b"", "garbage": b"\xff\x00", "leaf": pki.root.pem + pki.leaf().pem, "no root": pki.middle.pem}
    path = pki.folder / "other.pem"
    if what in stray:
        path.write_bytes(stray[what])
    with pytest.raises(BadSettings, match=r"file of trusted roots.*other\.pem"):
        pki.check(pki.leaf(), roots=path)


def test_settings() -> None:
    """Revocation is required unless said otherwise; unknown words and OIDs that are none are refused unseen."""
    assert (Trust().revocation, Trust().roots, Trust().policies) == ("required", None, ())
    for wrong in ({"revocation": "maybe"}, {"policies": ["any"]}, {"timeout_seconds": 0}, {"root": "x.pem"}):
        with pytest.raises(ValidationError) as caught:
            Trust(**wrong)
        assert "input_value" not in str(caught.value)
