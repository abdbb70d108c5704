"""Opens the carrier that settings name: the one place that knows all of them."""

from __future__ import annotations

from kpr.transports.edi.carrier import Carrier
from kpr.transports.edi.settings import (
    CarrierSettings,
    FolderCarrierSettings,
    FtpsCarrierSettings,
    MailCarrierSettings,
    SftpCarrierSettings,
)


def open_carrier(settings: CarrierSettings) -> Carrier:
    """One end of a carrier. Connections are made when they are first needed."""
    if isinstance(settings, MailCarrierSettings):
        from kpr.transports.edi.mail import MailCarrier

        return MailCarrier(settings)
    if isinstance(settings, SftpCarrierSettings):
        from kpr.transports.edi.sftp import SftpCarrier

        return SftpCarrier(settings)
    if isinstance(settings, FtpsCarrierSettings):
        from kpr.transports.edi.ftps import FtpsCarrier

        return FtpsCarrier(settings)
    assert isinstance(settings, FolderCarrierSettings)
    from kpr.transports.edi.folder import FolderCarrier

    return FolderCarrier(settings)
