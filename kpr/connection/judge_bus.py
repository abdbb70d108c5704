"""The bus or the folder: line, login, exchange, queues and size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kpr.connection.facts import BusFacts, FolderFacts, QueueFacts, Role
from kpr.connection.findings import (
    Case,
    ConnectionFinding,
    bad_setting,
    bus_row,
    limit,
    number,
    say,
    word_of,
)
from kpr.transports.amqp.outcomes import outcome
from kpr.transports.amqp.queues import Presence
from kpr.transports.amqp.settings import AmqpSettings


def judge_transport(case: Case) -> Iterator[ConnectionFinding]:
    """The way: a folder, or line, login, exchange, queues and size on the bus."""
    transport = case.settings.transport
    if case.facts.folder is not None:
        yield _folder(case.facts.folder)
    if case.facts.bus is None or not isinstance(transport, AmqpSettings):
        return
    bus = case.facts.bus
    yield from _line_and_login(bus, transport)
    if not bus.logged_in:
        yield say("bus_not_asked", "transport")
        return
    yield from _exchange(bus, transport)
    for queue in bus.queues:
        yield from (_receiver_queue if queue.role is Role.RECEIVER else _own_queue)(queue, transport)
    if transport.dead_letter_queue is None:
        yield say("dead_letter_unnamed", "transport.dead_letter_queue")
    yield from _size(case, bus, transport)


def _folder(facts: FolderFacts) -> ConnectionFinding:
    row = "folder_not_writable" if facts.fault else "folder_ok"
    return say(row, "transport.folder", folder=facts.folder, said=facts.fault, waiting=facts.waiting)


def _line_and_login(bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    values = {"host": transport.host, "port": transport.port, "username": transport.username, "tls": bus.tls}
    if bus.line is not None:
        yield say(bus_row("line", bus.line), "transport.host", condition=bus.line, **values)
        return
    if bus.error is None or bus.tls:
        yield say("tls_ok" if bus.tls else "tls_off", "transport.host", **values)
    if bus.error is not None:
        yield bad_setting(bus.error)
    elif bus.login is not None:
        yield say(bus_row("login", bus.login), "transport", condition=bus.login, **values)
    else:
        yield say("login_ok", "transport", product=bus.product, dialect=transport.dialect, **values)


def _exchange(bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    """Seen over 0-9-1; where that cannot be, the way to the receiver tells, which leads through it."""
    receiver = next((queue for queue in bus.queues if queue.role is Role.RECEIVER), None)
    presence = bus.exchange
    if presence is Presence.UNKNOWN and receiver is not None:
        if receiver.condition is None:
            presence = Presence.THERE
        elif outcome(receiver.condition).name == "not_found" and receiver.look.presence is not Presence.MISSING:
            presence = Presence.MISSING
    if presence is not Presence.UNKNOWN:
        row = "exchange_ok" if presence is Presence.THERE else "exchange_missing"
        yield say(row, "transport.exchange", exchange=transport.exchange)


def _own_queue(queue: QueueFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    place = "transport.dead_letter_queue" if queue.role is Role.DEAD_LETTER else "addresses"
    values: dict[str, Any] = {
        "role": word_of(queue.role),
        "queue": queue.name,
        "waiting": queue.look.waiting,
        "condition": queue.condition,
        "username": transport.username,
    }
    most = limit("piled_up") if queue.role is Role.ASYNC else 1
    if queue.look.presence is Presence.MISSING:
        row = "own_queue_missing"
    elif queue.condition is not None:
        row = bus_row("own_queue", queue.condition)
    elif queue.look.waiting is None:
        row = "own_queue_unseen"
    elif queue.look.waiting >= most:
        row = "queue_piles_up" if queue.role is Role.ASYNC else "queue_not_empty"
    else:
        row = "own_queue_ok"
    yield say(row, place, **values)


def _receiver_queue(queue: QueueFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    values = {"queue": queue.name, "exchange": transport.exchange, "username": transport.username}
    if queue.look.presence is Presence.MISSING:
        yield say("receiver_queue_missing", "addresses", **values)
    elif queue.condition is None:
        seen = queue.look.presence is Presence.THERE
        yield say("receiver_queue_ok" if seen else "receiver_queue_unseen", "addresses", **values)
    elif outcome(queue.condition).name != "not_found":  # that is the exchange, which has been told of
        yield say(bus_row("receiver", queue.condition), "addresses", condition=queue.condition, **values)


def _size(case: Case, bus: BusFacts, transport: AmqpSettings) -> Iterator[ConnectionFinding]:
    free, ours = case.year.max_bytes_amqp.value, transport.max_bytes
    asked = [queue for queue in bus.queues if queue.role is Role.RECEIVER and queue.condition is None]
    limit = min((queue.largest for queue in asked if queue.largest is not None), default=None)
    values = {"free": number(free), "ours": number(ours), "limit": number(limit or 0)}
    if limit is not None:
        row = "size_too_small" if limit < free else "size_below_ours" if limit < ours else "size_ok"
        yield say(row, "transport.max_bytes", **values)
    elif asked:
        yield say("size_unsaid", "transport.max_bytes", **values)
    if ours > free:
        yield say("size_to_agree", "transport.max_bytes", **values)
