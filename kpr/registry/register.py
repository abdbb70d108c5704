"""The stand-in register at work: takes what waits, judges it, and answers when the time has come.

``step(now)`` does everything that is due once. Answers are written down together with the message that they answer,
so a kill loses none and doubles none.
"""

from __future__ import annotations

import io
import mailbox
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import NAMESPACE_URL, uuid5

from kpr.errors import BadInput
from kpr.log import get_log
from kpr.messages.head import Party
from kpr.registry.answers import ident_mails, receipts
from kpr.registry.reception import Reception, Verdict
from kpr.registry.scenario import Scenario, delay, load_scenario
from kpr.registry.settings import RegisterSettings, Sender
from kpr.registry.state import Due, RegisterState
from kpr.security.certificates import Identity, load_certificate, load_identity
from kpr.security.cms_write import protect
from kpr.security.vault import MasterKey, Vault
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Envelope, Received

_log = get_log("register")


@dataclass
class Register:
    """The stand-in register of one settings file."""

    settings: RegisterSettings

    def __post_init__(self) -> None:
        settings = self.settings
        self.state = RegisterState(settings.state_folder)
        self.vault = Vault(settings.state_folder / "vault", MasterKey.load(settings.vault_key_file))
        self.transport = DirectoryTransport(settings.exchange_folder, settings.service_her_id)
        self.senders = {sender.her_id: sender for sender in settings.senders}
        identity = load_identity(settings.decryption_certificate, settings.decryption_key)
        self.reception = Reception(identity, self.vault, settings.service_her_id)
        self.party = Party(
            settings.organisation_name, settings.organisation_her_id, settings.service_name, settings.service_her_id
        )

    @cached_property
    def scenario(self) -> Scenario:
        """The faults to play."""
        return load_scenario(self.settings.scenario)

    @cached_property
    def signing_identity(self) -> Identity:
        """What the register signs its answers with."""
        return load_identity(self.settings.signing_certificate, self.settings.signing_key)

    def step(self, now: datetime) -> int:
        """Take in what waits and send what is due; how many messages and answers that were."""
        taken = 0
        for received in self.transport.receive():
            self._take(received, now)
            taken += 1
        for due in self.state.due(now):
            self._send(due, now)
            taken += 1
        return taken

    def _take(self, received: Received, now: datetime) -> None:
        envelope = received.envelope
        sender = self.senders.get(envelope.from_her_id)
        if sender is None:  # R17: no receipt at all for one whom we do not know
            received.set_aside("unknown sender")
            return
        name = str(uuid5(NAMESPACE_URL, envelope.message_id))
        key = self.vault.new_wrapped_key()
        try:
            with received.open() as body:
                self.reception.open(body, name, key, load_certificate(sender.signing_certificate))
            verdict = self.reception.judge(name, key, envelope.from_her_id)
        except BadInput as error:
            self.vault.remove(name)
            received.set_aside(type(error).__name__)
            _log.warning("message set aside", reason=type(error).__name__, transport_id=envelope.message_id)
            return
        self._handle(verdict, sender, envelope, now, key)
        received.accept()

    def _handle(self, verdict: Verdict, sender: Sender, envelope: Envelope, now: datetime, key: bytes) -> None:
        head = verdict.info.head
        if not self.state.is_new(head.msg_id):  # R18: a duplicate is ignored, and gets no second receipt
            _log.info("duplicate ignored", msg_id=head.msg_id)
            return
        play = self.scenario.play(verdict.family, self.state.count(verdict.family) + 1)
        at = now + delay(play)
        dues = [
            (at, "receipt", sender.her_id, body, envelope.message_id)
            for body in receipts(verdict, play, self.scenario, self.party, at)
        ]
        if verdict.family == "ident":
            mails = ident_mails(verdict, play, self.settings.mail_address, sender.municipality, now)
            dues += [(now, "mail", sender.her_id, body, "") for body in mails]
        if verdict.code is None and play.negative is None:
            self._keep(verdict, sender, now, key)
        self.state.handled(head.msg_id, envelope.message_id, verdict.family, now, dues)

    def _keep(self, verdict: Verdict, sender: Sender, now: datetime, key: bytes) -> None:
        self.state.accept(
            {
                "msg_id": verdict.info.head.msg_id,
                "family": verdict.family,
                "her_id": sender.her_id,
                "municipality": verdict.municipality,
                "data_year": verdict.data_year,
                "sequence_number": verdict.sequence_number,
                "at": now.isoformat(),
                "wrapped_key": key,
                "view": verdict.view,
            }
        )

    def _send(self, due: Due, now: datetime) -> None:
        sender = self.senders[due.her_id]
        if due.kind == "mail":
            _deliver(sender, due.body)
        else:
            out = io.BytesIO()
            recipient = load_certificate(sender.encryption_certificate)
            protect(io.BytesIO(due.body), len(due.body), out, self.signing_identity, recipient)
            message_id = str(uuid5(NAMESPACE_URL, f"{due.correlation}-{due.id}"))
            envelope = Envelope(message_id, "APPREC", self.settings.service_her_id, due.her_id, now, due.correlation)
            self.transport.send(envelope, io.BytesIO(out.getvalue()))
        self.state.sent(due.id)


def _deliver(sender: Sender, body: bytes) -> None:
    mailbox.Maildir(sender.mail_folder, create=True).add(body)
