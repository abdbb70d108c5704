"""A look at queues over AMQP 0-9-1, which every RabbitMQ speaks on the same port: is it there, how many wait.

AMQP 1.0 can tell neither. Where the broker refuses to say, nobody knows, and that is what is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pika
from pika.exceptions import AMQPError

from kpr.transports.amqp.amqp091 import fault_of, parameters
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
    """Ask the broker about one queue, on a connection of its own. Never raises: not knowing is an answer."""
    try:
        connection = pika.BlockingConnection(parameters(settings))
    except (AMQPError, OSError):
        return QueueLook(Presence.UNKNOWN)
    try:
        found = connection.channel().queue_declare(queue, passive=True)
        return QueueLook(Presence.THERE, found.method.message_count)
    except (AMQPError, OSError) as error:
        missing = fault_of(error).condition == "amqp:not-found"
        return QueueLook(Presence.MISSING if missing else Presence.UNKNOWN)
    finally:
        if connection.is_open:
            connection.close()
