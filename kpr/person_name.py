"""A name as people write it: without what cannot be seen, and the same one however carelessly it is written. Pure."""

from __future__ import annotations

import unicodedata


def tidy(name: str) -> str:
    """A name as it is kept: one blank between its words, and no sign that nobody can see."""
    whole = unicodedata.normalize("NFKC", name)
    return " ".join("".join(each for each in whole if each.isspace() or each.isprintable()).split())


def bare(name: str) -> str:
    """What a name is known by: capitals and blanks make nobody another person. Empty when nothing of it can be seen."""
    return tidy(name).casefold()
