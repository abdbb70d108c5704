"""Report: extract, check, approve, build, send. What comes back is collected by another flow.

Kill it anywhere and run it again: the conversation in our store decides what is left to do, and no message gets a
second MsgId.
"""

from __future__ import annotations

from prefect import flow

from kpr.errors import Blocked
from tasks.deliver import send
from tasks.prepare import approve, build_messages, check_extract, open_submission, take_extract


@flow(name="report", flow_run_name="report · {by}", persist_result=False, validate_parameters=True)
def report(settings_file: str, by: str, reason: str | None = None, mended: str | None = None) -> str:
    """Send one submission; its opaque id. ``reason`` accepts warnings, ``mended`` says what a correction corrects."""
    submission = open_submission(settings_file, by, mended)
    take_extract(settings_file, submission)
    if not check_extract(settings_file, submission):
        raise Blocked("Funn stanser innsendingen. Se «kpr check» eller funntabellen. Ingenting er sendt.")
    approve(settings_file, submission, by, reason)
    build_messages(settings_file, submission)
    send(settings_file, submission)
    return submission
