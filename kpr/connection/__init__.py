"""Before the season: is everything in place for sending? Probes gather facts, and a judgement without I/O says what they mean.

facts.py        what was seen, as values
probes.py       the edge: asks the bus, the folder, the issuers and the time server, each by itself
judgement.py    from facts to findings with a sentence and an exit code; the rows stand in findings.yaml
"""

from kpr.connection.findings import ConnectionCode, ConnectionFinding, Severity, exit_code, verdict
from kpr.connection.judgement import judge
from kpr.connection.probes import gather

__all__ = ["ConnectionCode", "ConnectionFinding", "Severity", "exit_code", "gather", "judge", "verdict"]
