"""The edges to Prefect, without a server: what a run says at its end, what its forms refuse, and what never gets out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from place import Place
from pydantic import TypeAdapter, ValidationError

from deployments.apply import form_schema
from flows.correct import correct
from kpr import __version__
from kpr.errors import BadExtract, BadInput, BadSettings, KprError
from kpr.fleet.bulk import Result
from kpr.fleet.installation import VARIABLE, Entry
from kpr.log import blot
from kpr.wishes import Answer, Wish
from tasks.forms import By, Mended, Reason, answer_form, read_answer
from tasks.guarded import guarded
from tasks.outcome import of_many
from tasks.place import check_version, place_of, places_of
from tasks.show import links, show_page

CANARY = "01017012345"


def entry(number: str) -> Entry:
    """A municipality."""
    return Entry(number, "Et sted", 2020, "simulator", "8000002", Path("kpr.yaml"))


def test_an_unexpected_exception_loses_its_text() -> None:
    """Only its kind and place are told, and nothing of it rides along as cause or context."""

    @guarded
    def step() -> None:
        try:
            raise ValueError(f"person {CANARY}")
        except ValueError as error:
            raise RuntimeError(f"because of {CANARY}") from error

    with pytest.raises(KprError) as told:
        step()
    assert "RuntimeError i step" in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__context__ is None
    assert CANARY not in repr(told.value)


def test_our_own_errors_keep_their_kind_and_lose_their_origin() -> None:
    """What was raised on purpose goes through, without what it was raised from."""

    @guarded
    def step() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise BadExtract("Uttrekket kan ikke leses.") from error

    with pytest.raises(BadExtract) as told:
        step()
    assert told.value.__cause__ is None


def test_a_round_is_red_only_when_one_failed() -> None:
    """All well: green with a count; one failed: red with its name and sentence, and at most ten are named."""
    good = of_many("Henting", [Result(entry("1103"), "noe kom")])
    assert good.is_completed()
    assert good.message == "Henting: 1 kommune, ingen feil."
    wrong = [Result(entry(f"{1100 + n}"), "feilet", "Borte.", 5) for n in range(12)]
    bad = of_many("Henting", [*wrong, Result(entry("0301"), "noe kom")])
    assert bad.is_failed()
    assert bad.message is not None
    assert bad.message.startswith("Henting: 12 av 13 kommuner feilet. 1100 Et sted · 2020: Borte.")
    assert bad.message.endswith("og 2 til")


@pytest.mark.parametrize("field", [By, Reason, Mended])
@pytest.mark.parametrize(
    "text",
    [CANARY, "person 010170 12345", "x010170123456x", "to\nlinjer 010170 12345", "010170-12345", "01.01.70 12345"],
)
def test_a_free_text_field_refuses_what_looks_like_a_national_id(field: object, text: str) -> None:
    """Refused, and the error shows nothing of the value where pydantic is asked to hide it."""
    with pytest.raises(ValidationError) as told:
        TypeAdapter(field).validate_python(text)
    assert all("fødselsnummer" in error["msg"] for error in told.value.errors(include_input=False))


@given(st.text(alphabet="a .-\n0123", max_size=30))
@example("01.01.01 12345")
@example("0101 0112345")
@example("010101-12345")
@example("010101 123 45")
@example("x 15.01.2021\n010101\u201312345x")
def test_what_the_flow_refuses_the_server_has_refused_before(text: str) -> None:
    """Nothing that looks like a national id passes the pattern by which the server decides what it keeps."""
    if blot(text) != text:
        assert re.search(TypeAdapter(By).json_schema()["pattern"], text) is None


@pytest.mark.parametrize("text", ["avtalt 15.01.2021 med 777777777", "fra 2021-01-15T10:30:00.123456+01:00", "1103"])
def test_what_only_resembles_a_national_id_passes_both(text: str) -> None:
    """Dates, times and organisation numbers may stand in a reason."""
    assert TypeAdapter(Reason).validate_python(text) == text
    assert re.search(TypeAdapter(Reason).json_schema()["pattern"], text) is not None


def test_the_form_offers_what_makes_sense_and_reads_back() -> None:
    """The choices are the wishes, the first is the default, and an answer comes back as it was given."""
    form = answer_form((Wish.LOOK, Wish.APPROVE), "abc", "Nå: gjør ingenting")
    schema = form.model_json_schema()
    assert schema["properties"]["wish"]["enum"] == [Wish.LOOK.value, Wish.APPROVE.value]
    assert form().model_dump()["extract"] == "abc"
    assert read_answer({"wish": "Godkjenn", "by": "rolle A"}) == Answer(wish=Wish.APPROVE, by="rolle A")
    with pytest.raises(ValueError, match="Slett"):
        read_answer({"wish": "Slett alt"})


def test_the_run_form_has_titles_that_people_read() -> None:
    """Every field of ``correct`` has a Norwegian title and a help text."""
    fields = form_schema(correct)["properties"]
    assert {name: values["title"] for name, values in fields.items()} == {
        "municipality": "Kommunenummer",
        "data_year": "Rapporteringsår",
        "by": "Hvem",
        "mended": "Hva er rettet",
        "reason": "Grunn",
        "second": "Den andre personen",
        "send": "Send rettelsen",
    }
    assert all(values["description"] for values in fields.values())


def test_a_worker_of_another_version_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan was made for another version: a sentence with both, and the remedy."""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__VERSION", "0.0.9")
    with pytest.raises(BadSettings, match=f"Arbeideren har kpr {__version__}, men planen er laget for kpr 0.0.9"):
        check_version()


def test_a_municipality_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that did not exist in the data year, and one of another house: each with its own sentence."""
    from kpr.simulator import NewPlace, settings_text

    (tmp_path / "kpr.yaml").write_text(settings_text(NewPlace()), encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kpr.yaml"))
    assert place_of("1103", 2020).settings_file == tmp_path / "kpr.yaml"
    with pytest.raises(BadInput, match="Det fantes ingen kommune 1238"):
        place_of("1238", 2020)
    with pytest.raises(BadInput, match="ikke en av dem"):
        place_of("0301", 2020)
    with pytest.raises(BadSettings, match="ingen kommune med rapporteringsår 2023"):
        places_of(2023)


@pytest.mark.parametrize("named", [("FOLDER", "URL"), ("FOLDER",), ("URL",), ()])
def test_the_page_is_linked_to_where_it_has_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    """One link artifact under the municipality's key when both folder and address are set; without either, none."""
    made: list[dict[str, str]] = []
    monkeypatch.setattr("tasks.show.create_link_artifact", lambda **words: made.append(words))
    said = {"FOLDER": str(tmp_path / "sider"), "URL": "https://kpr.example.invalid/sider/"}
    for name in named:
        monkeypatch.setenv(f"KPR_PAGES__{name}", said[name])
    with Place(tmp_path / "kommune", persons=5).open() as place:
        show_page(place)
        linked = "Siden om innsendingen" in links(place)
    address = "https://kpr.example.invalid/sider/1103-2020.html"
    assert [(each["key"], each["link"]) for each in made] == [("page-1103-2020", address)] * (len(named) == 2)
    assert linked is (len(named) == 2)
    assert (tmp_path / "sider" / "1103-2020.html").exists() is ("FOLDER" in named)
