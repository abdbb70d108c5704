"""The officer's page kept up to date in a folder, and served on this machine alone."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import Place

from kpr.errors import BadInput, BadSettings
from kpr.report.serve import pages_server
from kpr.steps.officer import write_page
from kpr.steps.pages import keep_page, page_address

ADDRESS = "https://kpr.example.no/sider"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose settings name a folder for pages and an address for it."""
    monkeypatch.setenv("KPR_PAGES__URL", ADDRESS)
    monkeypatch.setenv("KPR_PAGES__FOLDER", str(tmp_path / "sider"))
    return Place(tmp_path / "kommune", persons=10)


def test_the_page_is_kept_for_its_owner_alone(made: Place, tmp_path: Path) -> None:
    """It lies whole under municipality and year, nobody else can read it, and its address is the settings'."""
    with made.open() as place:
        assert keep_page(place) == f"{ADDRESS}/1103-2020.html"
    (file,) = (tmp_path / "sider").iterdir()
    assert file.name == "1103-2020.html"
    assert file.stat().st_mode & 0o077 == 0
    assert "Ingenting er sendt" in file.read_text("utf-8")
    made.report()
    with made.open() as place:
        keep_page(place)
    assert "Gjør ingenting nå" in file.read_text("utf-8")


def test_without_a_folder_no_page_is_written(tmp_path: Path) -> None:
    """Nobody who has not asked for it has a page lying about."""
    made = Place(tmp_path, persons=5)
    before = sorted(tmp_path.rglob("*.html"))
    with made.open() as place:
        assert (keep_page(place), page_address(place)) == ("", "")
    assert sorted(tmp_path.rglob("*.html")) == before


@pytest.mark.parametrize("url", ["ftp://x", "javascript:alert(1)", "https://x/?a=1", "x"])
def test_an_address_that_is_none_is_refused(made: Place, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Only what a browser can open safely is linked to."""
    monkeypatch.setenv("KPR_PAGES__URL", url)
    with pytest.raises(BadSettings), made.open():
        pass


def test_a_version_that_does_not_exist_has_no_page(made: Place) -> None:
    """It says where the versions stand."""
    with made.open() as place, pytest.raises(BadInput, match="ingen slik versjon"):
        write_page(place, version=7)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    """A folder with one page and other things, served."""
    folder = tmp_path / "sider"
    folder.mkdir()
    (folder / "1103-2020.html").write_text("siden", encoding="utf-8")
    (folder / ".1103-2020.html.part").write_text("halv", encoding="utf-8")
    (folder / "kpr.yaml").write_text("hemmelig", encoding="utf-8")
    (tmp_path / "0301-2020.html").write_text("en annens", encoding="utf-8")
    with pages_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        try:
            yield connection
        finally:
            connection.close()
            server.shutdown()
            thread.join()


def asked(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    """What a path gives."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_only_pages_are_served(served: http.client.HTTPConnection) -> None:
    """The page and the list of pages are there; nothing else in the folder or outside of it is."""
    assert asked(served, "/1103-2020.html") == (200, "siden")
    assert asked(served, "/")[0] == 200
    assert "kpr.yaml" not in asked(served, "/")[1]
    for path in ("/kpr.yaml", "/.1103-2020.html.part", "/../0301-2020.html", "/%2e%2e/0301-2020.html", "//etc/passwd"):
        assert asked(served, path)[0] == 404, path
    assert asked(served, "/0301-2020.html")[0] == 404


def test_a_page_that_cannot_be_written_is_one_sentence(made: Place, tmp_path: Path) -> None:
    """A file where the folder should be: the settings' place is named, and nothing is left."""
    (tmp_path / "sider").mkdir()
    (tmp_path / "sider" / "1103-2020.html").mkdir()
    with made.open() as place, pytest.raises(BadInput, match=r"pages\.folder"):
        keep_page(place)
    assert [name for name in os.listdir(tmp_path / "sider") if name.endswith(".part")] == []


def test_a_file_where_the_folder_should_be_is_one_sentence(made: Place, tmp_path: Path) -> None:
    """The folder cannot be made: the same sentence, and the setting by its name."""
    (tmp_path / "sider").write_text("x")
    with made.open() as place, pytest.raises(BadInput, match=r"pages\.folder"):
        keep_page(place)
