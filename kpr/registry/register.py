"""The stand-in register at work: takes what waits, judges it, and answers when the time has come.

``step(now)`` does everything that is due once. Answers are written down together with the message that they answer,
so a kill loses none and doubles none. What one sender sends, or one answer that cannot leave, stops nobody else.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

import yaml

from kpr.address_book import load_address_book
from kpr.errors import BadCertificate, BadInput, BadMessage, BadSettings, TransportError
from kpr.feedback.transport_fault import shown
from kpr.log import get_log, opaque
from kpr.messages.ebxml.refused import came_late
from kpr.messages.head import Party
from kpr.packaging.seam import Unpacked
from kpr.registry.answers import receipts
from kpr.registry.correspondence import keys_by_sender, packagings
from kpr.registry.edi_plays import answer, demand_route, spoil, spoilt
from kpr.registry.mail_out import deliver
from kpr.registry.mails import ident_mails
from kpr.registry.reception import LIMIT, Reception, Verdict
from kpr.registry.refusals import Refusals
from kpr.registry.scenario import Play, Scenario, delay, load_scenario, mail_delay
from kpr.registry.settings import RegisterSettings, Sender
from kpr.registry.signals import Signals, signal_for
from kpr.registry.state import Accepted, Due, RegisterState, Seen, Signal
from kpr.security.certificates import Purpose, check_certificate
from kpr.security.vault import MasterKey, Vault
from kpr.transports.open import open_transport
from kpr.transports.seam import Envelope, Received, Transport
from kpr.yaml_file import read_yaml
from kpr.years import Year, known_years, load_year

_log = get_log("register")


@dataclass
class Register:
    """The stand-in register of one settings file."""

    settings: RegisterSettings

    def __post_init__(self) -> None:
        settings = self.settings
        self.scenario: Scenario = load_scenario(settings.scenario)
        self.vault = Vault(settings.state_folder / "vault", MasterKey.load(settings.vault_key_file))
        book = load_address_book(settings.addresses) if settings.addresses else None
        self.transport: Transport = open_transport(settings.transport_settings, settings.service_her_id, book)
        self.senders = {sender.her_id: sender for sender in settings.senders}
        self.keys = keys_by_sender(settings)
        years = _years(settings.year_file)
        self.packagings = packagings(settings, self.keys, years(known_years()[-1]))
        demand_route(self.scenario, self.packagings)
        self.party = Party(
            settings.organisation_name, settings.organisation_her_id, settings.service_name, settings.service_her_id
        )
        self.reception = Reception(self.vault, self.party, years)
        self.state = RegisterState(settings.state_folder)
        self.refusals = Refusals(self.transport, self.vault, self.state, self.packagings)
        self.signals = Signals(self.transport, self.packagings, self.state, settings.service_her_id, LIMIT)

    def close(self) -> None:
        """Let go of the transport and the state."""
        self.transport.close()
        self.state.close()

    def step(self, now: datetime) -> int:
        """Take in what waits and send what is due; how many messages and answers that were. ``now`` is aware.

        TransportError when a queue cannot be read; what could be done has been done by then.
        """
        taken, fault = 0, None
        try:
            for received in self.transport.receive():
                self._take(received, now)
                taken += 1
        except TransportError as error:
            fault = error
        taken += self.signals.send_due(now, after_receipts=False)
        taken += sum(self._send(due, now) for due in self.state.due(now))
        taken += self.signals.send_due(now, after_receipts=True)
        if fault is not None:
            raise fault
        return taken

    # -- what comes in ----------------------------------------------------------------------------------------------

    def _take(self, received: Received, now: datetime) -> None:
        envelope = received.envelope
        sender = self.senders.get(envelope.from_her_id)
        if envelope.fault is not None:  # never answered (amqp.md s. 4.3); an operator reads the log
            _log.warning("a sender reports an error", condition=shown(envelope.fault))
            received.accept()
        elif envelope.acknowledges:
            _log.info("a receipt was acknowledged", transport_id=opaque(envelope.acknowledges))
            received.accept()
        elif self.state.has_come(envelope.from_her_id, envelope.message_id):
            _log.info("transport duplicate", transport_id=opaque(envelope.message_id))
            self.signals.answer_again(received, now)
            received.accept()
        elif sender is None:
            self.refusals.refuse_unknown(received, now)
        elif not self.refusals.refuse_incomplete(received, now):
            self._take_from(received, sender, now)

    def _take_from(self, received: Received, sender: Sender, now: datetime) -> None:
        envelope = received.envelope
        # The name follows from the envelope, so that a message taken up again after a kill leaves nothing behind.
        named = uuid5(NAMESPACE_URL, f"{envelope.from_her_id}/{envelope.message_id}")
        name = str(named if envelope.message_id else uuid4())
        key = self.vault.new_wrapped_key()
        try:
            verdict, unpacked = self._open(received, name, key, sender, now)
        except BadSettings:  # ours, not the message's: a full disk
            raise
        except FileNotFoundError:
            self.refusals.refuse(received, BadMessage("The message has no bytes."), now)
            return
        except BadInput as error:
            self.vault.remove(name)
            self.refusals.refuse(received, error, now)
            return
        family = verdict.family
        counts = (self.state.count(family) + 1, self.state.count(family, sender.her_id) + 1)
        play = self.scenario.play(family, counts[0], sender.municipality, counts[1])
        if play.error and self.state.is_new(verdict.head.msg_id):
            self.vault.remove(name)
            self.refusals.play(received, play, verdict.family, now, unpacked.digests)
            return
        packaging = spoilt(self.packagings[sender.her_id], spoil(play))
        reply = answer(packaging, unpacked, play, now)
        signal = signal_for(reply, envelope, unpacked.digests, play, now)
        if play.returned and signal is not None:  # nothing was delivered, so nothing else answers
            self.vault.remove(name)
            self.refusals.returned(received, signal, verdict.family, now)
            return
        if not self._handle(verdict, play, sender, envelope, now, name, key, signal):
            self.vault.remove(name)
        received.accept()

    def _open(
        self, received: Received, name: str, key: bytes, sender: Sender, now: datetime
    ) -> tuple[Verdict, Unpacked]:
        signer = self.keys[sender.her_id].their_signing_certificate
        with received.open() as body:
            unpacked = self.reception.open(body, name, key, self.packagings[sender.her_id], signer, now)
        if unpacked.expired:
            raise came_late()
        return self.reception.judge(name, key, sender.her_id), unpacked

    def _handle(
        self,
        verdict: Verdict,
        play: Play,
        sender: Sender,
        envelope: Envelope,
        now: datetime,
        name: str,
        key: bytes,
        signal: Signal | None,
    ) -> bool:
        """Write down what follows of a message; whether its payload is kept."""
        head = verdict.head
        if not self.state.is_new(head.msg_id):  # R18: a duplicate is ignored, and gets no second receipt
            _log.info("duplicate ignored", msg_id=head.msg_id)
            if signal is not None:  # by a new transport message, which is acknowledged all the same
                self.state.acknowledged_only(signal)
            return False
        at, mail_at = now + delay(play), now + mail_delay(play)
        version, receipt = self.scenario.version(play), ":".join(filter(None, ("receipt", spoil(play))))
        bodies = [(at, receipt, body) for body in receipts(verdict, play, version, self.party, at)]
        if verdict.family == "ident":
            mails = ident_mails(verdict, play, self.settings.mail_address, sender.municipality, mail_at)
            bodies += [(mail_at, "mail", body) for body in mails]
        dues = [
            self._keep(f"{name}-{number}", moment, kind, sender.her_id, body, envelope.message_id)
            for number, (moment, kind, body) in enumerate(bodies)
        ]
        kept = None if play.negative else _accepted(verdict, sender, now, name, key)  # R13: a rejected one is not used
        seen = Seen(head.msg_id, sender.her_id, envelope.message_id, verdict.family, now)
        self.state.handled(seen, dues, kept, signal)
        _log.info("message handled", family=verdict.family, code=play.negative or verdict.code, msg_id=head.msg_id)
        return kept is not None

    def _keep(self, name: str, at: datetime, kind: str, her_id: str, body: bytes, correlation: str) -> Due:
        key = self.vault.new_wrapped_key()
        self.vault.put(name, key, body)
        return Due(at, kind, her_id, name, key, correlation)

    # -- what goes out ----------------------------------------------------------------------------------------------

    def _send(self, due: Due, now: datetime) -> bool:
        """Send one answer; when it cannot leave now it stays due, and is tried at the next step."""
        sender = self.senders.get(due.her_id)
        try:
            if sender is None:
                raise BadSettings("A sender was taken out of the settings while an answer to it was due.")
            body = self.vault.get(due.name, due.wrapped_key)
            if due.kind == "mail":
                deliver(body, sender, self.settings)
            else:
                self._send_receipt(due, body, now)
        except (TransportError, BadCertificate, BadSettings) as error:
            _log.warning("an answer could not be sent", kind=due.kind, reason=type(error).__name__)
            return False
        self.state.sent(due.id)
        self.vault.remove(due.name)
        return True

    def _send_receipt(self, due: Due, body: bytes, now: datetime) -> None:
        check_certificate(self.keys[due.her_id].their_encryption_certificate, Purpose.ENCRYPT, now)
        # The same id after a kill, so that the transport delivers it once.
        message_id = str(uuid5(NAMESPACE_URL, f"{due.name}-{due.id}"))
        envelope = Envelope(
            message_id=message_id,
            message_type="APPREC",
            from_her_id=self.settings.service_her_id,
            to_her_id=due.her_id,
            sent_at=now,
            correlation_id=due.correlation,
            conversation_id=str(uuid5(NAMESPACE_URL, message_id)),
        )
        packaging = spoilt(self.packagings[due.her_id], due.kind.partition(":")[2])
        out = io.BytesIO()
        packaging.pack(io.BytesIO(body), len(body), out, envelope)
        self.transport.send(envelope, io.BytesIO(out.getvalue()), len(out.getvalue()))


def _accepted(verdict: Verdict, sender: Sender, now: datetime, name: str, key: bytes) -> Accepted | None:
    contents = verdict.accepted
    if contents is None:
        return None
    return Accepted(
        verdict.head.msg_id,
        verdict.family,
        sender.her_id,
        contents.municipality or sender.municipality,
        contents.data_year,
        contents.sequence_number,
        now,
        name,
        key,
        contents.view,
    )


def _years(file: Path | None) -> Callable[[int], Year]:
    """The data years, with the year file laid over its own year, or over all when it names none."""
    if file is None:
        return load_year
    try:
        named = read_yaml(file)["data_year"]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        named = None  # load_year says what is wrong with a file that cannot be read
    load_year(named or known_years()[-1], file)

    def year(data_year: int) -> Year:
        return load_year(data_year, file if named in (None, data_year) else None)

    return year
