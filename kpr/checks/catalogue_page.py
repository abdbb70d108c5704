"""The page ``docs/rules.md``: every content rule, from the rule files, so that page and program cannot differ."""

from __future__ import annotations

from kpr.checks.finding import Mode
from kpr.checks.rule_data import FILES, RuleRow, rule_rows
from kpr.years import Year

_TITLES = {"content-rules.yaml": "Innhold / Content", "ident-rules.yaml": "Ident og kobling / Ident and link"}

_HEAD = """# Regelkatalog / Rule catalogue

Regler for innhold i dataåret {year}, utover skjemaet og registerets egne kontroller. Siden lages av
`kpr/checks/catalogue_page.py` fra `kpr/checks/data/*-rules.yaml`; rett der, ikke her.

Content rules of data year {year}, beyond the schema and the register's own checks. FATAL stops a submission, ERROR
stops it unless accepted with a reason. Basis: C confirmed, P probable, A assumed or ours. The tool alters no value.
"""


def rules_markdown(year: Year) -> str:
    """The catalogue of the data year as Markdown, Norwegian first."""
    parts = [_HEAD.format(year=year.data_year)]
    for file in FILES:
        parts += [f"## {_TITLES[file]}", ""]
        parts += [_section(row, year) for row in rule_rows(file) if row.valid_in(year.data_year)]
    return "\n".join(parts).rstrip() + "\n"


def _section(row: RuleRow, year: Year) -> str:
    rule = row.as_rule(year.data_year)
    stops = "stopper / blocks" if rule.mode is Mode.BLOCK else "vises / shown"
    stops += " til en grunn er gitt / until a reason is given" if rule.asks_reason else ""
    stops += " til en person har bestemt / until a person has decided" if rule.asks_decision else ""
    lines = [
        f"### {row.id}",
        "",
        f"**{rule.wrong.nb}** {rule.remedy.nb}",
        "",
        f"*{rule.wrong.en}* {rule.remedy.en}",
        "",
        f"{rule.severity.value}, {stops}; eier / owner: {rule.owner.value}; "
        f"grunnlag / basis: {row.basis}, {row.source}.",
    ]
    places = list(dict.fromkeys(filter(None, (_place(row, place) for place in row.each))))
    if places:
        lines.append(f"Sted / place: {', '.join(places)}.")
    if row.elsewhere is not None:
        lines.append(f"Kontrolleres / checked: {row.elsewhere.nb} / {row.elsewhere.en}.")
    return "\n".join([*lines, ""])


def _place(row: RuleRow, place: dict[str, str]) -> str:
    table = place.get("table", row.table)
    element = place.get("element", row.element)
    return f"`{table}/{element}`" if element else f"`{table}`"
