"""Where a proof says something else than the store does of the moment at which it was made. Pure.

Both sides are facts as JSON; ``now`` is told as of the proof's own head of the log as far as the log can tell it. What
may lawfully have changed since is left out only when the log has an event after that head which changes such a thing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kpr.checks.finding import Text
from kpr.proof.altered import not_same, surplus

Facts = Mapping[str, Any]

#: What never changes once a version was sent.
_FIXED = ("extract_sha256", "approved_by", "approval_reason", "mended")
_FIXED_OF_MESSAGE = ("message_type", "msg_id", "generated", "sha256", "size", "persons")

#: Which events change what else a proof says: ``what`` of the event (kpr.store.tables).
_CHANGED_BY = {
    "receipt": {"receipt"},
    "transports": {"attempt"},
    "answers": {"receipt", "ident", "attempt"},
}

#: The rule file that is the municipality's own, and may change while the program does not.
_OWN_FILE = "year_file"

_PENDING = "PENDING"


def differences(said: Facts, now: Facts, since: Collection[str]) -> Iterator[Text]:
    """One sentence for each. ``since``: the kinds of events after the proof's head. A ``view`` of None is not known."""
    yield from _told(_fields("whose", said["whose"], now["whose"]))
    yield from _told(name for name in _FIXED if said[name] != now[name])
    yield from _told(_fields("standing", said["standing"], now["standing"], now["standing"]))
    yield from _told(_of_messages(said["messages"], now["messages"], since))
    yield from _told(_of_answers(said["answers"], now["answers"], since))
    yield from _told(_of_reasons(said["reasons"], now["reasons"], now["events"]))
    yield from _told(name for name in ("signed",) if said[name] != now[name])
    yield from _told(name for name in ("view",) if now[name] is not None and said[name] != now[name])
    if said["program"] == now["program"]:
        names = (said["rules"].keys() | now["rules"].keys()) - {_OWN_FILE}
        yield from _told(_fields("rules", said["rules"], now["rules"], sorted(names)))
    yield from _of_events(said["events"], now["events"])


def _told(paths: Iterator[str]) -> Iterator[Text]:
    for path in dict.fromkeys(paths):
        nb, en = "beviset sier noe annet enn det som ligger her", "the proof differs from what is here"
        yield Text(f"{path}: {nb}.", f"{path}: {en}.")


def _fields(path: str, said: Facts, now: Facts, names: Collection[str] = ()) -> Iterator[str]:
    for name in sorted(names or said.keys() | now.keys()):
        if said.get(name) != now.get(name):
            yield f"{path}.{name}"


def _may_differ(name: str, since: Collection[str]) -> bool:
    return not _CHANGED_BY[name].isdisjoint(since)


def _of_messages(said: Sequence[Facts], now: Sequence[Facts], since: Collection[str]) -> Iterator[str]:
    if sorted(each["kind"] for each in said) != sorted(each["kind"] for each in now):
        yield "messages"
    theirs = {each["kind"]: each for each in said}
    for message in now:
        told, path = theirs.get(message["kind"]), f"messages.{message['kind']}"
        if told is not None:
            names = _FIXED_OF_MESSAGE + (() if _may_differ("receipt", since) else ("receipt", "codes"))
            yield from _fields(path, told, message, names)
            yield from _of_transports(f"{path}.transports", told["transports"], message["transports"], since)


def _of_transports(path: str, said: Sequence[Facts], now: Sequence[Facts], since: Collection[str]) -> Iterator[str]:
    """Attempts come to be, and their state moves, by events; the hash is there from before the first try."""
    later = _may_differ("transports", since)
    ids, known = [each["message_id"] for each in said], {each["message_id"]: each for each in now}
    if surplus(ids, list(known)) or (not later and len(ids) != len(known)):
        yield path
    for told in said:
        if (trip := known.get(told["message_id"])) is not None:
            names = ["opened_at"] if later else ["opened_at", "state", "ended_at", "tries"]
            if told["protected_sha256"] or told["state"] != _PENDING:
                names.append("protected_sha256")
            yield from _fields(f"{path}.{told['message_id']}", told, trip, names)


def _of_answers(said: Sequence[Facts], now: Sequence[Facts], since: Collection[str]) -> Iterator[str]:
    """Each one must be here, and what was here then must be in it. A hash that a purge has taken is taken as told."""
    left = list(now)
    for number, told in enumerate(said, 1):
        same = [each for each in left if _is_same_answer(told, each)]
        if same:
            left.remove(same[0])
        else:
            yield f"answers.{number}"
    if left and (not _may_differ("answers", since) or any(each["before_head"] for each in left)):
        yield "answers"


def _is_same_answer(told: Facts, here: Facts) -> bool:
    names = ("kind", "received_at", "verdict") + (("sha256",) if here["sha256"] else ())
    return all(told[name] == here[name] for name in names)


def _of_reasons(said: Sequence[Facts], now: Sequence[Facts], events: Sequence[Facts]) -> Iterator[str]:
    left = list(now)
    for number, told in enumerate(said, 1):
        if told in left:
            left.remove(told)
        else:
            yield f"reasons.{number}"
    if len(said) != sum(event["event"] == "REASON_GIVEN" for event in events):
        yield "reasons"


def _of_events(said: Sequence[Facts], now: Sequence[Facts]) -> Iterator[Text]:
    theirs, ours = [each["chain"] for each in said], [each["chain"] for each in now]
    for text in not_same("events", ours, theirs):
        yield Text(f"{text.nb}, mot det som ligger her.", f"{text.en}, against what is here.")
    if sorted(theirs) == sorted(ours) and theirs != ours:
        yield Text("events: i en annen rekkefølge enn her.", "events: in another order than here.")
    known = dict(zip(ours, now, strict=True))
    yield from _told(
        path
        for number, told in enumerate(said, 1)
        if told["chain"] in known
        for path in _fields(f"events.{number}", told, known[told["chain"]])
    )
