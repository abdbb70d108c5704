"""Which municipality a run is about, what the run is called, and who may carry it out."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from prefect import get_client, runtime

from kpr import __version__
from kpr.errors import BadSettings
from kpr.fleet.installation import Entry, Installation, find_installation, load_installation
from tasks.waiting import started_by_hand

#: How many municipalities a run that mostly asks works for at once: while one waits for Prefect's server, another is
#: worked for. Building and sending are work, and gain nothing by it.
AT_ONCE = 2


def installation() -> Installation:
    """The installation that the environment or the working directory names."""
    return load_installation(find_installation())


def place_of(municipality: str, data_year: int) -> Entry:
    """The municipality's year that a form or a schedule names; BadInput when there is none such."""
    check_version()
    return installation().find(municipality, data_year)


def places_of(data_year: int) -> tuple[Entry, ...]:
    """Every municipality of the installation in one data year."""
    check_version()
    found = tuple(entry for entry in installation() if entry.data_year == data_year)
    if not found:
        raise BadSettings(
            f"Installasjonen har ingen kommune med rapporteringsår {data_year}.",
            place="data_year",
            remedy="Legg til innstillingsfiler for året, eller kjør kpr deploy på nytt.",
        )
    return found


def check_version() -> None:
    """BadSettings when this worker has another version of the program than the deployment was made with."""
    planned = runtime.deployment.version
    if planned and planned != __version__:
        raise BadSettings(
            f"Arbeideren har kpr {__version__}, men planen er laget for kpr {planned}. Ingenting ble gjort.",
            place="deployment",
            remedy="Oppgrader arbeideren, eller kjør kpr deploy med den nye versjonen.",
        )


def call_this_run(name: str, tags: Iterable[str]) -> None:
    """Give the run that is under way a name that a person reads, and tags to find it by."""
    run = runtime.flow_run.id
    if not run:
        return
    with get_client(sync_client=True) as client:
        kept = {tag for tag in runtime.flow_run.tags if not tag.startswith(("state:", "event:"))}
        client.update_flow_run(run, name=name, tags=sorted(kept | set(tags)))


def this_run() -> str:
    """The opaque id of the run that is under way; the same when it is carried out again."""
    return runtime.flow_run.id or ""


def was_planned() -> bool:
    """Whether this run was planned for a later time: then nobody has looked at what it would find."""
    run = runtime.flow_run.id
    return bool(run) and not started_by_hand(UUID(run))


def tags_of(entry: Entry, state: str = "") -> set[str]:
    """Municipality, data year and state, as tags."""
    return {entry.number, str(entry.data_year)} | ({f"state:{state}"} if state else set())
