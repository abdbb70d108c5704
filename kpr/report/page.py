"""The page: findings, the letter's points and the timeline as one self-contained HTML file. Never a value, never an id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO
from kpr.checks.finding import Finding
from kpr.checks.rules import findings
from kpr.next_act import blocked_act
from kpr.report.words import OWNERS, SEVERITIES
from kpr.steps.check import Checked
from kpr.steps.status import Status
from kpr.years import Year

#: Places shown per rule; the count is always whole.
PLACES = 50

_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))


def findings_page(checked: Checked, year: Year, title: str, made: str) -> str:
    """What the check found, as a page."""
    result = checked.result
    stopped = sum(count.count for count in result.counts if count.blocks)
    now = (
        f"{stopped} funn stanser innsendingen. {blocked_act(result.stopped_by).text.nb}"
        if result.blocked
        else "Ingenting stanser innsendingen. Se gjennom advarslene, og send når du er klar."
    )
    persons = result.prediction.persons or 1
    return _render(
        title=title,
        made=made,
        now=now,
        stop=result.blocked,
        result=result,
        kept_width=round(600 * result.prediction.persons_kept / persons),
        rules=_rules(checked),
        facts=_facts(checked),
        assumed=[(name, value.value) for name, value in year.assumed()],
    )


def status_page(status: Status, title: str, made: str) -> str:
    """The timeline and what to do now, as a page."""
    lines = [
        {"at": line.at.astimezone(OSLO).strftime("%d.%m.%Y %H.%M"), "text": f"{line.text.nb}{_by(line.who, line.why)}"}
        for line in status.timeline
    ]
    return _render(title=title, made=made, now=status.next_act.nb, stop=status.do != "nothing", timeline=lines)


def _render(**values: Any) -> str:
    severities = {severity.value: text.nb for severity, text in SEVERITIES.items()}
    return _pages.get_template("page.html").render(severities=severities, **values)


def _by(who: str, why: str) -> str:
    return (f" ({who})" if who not in ("kpr", "register", "clock") else "") + (f" – {why}" if why else "")


def _rules(checked: Checked) -> list[dict[str, Any]]:
    shown = []
    for count in checked.result.counts:
        rule = checked.result.catalogue[count.rule]
        places = findings(checked.work, checked.result.catalogue, rule=count.rule, limit=PLACES)
        shown.append(
            {
                "rule": count.rule,
                "severity": count.severity.value,
                "blocks": count.blocks,
                "wrong": rule.wrong.nb,
                "remedy": rule.remedy.nb,
                "owner": OWNERS[rule.owner].nb,
                "count": count.count,
                "places": list(place_texts(places)),
            }
        )
    return shown


def place_texts(found: Iterable[Finding]) -> Iterable[str]:
    """Where, in words: person by local key, class, row, element."""
    for finding in found:
        place = finding.place
        parts = (
            f"person {place.person}" if place.person else "",
            place.table,
            f"rad {place.row}" if place.row else "",
            place.element or "",
        )
        yield ", ".join(part for part in parts if part)


def _facts(checked: Checked) -> list[dict[str, Any]]:
    return [
        {
            "id": line.id,
            "letter": fact.letter,
            "text": f"{fact.text.nb}: {line.text.nb}",
            "value": "–" if line.value is None else line.value,
            "look_at_it": line.look_at_it,
        }
        for fact in checked.result.facts
        for line in fact.lines
    ]
