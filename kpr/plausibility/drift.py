"""Who and what was in the former extract of the same year and is gone now (content rule Y3). Pure but for one query.

E11: recipients fall out when a decision expires or a service ends, though they belong to the year. Services are
counted per person, not known by their own numbers: a care-record system may number them anew in every extract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from kpr.errors import BadMessage
from kpr.plausibility.figures import Count
from kpr.sources.work_rows import WorkRows

#: Lines of the drift, named after the classes of the message.
PERSONS, SERVICES = "PERSON", "TJENESTE"


def services_per_person(work: WorkRows) -> dict[str, int]:
    """How many rows of TJENESTE each person has, by local key; a key that stands twice is one person."""
    query = (
        "SELECT p.pePeID, sum((SELECT count(*) FROM tjeneste t WHERE t.person_row = p.row_no)) "
        "FROM person p WHERE p.pePeID <> '' GROUP BY p.pePeID"
    )
    return dict(work.connection.execute(query).fetchall())


def drift(former: Mapping[str, int], now: Mapping[str, int]) -> dict[str, Count]:
    """How many of the former extract's persons and services are still there, of how many; empty without a former one.

    Whom a person's services went with is counted as gone too; what was added since is not looked at.
    """
    if not former:
        return {}
    left = sum(key in now for key in former)
    services = sum(min(count, now.get(key, 0)) for key, count in former.items())
    return {PERSONS: Count(left, len(former)), SERVICES: Count(services, sum(former.values()))}


def keys_json(services: Mapping[str, int]) -> bytes:
    """The extract's local keys as they are kept, encrypted; the same extract gives the same bytes."""
    return json.dumps(services, sort_keys=True, separators=(",", ":")).encode()


def read_keys(raw: bytes) -> dict[str, int]:
    """Local keys out of what was kept; BadMessage when it is something else."""
    try:
        read = json.loads(raw)
    except ValueError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(count, int) for count in read.values()):
        raise BadMessage("The kept keys cannot be read.", place="keys", remedy="Take the extract again.")
    return read
