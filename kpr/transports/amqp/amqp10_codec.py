"""Messages of AMQP 1.0 as bytes: what stands before the body that we stream, and what came. No input, no output."""

from __future__ import annotations

from typing import Any

import proton

from kpr.transports.amqp.wire import Wire, text_of

#: A Data section with an empty binary of one length byte, which is how an encoded message without a body ends.
_DATA, _EMPTY = b"\x00\x53\x75", b"\xa0\x00"
_LONG_BINARY = b"\xb0"


def head_of(wire: Wire, size: int) -> bytes:
    """Everything before the body's bytes: header, properties, application properties, and the Data section's length."""
    message = proton.Message(body=b"", inferred=True, durable=True)
    message.id, message.address, message.subject = wire.message_id, wire.to, wire.subject
    message.reply_to, message.correlation_id = wire.reply_to, wire.correlation_id
    if wire.content_type:
        message.content_type = wire.content_type
    message.properties = dict(wire.properties)
    encoded = message.encode()
    if not encoded.endswith(_DATA + _EMPTY):
        raise ValueError("proton encodes an empty body in another way than this was written for")
    return bytes(encoded[: -len(_EMPTY)]) + _LONG_BINARY + size.to_bytes(4, "big")


def decoded(raw: bytes) -> tuple[Wire, bytes]:
    """The message; what cannot be read is a wire without anything, its raw bytes as its body.

    proton takes garbage for a message without a body section, and lets Python's own errors out for a text that is no
    UTF-8 or a map that is none (measured): one such message must not keep all others from being read.
    """
    message = proton.Message()
    try:
        message.decode(raw)
        wire = _wire(message)
    except (proton.ProtonException, ValueError, TypeError, AttributeError):
        return Wire("", "", ""), raw
    return wire, raw if message.body is None else _bytes(message.body)


def _wire(message: Any) -> Wire:
    content_type = text_of(message.content_type)
    return Wire(
        message_id=text_of(message.id),
        to=text_of(message.address),
        subject=text_of(message.subject),
        reply_to=text_of(message.reply_to) or None,
        correlation_id=text_of(message.correlation_id) or None,
        content_type=None if content_type in ("", "None") else content_type,  # an absent one reads back as "None"
        properties={text_of(name): text_of(value) for name, value in (message.properties or {}).items()},
    )


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return text_of(body).encode()
