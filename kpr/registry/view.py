"""The daily view: what the register counts of the last accepted submission, after its deletions (letter L2).

Counts from one to four are not shown, neither on the page nor as data, and no share or change that rests on one: it
could be reckoned back.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO

#: Public tables do not show counts below this (content-rules.md section 5).
SMALL = 5
_WIDTH = 160
_HIDDEN = "<5"
_UNKNOWN = "–"

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))


def with_last_year(view: dict[str, Any], previous: dict[str, Any] | None) -> dict[str, Any]:
    """The view with last year's counts beside this year's, where the register accepted something last year."""
    before = {line["code"]: line["change"]["now"] for line in previous["services"]} if previous else {}
    services = [
        line | {"change": _change(line["change"]["now"], before.get(line["code"]))} for line in view["services"]
    ]
    last_year = previous["persons"]["now"] if previous else None
    return view | {"services": services, "persons": _change(view["persons"]["now"], last_year)}


def _change(now: int, before: int | None) -> dict[str, Any]:
    percent = round((now - before) * 100 / before, 1) if before else None
    return {"now": now, "last_year": before, "percent": percent}


# -- as data ---------------------------------------------------------------------------------------------------------


def public_view(view: dict[str, Any]) -> dict[str, Any]:
    """The view as data. A small count is 0, as in public tables, and ``hidden`` says so; what rests on it is None."""
    return view | {
        "persons": _public_change(view["persons"]),
        "services": [line | {"change": _public_change(line["change"])} for line in view["services"]],
        "long_term_stay": _public_group(view["long_term_stay"]),
        "home_dwelling": _public_group(view["home_dwelling"]),
    }


def is_small(count: int | None) -> bool:
    """Whether a count is one of those that are not shown."""
    return count is not None and 0 < count < SMALL


def _public_change(change: dict[str, Any]) -> dict[str, Any]:
    now, before = change["now"], change["last_year"]
    hidden = is_small(now) or is_small(before)
    return {
        "now": 0 if is_small(now) else now,
        "last_year": 0 if is_small(before) else before,
        "percent": None if hidden else change["percent"],
        "hidden": hidden,
    }


def _public_group(group: dict[str, Any]) -> dict[str, Any]:
    size = group["persons"]
    shares = [_public_share(share, size) for share in group["shares"]]
    return {"persons": 0 if is_small(size) else size, "hidden": is_small(size), "shares": shares}


def _public_share(share: dict[str, Any], size: int) -> dict[str, Any]:
    """One is hidden also when nearly all have the fact: those who have it not could be counted."""
    hidden = is_small(size) or is_small(share["persons"]) or is_small(size - share["persons"])
    return share | ({"persons": None, "percent": None} if hidden else {}) | {"hidden": hidden}


# -- as a page -------------------------------------------------------------------------------------------------------


def view_page(view: dict[str, Any], municipality: str, data_year: int) -> str:
    """One self-contained page; it opens without network."""
    shown = public_view(view)
    most = max((line["change"]["now"] for line in shown["services"]), default=0) or 1
    return _pages.get_template("view.html").render(
        municipality=municipality,
        data_year=data_year,
        submitted=datetime.fromisoformat(view["submitted"]).astimezone(OSLO).strftime("%d.%m.%Y kl. %H.%M"),
        number=view["sequence_number"],
        kept=view["persons_kept"],
        sent=view["persons_sent"],
        deleted=view.get("message_deleted", False),
        unpaired=view.get("unpaired", ()),
        services=[_service(line["code"], line["text_nb"], line["change"], most) for line in view["services"]],
        persons=_service("", "Brukere i alt", view["persons"], 0),
        groups=[
            ("Langtidsopphold", _group(shown["long_term_stay"])),
            ("Hjemmeboende", _group(shown["home_dwelling"])),
        ],
    )


def view_text(view: dict[str, Any]) -> str:
    """The page's tables as a browser copies them: cells by tabs, lines by line breaks."""
    shown = public_view(view)
    lines = ["Brukere per tjenestetype", "Type\tTjeneste\t\tI år\tI fjor\tEndring"]
    lines += [_copied(_service(line["code"], line["text_nb"], line["change"], 0)) for line in view["services"]]
    lines.append(_copied(_service("", "Brukere i alt", view["persons"], 0)))
    for title, group in (("Langtidsopphold", shown["long_term_stay"]), ("Hjemmeboende", shown["home_dwelling"])):
        told = _group(group)
        lines += [title, f"{told['persons']} personer per 31.12. Andel som er kartlagt:"]
        lines += [f"{share['text_nb']}\t\t{share['shown']}" for share in told["shares"]]
    return "\n".join(lines)


def _copied(row: dict[str, Any]) -> str:
    return "\t".join((row["code"], row["text"], "", row["now"], row["before"], row["change"]))


def index_page(units: list[tuple[str, int]], waiting: list[tuple[str, int]]) -> str:
    """The list of what there is to look at; ``waiting`` lacks its ident message."""
    return _pages.get_template("index.html").render(units=units, waiting=waiting)


def _service(code: str, text: str, change: dict[str, Any], most: int) -> dict[str, Any]:
    public = _public_change(change)
    return {
        "code": code,
        "text": text,
        "now": hide_small(change["now"]),
        "before": _UNKNOWN if change["last_year"] is None else hide_small(change["last_year"]),
        "change": _UNKNOWN if public["percent"] is None else f"{public['percent']:+.1f} %".replace(".", ","),
        "width": round(_WIDTH * public["now"] / most) if most else 0,
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    shares = [
        share | {"shown": _UNKNOWN if share["percent"] is None else f"{share['percent']:.1f} %".replace(".", ",")}
        for share in group["shares"]
    ]
    return {"persons": _HIDDEN if group["hidden"] else str(group["persons"]), "shares": shares}


def hide_small(count: int) -> str:
    """A count as the page shows it."""
    return _HIDDEN if is_small(count) else str(count)
