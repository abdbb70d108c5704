"""What happened, what is awaited and what to do now, in plain words, for every combination of states."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from kpr.checks.finding import StoppedBy, Text
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.yaml_file import table_beside

#: Before the first submission there is no combination.
NOTHING_SENT = Text(
    "Ingenting er sendt for dette året. Kontroller uttrekket med «kpr check», og send med «kpr report».",
    "Nothing has been sent for this year. Check the extract with 'kpr check', and send with 'kpr report'.",
)


@dataclass(frozen=True, slots=True)
class NextAct:
    """A sentence, and whether it asks for anything: ``nothing``, ``act`` or ``ask`` (a person looks)."""

    text: Text
    do: str


class Trouble(StrEnum):
    """What the transport says of a message that nothing has answered.

    REFUSED: the other side cannot use it as it came. RETURNED: the mail came back. GIVEN_UP: no acknowledgment after
    the last try.
    """

    OK = "OK"
    REFUSED = "REFUSED"
    RETURNED = "RETURNED"
    GIVEN_UP = "GIVEN_UP"


class View(StrEnum):
    """How far the comparison with the register's view has come, while nobody has signed.

    GONE: the content was purged, so there is nothing left to compare.
    """

    NOT_GIVEN = "NOT_GIVEN"
    UNSETTLED = "UNSETTLED"
    SETTLED = "SETTLED"
    GONE = "GONE"


@cache
def _rows() -> list[dict[str, Any]]:
    return list(table_beside(__file__))


def next_act(
    state: SubmissionState,
    ident_leg: IdentLeg,
    receipt_leg: ReceiptLeg,
    values: Mapping[str, str] | None = None,
    *,
    transport: Trouble = Trouble.OK,
    right: bool = False,
    stopped_by: Collection[StoppedBy] = (),
    view: View = View.NOT_GIVEN,
) -> NextAct:
    """The first row that fits; its placeholders filled from ``values`` (``until``, ``codes``, ``refused``).

    ``right``: a person has signed that the register's view agrees. ``stopped_by``: what a blocked submission waits for.
    """
    asked = {
        "state": state.value,
        "ident": ident_leg.value,
        "receipt": receipt_leg.value,
        "transport": transport.value,
        "right": right,
        "stopped_by": "+".join(sorted(stopped_by)),
        "view": view.value,
    }
    row = next(row for row in _rows() if all(value in row.get(name, [value]) for name, value in asked.items()))
    filled = {"until": "–", "codes": "–", "refused": "–", "kind": "–", **(values or {})}
    return NextAct(Text(row["nb"].format(**filled), row["en"].format(**filled)), row["do"])


def blocked_act(stopped_by: Collection[StoppedBy]) -> NextAct:
    """What to do about a submission that the check has stopped."""
    return next_act(SubmissionState.BLOCKED, IdentLeg.NOT_SENT, ReceiptLeg.NONE, stopped_by=stopped_by)


def former_act(receipt_leg: ReceiptLeg, version: int, newest: int, *, accepted: bool, replaced: bool) -> NextAct:
    """What became of a version that is no longer the newest; what to do stands with the newest.

    ``replaced``: a newer one has been accepted since.
    """
    became = _FORMER[replaced] if accepted else _BECAME.get(receipt_leg, _REPLACED)
    nb = f"Dette er versjon {version}. {became.nb} Hva du skal gjøre nå, står på siden for versjon {newest}."
    en = f"This is version {version}. {became.en} What to do now stands on the page of version {newest}."
    return NextAct(Text(nb.format(newest=newest), en.format(newest=newest)), "nothing")


_REPLACED = Text("Den er erstattet av versjon {newest}.", "It has been replaced by version {newest}.")
_BECAME = {
    ReceiptLeg.NEGATIVE: Text(
        "Den er avvist og erstattet av versjon {newest}.", "It was rejected, and version {newest} replaces it."
    ),
    ReceiptLeg.WITHDRAWN: Text(
        "Registeret trakk svaret sitt tilbake, og versjon {newest} erstatter den.",
        "The register withdrew its answer, and version {newest} replaces it.",
    ),
}
#: An accepted version, before and after a newer one was accepted.
_FORMER = {
    True: Text(
        "Den var godtatt, og er erstattet av versjon {newest}.", "It was accepted, and version {newest} replaces it."
    ),
    False: Text(
        "Den er godtatt, og gjelder til versjon {newest} er godtatt.",
        "It is accepted, and holds until version {newest} is accepted.",
    ),
}
