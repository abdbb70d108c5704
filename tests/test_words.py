"""The words of the pages: every state has them, in both languages."""

from __future__ import annotations

from enum import StrEnum

import pytest

from kpr.conversation import AttemptState, IdentLeg, ReceiptLeg, SubmissionState
from kpr.report.words import said
from kpr.store import MessageKind
from kpr.years.model import Mark

KINDS: dict[str, type[StrEnum]] = {
    "submission": SubmissionState,
    "ident": IdentLeg,
    "receipt": ReceiptLeg,
    "attempt": AttemptState,
    "message": MessageKind,
    "mark": Mark,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_has_words(kind: str) -> None:
    """No code of the program is shown to the officer, and no two states of a kind are called the same."""
    told = [said(kind, state.value) for state in KINDS[kind]]
    for language in ([text.nb for text in told], [text.en for text in told]):
        assert len(set(language)) == len(language)
    assert not {text.nb for text in told} & {state.value for state in KINDS[kind]}


def test_what_has_no_words_is_shown_as_it_is() -> None:
    """A state of a later version of the program stops no page."""
    assert said("receipt", "LATER").nb == "LATER"
