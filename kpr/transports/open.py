"""Opens the transport that the settings name: the one place that knows all of them."""

from __future__ import annotations

from kpr.settings import Settings
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Transport


def open_transport(settings: Settings) -> Transport:
    """The municipality's end of the transport."""
    return DirectoryTransport(settings.transport.folder, settings.sender.service_her_id)
