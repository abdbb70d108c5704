"""From facts to findings: what each thing seen means, with which sentence and exit code. Pure; the rows are data.

Findings come in the order in which one would ask: address book, line, login, queues, size, certificates, clock, and
who we are. A fault ends the command with its code; of several, the lowest, since that is to be mended first.
"""

from __future__ import annotations

from datetime import datetime

from kpr.connection.facts import Facts
from kpr.connection.findings import Case, ConnectionFinding
from kpr.connection.judge_addresses import judge_book, judge_identity
from kpr.connection.judge_bus import judge_transport
from kpr.connection.judge_certificates import judge_certificates, judge_clock
from kpr.connection.judge_edi import judge_agreement, judge_stops
from kpr.settings import Settings
from kpr.years import Year


def judge(facts: Facts, year: Year, settings: Settings, now: datetime) -> list[ConnectionFinding]:
    """Everything that the facts mean, in the order of the probes. ``now`` is aware: certificates are judged by it."""
    case = Case(facts, year, settings, now)
    parts = (
        judge_book(case),
        judge_transport(case),
        judge_stops(case),
        judge_agreement(case),
        judge_certificates(case),
        judge_clock(facts.clock),
        judge_identity(case),
    )
    return [finding for part in parts for finding in part]
