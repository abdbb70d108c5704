"""The ways by which people are told: a mail to one mailbox, a POST to one address. No rules here.

Away or busy is a TransportError, and the alarm is told next time; what somebody must mend first is a TransportRefused.
Neither the other side's words nor a webhook's address, which may hold a key, are repeated.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import NAMESPACE_URL, uuid5

from kpr.alarms.message import Telling, mail_entity, recipients
from kpr.alarms.settings import Tell
from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.settings import SmtpServer
from kpr.transports.edi.smtp import SmtpSender

#: Short, so that a claim is never taken over while its sending is still under way (kpr.store.told.TAKEOVER): a mail
#: waits at most ten times as long for the last reply.
_SECONDS = 15.0

_CODE = re.compile(r"\(mail:[a-z-]+\)(?: \[\d+\])?")

#: The same may be tried again (RFC 9110 s. 15, RFC 6585).
_BUSY = (408, 425, 429)


class Channel(Protocol):
    """One way to one receiver. ``id`` is opaque: no address stands in it."""

    @property
    def id(self) -> str:
        """The same for the same receiver."""
        ...

    def send(self, telling: Telling, at: datetime) -> None:
        """Returns when the other side has taken it; TransportError or TransportRefused otherwise."""
        ...


def channels(telling: Telling, settings: Tell) -> tuple[Channel, ...]:
    """Everybody who is to be told this, by the settings."""
    smtp = settings.smtp
    mails = (Mailbox(smtp, settings.sender, each) for each in recipients(telling.groups, settings)) if smtp else ()
    hooks = (Hook(settings.webhook.url),) if settings.webhook else ()
    return *mails, *hooks


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail to one mailbox; each has its own, so that one that is refused does not keep the others waiting."""

    smtp: SmtpServer
    sender: str
    recipient: str

    @property
    def id(self) -> str:
        """``mail:`` and a mark of the address."""
        return f"mail:{_mark(self.recipient.lower())}"

    def send(self, telling: Telling, at: datetime) -> None:
        """Over the same line as the EDI route's mails: TLS and password as there."""
        entity = mail_entity(telling)
        settings = self.smtp.model_copy(update={"timeout_seconds": min(self.smtp.timeout_seconds, _SECONDS)})
        name = str(uuid5(NAMESPACE_URL, f"kpr:{telling.id}"))
        label = Label(name, "alarm", "", "", self.sender, self.recipient, at)
        try:
            SmtpSender(settings, "tell.smtp").send(label, io.BytesIO(entity), len(entity))
        except TransportError as error:
            code = _CODE.search(str(error))  # its sentence is about the EDI route
            raise type(error)(_NOT_MAILED.format(code=code[0] if code else "(mail)")) from None


_NOT_MAILED = (
    "Et varsel kunne ikke sendes på e-post; det prøves igjen neste gang. Sjekk tell i installasjonsfilen. {code}"
)


@dataclass(frozen=True, slots=True)
class Hook:
    """A POST of JSON to one address."""

    url: str

    @property
    def id(self) -> str:
        """``webhook:`` and a mark of the address."""
        return f"webhook:{_mark(self.url)}"

    def send(self, telling: Telling, _at: datetime) -> None:
        """Any answer 2xx means taken. A redirect is not followed: it would turn the POST into a question."""
        body = json.dumps(telling.data, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "kpr"}
        try:
            request = Request(self.url, body, headers)  # noqa: S310  (the settings take http and https only)
            build_opener(_NoRedirect).open(request, timeout=_SECONDS).close()
        except HTTPError as error:
            error.close()
            raise _answered(error.code) from None
        except (OSError, HTTPException, ValueError):
            raise TransportError(
                "Et varsel kunne ikke sendes til webhooken: den svarer ikke. Det prøves igjen neste gang."
            ) from None


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None makes it an error."""
        return


def _answered(code: int) -> TransportError:
    if code >= 500 or code in _BUSY:
        return TransportError(f"Webhooken tar ikke imot varsler akkurat nå ({code}). Det prøves igjen neste gang.")
    return TransportRefused(f"Webhooken avviste et varsel ({code}). Sjekk tell.webhook.url i installasjonsfilen.")


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
