"""The letter to the register: drafted from how it stands, shown, saved, and sent on a person's word, each once."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.policy import SMTP
from uuid import NAMESPACE_URL, uuid5

from kpr.alarms.due import name_of
from kpr.alarms.notice import Notice
from kpr.alarms.season import Season
from kpr.calendar import OSLO
from kpr.checks.finding import Text
from kpr.conversation import ReceiptLeg
from kpr.errors import BadInput, BadSettings, Locked, TransportError
from kpr.free_text import refuse_ids
from kpr.letters.draft import Case, Letter, Sent, Trip, draft, fitting, kinds, kinds_for_alarm, mark_of
from kpr.people import Deed
from kpr.steps.standing import standing_of
from kpr.steps.workplace import Workplace
from kpr.store import Act, Event, KeptKind, MessageKind
from kpr.transports.edi.carrier import Label
from kpr.transports.edi.smtp import SmtpSender


@dataclass(frozen=True, slots=True)
class Drafted:
    """A letter with where it goes. ``to`` is empty, and ``source`` says so, where no address is known that day.

    ``fits``: whether it is true as it stands now. Only such a letter can be sent; any can be seen and saved.
    """

    letter: Letter
    to: str
    source: str
    mark: str
    fits: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person must know before the draft is read."""
        fits = () if self.fits else (f"Brevet «{self.letter.kind}» passer ikke slik det står nå, og kan ikke sendes.",)
        return (*fits, *(() if self.to else (_NO_ADDRESS,)))

    def as_text(self, language: str = "nb") -> str:
        """The letter as plain text, under the address, where one is known, and the subject."""
        to, subject = ("To", "Subject") if language == "en" else ("Til", "Emne")
        head = [f"{to}: {self.to}"] if self.to else []
        return "\n".join([*head, f"{subject}: {self.letter.subject}", "", self.letter.body])


_NO_ADDRESS = "Registerets adresse er ikke kjent for denne dagen."


def fitting_kinds(place: Workplace) -> tuple[str, ...]:
    """The letters that fit how it stands now; empty: no letter is needed."""
    return fitting(_case(place))


def write_letter(place: Workplace, kind: str | None = None, *, language: str = "nb") -> Drafted | None:
    """The draft of a kind, or of the most pressing that fits; None when none does. BadInput for an unknown kind."""
    case = _case(place)
    if kind is not None and kind not in kinds():
        raise BadInput("Det finnes ikke et slikt brev.", place="--kind", remedy=f"Brevene er: {', '.join(kinds())}.")
    fits = fitting(case)
    chosen = kind or next(iter(fits), None)
    if chosen is None:
        return None
    letter = draft(case, chosen, language)
    to, source = _route(place, letter.use)
    return Drafted(letter, to, source, mark_of(case, chosen), chosen in fits)


def as_mail(place: Workplace, drafted: Drafted) -> bytes:
    """The letter as a mail that a mail program opens (RFC 5322), without Date and Message-ID, and without an empty field."""
    mail = EmailMessage(policy=SMTP)
    for field, address in (("From", place.settings.letters.sender), ("To", drafted.to)):
        if address:
            mail[field] = address
    mail["Subject"] = drafted.letter.subject
    mail.set_content(drafted.letter.body, cte="quoted-printable")
    return mail.as_bytes()


def send_letter(place: Workplace, kind: str | None = None, *, by: str, again: bool = False) -> Drafted:
    """Send it by mail, once for how it stands. Locked when it was sent, or may have been; ``again`` sends all the same.

    Locked, ``again`` or not, when it does not fit how it stands: nothing untrue is said to the register.
    BadSettings without a mail server, a sender or an address; TransportError when it could not be handed over.
    """
    refuse_ids(by, "--by")
    place.demand(Deed.LETTER_SEND, by)
    drafted = write_letter(place, kind)
    if drafted is None:
        raise Locked("Ingen brev trengs nå. Gjør ingenting.")
    if not drafted.fits:
        raise Locked(f"{drafted.warnings[0]} Se hva som passer med «kpr letter show».")
    sender = _sender(place, drafted)
    _claim(place, drafted, by, again=again)
    act = place.act(by)
    entity = _entity(place, drafted)
    try:
        sender.send(_label(place, drafted), io.BytesIO(entity), len(entity))
    except TransportError:
        _note(place, act, "FAILED", drafted)
        raise
    kept = drafted.letter.kind + " " + drafted.mark
    place.kept.keep(KeptKind.LETTER, entity, act, note=kept)
    _note(place, act, "SENT", drafted)
    return drafted


def carrying_letter(place: Workplace, notice: Notice) -> Notice:
    """An alarm with the draft that goes with it: the same as ``kpr letter`` makes, and only one that could be sent."""
    named = kinds_for_alarm(notice.row, escalated=notice.escalated)
    kind = next((each for each in fitting_kinds(place) if each in named), None) if named else None
    if kind is None:
        return notice
    return replace(notice, letter=Text(_shown(place, kind, "nb"), _shown(place, kind, "en")))


