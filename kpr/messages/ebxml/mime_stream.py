"""A MIME stream, taken apart as it passes: heads, parts up to a boundary, transfer encodings. Memory stays bounded.

Nothing here knows what the parts mean. Line ends may be CRLF or LF. A delimiter is a whole line (RFC 2046 s. 5.1.1), so
a longer line that merely begins like one is content.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from typing import BinaryIO

from kpr.errors import BadMessage

CHUNK = 1 << 18

#: What a head may be at most (kpr/feedback/mail_file.py meets mails in the same way).
HEAD_LIMIT = 64 << 10

#: Longer lines are no quoted-printable (RFC 2045 s. 6.7 says 76); they would have to be held whole.
_LINE_LIMIT = 64 << 10

#: Blanks that a relay may have added behind a delimiter; and with them what may follow a boundary on its line.
_PADDING = 100
_DELIMITER_REST = 2 + _PADDING + 2

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_NOT_QUOTED_PRINTABLE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def pieces_of(source: BinaryIO) -> Iterator[bytes]:
    """A stream in pieces, none of them empty."""
    while piece := source.read(CHUNK):
        yield piece


class MimeStream:
    """Reads a mail once, from its start; BadMessage when it is larger than ``limit`` bytes."""

    def __init__(self, pieces: Iterator[bytes], limit: int) -> None:
        self._pieces, self._left = pieces, limit
        #: Begins with the line end before what comes next, so that a line's start looks the same everywhere.
        self._buffer = b"\n"
        #: The last delimiter was the closing one.
        self.closed = False

    def head(self) -> bytes:
        """Up to the empty line; BadMessage when there is none within the limit."""
        while (end := _END_OF_HEAD.search(self._buffer)) is None and len(self._buffer) <= HEAD_LIMIT:
            if not self._fill():
                raise BadMessage("The mail ends within a head.", remedy="Ask for it again.")
        if end is None or end.start() > HEAD_LIMIT:
            raise BadMessage("A head of the mail is larger than 64 KiB.", remedy="Ask for it again.")
        raw, self._buffer = self._buffer[1 : end.start() + 1], self._buffer[end.end() - 1 :]
        return raw

    def rest(self) -> Iterator[bytes]:
        """Everything that is left."""
        yield self._buffer[1:]
        self._buffer = b""
        while self._fill():
            yield self._buffer
            self._buffer = b""

    def until(self, boundary: bytes) -> Iterator[bytes]:
        """The content up to the next delimiter line, which is taken too; sets ``closed``."""
        mark, skip = b"\n--" + boundary, 1
        while (line := self._delimiter(mark, rb"\r?\n")) is None:
            # Handed on: all but what may be the CR before a delimiter, and the delimiter up to its LF.
            cut = len(self._buffer) - len(mark) - _DELIMITER_REST
            if cut > skip:
                yield self._buffer[skip:cut]
                self._buffer, skip = self._buffer[cut:], 0
            if not self._fill():
                line = self._delimiter(mark, rb"\r?\Z")
                break
        if line is None:
            yield self._buffer[skip:]  # a report that was cut is still worth reading
            raise BadMessage("The mail ends before its last boundary.", remedy="Ask for it again.")
        yield self._buffer[skip : line.start()].removesuffix(b"\r")
        self.closed = line.group(1) is not None
        self._buffer = b"\n" + self._buffer[line.end() :]

    def _delimiter(self, mark: bytes, end: bytes) -> re.Match[bytes] | None:
        """The first whole delimiter line. Most chunks hold no mark at all, and a plain search is far faster."""
        at = self._buffer.find(mark)
        if at < 0:
            return None
        return re.compile(re.escape(mark) + rb"(--)?[ \t]{0,%d}" % _PADDING + end).search(self._buffer, at)

    def _fill(self) -> bool:
        """Append about a chunk to the buffer, however little at a time the source gives; False at its end."""
        parts, wanted = [self._buffer], CHUNK
        while wanted > 0 and (part := next(self._pieces, b"")):
            parts.append(part)
            wanted -= len(part)
            self._left -= len(part)
            if self._left < 0:
                raise BadMessage("The mail is larger than this receiver takes.", remedy="Agree on a larger size.")
        self._buffer = b"".join(parts)
        return wanted < CHUNK


def decoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Undo a Content-Transfer-Encoding (lower case; RFC 2045 s. 6); BadMessage when it is unknown or broken."""
    if encoding == "base64":
        return _from_base64(pieces)
    if encoding == "quoted-printable":
        return _from_quoted_printable(pieces)
    if encoding in ("", "7bit", "8bit", "binary"):
        return pieces
    raise BadMessage("A part has an unknown transfer encoding.", remedy="The sender must use base64.")


def _from_base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Strictly: what is no base64 was damaged, and a lenient reading would only hide where."""
    carry, padded = b"", False
    for piece in pieces:
        text = carry + piece.translate(None, b"\r\n \t")
        if text and padded:
            raise _bad_base64()
        whole = len(text) & ~3
        carry = text[whole:]
        if whole:
            padded = text[whole - 1] == ord("=")
            try:
                yield a2b_base64(text[:whole], strict_mode=True)
            except Base64Error:
                raise _bad_base64() from None
    if carry:
        raise _bad_base64()


def _bad_base64() -> BadMessage:
    return BadMessage("A part is not base64, although it says so.", remedy="Ask for it again.")


def _from_quoted_printable(pieces: Iterator[bytes]) -> Iterator[bytes]:
    carry = b""
    for piece in pieces:
        text = carry + piece
        whole = text.rfind(b"\n") + 1
        carry = text[whole:]
        if len(carry) > _LINE_LIMIT:
            raise _bad_quoted_printable()
        yield _quoted_printable(text[:whole])
    yield _quoted_printable(carry)


def _quoted_printable(lines: bytes) -> bytes:
    if _NOT_QUOTED_PRINTABLE.search(lines):
        raise _bad_quoted_printable()
    return a2b_qp(lines)


def _bad_quoted_printable() -> BadMessage:
    return BadMessage("A part is not quoted-printable, although it says so.", remedy="Ask for it again.")
