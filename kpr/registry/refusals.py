"""What the stand-in register cannot take in: kept raw with the reason, and reported to its sender by the transport.

The order makes a kill harmless: kept, reported, written down, and only then taken off the transport; the report has
the same id each time, and what was written down is never reported again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import NAMESPACE_URL, uuid4, uuid5

from kpr.errors import BadCertificate, BadInput, TransportError
from kpr.log import get_log, opaque
from kpr.messages.ebxml.refused import RuleBroken, answer_form
from kpr.packaging.seam import Packaging
from kpr.registry.reception import NoReceipt
from kpr.registry.scenario import Play
from kpr.registry.signals import signal_for
from kpr.registry.state import Refused, RegisterState, Signal
from kpr.security.refusals import condition_of
from kpr.security.vault import Vault
from kpr.transports.seam import Envelope, ErrorForm, Fault, Received, Transport

_log = get_log("register")

#: Fields that the reference receiver demands, in its own words and order (amqp.md s. 4.1).
_DEMANDED = (
    ("toHerId", "to_her_id"),
    ("fromHerId", "from_her_id"),
    ("Label", "message_type"),
    ("applicationTimeStamp", "sent_at"),
)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Where refused messages go."""

    transport: Transport
    vault: Vault
    state: RegisterState
    packagings: Mapping[str, Packaging] = field(default_factory=dict)

    def refuse(self, received: Received, why: BadInput, now: datetime) -> None:
        """A message that the register cannot use."""
        told = isinstance(why, NoReceipt | BadCertificate)
        reason = f"{type(why).__name__}: {why.problem}" if told else type(why).__name__
        condition = why.condition if isinstance(why, NoReceipt) else condition_of(why)
        said = why.problem if isinstance(why, RuleBroken) else "The message cannot be used."
        self._refuse(received, reason, now, Fault(condition, "", said), form=answer_form(condition))

    def refuse_unknown(self, received: Received, now: datetime) -> None:
        """A sender that the register does not know is told nothing (HITS 1168 s. 5.3)."""
        self._refuse(received, "unknown sender", now, None)

    def refuse_incomplete(self, received: Received, now: datetime) -> bool:
        """Report an envelope that lacks a demanded field; whether it did."""
        missing = missing_fields(received.envelope)
        if missing:
            data = "".join(f"{name};" for name in missing)
            fault = Fault("transport:invalid-field-value", "", "One or more fields are missing", data)
            self._refuse(received, "incomplete envelope", now, fault)
        return bool(missing)

    def play(self, received: Received, play: Play, family: str, now: datetime, digests: str = "") -> None:
        """An error that the scenario asks for: the message counts as the n-th of its family, and nothing more."""
        fault = Fault(play.error or "", "", play.error_detail or "As the scenario says.", play.error_data)
        self._refuse(received, f"scenario: {play.error}", now, fault, family, digests, ErrorForm(play.error_form))

    def returned(self, received: Received, bounce: Signal, family: str, now: datetime) -> None:
        """A mail that comes back: it counts as the n-th of its family, and nothing more."""
        kept = self._kept(received, "scenario: returned", now, family)
        self.state.refused(kept, bounce)
        received.set_aside("scenario: returned")

    def _refuse(
        self,
        received: Received,
        reason: str,
        now: datetime,
        fault: Fault | None,
        family: str = "",
        digests: str = "",
        form: ErrorForm = ErrorForm.SPEC,
    ) -> None:
        envelope = received.envelope
        come_before = self.state.has_come(envelope.from_her_id, envelope.message_id)
        kept = None if come_before else self._kept(received, reason, now, family)
        signal = None
        if fault is not None and fault.condition:
            named = Fault(fault.condition, envelope.message_id, fault.description, fault.data, now)
            signal = self._signal(named, envelope, digests, form, now)
            if signal is None:
                self._report(named, envelope, form)
        if kept is not None:
            self.state.refused(kept, signal)
        received.set_aside(reason)
        _log.warning("message refused", reason=reason.partition(":")[0], transport_id=opaque(envelope.message_id))

    def _signal(self, fault: Fault, envelope: Envelope, digests: str, form: ErrorForm, now: datetime) -> Signal | None:
        packaging = self.packagings.get(envelope.from_her_id)
        reply = packaging.refusal(fault, envelope, form) if packaging else None
        return signal_for(reply, envelope, digests, Play(), now)

    def _kept(self, received: Received, reason: str, now: datetime, family: str) -> Refused:
        envelope = received.envelope
        told_apart_by = envelope.message_id or str(uuid4())  # without an id none may take another's place
        name = f"refused-{uuid5(NAMESPACE_URL, f'{envelope.from_her_id}/{told_apart_by}')}"
        key = self.vault.new_wrapped_key()
        try:
            with received.open() as body, self.vault.create(name, key) as out:
                shutil.copyfileobj(body, out, 1 << 20)
        except FileNotFoundError:  # an envelope came without its bytes
            self.vault.put(name, key, b"")
        return Refused(envelope.from_her_id, envelope.message_id, family, reason, now, name, key)

    def _report(self, fault: Fault, envelope: Envelope, form: ErrorForm) -> None:
        try:
            self.transport.report(fault, envelope, form)
        except TransportError as error:  # amqp.md s. 4.2: only logged
            _log.warning("the sender could not be told", reason=type(error).__name__)


def missing_fields(envelope: Envelope) -> list[str]:
    """What the envelope lacks, by the names that are told."""
    return [name for name, field in _DEMANDED if not getattr(envelope, field)]
