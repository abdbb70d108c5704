"""Why an ebXML message is refused, as the framework's error codes (HIS 1037 s. 7.2.4)."""

from __future__ import annotations

from kpr.security.refusals import Refused
from kpr.transports.seam import ErrorForm

#: The transport's conditions (AMQP specification s. 2.2.6), as a message handler says them.
_CODES = {
    "transport:decryption-failed": "SecurityFailure",
    "transport:invalid-signature": "SecurityFailure",
    "transport:expired-certificate": "SecurityFailure",
    "transport:revoked-certificate": "SecurityFailure",
    "transport:invalid-certificate": "SecurityFailure",
    "transport:unsupported-message": "NotSupported",
    "transport:not-well-formed-xml": "OtherXml",
    "transport:invalid-field-value": "ValueNotRecognized",
    "abuse:spoofing-attack": "SecurityFailure",
}
_FAMILY, SOAP_FAMILY = "ebxml:", "soap:"


class RuleBroken(Refused):
    """A rule of HITS 1172 is broken: ``rule`` is its number, ``code`` what the sender is told.

    ``soap``: by a SOAP fault, and not by an error signal.
    """

    def __init__(self, problem: str, *, code: str, rule: str = "", place: str = "", soap: bool = False) -> None:
        self.code, self.rule = code, rule
        super().__init__(problem, condition=(SOAP_FAMILY if soap else _FAMILY) + code, place=place)


def came_late() -> RuleBroken:
    """A message whose TimeToLive has passed."""
    return RuleBroken("The message came after its time to live.", code="TimeToLiveExpired", rule="time_to_live")


def error_code(condition: str) -> str:
    """The framework's code for a condition; ``ebxml:…`` names one itself."""
    if condition.startswith(_FAMILY):
        return condition.removeprefix(_FAMILY)
    return _CODES.get(condition, "Unknown")


def answer_form(condition: str) -> ErrorForm:
    """How a condition is told: what is wrong with mail or SOAP by a SOAP fault (HITS 1172 s. 4.2.2.3)."""
    return ErrorForm.SOAP if condition.startswith(SOAP_FAMILY) else ErrorForm.SPEC


def condition(code: str) -> str:
    """A code of the framework as a condition."""
    return _FAMILY + code
