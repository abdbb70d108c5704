"""Text that people paste or save from a spreadsheet: its encoding, and numbers as they are written there. Pure."""

from __future__ import annotations

import codecs
import re

from kpr.errors import BadInput

#: A table of service types has some thirty lines; whatever is larger is another file.
MAX_BYTES = 100_000

#: Blanks that separate thousands: the plain one, the no-break ones, and the thin one.
BLANKS = " \u00a0\u202f\u2009"
#: A whole number, with or without a separator between thousands.
WHOLE_NUMBER = re.compile(rf"[0-9]+|[0-9]{{1,3}}(?:[{BLANKS}.,'’][0-9]{{3}})+")
#: What the line of all recipients is called, in small letters.
EVERYBODY = frozenset({"persons", "personer", "alle", "totalt", "sum", "i alt", "alle brukere", "pepeid"})

#: How files begin that say their own encoding, as spreadsheets write them.
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(raw: bytes, name: str, form: str) -> str:
    """The text of a table; BadInput when it is too large, empty or no text. ``form`` says what it should look like."""
    if len(raw) > MAX_BYTES:
        raise BadInput("Filen er for stor til å være en tabell over tjenester.", place=name, remedy=form)
    if not raw.strip():
        raise BadInput("Tabellen er tom.", place=name, remedy=form)
    text = _decoded(raw)
    if text is None or any(ord(sign) < 32 and sign not in "\t\r\n" for sign in text):
        raise BadInput("Filen er ikke en tekstfil.", place=name, remedy=f"Lagre tabellen som CSV. {form}")
    return text


def _decoded(raw: bytes) -> str | None:
    named = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), None)
    for encoding in (named,) if named else ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
