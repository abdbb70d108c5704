"""The daily view as a page: what the register counts of the last accepted submission, after its deletions (L2)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO

#: Public tables do not show counts below this (content-rules.md section 5).
SMALL = 5
_WIDTH = 160

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))


def with_last_year(view: dict[str, Any], previous: dict[str, Any] | None) -> dict[str, Any]:
    """The view with last year's counts beside this year's, where the register accepted something last year."""
    before = {line["code"]: line["change"]["now"] for line in previous["services"]} if previous else {}
    services = [
        line | {"change": _change(line["change"]["now"], before.get(line["code"]))} for line in view["services"]
    ]
    return view | {"services": services}


def _change(now: int, before: int | None) -> dict[str, Any]:
    percent = round((now - before) * 100 / before, 1) if before else None
    return {"now": now, "last_year": before, "percent": percent}


def view_page(view: dict[str, Any], municipality: str, data_year: int) -> str:
    """One self-contained page; it opens without network."""
    most = max((line["change"]["now"] for line in view["services"]), default=0) or 1
    return _pages.get_template("view.html").render(
        municipality=municipality,
        data_year=data_year,
        submitted=datetime.fromisoformat(view["submitted"]).astimezone(OSLO).strftime("%d.%m.%Y kl. %H.%M"),
        number=view["sequence_number"],
        kept=view["persons_kept"],
        sent=view["persons_sent"],
        services=[_service(line, most) for line in view["services"]],
        groups=(("Langtidsopphold", view["long_term_stay"]), ("Hjemmeboende", view["home_dwelling"])),
    )


def _service(line: dict[str, Any], most: int) -> dict[str, Any]:
    change = line["change"]
    shown = change["now"] >= SMALL
    percent = f"{change['percent']} %" if change["percent"] is not None else "–"
    return {
        "code": line["code"],
        "text": line["text_nb"],
        "now": hide_small(change["now"]),
        "before": hide_small(change["last_year"]) if change["last_year"] is not None else "–",
        "change": percent,
        "width": round(_WIDTH * change["now"] / most) if shown else 0,
    }


def hide_small(count: int) -> str:
    """A count as the public tables show it."""
    return str(count) if count == 0 or count >= SMALL else "<5"
