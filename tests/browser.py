"""A real browser for the tests of the pages: Chromium without network, started for one file of tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Debian's Chromium, or the one that KPR_CHROMIUM names; skips where there is none."""
    binary = os.environ.get("KPR_CHROMIUM") or shutil.which("chromium")
    if binary is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Opened:
    """A page that was opened from a file, with all that it asked for and complained of."""

    def __init__(self, browser: Browser, file: Path, *, width: int = 1200, fragment: str = "") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri() + fragment)

    def close(self) -> None:
        """Close the page and all that it holds."""
        self.context.close()
