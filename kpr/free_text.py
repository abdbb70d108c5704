"""What people write about an act: a reason, a name. It is kept, shown and sent on, so it may name nobody's number."""

from __future__ import annotations

from kpr.errors import BadInput
from kpr.log import blot


def refuse_ids(text: str, place: str) -> None:
    """BadInput when free text holds something that looks like a national id; nothing of it is shown."""
    if blot(text) != text:
        raise BadInput(
            "Teksten inneholder noe som ligner et fødselsnummer.", place=place, remedy="Skriv det uten å nevne noen."
        )
