"""The daily view: what it counts, what it hides, and how it is served."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from place import Place
from test_registry_reception import OURS, message, send

from kpr.registry.register import Register
from kpr.registry.serve import answer
from kpr.registry.settings import load_register_settings
from kpr.registry.state import RegisterState
from kpr.registry.view import index_page, is_small, public_view, view_page, with_last_year


def change(now: int, last_year: int | None = None) -> dict[str, Any]:
    """A count as the tables hold it."""
    percent = round((now - last_year) * 100 / last_year, 1) if last_year else None
    return {"now": now, "last_year": last_year, "percent": percent}


def group(persons: int, *have: int) -> dict[str, Any]:
    """A group's table."""
    shares = [
        {
            "fact": f"f{n}",
            "text_nb": f"Fakta {n}",
            "persons": h,
            "percent": round(h * 100 / persons, 1) if persons else None,
        }
        for n, h in enumerate(have)
    ]
    return {"persons": persons, "shares": shares}


def view(*services: tuple[str, int], stay: dict[str, Any] | None = None) -> dict[str, Any]:
    """A view as the state gives it."""
    return {
        "persons": change(sum(count for _, count in services)),
        "services": [
            {"code": code, "text_nb": f"Tjeneste {code}", "change": change(count)} for code, count in services
        ],
        "long_term_stay": stay or group(0),
        "home_dwelling": group(100, 50, 2, 97),
        "persons_kept": 9,
        "persons_sent": 10,
        "message_deleted": False,
        "submitted": "2021-01-07T10:00:00+01:00",
        "sequence_number": "1",
    }


def test_change_is_against_what_was_accepted_last_year() -> None:
    """Each type and all persons get last year's count and the change in per cent; a type without one gets none."""
    now = with_last_year(view(("1", 60), ("2", 8)), view(("1", 50)))
    assert now["services"][0]["change"] == {"now": 60, "last_year": 50, "percent": 20.0}
    assert now["services"][1]["change"] == {"now": 8, "last_year": None, "percent": None}
    assert now["persons"] == {"now": 68, "last_year": 50, "percent": 36.0}
    assert with_last_year(view(("1", 60)), None)["persons"]["last_year"] is None


@given(st.integers(0, 300), st.one_of(st.none(), st.integers(0, 300)), st.integers(0, 40), st.integers(0, 40))
def test_no_small_count_can_be_read_out_of_the_data(now: int, before: int | None, persons: int, have: int) -> None:
    """Neither a count from one to four, nor a share or change that rests on one, stands in the data."""
    have = min(have, persons)
    whole = view(("1", now), stay=group(persons, have))
    whole["services"][0]["change"] = change(now, before)
    shown = public_view(whole)
    line, stay = shown["services"][0]["change"], shown["long_term_stay"]
    assert not any(is_small(count) for count in (line["now"], line["last_year"], stay["persons"]))
    assert line["hidden"] == (is_small(now) or is_small(before))
    if line["hidden"]:
        assert line["percent"] is None
    share = stay["shares"][0]
    if any(map(is_small, (persons, have, persons - have))):
        assert (share["persons"], share["percent"]) == (None, None)
    else:
        assert share["persons"] == have


def texts(page: str) -> str:
    """The words of a page."""

    found: list[str] = []

    class Words(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data)

    Words().feed(page)
    return " ".join(" ".join(found).split())


def test_the_page_says_what_the_view_says() -> None:
    """Counts, last year's, change, the shares, when it was submitted, and what the register kept."""
    shown = with_last_year(view(("1", 60), ("2", 3)), view(("1", 50), ("2", 9)))
    page = view_page(shown, "1103", 2020)
    text = texts(page)
    for words in (
        "Innsendt 07.01.2021 kl. 10.00, løpenummer 1",
        "Registeret beholdt 9 av 10 personer",
        "1 Tjeneste 1 60 50 +20,0 %",
        "2 Tjeneste 2 <5 9 –",
        "100 personer per 31.12",
        "Fakta 0 50,0 %",
        "Fakta 1 –",
        "Fakta 2 –",
    ):
        assert words in text
    assert not re.search(r"https?:|<script|@import|url\(|src=|<link", page)


def test_the_page_tells_of_what_was_deleted_and_of_what_is_not_used() -> None:
    """A deleted message and numbers without ident message have a sentence each, only when there are such."""
    plain = texts(view_page(view(("1", 60)), "1103", 2020))
    assert "slettet hele meldingen" not in plain
    assert "Uten identmelding" not in plain
    told = texts(view_page(view(("1", 60)) | {"message_deleted": True, "unpaired": ["2", "3"]}, "1103", 2020))
    assert "slettet hele meldingen" in told
    assert "løpenummer 2, 3" in told


