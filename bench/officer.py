"""Measures the officer's page, the work list and the mirror of the register's view for one large municipality.

Each runs in a process of its own, so that its peak of memory is its own, and is held against xmllint's reading of the
IPLOS message that was built, in the same run. Only ratios are meant to be compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import MOST_MEMORY_MB, MOST_TIMES_XMLLINT, SERVICES_PER_PERSON, run_xmllint

#: A few faults in every thousand persons, so that there is something to list.
FAULTS_PER_THOUSAND = 5

#: The mirror reads the whole message once more, as the register does; the others begin with the rows that were kept.
MOST_TIMES = {"mirror": 10}


def main() -> None:
    """Build once, measure each, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=60_000)
    parser.add_argument("--settings", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=sorted(MEASURED), help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.make:
        make_municipality(words.make, words.persons)
        return
    if words.measure:
        print(json.dumps(measure(words.measure, words.settings)))
        return
    with tempfile.TemporaryDirectory(prefix="kpr-bench-") as name:
        folder = Path(name)
        print(f"… {words.persons} persons are checked and built", file=sys.stderr)
        # In a process of its own as well: a child inherits its parent's peak.
        made = [sys.executable, __file__, "--make", str(folder), "--persons", str(words.persons)]
        subprocess.run(made, check=True, capture_output=True)
        settings = folder / "kpr.yaml"
        lint = run_xmllint(folder)
        found = {each: run_one(each, settings) for each in MEASURED}
    report(words.persons, found, lint)


def make_municipality(folder: Path, persons: int) -> None:
    """A municipality whose submission is built and approved, and not sent; its IPLOS message in the plain beside it."""
    import yaml

    from kpr.simulator import NewPlace, make_place
    from kpr.steps.approve import approve
    from kpr.steps.build import build_messages
    from kpr.steps.report import prepare
    from kpr.steps.workplace import open_workplace
    from kpr.store import MessageKind
    from kpr.synth import SyntheticMunicipality
    from kpr.synth.write import write_xml
    from kpr.years import load_year

    settings = make_place(folder, NewPlace())
    said = yaml.safe_load(settings.read_text("utf-8"))
    settings.write_text(yaml.safe_dump(said | {"rules": {"R-peKjonn-K": "warn"}}), "utf-8")
    faults = {"unknown-sex": persons * FAULTS_PER_THOUSAND // 1000}
    year = load_year(2020)
    source = SyntheticMunicipality(year, persons, services_per_person=SERVICES_PER_PERSON, faults=faults)
    write_xml(source, year, folder / "uttrekk")
    with open_workplace(settings) as place:
        submission, _ = prepare(place, by="bench")
        approve(place, submission, by="bench")
        build_messages(place, submission)
        message = place.store.message(submission, MessageKind.IPLOS)
        key = place.store.submission(submission).wrapped_key
        with place.vault.open(message.content_name, key) as plain, (folder / "iplos.xml").open("wb") as out:
            while chunk := plain.read(1 << 20):  # for xmllint; the persons in it are invented
                out.write(chunk)


def run_one(what: str, settings: Path) -> dict[str, float]:
    """One measurement in a process of its own."""
    print(f"… {what}", file=sys.stderr)
    command = [sys.executable, __file__, "--measure", what, "--settings", str(settings)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure(what: str, settings: Path) -> dict[str, float]:
    """Seconds and the peak of memory of one of them."""
    from kpr.steps.workplace import open_workplace

    with open_workplace(settings) as place:
        start = time.perf_counter()
        MEASURED[what](place)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _mirror(place) -> None:
    from kpr.steps.mirror import mirror

    assert mirror(place).document.persons_sent


def _page(place) -> None:
    from kpr.steps.officer import write_page

    assert write_page(place)


def _work_list(place) -> None:
    from io import BytesIO

    from kpr.steps.work_list import write_work_list

    write_work_list(place, BytesIO())


MEASURED = {"mirror": _mirror, "page": _page, "work list": _work_list}


def report(persons: int, found: dict[str, dict[str, float]], lint: float) -> None:
    """Print seconds, ratios and whether they hold."""
    print(f"{persons} persons; xmllint on the IPLOS message {lint:.1f} s")
    holds = True
    for what, told in found.items():
        for name, value, most in (
            (f"{what} : xmllint on the file built", told["seconds"] / lint, MOST_TIMES.get(what, MOST_TIMES_XMLLINT)),
            (f"{what}: peak memory of the process, MB", told["memory"], MOST_MEMORY_MB),
        ):
            holds &= value <= most
            print(f"{name:<62} {value:>7.1f}   (at most {most}) {'holds' if value <= most else 'DOES NOT HOLD'}")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
