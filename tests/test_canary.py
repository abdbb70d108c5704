"""The canary: marked synthetic ids go through a whole year with faults, and are found nowhere afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from datetime import date
from pathlib import Path

from kpr.national_id import make_synthetic

#: Ids that occur nowhere else; the persons who get them are the first of the extract.
CANARIES = tuple(made for serial in range(1, 60) if (made := make_synthetic(date(1931, 5, 17), serial)))

#: The contact persons' names in the synthetic extract.
NAMES = (b"Rolle 1", b"Rolle 2", b"Rolle 16")

YEAR = """
import sys
from pathlib import Path
from kpr.demo.runner import Flows, prepare_prefect
from kpr.demo.year import Demo, clear
folder = Path(sys.argv[1])
clear(folder)
prepare_prefect(folder / "prefect")
import os
os.environ["PREFECT_LOGGING_LEVEL"] = "DEBUG"
os.environ |= {"KPR_PAGES__FOLDER": str(folder / "sider"), "KPR_PAGES__URL": "https://kpr.example.invalid/sider"}
end = Demo(folder, 60, Flows(), marked=tuple(sys.argv[2:])).play()
assert end.state == "ACCEPTED", end.state
from kpr.cli.app import app
for words in (
    ["worklist", "--out", "arbeidsliste.csv"],
    ["letter", "save", "--kind", "receipt-overdue", "--out", "brev.eml"],
    ["persons", "export", "personer.csv"],
    ["page", "--out", "side.html"],
    ["view", "compare"],
    ["audit", "show"],
    ["swings", "show"],
):
    words = [str(folder / word) if "." in word else word for word in words]
    app([*words, "--settings", str(folder / "kpr.yaml")], standalone_mode=False)
"""


def test_no_marked_id_or_name_is_left_anywhere(tmp_path: Path) -> None:
    """Databases, Prefect's database, logs, artifacts, pages, mails, file names and what was printed hold none."""
    folder = tmp_path / "year"
    command = [sys.executable, "-c", YEAR, str(folder), *CANARIES]
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    run = subprocess.run(command, capture_output=True, timeout=280, env=environment, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    planted = (folder / "uttrekk" / "IDENT.xml").read_bytes()
    assert all(canary.encode() in planted for canary in CANARIES)
    found = _find(folder, run.stdout + run.stderr)
    assert found == []
    assert {"arbeidsliste.csv", "brev.eml", "personer.csv", "side.html"} <= {path.name for path in folder.iterdir()}
    prefect = (folder / "prefect" / "prefect.db").read_bytes()
    assert b"findings-1103-2020" in prefect
    assert "Låst".encode() in prefect
    _has_links_to_the_page(folder / "prefect" / "prefect.db")
    _shows_what_the_officer_decided(folder, " ".join(run.stdout.decode().split()))


def _has_links_to_the_page(database: Path) -> None:
    """Prefect's pages link to the officer's page, by an artifact of its own and in the timeline."""
    address = "https://kpr.example.invalid/sider/1103-2020.html"
    with closing(sqlite3.connect(database)) as opened:
        links = opened.execute("SELECT data FROM artifact WHERE key = 'page-1103-2020'").fetchall()
        timelines = opened.execute("SELECT data FROM artifact WHERE key = 'timeline-1103-2020'").fetchall()
    assert {json.loads(data) for (data,) in links} == {f"[1103 Eksempel kommune · 2020]({address})"}
    assert timelines
    assert all(f"[Siden om innsendingen]({address})" in json.loads(data) for (data,) in timelines)


def _shows_what_the_officer_decided(folder: Path, printed: str) -> None:
    """The swing with its reason, the test person left out and the work list are told and left to look at."""
    for told in ("kan være en testperson", "utelater den", "skriver hvorfor", "(arbeidsliste.csv)"):
        assert told in printed
    page = (folder / "innsending.html").read_text("utf-8")
    assert "Digitale trygghetsalarmer" in page
    assert "59 av 59 personer" in page
    assert ";rettet;" in (folder / "arbeidsliste.csv").read_text("utf-8")
    assert [path.name for path in folder.rglob("*") if path.is_file() and b"Duck" in _content(path)] == []


def _find(folder: Path, printed: bytes) -> list[str]:
    needles = [canary.encode() for canary in CANARIES] + list(NAMES)
    places = {"printed": printed}
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "uttrekk":
            places[str(path.relative_to(folder))] = path.name.encode() + b"\n" + _content(path)
    return [name for name, content in places.items() if any(needle in content for needle in needles)]


def _content(path: Path) -> bytes:
    """The bytes of a file; of a zip those of its parts."""
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as bundle:
        return b"\n".join(bundle.read(name) for name in bundle.namelist())
