"""A database that is older than what was sent: a backup of it was restored, and it knows nothing of what left since.

It would make new MsgIds for what the register has already got, and the register would count it twice. So each pair of
MsgIds is written down beside the season keys, where no backup of the database reaches (kpr.store.outside): after the
database has fixed it, and before it is handed over. Whatever was killed in between, an undamaged database knows every id
that stands there. One that does not sends nothing and opens no version until two persons have compared it with the
register, and say why it may.
"""

from __future__ import annotations

from kpr.errors import Locked
from kpr.guard import Approval
from kpr.people import Deed
from kpr.steps.workplace import Workplace, season_label
from kpr.store.outside import SentFile

EVENT = "OLDER_DATABASE_UNLOCKED"


def unknown_ids(place: Workplace) -> frozenset[str]:
    """MsgIds that have left and that the database has never heard of; empty when it is as new as what was sent."""
    sent = _file(place).unexplained()
    return sent - place.store.msg_ids() if sent else sent


def demand_newest(place: Workplace, approval: Approval | None = None) -> None:
    """Locked while the database is older than what was sent; two persons with a reason unlock it, and that is noted."""
    unknown = unknown_ids(place)
    if not unknown:
        return
    if approval is None or not approval.two_persons_and_reason:
        raise Locked(
            f"Basen er eldre enn det som er sendt: {len(unknown)} meldinger har gått ut som den ikke kjenner. Ingenting er"
            " sendt nå. Hent svarene, sammenlign med registeret, og legg helst inn en nyere kopi. Skal det likevel sendes,"
            " trengs to personer og en grunn («kpr approve --by … --second … --reason …»)."
        )
    place.demand(Deed.UNLOCK, *approval.persons)
    act = place.act(", ".join(sorted(approval.persons)), approval.reason)
    with place.store.transaction() as session:
        place.store.note(session, act, "submission", EVENT)
    _file(place).explain(unknown)


def remember(place: Workplace, submission_id: str) -> None:
    """Write down both MsgIds of a version where no backup of the database reaches, before the first of them leaves."""
    _file(place).add_sent(message.msg_id for message in place.store.messages(submission_id))


def _file(place: Workplace) -> SentFile:
    return SentFile(place.settings.vault.season_folder / f"{season_label(place.settings)}.sent")
