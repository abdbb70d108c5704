"""The stand-in register's correspondence with each sender: the keys, and the form in which messages travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from kpr.packaging.open import open_packaging
from kpr.packaging.seam import Packaging
from kpr.registry.settings import RegisterSettings, Sender
from kpr.security.certificates import Identity, load_certificate, load_identity
from kpr.years import Year


@dataclass(frozen=True, slots=True)
class SendersKeys:
    """The register's own keys, and one sender's certificates; whether they hold now is asked by the register."""

    settings: RegisterSettings
    sender: Sender
    their_encryption_certificate: x509.Certificate
    their_signing_certificate: x509.Certificate
    decryption_identities: Sequence[Identity] = field(repr=False)
    signer: Identity | None = field(default=None, repr=False)

    @property
    def signing_identity(self) -> Identity:
        """What the register signs with; read anew, since it may be replaced while the register runs."""
        return self.signer or load_identity(self.settings.signing_certificate, self.settings.signing_key)


def keys_by_sender(settings: RegisterSettings) -> dict[str, SendersKeys]:
    """The keys for each sender, by its HER-id."""
    own = load_identity(settings.decryption_certificate, settings.decryption_key)
    return {
        sender.her_id: SendersKeys(
            settings,
            sender,
            load_certificate(sender.encryption_certificate),
            load_certificate(sender.signing_certificate),
            (own,),
        )
        for sender in settings.senders
    }


def packagings(settings: RegisterSettings, keys: Mapping[str, SendersKeys], year: Year) -> dict[str, Packaging]:
    """The form of messages to and from each sender, by its HER-id."""
    transport, own = settings.transport_settings, settings.service_her_id
    return {her_id: open_packaging(transport, each, year, own, her_id) for her_id, each in keys.items()}
