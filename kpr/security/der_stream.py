"""A pull reader for DER in a stream: tag, length, and either the bytes or a promise to hand them on in pieces."""

from __future__ import annotations

from collections.abc import Callable

#: What a small structure (recipients, algorithms, certificates, signer infos) may take at most.
SMALL = 1 << 20


class NotDefinite(ValueError):
    """The encoding is not definite-length DER; BER may still be read as a whole when it is small."""


class DerStream:
    """Reads exactly what it is asked for from ``pull(n)``, and remembers how much it took."""

    def __init__(self, pull: Callable[[int], bytes]) -> None:
        self._pull = pull

    def exactly(self, size: int) -> bytes:
        """So many bytes; ValueError when the stream ends before."""
        parts: list[bytes] = []
        left = size
        while left:
            part = self._pull(left)
            if not part:
                raise ValueError("ends too early")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def header(self) -> tuple[int, int, bytes]:
        """Tag, length, and the raw bytes of both; NotDefinite for an indefinite length."""
        raw = self.exactly(2)
        tag, length = raw
        if length == 0x80:
            raise NotDefinite("indefinite length")
        if length > 0x80:
            more = self.exactly(length - 0x80) if length <= 0x88 else b""
            if not more:
                raise ValueError("length is absurd")
            return tag, int.from_bytes(more), raw + more
        return tag, length, raw

    def enter(self, tag: int) -> int:
        """The length of the value that must have this tag."""
        found, length, _raw = self.header()
        if found != tag:
            raise ValueError("another structure was expected")
        return length

    def whole(self, tag: int | None = None) -> bytes:
        """One small value with its header."""
        found, length, raw = self.header()
        if (tag is not None and found != tag) or length > SMALL:
            raise ValueError("another structure was expected")
        return raw + self.exactly(length)
