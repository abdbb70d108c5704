"""Build both messages from the checked work rows into the vault, then gate and pair-check what was written.

The ids, the generated time and the running number were fixed in the store before, so building again after a kill
gives the same bytes.
"""

from __future__ import annotations

from kpr.messages.gate import GateReport, gate
from kpr.messages.head import Payload, write_message
from kpr.messages.ident import ident_payload
from kpr.messages.iplos import iplos_payload
from kpr.messages.pair import check_pair
from kpr.progress import Progress, silent
from kpr.sources.work_rows import WorkRows
from kpr.steps import headers
from kpr.steps.persons import rows_as_checked
from kpr.steps.workplace import Workplace
from kpr.store import Message, MessageKind


def build_messages(place: Workplace, submission_id: str, *, progress: Progress = silent) -> None:
    """Write ident and IPLOS message, validate each again as a whole, and hold them against each other.

    Raises BadMessage with the place when a message does not pass; nothing is sent then.
    """
    submission = place.store.submission(submission_id)
    messages = place.store.messages(submission_id)
    if all(message.content_sha256 and place.vault.holds(message.content_name) for message in messages):
        return
    work = rows_as_checked(place, submission)
    reports = {}
    for message in messages:
        _write(place, message, work, progress)
        reports[message.kind] = _gate(place, message, progress)
    check_pair(reports[MessageKind.IDENT], reports[MessageKind.IPLOS])
    for message in messages:
        report = reports[message.kind]
        place.store.record_gate(message.id, sha256=report.sha256, size=report.size, persons=report.persons)


def _write(place: Workplace, message: Message, work: WorkRows, progress: Progress) -> None:
    submission = place.store.submission(message.submission_id)
    payload: Payload
    if message.kind is MessageKind.IDENT:
        payload = ident_payload(work, headers.ident_header(place, submission, work), progress=progress)
    else:
        payload = iplos_payload(work, headers.iplos_header(place, submission, work), progress=progress)
    with place.vault.create(message.content_name, submission.wrapped_key) as out:
        write_message(headers.message_head(place, message), payload, out)


def _gate(place: Workplace, message: Message, progress: Progress) -> GateReport:
    submission = place.store.submission(message.submission_id)
    family, version = headers.payload_format(place, message.kind)
    with place.vault.open(message.content_name, submission.wrapped_key) as content:
        return gate(content, family, version, progress=progress)
