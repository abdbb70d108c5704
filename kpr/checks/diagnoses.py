"""The form of diagnosis codes, and membership in a code file that the municipality gives.

No public source of the code systems belongs to the program, so by itself it judges the form only: ICD-10 (WHO: a
letter, two digits, then up to two more signs after an optional point; Norwegian codes may have ``n`` for a digit) and
ICPC-2 (a chapter letter and two digits, or a process code; two- and four-digit extensions after a point).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from kpr.errors import BadSettings

ICD_10 = "ICD-10"
ICPC_2 = "ICPC-2"

_FORMS = {
    ICD_10: re.compile(r"[A-Z]\d[\dn](\.?[\dn][\dn]?)?[*+]?"),
    ICPC_2: re.compile(r"([ABDFHKLNPRSTUWXYZ]\d\d|[ABDFHKLNPRSTUWXYZ*]?-?[3-6]\d)(\.\d{2,4})?"),
}

DiagnosisCodes = Mapping[str, frozenset[str]]


def has_form(system: str | None, code: str | None) -> bool:
    """Whether the code looks like one of its system; False for a system that is neither ICD-10 nor ICPC-2."""
    form = _FORMS.get(system or "")
    return form is not None and form.fullmatch(code or "") is not None


def known_in(codes: DiagnosisCodes) -> Callable[[str | None, str | None], bool]:
    """A test for membership; a system for which there are no codes lets everything through."""

    def is_known(system: str | None, code: str | None) -> bool:
        listed = codes.get(system or "")
        return listed is None or _bare(code or "") in listed

    return is_known


def load_codes(path: Path) -> dict[str, frozenset[str]]:
    """Read a code file: UTF-8, two columns split by semicolon, system (``ICD-10``, ``ICPC-2``) and code.

    BadSettings with the line when a line is not such a pair.
    """
    found: dict[str, set[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, line in enumerate(csv.reader(lines, delimiter=";"), 1):
                if not line:
                    continue
                if len(line) < 2 or line[0] not in _FORMS:
                    raise BadSettings(
                        "A line of the file of diagnosis codes is not 'ICD-10;code' or 'ICPC-2;code'.",
                        place=f"{path.name}, line {number}",
                        remedy="Write system and code, split by a semicolon.",
                    )
                found.setdefault(line[0], set()).add(_bare(line[1]))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise BadSettings(
            "The file of diagnosis codes cannot be read.", place=path.name, remedy="Give a CSV file in UTF-8."
        ) from None
    return {system: frozenset(codes) for system, codes in found.items()}


def _bare(code: str) -> str:
    # A care record may hold the code with or without its point; both are the same code.
    return code.replace(".", "").rstrip("*+").upper()
