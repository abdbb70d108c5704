"""Why an ebXML message is refused, as the framework's error codes (HIS 1037 s. 7.2.4)."""

from __future__ import annotations

from kpr.errors import BadMessage

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
_FAMILY = "ebxml:"


class RuleBroken(BadMessage):
    """A rule of HITS 1172 is broken: ``code`` is what the sender is told."""

    def __init__(self, problem: str, *, code: str, place: str = "") -> None:
        self.code = code
        super().__init__(problem, place=place)


def error_code(condition: str) -> str:
    """The framework's code for a condition; ``ebxml:…`` names one itself."""
    if condition.startswith(_FAMILY):
        return condition.removeprefix(_FAMILY)
    return _CODES.get(condition, "Unknown")


def condition(code: str) -> str:
    """A code of the framework as a condition."""
    return _FAMILY + code
