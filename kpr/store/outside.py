"""What has left, written down outside of the database: a restored backup of it cannot take that back.

One file beside the season keys for each municipality's year. Each line is a MsgId, which says nothing to anybody,
and what is said of it: ``sent``, before it is handed over for the first time, or ``explained``, when persons have said
that the database need not know it. A line that a power cut has torn is passed over: whatever it was to tell of had not
begun.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpr.errors import BadSettings
from kpr.security.season_keys import keep_entry, season_errors

_LINE = re.compile(r"^(sent|explained) ([0-9a-f-]{36})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SentFile:
    """The file of one municipality's year; lines are only ever added."""

    path: Path

    def sent(self) -> frozenset[str]:
        """Every MsgId that was about to be handed over, in small letters."""
        return self._ids("sent")

    def unexplained(self) -> frozenset[str]:
        """Those of them that the database must know."""
        return self._ids("sent") - self._ids("explained")

    def _ids(self, word: str) -> frozenset[str]:
        return frozenset(msg_id for said, msg_id in _LINE.findall(self._text()) if said == word)

    def _text(self) -> str:
        """BadSettings when it is there and cannot be read: then nobody knows what was sent."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise BadSettings(
                f"The list of what was sent cannot be read: {error.strerror}.",
                place=f"vault.season_folder: {self.path.name}",
                remedy="Give the account that runs kpr the right to it; do not take it away.",
            ) from None

    def add_sent(self, msg_ids: Iterable[str]) -> None:
        """Before the first hand-over; on disk when this returns. What stands there already is not written again."""
        self._add("sent", frozenset(each.lower() for each in msg_ids) - self.sent())

    def explain(self, msg_ids: Iterable[str]) -> None:
        """Persons have said why the database does not know them."""
        self._add("explained", msg_ids)

    def _add(self, word: str, msg_ids: Iterable[str]) -> None:
        lines = "".join(f"{word} {each}\n" for each in sorted(msg_ids))
        if not lines:
            return
        with season_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.path.open("a", encoding="ascii") as file:
                # The newline before ends what a power cut may have left; one write, so that two processes do not mix.
                file.write(f"\n{lines}")
                file.flush()
                os.fsync(file.fileno())
            keep_entry(self.path.parent)
