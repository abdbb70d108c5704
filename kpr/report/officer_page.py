"""The officer's page: one self-contained HTML file in two languages. Never a name, never a national id."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from kpr.calendar import OSLO
from kpr.checks.finding import Owner, Severity, Text
from kpr.mirror.compare import Agreement
from kpr.mirror.rows import Row
from kpr.report.officer import PLACES, OfficerReport
from kpr.report.pictures import EDGE, WIDTH, bar_pictures, season_picture
from kpr.report.words import FATES, OWNERS, SEVERITIES, said

LANGUAGES = ("nb", "en")
_AGREEMENTS = {
    Agreement.EQUAL: Text("lik", "equal"),
    Agreement.SMALL: Text("for lite til å sammenlignes", "too small to compare"),
    Agreement.DIFFERS: Text("avviker", "differs"),
    Agreement.NOT_GIVEN: Text("ikke gitt", "not given"),
}

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["when"] = lambda moment: _when(moment)
_pages.filters["percent"] = lambda share: _percent(share)
_pages.filters["ours"] = lambda row: _ours(row)


def officer_page(report: OfficerReport) -> str:
    """The page; the same values give the same page."""
    return _pages.get_template("officer.html").render(
        report=report,
        title=_title(report),
        said=said,
        places=PLACES,
        seasons={
            language: season_picture(report.dates, report.moments, report.made_at, language) for language in LANGUAGES
        },
        bars=bar_pictures(report.bars),
        severities={severity: SEVERITIES[severity] for severity in Severity},
        owners={owner: OWNERS[owner] for owner in Owner},
        fates=FATES,
        agreements=_AGREEMENTS,
        width=WIDTH,
        edge=EDGE,
    )


def _title(report: OfficerReport) -> Text:
    name = f"{report.municipality} {report.name} · {report.data_year}"
    if not report.version:
        return Text(name, name)
    return Text(f"{name} · innsending {report.version}", f"{name} · submission {report.version}")


def _percent(share: float) -> str:
    return f"{share:.1f} %".replace(".", ",")


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(OSLO):%d.%m.%Y %H.%M}" if moment else ""


def _ours(row: Row) -> str:
    if row.of is None:
        return str(row.persons)
    return "–" if row.percent is None else _percent(row.percent)
