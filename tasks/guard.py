"""What the resend guard would say, for the form of ``correct``: asked without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kpr.calendar import OSLO
from kpr.guard import Permission, may_correct
from kpr.steps.workplace import approval, open_workplace
from tasks.guarded import guarded


@dataclass(frozen=True, slots=True)
class Says:
    """Whether a new version may be opened now, and why or why not, until when."""

    allowed: bool
    sentence: str


@task(task_run_name="hva vakten sier · {label}", persist_result=False)
@guarded
def what_the_guard_says(settings_file: str, label: str, by: str, second: str, reason: str) -> Says:
    """The guard's answer to a correction, shown as an artifact."""
    with open_workplace(Path(settings_file)) as place:
        asked = approval(by, second or None, reason or None)
        says_to_new = place.store.may_open(
            place.clock(), asked, ack_hours=place.year.ack_hours.value, too_late=place.too_late(place.clock())
        )
        permission = may_correct(place.store.formers(), says_to_new)
        says = Says(permission.allowed, _sentence(permission))
        create_markdown_artifact(says.sentence, key=f"guard-{place.label}", description="Hva vakten sier")
        return says


def _sentence(permission: Permission) -> str:
    opens = permission.allowed_from
    until = f" Åpnes {opens.astimezone(OSLO):%d.%m.%Y kl. %H.%M}." if opens else ""
    lead = "Rettelsen kan sendes." if permission.allowed else "Rettelsen kan ikke sendes nå."
    return f"{lead} {permission.reason.nb}{until}"
