"""The text of a list that people save from a spreadsheet, in whichever encoding that does. Pure."""

from __future__ import annotations

import codecs

from kpr.errors import BadInput

#: A list of a million persons; whatever is larger is another file.
MAX_BYTES = 64_000_000

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(raw: bytes, name: str, form: str) -> str:
    """The text; BadInput when it is too large, empty or no text. ``form`` says what it should look like."""
    if len(raw) > MAX_BYTES:
        raise BadInput("Filen er for stor til å være en liste over personer.", place=name, remedy=form)
    if not raw.strip():
        raise BadInput("Listen er tom.", place=name, remedy=form)
    named = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), None)
    for encoding in (named,) if named else ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.strip() and not any(ord(sign) < 32 and sign not in "\t\r\n" for sign in text):
            return text.lstrip("\ufeff\r\n")
    raise BadInput("Filen er ikke en tekstfil.", place=name, remedy=f"Lagre listen som CSV. {form}")