def test_what_others_wrote_is_escaped() -> None:
    """A number out of a payload can be any text; it becomes no markup."""
    for page in (
        view_page(view(("<b>", 60)) | {"sequence_number": "<script>x</script>"}, "<i>", 2020),
        index_page([("<i>", 2020)], [('"><b>', 2020)]),
    ):
        assert not re.search(r"<script|<b>|<i>", page)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    """A register that has accepted data year 2020 of 1103, and an IPLOS message without its ident message."""
    place = Place(tmp_path, persons=1)
    for kind in ("KPR_IDE", "KPR_IPL"):
        send(place, message(kind), kind)
    send(place, message("KPR_IPL", lambda p: p.replace(b"<iiLopenr>1<", b"<iiLopenr>2<")))
    found = Register(load_register_settings(place.folder / "register" / "register.yaml"))
    found.step(place.now)
    return found


def test_page_and_data_are_served(register: Register) -> None:
    """``/`` lists, ``/view/…`` is a page, ``.json`` the same as data, with the number that is not used."""
    status, kind, body = answer(register, "/")
    assert (status, kind) == (200, "text/html")
    assert 'href="/view/1103/2020"' in body.decode()
    assert "Mangler identmelding" in body.decode()
    status, kind, body = answer(register, "/view/1103/2020.json?x=1")
    data = json.loads(body)
    assert (status, kind, data["sequence_number"], data["unpaired"]) == (200, "application/json", "1", ["2"])
    assert data["services"][0].keys() == {"code", "text_nb", "change"}
    assert {"long_term_stay", "home_dwelling", "submitted", "persons"} <= data.keys()
    assert "Uten identmelding" in answer(register, "/view/1103/2020")[2].decode()
    assert json.loads(answer(register, "/health")[2]) == {"status": "ok", "views": ["/view/1103/2020"]}
    register.close()


@given(st.text(max_size=30))
def test_any_path_gets_an_answer(path: str) -> None:
    """No path raises, and none but those that are meant is found."""

    class Nothing:
        def latest_view(self, *_: object) -> None:
            return None

    class Empty:
        state = Nothing()

    assert answer(Empty(), "/view/" + path)[0] == 404  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/view/1103/²020", "/view/1103/20200", "/view/1103/2020.json/", "/view//2020", "", "x"]
)
def test_odd_paths_are_not_found(register: Register, path: str) -> None:
    """Digits of other scripts, too many of them, and paths that go on are nothing."""
    assert answer(register, path)[0] == 404
    register.close()


def _get(address: str) -> tuple[dict[str, str], bytes]:
    with urllib.request.urlopen(address, timeout=5) as response:
        return dict(response.headers), response.read()


def test_the_server_survives_a_round_that_fails_and_stops_at_a_signal(tmp_path: Path) -> None:
    """With its clock unreadable it goes on serving; when the clock is back it answers what waits; then SIGTERM ends it."""
    place = Place(tmp_path, persons=1)
    (tmp_path / "clock").write_text("never")
    for kind in ("KPR_IDE", "KPR_IPL"):
        send(place, message(kind), kind)
    command = [sys.executable, "-m", "kpr", "registry", "serve", "--settings", str(tmp_path / "register/register.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            address = program.stdout.readline().split()[-1]
            headers, page = _get(address)
            assert "Ingenting er godtatt" in page.decode()
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            place.at(place.now)
            deadline = time.monotonic() + 30
            while not json.loads(_get(f"{address}health")[1])["views"]:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
        assert program.stderr is not None
        assert "BadSettings" in program.stderr.read()
    assert address.startswith("http://127.0.0.1:")


def test_the_state_holds_counts_and_no_persons(tmp_path: Path) -> None:
    """Every text in the register's database is an id, a time, a code or counts."""
    place = Place(tmp_path, persons=1)
    plain = message("KPR_IDE")
    for kind, body in (("KPR_IDE", plain), ("KPR_IPL", message("KPR_IPL"))):
        send(place, body, kind)
    place.register()
    ids = re.findall(rb'fid="([^"]*)"', plain)
    content = (tmp_path / "register" / "state" / "register.sqlite").read_bytes()
    assert len(ids) == 8
    assert OURS.encode() in content
    assert not any(found in content for found in ids)
    state = RegisterState(tmp_path / "register" / "state")
    assert state.latest_view("1103", 2020) is not None
    state.close()
