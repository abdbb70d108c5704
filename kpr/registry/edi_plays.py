"""What a scenario can ask of the transport's own level: a spoilt signature, a warning, a mail that comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache

from kpr.errors import BadSettings
from kpr.packaging.ebxml import EbXml
from kpr.packaging.ebxml_signals import bounce
from kpr.packaging.seam import Packaging, Reply, Unpacked
from kpr.packaging.signed_cms import SignedCms
from kpr.registry.correspondence import SendersKeys
from kpr.registry.scenario import Play, Scenario
from kpr.security.certificates import Identity, Purpose
from kpr.security.throwaway import make_authority, make_identity


def demand_route(scenario: Scenario, packagings: Mapping[str, Packaging]) -> None:
    """BadSettings when a play needs acknowledgments, and the route has none."""
    asked = scenario.needs_edi()
    if asked and not all(isinstance(packaging, EbXml) for packaging in packagings.values()):
        raise BadSettings(
            f"The scenario asks for {asked}, and on this route nothing is acknowledged.",
            place="scenario",
            remedy="Take it out, or give the register a transport of kind edi.",
        )


def spoil(play: Play) -> str:
    """How a play spoils signatures; empty when it does not."""
    names = ("wrong_signature", "unknown_certificate")
    return next((name for name in names if getattr(play, name)), "")


def spoilt(packaging: Packaging, how: str) -> Packaging:
    """The packaging with a signer as the scenario wants it."""
    if not how or not isinstance(packaging, EbXml | SignedCms):
        return packaging
    keys = packaging.keys
    assert isinstance(keys, SendersKeys)
    stranger = _stranger()
    own = keys.signing_identity
    # The right certificate with another's key makes a signature that is wrong.
    signer = stranger if how == "unknown_certificate" else Identity(own.certificate, stranger.private_key, own.chain)
    return replace(packaging, keys=replace(keys, signer=signer))


@cache
def _stranger() -> Identity:
    return make_identity(make_authority(), "stranger", Purpose.SIGN)


def answer(packaging: Packaging, to: Unpacked, play: Play, at: datetime) -> Reply | None:
    """What answers a message that was taken in: an acknowledgment, or what the scenario wants in its place."""
    if play.returned and to.envelope is not None:
        return bounce(to.envelope, at)
    if isinstance(packaging, EbXml) and play.acknowledge_as_warning:
        return packaging.warning(to, at)
    return packaging.acknowledgment(to, at)
