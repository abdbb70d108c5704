"""The stand-in register: what it takes, what it answers, and what it shows."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from place import Place

from kpr.errors import BadSettings
from kpr.registry.register import Register
from kpr.registry.scenario import load_scenario
from kpr.registry.serve import answer
from kpr.registry.settings import load_register_settings
from kpr.registry.view import hide_small
from kpr.transports.directory import DirectoryTransport
from kpr.transports.seam import Envelope


def register_of(place: Place) -> Register:
    """The register of a place."""
    return Register(load_register_settings(place.folder / "register" / "register.yaml"))


def test_the_view_counts_what_the_register_keeps(tmp_path: Path) -> None:
    """The view shows users per service type, long-term stay and home-dwelling, and the date of submission (L2)."""
    place = Place(tmp_path, persons=60)
    place.report()
    place.exchange()
    register = register_of(place)
    status, kind, body = answer(register, "/view/1103/2020.json")
    view = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert (view["persons_sent"], view["persons_kept"]) == (60, 60)
    assert view["submitted"].startswith("2021-01-07T10:00")
    assert sum(line["change"]["now"] for line in view["services"]) > 60
    page = answer(register, "/view/1103/2020")[2].decode()
    assert "Helsetjenester i hjemmet" in page
    assert "http" not in page
    register.close()


@pytest.mark.parametrize("path", ["/view/0301/2020", "/view/1103/x", "/../register.yaml", "/view/1103"])
def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    """Other municipalities, odd paths and files get nothing."""
    register = register_of(Place(tmp_path, persons=5))
    assert answer(register, path)[0] == 404
    register.close()


def test_a_rejected_message_is_not_in_the_view(tmp_path: Path) -> None:
    """Nothing of a rejected submission counts."""
    place = Place(tmp_path, [{"type": "iplos", "negative": "T02"}], persons=5)
    place.report()
    place.exchange()
    register = register_of(place)
    assert register.state.latest_view("1103", 2020) is None
    register.close()


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (1, "<5"), (4, "<5"), (5, "5")])
def test_small_counts_are_hidden(count: int, shown: str) -> None:
    """Counts from one to four are not shown on the page."""
    assert hide_small(count) == shown


def test_noise_and_strangers_are_set_aside(tmp_path: Path) -> None:
    """Bytes that are no message, and senders whom nobody knows, get no answer and stop nobody else."""
    place = Place(tmp_path, persons=5)
    for number, sender in ((1, "8000002"), (2, "9999999")):
        envelope = Envelope(f"noise-{number}", "KPR_IPL", sender, "8000004", datetime(2021, 1, 7, tzinfo=UTC))
        DirectoryTransport(tmp_path / "exchange", sender).send(envelope, io.BytesIO(b"noise"), 5)
    place.report()
    place.exchange()
    assert place.status().state == "ACCEPTED"
    reasons = {path.stem: path.read_text() for path in (tmp_path / "exchange" / "8000004" / "aside").glob("*.reason")}
    assert reasons == {"noise-1": "NotOpened\n", "noise-2": "unknown sender\n"}


def test_nothing_in_clear_with_the_register(tmp_path: Path) -> None:
    """The register keeps what it accepted encrypted: no national id stands in its folder."""
    place = Place(tmp_path, persons=10)
    place.report()
    place.exchange()
    ids = [part.split('"')[0] for part in (tmp_path / "uttrekk" / "IDENT.xml").read_text().split('fid="')[1:]]
    content = b"".join(path.read_bytes() for path in (tmp_path / "register").rglob("*") if path.is_file())
    assert len(ids) == 10
    assert not [found for found in ids if found.encode() in content]


@pytest.mark.parametrize(
    "text", ["plays: [{type: other}]", "plays: [{negative: Q99}]", "plaise: []", "plays: [{number: 0}]", ": :", "- 1"]
)
def test_a_wrong_scenario_is_named(tmp_path: Path, text: str) -> None:
    """A scenario that cannot be played is refused with the field."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=r"scenario\.yaml"):
        load_scenario(path)


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """As a program of its own it answers what arrives, shows the view over HTTP, and stops at a signal."""
    place = Place(tmp_path, persons=5)
    settings = tmp_path / "register" / "register.yaml"
    command = [sys.executable, "-m", "kpr", "registry", "serve", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            address = program.stdout.readline().split()[-1]
            place.report()
            for _ in range(100):
                with urllib.request.urlopen(f"{address}health", timeout=5) as response:
                    views = json.load(response)["views"]
                if views:
                    break
                program.poll()
                _wait()
            assert views == ["/view/1103/2020"]
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
    place.collect()
    assert place.status().state == "ACCEPTED"


def _wait() -> None:
    import time

    time.sleep(0.2)
