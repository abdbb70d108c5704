"""The proof for people: one self-contained page, Norwegian first. It says the same as proof.json."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO
from kpr.proof.facts import ProofFacts

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))
_pages.filters["when"] = lambda moment: _when(moment)


def proof_page(facts: ProofFacts) -> bytes:
    """The page in UTF-8; the same facts give the same bytes."""
    return _pages.get_template("proof.html").render(proof=facts).encode()


def _when(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(OSLO):%d.%m.%Y %H.%M}" if moment else ""
