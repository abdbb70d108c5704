"""The canary over EDI: marked ids and names go through a year with faults, and are nowhere on the line or in what is told."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import traceback
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from edi_place import alarms, edi_place, entity_of, line, newest, put
from place import Place

from kpr.errors import KprError
from kpr.log import configure_logs
from kpr.messages.ebxml.mime import read_entity
from kpr.national_id import make_synthetic
from kpr.transports.edi.file_carrier import FileCarrier

CANARIES = tuple(made for serial in range(1, 60) if (made := make_synthetic(date(1931, 5, 17), serial)))

#: The contact persons' names in the synthetic extract.
NAMES = ("Rolle 1", "Rolle 2", "Rolle 16")

YEAR = """
import sys
from pathlib import Path
from kpr.demo.routes import Route
from kpr.demo.runner import Steps
from kpr.demo.year import Demo
from kpr.log import configure_logs
from kpr.simulator_edi import edi_by_folder
folder = Path(sys.argv[1])
configure_logs(as_json=True)
demo = Demo(folder / "place", 60, Steps(), marked=tuple(sys.argv[2:]), route=Route(edi=edi_by_folder(folder / "line")))
end = demo.play()
assert end.state == "ACCEPTED", end.state
assert end.verdict.delivered
"""


def found_in(folder: Path, needles: tuple[str, ...], printed: str = "") -> list[str]:
    """Where a needle stands: in names and contents of files, in each part of each parcel, and in what was printed."""
    places = {"printed": printed.encode()}
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "uttrekk":
            name, raw = str(path.relative_to(folder)), path.read_bytes()
            places[name] = name.encode() + b"\n" + raw
            if path.suffix == ".mime" and "failed" not in name:
                payload = io.BytesIO()
                places[f"{name}: SOAP"] = read_entity(io.BytesIO(raw), payload, limit=100 << 20).soap
                places[f"{name}: payload"] = payload.getvalue()
    wanted = [needle.encode() for needle in needles]
    return [name for name, content in places.items() if any(needle in content for needle in wanted)]


def test_a_year_over_edi_leaves_no_id_and_no_name_anywhere(tmp_path: Path) -> None:
    """File names, parcels with all their parts, databases, vaults, pages, mails, logs and what was printed."""
    command = [sys.executable, "-c", YEAR, str(tmp_path), *CANARIES]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run(command, capture_output=True, timeout=280, env=environment, check=False, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    planted = (tmp_path / "place" / "uttrekk" / "IDENT.xml").read_text("utf-8")
    assert all(canary in planted for canary in CANARIES)
    parcels = list((tmp_path / "line").rglob("*.mime"))
    assert len(parcels) >= 12
    assert found_in(tmp_path, CANARIES + NAMES, run.stdout + run.stderr) == []


def told(made: Place, work: Any, *words: Any) -> str:
    """What a step that fails says, with everything that a traceback shows."""
    try:
        return str(work(*words))
    except KprError:
        return traceback.format_exc()


def test_faults_tell_nothing_of_persons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, returned, given up, too large, cut: logs, exceptions, status and files hold no id and no name."""
    plays = [
        {"type": "ident", "number": 1, "error": "ebxml:OtherXml", "error_detail": "se vedlegg"},
        {"type": "iplos", "number": 1, "silent": True, "acknowledge_from_try": 0},
    ]
    made = edi_place(tmp_path, *plays)
    configure_logs(as_json=True)
    ids = tuple(re.findall(r'fid="(\d{11})"', (made.folder / "uttrekk" / "IDENT.xml").read_text("utf-8")))
    assert len(ids) == 5
    said = []
    with monkeypatch.context() as patched:
        patched.setattr("kpr.packaging.ebxml.sign", lambda soap, *_, **__: soap.replace(b"HER", b"ORG"))
        said.append(told(made, made.report))
        assert "HITS 1172" in said[-1]
    with monkeypatch.context() as patched:
        patched.setattr(FileCarrier, "_upload", lambda *_: (_ for _ in ()).throw(KprError("stopped")))
        said.append(told(made, made.report))
        assert "stopped" in said[-1]
    made.report()
    said.append(str(made.exchange()))
    for _ in range(7):
        made.later(hours=12)
        said.append(str(made.collect()))
    cut = next((line(made) / "register-archive").glob("*.mime")).read_bytes()[:4000]
    put(made, cut)
    said += [str(made.collect()), str(made.status()), str(alarms(made)), str(newest(made))]
    output = capsys.readouterr()
    assert "given up" in str(said)
    assert found_in(tmp_path, ids + NAMES, output.out + output.err + "".join(said)) == []


def test_the_needle_would_be_found(tmp_path: Path) -> None:
    """The search sees names of files, contents, and each decoded part; a handler's ident file is readable, as it must be."""
    made = edi_place(tmp_path, form="handler")
    made.report()
    ids = tuple(re.findall(r'fid="(\d{11})"', (made.folder / "uttrekk" / "IDENT.xml").read_text("utf-8")))
    assert len([name for name in found_in(tmp_path, ids) if name.startswith("line/to-register/")]) == 1
    assert found_in(tmp_path, (newest(made).transport_id,)) != []
    other = edi_place(tmp_path / "other")
    other.report()
    [parcel, _] = sorted((line(other) / "to-register").glob("*.mime"))
    assert b"KPR_I" in entity_of(parcel.read_bytes()).soap
    assert b"KPR_I" not in parcel.read_bytes()
    assert [name for name in found_in(tmp_path / "other", ("S-KPR_I",)) if name.endswith(": SOAP")] != []
