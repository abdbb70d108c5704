"""Why a protected message cannot be used, as the transport's error codes (AMQP specification s. 2.2.3, 2.2.6)."""

from __future__ import annotations

from kpr.errors import BadCertificate, BadInput, BadMessage


class NotOpened(BadMessage):
    """It cannot be decrypted with our keys, or is broken."""


class BadSignature(BadMessage):
    """The signature does not hold."""


class Unsupported(BadMessage):
    """Protected in a way that is not accepted, or larger than what is taken."""


class Refused(BadMessage):
    """Refused for a reason that has a condition of its own; an empty one: nobody is told anything."""

    def __init__(self, problem: str, *, condition: str, place: str = "") -> None:
        self.condition = condition
        super().__init__(problem, place=place)


class WrongSigner(BadCertificate):
    """Signed with another certificate than the registered one."""


class OutOfDate(BadCertificate):
    """The certificate is not valid now."""


class WrongUse(BadCertificate):
    """The certificate is not made for this."""


class Revoked(BadCertificate):
    """The certificate has been revoked."""


#: The most special first.
_CONDITIONS: tuple[tuple[type[BadInput], str], ...] = (
    (NotOpened, "transport:decryption-failed"),
    (BadSignature, "transport:invalid-signature"),
    (Unsupported, "transport:unsupported-message"),
    (OutOfDate, "transport:expired-certificate"),
    (Revoked, "transport:revoked-certificate"),
    (BadCertificate, "transport:invalid-certificate"),
    (BadMessage, "transport:not-well-formed-xml"),
)


def condition_of(error: BadInput) -> str:
    """The code that the sender is told; empty when it is told nothing."""
    if isinstance(error, Refused):
        return error.condition
    return next((code for kind, code in _CONDITIONS if isinstance(error, kind)), "transport:internal-error")
