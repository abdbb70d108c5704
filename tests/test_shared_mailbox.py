"""Two data years share a mailbox: a mail is counted in the year that it answers, and never lost to another."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import Place
from test_incoming import of_year

from kpr.steps.collect import collect
from kpr.steps.report import prepare, send_approved
from kpr.steps.workplace import open_workplace
from kpr.synth import SyntheticMunicipality
from kpr.synth.write import write_xml
from kpr.years import load_year


@pytest.mark.parametrize("other_has_sent", [False, True])
def test_another_years_mail_is_left_for_that_year(tmp_path: Path, other_has_sent: bool) -> None:
    """The other year's round leaves it where it lies, whether or not it has sent something itself."""
    made = Place(tmp_path, persons=5)
    made.report()
    made.register()
    other = of_year(made, 2021)
    with open_workplace(other) as place:
        if other_has_sent:
            year = load_year(2021)
            write_xml(SyntheticMunicipality(year, 5, seed=9), year, made.folder / "uttrekk")
            submission, checked = prepare(place, by="rolle A", mended=None)
            send_approved(place, submission, checked, by="rolle A", reason=None)
        assert "ident" not in str(collect(place).counts())
    assert made.collect()["ident e-mail: FEEDBACK_OK"] == 1
    assert made.status().state == "ACCEPTED"


def test_a_year_that_has_sent_nothing_takes_no_mail(tmp_path: Path) -> None:
    """Before anything is sent, no mail can be its answer: it is left unread."""
    made = Place(tmp_path, persons=5)
    made.report()
    made.register()
    (made.folder / "kpr.sqlite").unlink()
    assert made.collect().get("ident e-mail: FEEDBACK_OK") is None
    assert len(list((made.folder / "mail" / "new").iterdir())) == 1
