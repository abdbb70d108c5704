"""What a sender needs to know of the exchange with one receiver: from the agreement where there is one, else by rule.

Three sources, the first that says something wins: the agreement of the two parties (CPA), the settings and the data
year's names, the framework's own rules (HIS 1037:2011 s. 5.2 and 6.2.1, HISD 1209:2018 s. 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeVar

from kpr.errors import BadSettings
from kpr.messages.ebxml.cpa_model import Agreed, Cpa, agreement_between
from kpr.messages.ebxml.names import RSA_SHA1, RSA_SHA256
from kpr.transports.edi.settings import EdiSettings
from kpr.years import Year

Signature = Literal["rsa-sha256", "rsa-sha1"]
Encryption = Literal["aes-256-cbc", "des-ede3-cbc"]

T = TypeVar("T")

APP_REC = "APPREC"

#: HISD 1209:2018 s. 3, for a year whose file has no names of its own; ``{type}`` is the message type.
_NAMES = {
    "service": "S-{type}",
    "service_type": "string",
    "action": "{type}",
    "role_from": "{type}sender",
    "role_to": "{type}receiver",
}

#: What agreements write, in URIs or words, and what it is called here; anything else we cannot make.
_SIGNATURES: dict[str, Signature] = {RSA_SHA256: "rsa-sha256", RSA_SHA1: "rsa-sha1"}
_AES = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
_TRIPLE_DES = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"
_ENCRYPTIONS: dict[str, Encryption] = {_AES: "aes-256-cbc", _TRIPLE_DES: "des-ede3-cbc"}
_ENCRYPTIONS |= {"aes-256-cbc": "aes-256-cbc", "des-ede3-cbc": "des-ede3-cbc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How one message type goes to one receiver.

    ``retries`` further tries after the first, ``retry_interval`` apart; a receiver remembers our message for
    ``persist``. ``agreed`` is True when all this stands in an agreement of the two parties.
    """

    cpa_id: str
    service: str
    service_type: str
    action: str
    from_role: str
    to_role: str
    retries: int
    retry_interval: timedelta
    persist: timedelta
    signature: Signature = "rsa-sha256"
    encryption: Encryption = "aes-256-cbc"
    agreed: bool = False

    @property
    def retry_hours(self) -> float:
        """The interval in hours."""
        return self.retry_interval / timedelta(hours=1)

    @property
    def longest_silence(self) -> timedelta:
        """From the first try to the moment when the last one has had its time: then somebody is told."""
        return self.retry_interval * (self.retries + 1)

    def for_app_rec(self) -> Agreement:
        """The same for the receipt that comes back: same service, roles changed over (HISD 1209 s. 3.2 and 3.3)."""
        return replace(self, action=APP_REC, from_role=self.to_role, to_role=self.from_role)


def agreement(
    settings: EdiSettings, year: Year, own_her_id: str, other_her_id: str, message_type: str, cpa: Cpa | None
) -> Agreement:
    """What holds for a message of this type from us to the other party.

    BadSettings when there is an agreement and it does not cover the message, or wants an algorithm that we do not
    make: then no value of it may be replaced by a guess.
    """
    by_rule = _by_rule(settings, year, own_her_id, other_her_id, message_type)
    if cpa is None:
        return by_rule
    agreed = agreement_between(cpa, own_her_id, other_her_id, by_rule.action, by_rule.service)
    if agreed is None:
        raise BadSettings(
            f"The agreement {cpa.id} has no action {by_rule.action} from HER-id {own_her_id} to {other_her_id}.",
            place="transport.cpa_file",
            remedy="Fetch the agreement of these two parties, or leave cpa_file out.",
        )
    return _by_agreement(agreed, by_rule)


def plain_cpa_id(own_her_id: str, other_her_id: str) -> str:
    """The id where there is no agreement: the lower HER-id, ``_``, the higher, by number (HIS 1037 s. 6.2.1)."""
    lowest, highest = sorted((own_her_id, other_her_id), key=int)
    return f"{lowest}_{highest}"


def _by_rule(settings: EdiSettings, year: Year, own: str, other: str, message_type: str) -> Agreement:
    said = {} if year.ebxml is None else {name: value.value for name, value in year.ebxml}
    names = {name: text.replace("{type}", message_type) for name, text in (_NAMES | said).items()}
    interval = timedelta(hours=settings.retry_hours)
    return Agreement(
        cpa_id=settings.cpa_id or plain_cpa_id(own, other),
        service=names["service"],
        service_type=names["service_type"],
        action=names["action"],
        from_role=names["role_from"],
        to_role=names["role_to"],
        retries=settings.retries,
        retry_interval=interval,
        persist=interval * (settings.retries + 1),
        signature=settings.signature,
    )


def _by_agreement(agreed: Agreed, by_rule: Agreement) -> Agreement:
    retries = by_rule.retries if agreed.retries is None else agreed.retries
    interval = agreed.retry_interval or by_rule.retry_interval
    return Agreement(
        cpa_id=agreed.cpa_id,
        service=agreed.service,
        service_type=agreed.service_type,
        action=agreed.action,
        from_role=agreed.from_role,
        to_role=agreed.to_role,
        retries=retries,
        retry_interval=interval,
        persist=agreed.persist or interval * (retries + 1),
        signature=signature_of(agreed) or by_rule.signature,
        encryption=encryption_of(agreed) or by_rule.encryption,
        agreed=True,
    )


def signature_of(agreed: Agreed) -> Signature | None:
    """The signature that an agreement wants; None when it does not say. BadSettings: one that we do not make."""
    return _known(agreed.signature, _SIGNATURES, "signature")


def encryption_of(agreed: Agreed) -> Encryption | None:
    """The encryption that an agreement wants; None when it does not say. BadSettings: one that we do not make."""
    return _known(agreed.encryption, _ENCRYPTIONS, "encryption")


def _known(said: str, known: dict[str, T], what: str) -> T | None:
    if said and said not in known:
        raise BadSettings(
            f"The agreement wants a {what} algorithm that we do not make: {said}.",
            place="transport.cpa_file",
            remedy=f"Ask the other party for one with {', '.join(sorted(known))}.",
        )
    return known.get(said)
