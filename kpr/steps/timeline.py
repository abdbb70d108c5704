"""The timeline: the events of a cycle as sentences, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kpr.checks.finding import Text
from kpr.steps.workplace import Workplace
from kpr.store import Event, MessageKind

#: (what, event) -> sentence. Events that only repeat another are left out.
_SENTENCES: dict[tuple[str, str], Text] = {
    ("submission", "FIRST"): Text("Første innsending ble åpnet.", "The first submission was opened."),
    ("submission", "S3"): Text("En ny versjon ble åpnet.", "A new version was opened."),
    ("submission", "EXTRACTED"): Text("Uttrekket ble lest.", "The extract was read."),
    ("submission", "FOUND_FAULTS"): Text(
        "Kontrollen fant noe som stanser innsendingen. Ingenting ble sendt.",
        "The check found something that stops the submission. Nothing was sent.",
    ),
    ("submission", "FOUND_GOOD"): Text("Kontrollen fant ingenting som stanser.", "The check found nothing that stops."),
    ("submission", "OLDER_DATABASE_UNLOCKED"): Text(
        "Basen var eldre enn det som er sendt, og ble låst opp av to personer.",
        "The database was older than what was sent, and was unlocked by two persons.",
    ),
    ("submission", "FLEET_SEND"): Text("Sendingen ble startet fra tavlen.", "Sending was started from the board."),
    ("submission", "APPROVED"): Text("Innsendingen ble godkjent.", "The submission was approved."),
    ("submission", "BOTH_DELIVERED"): Text("Begge meldingene er sendt.", "Both messages have been sent."),
    ("submission", "BOTH_LEGS_GOOD"): Text("Innsendingen er godtatt.", "The submission is accepted."),
    ("submission", "REJECTED"): Text("Registeret avviste innsendingen.", "The register rejected the submission."),
    ("submission", "WITHDRAWN"): Text("Registeret trakk kvitteringen tilbake.", "The register withdrew its receipt."),
    ("submission", "REPLACED"): Text("Denne versjonen er erstattet av en nyere.", "A newer version replaced this one."),
    ("swing", "REASON_GIVEN"): Text(
        "En grunn ble gitt for et tall som svinger.", "A reason was given for a number that swings."
    ),
    ("view", "SIGNED_OFF"): Text(
        "Meldt riktig: registerets visning stemmer med det som ble sendt.",
        "Signed as right: the register's view agrees with what was sent.",
    ),
    ("persons", "DECIDED"): Text(
        "Det ble bestemt hvem som utelates eller er virkelige.", "It was decided who is left out, or is real."
    ),
    ("persons", "LEFT_OUT"): Text(
        "Testpersoner eller døde ble utelatt etter beslutning.",
        "Test persons or dead persons were left out by decision.",
    ),
    ("letter", "SENT"): Text("Et brev ble sendt til registeret.", "A letter was sent to the register."),
    ("letter", "FAILED"): Text(
        "Et brev til registeret kunne ikke sendes.", "A letter to the register could not be sent."
    ),
    ("cycle", "PURGED"): Text(
        "Alt innhold er slettet for godt: nøklene er ødelagt.", "All content is gone for good: its keys are destroyed."
    ),
    ("attempt", "DELIVERED"): Text("{message} ble levert.", "{message} was delivered."),
    ("attempt", "FAILED"): Text(
        "{message} kunne ikke leveres; prøves igjen med samme nummer.",
        "{message} could not be delivered; tried again under the same ids.",
    ),
    ("attempt", "HANDED_OVER"): Text(
        "{message} ble overlevert; transportkvittering ventes.",
        "{message} was handed over; its acknowledgment is awaited.",
    ),
    ("attempt", "RETURNED"): Text("{message} kom i retur på e-post.", "{message} came back by mail."),
    ("attempt", "GIVEN_UP"): Text(
        "Ingen transportkvittering for {message} etter siste forsøk.",
        "No acknowledgment for {message} after the last try.",
    ),
    ("attempt", "REFUSED"): Text("{message} ble avvist av transporten.", "{message} was refused by the transport."),
    ("receipt", "POSITIVE"): Text("Positiv kvittering for {message}.", "Positive receipt for {message}."),
    ("receipt", "POSITIVE_PART"): Text(
        "Delvis positiv kvittering for {message}.", "Partly positive receipt for {message}."
    ),
    ("receipt", "NEGATIVE"): Text("Negativ kvittering for {message}.", "Negative receipt for {message}."),
    ("receipt", "UNREADABLE"): Text("Uleselig kvittering for {message}.", "Unreadable receipt for {message}."),
    ("receipt", "TIME_PASSED"): Text(
        "Kvitteringen for {message} er forsinket.", "The receipt for {message} is overdue."
    ),
    ("ident", "FEEDBACK_OK"): Text(
        "Tilbakemelding på identmeldingen kom på e-post.", "The ident feedback came by e-mail."
    ),
    ("ident", "FEEDBACK_FAULTS"): Text(
        "Tilbakemeldingen på identmeldingen melder feil.", "The ident feedback reports faults."
    ),
    ("ident", "FEEDBACK_UNREAD"): Text(
        "En e-post ble ikke gjenkjent. Se på den.", "A mail was not recognised. Look at it."
    ),
    ("ident", "TIME_PASSED"): Text("Tilbakemeldingen på identmeldingen mangler.", "The ident feedback is missing."),
}
_DUPLICATE = Text("Samme svar kom en gang til.", "The same answer came again.")
_CONTRADICTION = Text(
    "Et nytt svar motsier det første. Det første gjelder; en person må se på det.",
    "A second answer contradicts the first. The first holds; a person must look at it.",
)
_BY_OUTCOME = {"SAME_AGAIN": _DUPLICATE, "CONTRADICTION": _CONTRADICTION}
_MESSAGE_NAMES = {
    MessageKind.IDENT: Text("identmeldingen", "the ident message"),
    MessageKind.IPLOS: Text("IPLOS-meldingen", "the IPLOS message"),
}
_NO_NAME = Text("", "")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    version: int
    text: Text
    who: str
    why: str
    #: What it was, as the store calls it: ``submission.APPROVED``.
    event: str = ""


def timeline(place: Workplace) -> tuple[Line, ...]:
    """The cycle's events as sentences."""
    versions = {submission.id: submission.version for submission in place.store.submissions()}
    names = {m.id: _MESSAGE_NAMES[m.kind] for version in versions for m in place.store.messages(version)}
    lines = (_line(event, versions, names) for event in place.store.events())
    return tuple(line for line in lines if line is not None)


def _line(event: Event, versions: dict[str, int], names: dict[str, Text]) -> Line | None:
    text = _BY_OUTCOME.get(event.to_state) or _SENTENCES.get((event.what, event.event))
    if text is None:
        return None
    name = names.get(event.message_ref or "", _NO_NAME)
    said = Text(_sentence(text.nb, name.nb), _sentence(text.en, name.en))
    version = versions.get(event.submission_id or "", 0)
    return Line(event.at, version, said, event.who, event.why, f"{event.what}.{event.event}")


def _sentence(text: str, name: str) -> str:
    filled = text.format(message=name)
    return filled[:1].upper() + filled[1:]
