"""The fields of the forms in Prefect's UI: what they are called, and what may not be written in them.

Prefect keeps every parameter and every answer. The server itself refuses a text with something like a national id in
it (the pattern), before it is kept; the flow refuses it again.
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect.input import RunInput
from pydantic import AfterValidator, ConfigDict, Field, create_model

from kpr.errors import BadInput
from kpr.log import NATIONAL_ID, blot
from kpr.people import typed
from kpr.person_name import tidy
from kpr.wishes import Answer, Wish

#: A text without anything that looks like a national id, as a pattern for the form: the server's own net is the log's.
_NOBODY = rf"^(?!(?:[\s\S]*\D)?{NATIONAL_ID}(?!\d))"


def _names_nobody(text: str) -> str:
    if blot(text) != text:
        raise ValueError("teksten inneholder noe som ligner et fødselsnummer; skriv den uten å nevne noen")
    return text


def _a_person(text: str) -> str:
    """A name that was typed, tidied. The server hands on any text, so the flow asks."""
    try:
        return typed(text, "")
    except BadInput as no:
        raise ValueError(f"{no.problem} {no.remedy}") from None


def _a_person_or_nobody(text: str) -> str:
    return _a_person(text) if tidy(text) else ""


def _text(title: str, description: str) -> Any:
    return Field(title=title, description=description, json_schema_extra={"pattern": _NOBODY}, max_length=500)


Number = Annotated[
    str, Field(title="Kommunenummer", description="Nummeret i rapporteringsåret, fire siffer.", pattern=r"^\d{4}$")
]
DataYear = Annotated[int, Field(title="Rapporteringsår", description="Året tallene gjelder.", ge=2018, le=2100)]
_WHO = _text("Hvem", "Rollen eller navnet til den som ber om dette.")
Asker = Annotated[str, _WHO, AfterValidator(_a_person)]
#: Left empty where a flow has something to do without anybody's word.
By = Annotated[str, _WHO, AfterValidator(_a_person_or_nobody)]
Second = Annotated[
    str,
    _text("Den andre personen", "Der to personer trengs. En annen enn den første."),
    AfterValidator(_a_person_or_nobody),
]
Reason = Annotated[
    str, _text("Grunn", "Hvorfor advarsler godtas, eller hvorfor nå. Ingen navn."), AfterValidator(_names_nobody)
]
Limit = Annotated[int, Field(title="Høyst så mange", description="0: alle som er godkjent.", ge=0)]
Send = Annotated[
    bool, Field(title="Send rettelsen", description="Uten kryss: si bare hva vakten sier, og send ingenting.")
]
Mended = Annotated[str, _text("Hva er rettet", "Kort, uten å nevne noen."), AfterValidator(_names_nobody)]


class _Form(RunInput):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def answer_form(wishes: tuple[Wish, ...], extract: str, sentence: str) -> type[RunInput]:
    """The form of a waiting thread: only what may be asked for now. ``sentence`` stands at the first field."""
    choices = Annotated[str, Field(title="Hva vil du gjøre?", description=sentence, json_schema_extra=_enum(wishes))]
    shown = Annotated[
        str, Field(title="Uttrekket du ser på", description="La stå: godkjenningen gjelder dette uttrekket.")
    ]
    fields: dict[str, Any] = {
        "wish": (choices, wishes[0].value),
        "by": (By, ""),
        "second": (Second, ""),
        "reason": (Reason, ""),
        "register_answered": (
            Annotated[bool, Field(title="Registeret sier at det ikke har fått meldingen")],
            False,
        ),
        "extract": (shown, extract),
    }
    return create_model("Svar", __base__=_Form, **fields)


def _enum(wishes: tuple[Wish, ...]) -> dict[str, Any]:
    return {"enum": [wish.value for wish in wishes]}


def read_answer(values: dict[str, Any]) -> Answer:
    """What was filled in. ValueError, without the values, when it is no answer of this form."""
    known = {name: value for name, value in values.items() if name in Answer.__slots__}
    return Answer(**known | {"wish": Wish(values.get("wish", Wish.LOOK))})
