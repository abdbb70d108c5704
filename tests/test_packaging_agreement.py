"""What an agreement asks of the packaging that it cannot give is told before anything is sent."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from cpa_maker import AES, OTHER, OWN, cpa_text

from kpr.errors import BadSettings
from kpr.packaging.ebxml import ebxml_between
from kpr.packaging.seam import Keys
from kpr.transports.edi.settings import EdiSettings
from kpr.transports.seam import Envelope
from kpr.years import load_year

MESSAGE = Envelope("0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001", "KPR_IPL", OWN, OTHER, datetime(2024, 1, 7, tzinfo=UTC))


def settings(tmp_path: Path, text: str | None) -> EdiSettings:
    """Settings that name an agreement; None: a file that is not there."""
    file = tmp_path / "cpa.xml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    carrier: Any = {"kind": "folder", "folder": tmp_path}
    return EdiSettings.model_validate({"kind": "edi", "carrier": carrier, "cpa_file": file})


def test_an_agreement_on_triple_des_is_read_and_not_written(tmp_path: Path) -> None:
    """Only AES-256-CBC is written: the sentence says so, and that the agreement is to be renewed."""
    assert AES in cpa_text()
    old = cpa_text().replace(AES, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc")
    packaging = ebxml_between(settings(tmp_path, old), cast(Keys, None), load_year(2023), OWN, OTHER)
    with pytest.raises(BadSettings, match="reads and does not write"):
        packaging.pack(io.BytesIO(b"<a/>"), 4, io.BytesIO(), MESSAGE)


def test_the_retries_are_those_of_the_agreement(tmp_path: Path) -> None:
    """They go before the settings' own."""
    packaging = ebxml_between(settings(tmp_path, cpa_text()), cast(Keys, None), load_year(2023), OWN, OTHER)
    assert (packaging.patience.retries, packaging.patience.interval.total_seconds()) == (4, 4 * 3600)


def test_an_agreement_that_is_not_there_is_a_bad_setting(tmp_path: Path) -> None:
    """The setting is named."""
    with pytest.raises(BadSettings, match="cannot be read") as told:
        ebxml_between(settings(tmp_path, None), cast(Keys, None), load_year(2023), OWN, OTHER)
    assert told.value.place == "transport.cpa_file"
