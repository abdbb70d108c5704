"""Keep the officer's page up to date in the folder that the settings name, for those who look by an address."""

from __future__ import annotations

from contextlib import suppress

from kpr.steps.check import Checked
from kpr.steps.officer import write_page
from kpr.steps.workplace import Workplace
from kpr.whole_file import whole_file


def page_name(place: Workplace) -> str:
    """The page's file name: municipality and data year, nothing else."""
    return f"{place.label}.html"


def keep_page(place: Workplace, checked: Checked | None = None) -> str:
    """Write the newest version's page anew; the address that people reach it by, empty where there is none.

    Nothing is written where no folder is named. ``checked`` as in :func:`kpr.steps.officer.write_page`.
    """
    pages = place.settings.pages
    if pages.folder is None:
        return ""
    with suppress(OSError):  # told when the page is written
        pages.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with whole_file(pages.folder / page_name(place), "pages.folder") as file:
        file.write(write_page(place, checked=checked).encode())
    return page_address(place)


def page_address(place: Workplace) -> str:
    """The address of the page; empty where none is kept, or none is reached by an address."""
    pages = place.settings.pages
    return f"{pages.url.rstrip('/')}/{page_name(place)}" if pages.folder and pages.url else ""
