"""Who may do what: those who answer for the content approve, those who run the machine see to the transport.

The names are claims, as people give them with ``--by`` or in a form. Where the settings say whose user name is whose
(``people.logins``), a claim must fit the user that runs the command; otherwise whatever stands in front must see to it
(docs/people.md). An empty list keeps nobody from anything, and is shown as such.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from kpr.checks.finding import Text
from kpr.errors import BadInput, Locked
from kpr.free_text import refuse_ids
from kpr.person_name import bare, tidy
from kpr.settings import People


class Deed(StrEnum):
    """What people do that is somebody's to do, and not everybody's."""

    APPROVE = "APPROVE"
    REASON = "REASON"
    SIGN_OFF = "SIGN_OFF"
    EXCLUDE_PERSON = "EXCLUDE_PERSON"
    LETTER_SEND = "LETTER_SEND"
    PURGE = "PURGE"
    UNLOCK = "UNLOCK"
    RESEND_TRANSPORT = "RESEND_TRANSPORT"
    COLLECT = "COLLECT"
    DEPLOY = "DEPLOY"
    REREAD = "REREAD"
    SEEN = "SEEN"


class Role(StrEnum):
    """In which role somebody acts; it stands in each event."""

    APPROVER = "approver"
    OPERATOR = "operator"
    BOTH = "approver and operator"
    PROGRAM = "program"
    UNNAMED = "unnamed"  #: the settings name people, but not this one
    UNRESTRICTED = "unrestricted"  #: the settings name nobody


#: The rest are the approvers'.
OPERATIONS = frozenset({Deed.RESEND_TRANSPORT, Deed.COLLECT, Deed.DEPLOY, Deed.REREAD})

#: What acts without a person: this program, its clock, its plan, and the register's answers. Nobody may call herself so.
PROGRAMS = frozenset({"kpr", "clock", "plan", "register"})

#: Who purges when the day has come: by then the date has decided, and nobody needs to.
PLAN = "plan"

#: A user of the machine that acts for many: whatever stands in front of it has asked who they are.
ANYONE = "*"

_WHAT = {
    Deed.APPROVE: Text("godkjenne", "approve"),
    Deed.REASON: Text("gi grunn for en svingning", "explain a swing"),
    Deed.SIGN_OFF: Text("melde at visningen er riktig", "sign that the view is right"),
    Deed.EXCLUDE_PERSON: Text("bestemme hvem som utelates", "decide who is left out"),
    Deed.LETTER_SEND: Text("sende brev", "send letters"),
    Deed.PURGE: Text("slette for godt", "purge"),
    Deed.UNLOCK: Text("åpne det som er låst", "unlock what is locked"),
    Deed.RESEND_TRANSPORT: Text("levere til transporten", "hand over to the transport"),
    Deed.COLLECT: Text("hente svar", "collect answers"),
    Deed.DEPLOY: Text("sette i drift", "deploy"),
    Deed.REREAD: Text("lese om igjen det som er lagt til side", "read again what was set aside"),
    Deed.SEEN: Text("skrive ned hva registerets e-post sier", "write down what the register's mail says"),
}


def role_of(people: People, who: str) -> Role:
    """The role of a name; of several, joined by comma, the one that they share."""
    whole = _role_of_one(people, who)
    if whole is not Role.UNNAMED:
        return whole
    roles = {_role_of_one(people, name.strip()) for name in who.split(",")}
    return roles.pop() if len(roles) == 1 else Role.UNNAMED


def _role_of_one(people: People, name: str) -> Role:
    if name in PROGRAMS:
        return Role.PROGRAM
    if not people.approvers and not people.operators:
        return Role.UNRESTRICTED
    approves, operates = _is_among(name, people.approvers), _is_among(name, people.operators)
    if approves and operates:
        return Role.BOTH
    return Role.APPROVER if approves else Role.OPERATOR if operates else Role.UNNAMED


def _is_among(name: str, named: Collection[str]) -> bool:
    return bare(name) in {bare(each) for each in named}


def typed(name: str, place: str) -> str:
    """A name that a person typed, tidied. BadInput for a blank, for a program's name, and for what looks like an id."""
    said = tidy(name)
    if not said:
        raise BadInput("Navnet mangler. Ingenting er gjort.", place=place, remedy="Skriv rollen eller navnet ditt.")
    if not PROGRAMS.isdisjoint(bare(part) for part in said.split(",")):
        raise BadInput(
            "Dette navnet bruker programmet om seg selv eller registeret. Ingenting er gjort.",
            place=place,
            remedy="Skriv rollen eller navnet ditt.",
        )
    refuse_ids(said, place)
    return said


def may(people: People, name: str, deed: Deed) -> Text | None:
    """Why somebody may not do this; None when they may. The program may operate, and purge as planned; never approve."""
    if deed in OPERATIONS:
        named, setting = people.operators, "people.operators"
        if name in PROGRAMS:
            return None
    else:
        named, setting = people.approvers, "people.approvers"
    if not named or _is_among(name, named) or (name, deed) == (PLAN, Deed.PURGE):
        return None
    what = _WHAT[deed]
    return Text(
        f"«{name}» kan ikke {what.nb}: navnet står ikke under {setting} i innstillingene. Ingenting er gjort.",
        f'"{name}" may not {what.en}: the name is not under {setting} in the settings. Nothing was done.',
    )


def claim(people: People, name: str, login: str) -> Text | None:
    """Why the user ``login`` of this machine may not act under a name; None when it may, or when no logins are set."""
    if not people.logins or people.logins.get(login) == ANYONE or name in PROGRAMS:
        return None
    if login in people.logins and bare(people.logins[login]) == bare(name):
        return None
    return Text(
        f"Den som er logget inn her, kan ikke handle som «{name}»: people.logins i innstillingene sier noe annet."
        " Ingenting er gjort.",
        f'Whoever is logged in here cannot act as "{name}": people.logins in the settings says otherwise.'
        " Nothing was done.",
    )


def demand(people: People, deed: Deed, names: Collection[str], login: str = "") -> None:
    """Locked, with the reason, unless each of these may do it and one of them is who is logged in.

    Where two persons are wanted, both must be among those who may; only one of them can sit at the machine.
    """
    if not any(bare(name) for name in names):
        raise Locked("Det er ikke sagt hvem som ber om dette. Ingenting er gjort.")
    if PLAN in names and len(names) > 1:
        raise Locked("Planen er ingen av to personer. Ingenting er gjort.")
    refused = [text for name in sorted(names) if (text := may(people, name, deed)) is not None]
    strange = [text for name in sorted(names) if (text := claim(people, name, login)) is not None]
    if len(strange) == len(names):
        refused += strange
    if refused:
        raise Locked(refused[0].nb)
