"""Everything that kpr raises on purpose, and the exit code that each one becomes.

    KprError                     1  something unexpected; please report it
    ├── BadInput                 2  what we were given cannot be used: one sentence, the place, the remedy
    │   ├── BadExtract              the extract from the care-record system
    │   ├── BadSettings             the settings file, or a file that it names
    │   ├── BadMessage              a message, receipt or mail that cannot be read
    │   └── BadCertificate          a certificate or key that must not be used
    ├── Blocked                  3  findings stop the submission; nothing was sent
    ├── Locked                   4  the resend guard says no; nothing was sent
    ├── TransportError           5  not delivered; the same bytes may be tried again
    │   ├── RevocationUnknown    5  the issuer's service cannot say now whether a certificate is revoked
    │   └── TransportRefused     7  not delivered, and trying again is no use before somebody has mended something
    ├── IllegalStep              6  the conversation does not allow this step from its present state
    ├── StoreAway                8  the database is busy, full or away; nothing is half-done, run again
    └── Altered                 10  a proof or the log of events is not what was written (9: kpr deploy --check differs)

No text here may carry a national id, a name or a care fact: errors end up in logs and in Prefect.
A place names the class, the element, the row and the local person key, never the value.
"""

from __future__ import annotations


class KprError(Exception):
    """Base of all; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class BadInput(KprError):
    """Input that cannot be used: ``problem`` is one sentence, ``place`` says where, ``remedy`` what to do."""

    exit_code = 2

    def __init__(self, problem: str, *, place: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.place = place
        self.remedy = remedy
        super().__init__(" ".join(part for part in (problem, f"({place})" if place else "", remedy) if part))


class BadExtract(BadInput):
    """The extract from the care-record system cannot be read as what it claims to be."""


class BadSettings(BadInput):
    """The settings file, or a file that it names, is missing, wrong or incomplete."""


class BadMessage(BadInput):
    """A message, receipt or mail cannot be read, or does not pass its own schema."""


class BadCertificate(BadInput):
    """A certificate or key is expired, of the wrong kind, or does not fit its partner."""


class Blocked(KprError):
    """Findings stop the submission; nothing was sent."""

    exit_code = 3


class Locked(KprError):
    """The resend guard says no: ``reason`` in plain words; nothing was sent."""

    exit_code = 4


class TransportError(KprError):
    """Not delivered; the same bytes under the same ids may be tried again."""

    exit_code = 5


class TransportRefused(TransportError):
    """Not delivered, and it will not be until somebody mends something; then the same bytes under the same ids."""

    exit_code = 7


class IllegalStep(KprError):
    """The state table has no such step: names the object, its state and the event, and changes nothing."""

    exit_code = 6


class StoreAway(KprError):
    """The database cannot be used now: ``kind`` is busy, full or away. Nothing is half-done; the same command goes on."""

    exit_code = 8

    def __init__(self, kind: str, said: str) -> None:
        self.kind = kind
        super().__init__(said)


class Altered(KprError):
    """A proof, or the log of events, is not what was written: ``what`` names each thing that was altered."""

    exit_code = 10

    def __init__(self, problem: str, what: tuple[str, ...] = ()) -> None:
        self.what = what
        super().__init__(problem)
