"""Opens the packaging that settings ask for: the one place that knows all of them."""

from __future__ import annotations

from datetime import timedelta

from kpr.packaging.plain import Plain
from kpr.packaging.seam import Keys, Packaging
from kpr.packaging.signed_cms import SignedCms
from kpr.reliability import Patience
from kpr.transports.edi.settings import EdiSettings
from kpr.transports.open import TransportSettings
from kpr.years import Year


def open_packaging(
    settings: TransportSettings, keys: Keys, year: Year, own_her_id: str, their_her_id: str
) -> Packaging:
    """The form in which one pair of parties exchanges messages."""
    if not isinstance(settings, EdiSettings):
        return SignedCms(keys)
    if settings.form == "handler":
        # The handler's own tries, and one interval more for the answer to the last.
        return Plain(Patience(0, timedelta(hours=settings.retry_hours) * (settings.retries + 1)))
    from kpr.packaging.ebxml import ebxml_between

    return ebxml_between(settings, keys, year, own_her_id, their_her_id)
