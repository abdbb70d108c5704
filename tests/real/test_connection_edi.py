"""``kpr check connection`` against real mail and SFTP servers: what is in place is told, and nothing is touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from place import Place
from test_edi_year import mail, opened, route  # noqa: F401  (fixtures)

from kpr.cli import main
from kpr.demo.routes import Route


class Check:
    """Runs the command: exit code, and the ids of what was found."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys, self.said = monkeypatch, capsys, ""

    def __call__(self, made: Place) -> tuple[int, list[str]]:
        """The command for a place's settings."""
        words = ["kpr", "check", "connection", "--json", "--settings", str(made.settings)]
        self.monkeypatch.setattr(sys, "argv", words)
        self.capsys.readouterr()  # what was said before is not the answer
        with pytest.raises(SystemExit) as ended:
            main()
        self.said = self.capsys.readouterr().out
        return int(ended.value.code or 0), [finding["id"] for finding in json.loads(self.said)["findings"]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """The command."""
    return Check(monkeypatch, capsys)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Route]:
    """The way by SFTP."""
    yield from opened("sftp", tmp_path / "year")


def made_on(tmp_path: Path, way: Route) -> Place:
    """A place on this route, where the stand-in's clock and addresses are of the season."""
    return Place(tmp_path / "year", edi=way.edi)


def change(made: Place, **changes: Any) -> None:
    """Change the carrier's settings; a name with two underscores leads into a part."""
    settings = yaml.safe_load(made.settings.read_text("utf-8"))
    for name, value in changes.items():
        part = settings["transport"]["carrier"]
        *path, last = name.split("__")
        for step in path:
            part = part[step]
        part[last] = value
    made.settings.write_text(yaml.safe_dump(settings), encoding="utf-8")


def held(way: Route) -> list[tuple[str, bytes]]:
    """Every mail and file that the servers hold, each with its place: of a mail the mailbox, and whether it was seen."""
    assert way.folder is not None
    places = [path for name in ("imap/mail", "sftp/files") for path in (way.folder / name).rglob("*")]
    kept = [path for path in places if path.is_file() and not path.name.startswith("dovecot")]
    # A mail that somebody looked past moves from "new" to "cur", and is as unseen as before.
    told = ((str(path.parent).removesuffix("/new").removesuffix("/cur"), path) for path in kept)
    return sorted((f"{folder} {'S' in path.name.partition(':2,')[2]}", path.read_bytes()) for folder, path in told)


def test_all_in_place_ends_with_0_and_touches_nothing(tmp_path: Path, route: Route, check: Check) -> None:  # noqa: F811
    """Every server is reached and opened; what waits there is counted, and lies there afterwards as before."""
    made = made_on(tmp_path, route)
    made.report()
    made.register()
    before = held(route)
    code, found = check(made)
    assert code == 0
    assert "who_over_edi" in found
    assert found.count("stop_ok") == (3 if "imap" in str(before) else 2)
    assert held(route) == before
    assert before


def test_a_folder_that_is_not_there_yet_is_told(tmp_path: Path, sftp: Route, check: Check) -> None:
    """Before the first message there are no folders: a warning, since kpr makes them."""
    code, found = check(made_on(tmp_path, sftp))
    assert (code, "stop_folders_missing" in found) == (0, True)


def test_servers_that_are_away_end_with_20(tmp_path: Path, route: Route, check: Check) -> None:  # noqa: F811
    """Nobody answers: the code of the line."""
    made = made_on(tmp_path, route)
    for server in route.servers:
        server.kill()
    code, found = check(made)
    assert (code, "stop_away" in found) == (20, True)


def test_a_wrong_password_ends_with_22_and_is_not_shown(tmp_path: Path, mail: Route, check: Check) -> None:  # noqa: F811
    """The login is refused: the sentence names what to check, never the password."""
    made = made_on(tmp_path, mail)
    (made.folder / "keys" / "edi.password").write_text("feil-passord", encoding="utf-8")
    code, found = check(made)
    assert (code, found.count("stop_refused")) == (22, 1)
    assert "feil-passord" not in check.said


def test_another_authority_ends_with_21(tmp_path: Path, mail: Route, check: Check) -> None:  # noqa: F811
    """A mail server whose certificate nobody vouches for is not spoken with."""
    made = made_on(tmp_path, mail)
    change(made, smtp__ca_file=str(made.folder / "keys" / "register-sign.pem"))
    code, found = check(made)
    assert (code, "stop_not_trusted" in found) == (21, True)


def test_an_unknown_host_key_ends_with_21(tmp_path: Path, sftp: Route, check: Check) -> None:
    """An SFTP server that is not in known_hosts is not spoken with."""
    made = made_on(tmp_path, sftp)
    empty = tmp_path / "known_hosts"
    empty.touch()
    change(made, known_hosts=str(empty))
    code, found = check(made)
    assert (code, "stop_not_trusted" in found) == (21, True)


def test_a_missing_address_ends_with_24(tmp_path: Path, mail: Route, check: Check) -> None:  # noqa: F811
    """Without an EDI address nobody can be written to."""
    made = made_on(tmp_path, mail)
    book = yaml.safe_load((made.folder / "addresses.yaml").read_text("utf-8"))
    book["parties"][1]["addresses"] = {}
    (made.folder / "addresses.yaml").write_text(yaml.safe_dump(book), encoding="utf-8")
    code, found = check(made)
    assert (code, "edi_address_missing" in found) == (24, True)
