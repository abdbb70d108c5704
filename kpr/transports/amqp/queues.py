"""A look at queues over AMQP 0-9-1, which every RabbitMQ speaks on the same port: is it there, how many wait.

AMQP 1.0 can tell neither. Where the broker refuses to say, nobody knows, and that is what is answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pika

from kpr.transports.amqp.amqp091 import PIKA_ERRORS, connected, fault_of
from kpr.transports.amqp.bus import BusFault
from kpr.transports.amqp.settings import AmqpSettings


class Presence(StrEnum):
    """Whether a queue exists."""

    THERE = "THERE"
    MISSING = "MISSING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class QueueLook:
    """What one may know of a queue."""

    presence: Presence
    waiting: int | None = None


def look_at(settings: AmqpSettings, queue: str) -> QueueLook:
    """Ask the broker about one queue."""
    return look_at_all(settings, [queue])[queue]


def look_at_all(settings: AmqpSettings, queues: Iterable[str]) -> dict[str, QueueLook]:
    """Ask the broker about queues, on a connection of its own. Never raises: not knowing is an answer."""
    asked = list(queues)
    try:
        connection = connected(settings)
    except BusFault:
        return dict.fromkeys(asked, QueueLook(Presence.UNKNOWN))
    try:
        return {queue: _look(connection, queue) for queue in asked}
    finally:
        with contextlib.suppress(*PIKA_ERRORS):
            if connection.is_open:
                connection.close()


def _look(connection: pika.BlockingConnection, queue: str) -> QueueLook:
    """One queue, on a channel of its own: an answer of "no" closes it."""
    try:
        channel = connection.channel()
        found = channel.queue_declare(queue, passive=True)
        channel.close()
        return QueueLook(Presence.THERE, found.method.message_count)
    except PIKA_ERRORS as error:
        missing = fault_of(error).condition == "amqp:not-found"
        return QueueLook(Presence.MISSING if missing else Presence.UNKNOWN)
