"""The durable conversation: what was sent, under which ids, what came back, who did what and why."""

from kpr.store.attempts import Attempts, OnTheWay
from kpr.store.judgements import Judgements, Reason, SignOff
from kpr.store.kept import Kept, KeptBook, KeptKind
from kpr.store.legs import Legs, Moved
from kpr.store.schema import migrate, open_engine
from kpr.store.store import Act, Store
from kpr.store.tables import Attempt, Cycle, Event, Inbox, InboxKind, Message, MessageKind, Submission, Taken
from kpr.store.taken_in import TakenIn
from kpr.store.told import Collected, Told, ToldBook

__all__ = [
    "Act",
    "Attempt",
    "Attempts",
    "Collected",
    "Cycle",
    "Event",
    "Inbox",
    "InboxKind",
    "Judgements",
    "Kept",
    "KeptBook",
    "KeptKind",
    "Legs",
    "Message",
    "MessageKind",
    "Moved",
    "OnTheWay",
    "Reason",
    "SignOff",
    "Store",
    "Submission",
    "Taken",
    "TakenIn",
    "Told",
    "ToldBook",
    "migrate",
    "open_engine",
]
