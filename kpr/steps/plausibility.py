"""Plausibility: what swings away from last year and from the former extract, and who said why.

The check asks for :func:`plausibility_options` before it runs and hands its figures to :func:`remember` afterwards.
Between two checks a person looks (:func:`look`) and gives reasons (:func:`explain`); the next check of the same numbers
is not stopped by what has been explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kpr.checks.finding import Text
from kpr.errors import BadInput, Locked
from kpr.free_text import refuse_ids
from kpr.people import Deed
from kpr.plausibility.drift import keys_json, read_keys, services_per_person
from kpr.plausibility.figures import Figures, Part, figures_json, read_figures
from kpr.plausibility.swings import Limits, Swing, drifted, line_name, line_text, swings
from kpr.sources.work_rows import WorkRows
from kpr.steps.extract import is_fixed
from kpr.steps.last_year import LastYear, last_year, read_kept
from kpr.steps.workplace import Workplace
from kpr.store import KeptKind, Reason, Submission


@dataclass(frozen=True, slots=True)
class Explained:
    """A swing in words, with the reason that stands for these very numbers; None while nobody has given one.

    ``earlier`` is then the newest that was given for the line when its numbers were others: it may hold still.
    """

    swing: Swing
    text: Text
    reason: Reason | None
    earlier: Reason | None = None

    @property
    def waits(self) -> bool:
        """Whether it stops the submission."""
        return self.swing.asks and self.reason is None


@dataclass(frozen=True, slots=True)
class Look:
    """The newest version's swings. ``version`` is None when no extract has been checked yet."""

    version: int | None
    last_year: LastYear
    lines: tuple[Explained, ...]

    @property
    def waiting(self) -> int:
        """For how many lines a reason is wanted."""
        return sum(line.waits for line in self.lines)


# -- the check ---------------------------------------------------------------------------------------------------------


def plausibility_options(place: Workplace, submission: Submission | None = None) -> dict[str, Any]:
    """The fields of :class:`kpr.checks.content.ContentOptions` that say what to compare with, and what is explained.

    Without a submission (a dry run) the former extract is the newest that was kept.
    """
    known = last_year(place)
    former = _former_services(place, _mark(submission))
    return {
        "before": known.figures,
        "given_otherwise": tuple(line_name(Part.SERVICES, line) for line in known.otherwise),
        "former_persons": frozenset(former),
        "former_services": former,
        "reasons": frozenset((each.rule, each.line, each.now, each.before) for each in reasons(place)),
        "limits": _limits(place),
        "refusal_percent": place.settings.plausibility.refusal_percent,
    }


def remember(place: Workplace, submission: Submission, work: WorkRows, figures: Figures) -> None:
    """Keep the figures that a check counted, and the extract's keys for the next extract. Once for the same extract.

    Keys from which too many are gone are not kept before somebody has said why: the extract before them stays what
    the next one is compared with, so that what fell out is not forgotten the day after.
    """
    content = figures_json(figures)
    if not _holds(place, KeptKind.FIGURES, content, submission.id):
        place.kept.keep(KeptKind.FIGURES, content, place.act(), submission_id=submission.id, note=_mark(submission))
    explained = {(each.rule, each.line, each.now, each.before) for each in reasons(place)}
    if any(swing.key not in explained for swing in drifted(figures, _limits(place)) if swing.asks):
        return
    keys = keys_json(services_per_person(work))
    if not _holds(place, KeptKind.KEYS, keys):
        place.kept.keep(KeptKind.KEYS, keys, place.act(), submission_id=submission.id, note=_mark(submission))


def _holds(place: Workplace, kind: KeptKind, content: bytes, submission_id: str | None = None) -> bool:
    newest = place.kept.newest(kind, submission_id)
    return newest is not None and read_kept(place, newest) == content


def _mark(submission: Submission | None) -> str:
    """A short mark of the extract, by which its own keys are told from the former's."""
    return (submission.extract_sha256 or "")[:12] if submission else ""


def _former_services(place: Workplace, mark: str) -> dict[str, int]:
    for kept in reversed(place.kept.every(KeptKind.KEYS)):
        if kept.note != mark and (raw := read_kept(place, kept)) is not None:
            return read_keys(raw)
    return {}


def _limits(place: Workplace) -> Limits:
    said = place.settings.plausibility
    expected = {Part.DISTRICTS: said.expected.districts, Part.PROVIDERS: said.expected.providers}
    return Limits(
        said.swing_percent, said.swing_persons, said.drift_percent, zero_from=said.zero_from, expected=expected
    )


# -- the person --------------------------------------------------------------------------------------------------------


def reasons(place: Workplace) -> list[Reason]:
    """Every reason given this year, oldest first: one for the same numbers in an earlier version holds still."""
    return [each for version in place.store.submissions() for each in place.judgements.reasons(version.id)]


def look(place: Workplace, version: Submission | None = None) -> Look:
    """What swings in a version (the newest) that was checked, from the figures kept then."""
    known = last_year(place)
    latest = version or place.store.latest()
    kept = place.kept.newest(KeptKind.FIGURES, latest.id) if latest else None
    if latest is None or kept is None:
        return Look(None, known, ())
    found = swings(read_figures(place.kept.read(kept)), known.figures, _limits(place))
    said = reasons(place)
    given = {(each.rule, each.line, each.now, each.before): each for each in said}
    newest = {each.line: each for each in said}
    return Look(latest.version, known, tuple(_explained(swing, place, given.get(swing.key), newest) for swing in found))


def _explained(swing: Swing, place: Workplace, reason: Reason | None, newest: Mapping[str, Reason]) -> Explained:
    earlier = newest.get(swing.line) if reason is None and swing.asks else None
    return Explained(swing, line_text(swing.line, place.year), reason, earlier)


def explain(place: Workplace, line: str, *, why: str, by: str) -> Reason:
    """Write down why a line swings. BadInput when there is no such line or no reason, Locked once it is approved."""
    refuse_ids(f"{why} {by}", "--why, --by")
    if not why.strip() or not by.strip():
        raise BadInput("Grunnen eller navnet mangler.", place="--why, --by", remedy="Skriv begge.")
    place.demand(Deed.REASON, by)
    latest, seen = place.store.latest(), look(place)
    if latest is None or seen.version is None:
        raise Locked(
            "Ingen uttrekk er kontrollert ennå. Kjør «kpr approve»: den kontrollerer, og sier hva som svinger."
        )
    if is_fixed(latest):
        raise Locked("Versjonen er alt godkjent. Grunner gis før godkjenningen.")
    asked = {_bare(each.swing.line): each.swing for each in seen.lines if each.swing.asks}
    swing = asked.get(_bare(line))
    if swing is None:
        known = ", ".join(f"«{each.line}»" for each in asked.values()) or "ingen"
        raise BadInput("Ingen slik linje ber om en grunn.", place="--line", remedy=f"Linjene er: {known}.")
    act = place.act(by, why.strip())
    return place.judgements.give_reason(latest.id, swing.rule, swing.line, swing.now, swing.before, act)


def _bare(line: str) -> str:
    """A line as people write it: «6» is «tjTjenType 6»."""
    words = " ".join(line.lower().split())
    return words.removeprefix("tjtjentype ")