def _shown(place: Workplace, kind: str, language: str) -> str:
    drafted = write_letter(place, kind, language=language)
    assert drafted is not None  # a kind that is named always gives one
    return f"{drafted.as_text(language)}\nkpr letter send --kind {kind} --by …\n"


def _case(place: Workplace) -> Case:
    standing, settings, latest = standing_of(place), place.settings, place.store.latest()
    season = Season(place.year, place.clock())
    passed = season.passed[-1] if season.passed else None
    messages = place.store.messages(latest.id) if latest else []
    return Case(
        settings.municipality.number,
        settings.municipality.name,
        settings.data_year,
        {
            "state": str(standing.state or ""),
            "ident": standing.ident_leg.value,
            "receipt": standing.receipt_leg.value,
            "ident_receipt": next((each.receipt_leg.value for each in messages if each.kind is MessageKind.IDENT), ""),
            "withdrawn": any(each.receipt_leg is ReceiptLeg.WITHDRAWN for each in messages),
            "transport": standing.trouble.value,
            "contradicted": standing.contradicted,
            "late": passed is not None and not standing.accepted,
        },
        version=standing.version,
        sequence=latest.sequence_number if latest else 0,
        codes=", ".join(message.receipt_codes for message in messages if message.receipt_codes),
        sent=tuple(
            Sent(
                message.message_type,
                message.msg_id,
                tuple(
                    Trip(each.opened_at, each.message_id, each.state.value)
                    for each in place.attempts.of_message(message.id)
                ),
            )
            for message in messages
        ),
        milestone=name_of(passed) if passed else None,
        date=f"{passed.date:%d.%m.%Y}" if passed else "",
        contact=_contact(place),
    )


def _contact(place: Workplace) -> str:
    """Whom to call back: the first contact of the settings, as the messages name it too."""
    for contact in place.settings.contacts:
        return "\n".join((contact.name, f"{contact.email}, {contact.phone}"))
    return place.settings.municipality.name


def _route(place: Workplace, use: str) -> tuple[str, str]:
    """The address of the day, and where it is from: the settings', or the year's contacts with its mark."""
    if place.settings.letters.to:
        return place.settings.letters.to, "letters.to"
    route = place.year.contact_on(place.clock().astimezone(OSLO).date(), use)
    return (
        (route.address, f"{route.source} ({route.mark.value})") if route else ("", "ingen adresse er kjent den dagen")
    )


def _sender(place: Workplace, drafted: Drafted) -> SmtpSender:
    settings = place.settings.letters
    if settings.smtp is None or settings.sender is None:
        raise BadSettings(
            "Ingen e-posttjener eller avsender er satt opp for brev.",
            place="letters.smtp, letters.sender",
            remedy="Sett dem i innstillingene, eller lagre brevet med «kpr letter save» og send det selv.",
        )
    if not drafted.to:
        raise BadSettings(
            _NO_ADDRESS,
            place="letters.to",
            remedy="Spør registeret, og sett adressen der, eller lagre brevet og send det selv.",
        )
    return SmtpSender(settings.smtp, "letters.smtp")


def _label(place: Workplace, drafted: Drafted) -> Label:
    name = str(uuid5(NAMESPACE_URL, f"kpr:letter:{place.label}:{drafted.letter.kind}:{drafted.mark}:{place.clock()}"))
    return Label(name, "letter", "", "", place.settings.letters.sender or "", drafted.to, place.clock())


def _entity(place: Workplace, drafted: Drafted) -> bytes:
    """The mail without the fields that the sender writes (From, To, Date, Message-ID)."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = drafted.letter.subject
    if place.settings.letters.reply_to:
        mail["Reply-To"] = place.settings.letters.reply_to
    mail.set_content(drafted.letter.body, cte="quoted-printable")
    return mail.as_bytes()


def _claim(place: Workplace, drafted: Drafted, by: str, *, again: bool) -> None:
    """Write down that it is about to be sent. Whoever was killed after that cannot know whether it was."""
    before = [each for each in place.store.events() if _is_of(each, drafted)]
    last = before[-1].event if before else "FAILED"
    if last == "SENT" and not again:
        raise Locked("Brevet er alt sendt, og ingenting har endret seg siden. Gjør ingenting nå, eller bruk --again.")
    if last == "CLAIMED" and not again:
        raise Locked(
            "Det er uvisst om brevet ble sendt: programmet stanset midt i sendingen. Spør mottakeren, eller bruk --again."
        )
    _note(place, place.act(by), "CLAIMED", drafted)


def _is_of(event: Event, drafted: Drafted) -> bool:
    return (event.what, event.from_state, event.to_state) == ("letter", drafted.letter.kind, drafted.mark)


def _note(place: Workplace, act: Act, event: str, drafted: Drafted) -> None:
    with place.store.transaction() as session:
        place.store.note(session, act, "letter", event, from_state=drafted.letter.kind, to_state=drafted.mark)
