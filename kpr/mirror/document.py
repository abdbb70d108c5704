"""The document that is kept of a comparison: our rows, the view's numbers, and what was said of them; no person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from kpr.checks.register_view import RegisterView
from kpr.errors import BadMessage
from kpr.mirror.compare import Compared, Explanation, Given, compare
from kpr.mirror.rows import Row, rows_of


@dataclass(frozen=True, slots=True)
class ViewDocument:
    """One submission's mirror. ``message_sha256`` is of the IPLOS message from which the rows were counted."""

    municipality: str
    data_year: int
    version: int
    message_sha256: str
    persons_sent: int
    persons_kept: int
    message_deleted: bool
    rows: tuple[Row, ...]
    given: Mapping[str, Given] = field(default_factory=dict)
    explanations: Mapping[str, Explanation] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[Compared, ...]:
        """Every row with the view's number."""
        return compare(self.rows, self.given, self.explanations)

    @property
    def unsettled(self) -> tuple[Compared, ...]:
        """The rows that stand in the way of the sign-off."""
        return tuple(line for line in self.compared if not line.is_settled)

    @property
    def not_compared(self) -> tuple[str, ...]:
        """The tables of which nothing was given; only T1 must be."""
        given = {row.table for row in self.rows if row.name in self.given}
        return tuple(sorted({row.table for row in self.rows} - given))

    def with_given(self, numbers: Mapping[str, Given]) -> ViewDocument:
        """The document with these numbers in the place of former ones."""
        return replace(self, given={**self.given, **numbers})

    def with_explanation(self, row: str, explanation: Explanation) -> ViewDocument:
        """The document with one more explanation."""
        return replace(self, explanations={**self.explanations, row: explanation})


def view_document(municipality: str, data_year: int, version: int, sha256: str, view: RegisterView) -> ViewDocument:
    """A document without any number of the view's yet."""
    kept = view.kept
    return ViewDocument(
        municipality=municipality,
        data_year=data_year,
        version=version,
        message_sha256=sha256,
        persons_sent=kept.persons,
        persons_kept=kept.persons_kept,
        message_deleted=kept.message_deleted,
        rows=rows_of(view.tables),
    )


_JSON = TypeAdapter(ViewDocument)


def document_json(document: ViewDocument) -> bytes:
    """As JSON in UTF-8."""
    return _JSON.dump_json(document)


def read_document(raw: bytes) -> ViewDocument:
    """A document out of JSON; BadMessage when it is something else, or from a later version of the program."""
    try:
        return _JSON.validate_json(raw)
    except ValidationError:
        raise BadMessage(
            "The kept view cannot be read.", place="view", remedy="Give the view's numbers again."
        ) from None
