"""Measures Prefect's share in one run, and prints ratios, as bench/run.py does.

A fleet of municipalities of 1,100 persons each, extracted, checked and approved beforehand, is taken from approved to
both legs closed twice: by plain calls of the steps in one process, and by the flows ``fleet-report`` and ``collect`` on
a real Prefect server with one worker, artifacts and the renewal of the threads included. The threads themselves were
made earlier, as in a season. The register answers in between, and is not counted. Both begin with the same files (a
copy). Then: what ``collect`` costs when there is nothing to do, and how long it takes to find that out for so many and
for all municipalities of the country.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kpr.calendar import OSLO
from kpr.clock import set_file_clock
from kpr.demo.prefect_processes import PrefectServer, PrefectWorker
from kpr.fleet.bulk import for_each
from kpr.fleet.installation import VARIABLE, Entry, Installation, load_installation
from kpr.fleet.look import awaiting, look_at_all
from kpr.log import configure_logs
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings
from kpr.simulator_fleet import make_fleet
from kpr.steps.approve import record_approval, send_only_approved
from kpr.steps.collect import collect
from kpr.steps.prepare import prepare_daily
from kpr.steps.workplace import open_workplace
from kpr.years import load_year

MOST_TIMES_PLAIN, MOST_SECONDS_NOTHING = 2.0, 2.0
EVERYBODY = 356
NOW = datetime(2021, 1, 7, 10, tzinfo=OSLO)


def main() -> None:
    """Measure both ways, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--municipalities", type=int, default=24)
    parser.add_argument("--persons", type=int, default=1100)
    words = parser.parse_args()
    configure_logs(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="kpr-bench-") as folder:
        plain = prepared(Path(folder) / "plain", words.municipalities, words.persons)
        shutil.copytree(plain.file.parent, Path(folder) / "prefect")
        print("… plain calls", file=sys.stderr)
        counts = dict.fromkeys((words.municipalities, EVERYBODY))  # once, where all are measured
        idle = {count: looked(plain, Path(folder) / f"idle-{count}", count) for count in counts}
        by_calls = timed(lambda: by_plain_calls(plain))
        print("… on Prefect", file=sys.stderr)
        on_prefect = by_flows(load_installation(Path(folder) / "prefect" / "kpr-fleet.yaml"), Path(folder) / "server")
    print(
        "Prefect, whether anybody awaits anything: "
        + ", ".join(f"{count} empty places {one:.2f} s, again {two:.2f} s" for count, (one, two) in idle.items())
    )
    report(words.municipalities, by_calls, on_prefect)


def prepared(folder: Path, count: int, persons: int) -> Installation:
    """So many municipalities, all approved."""
    numbers = [municipality.number for municipality in load_year(2020).municipalities][:count]
    print(f"… {count} municipalities of {persons} persons", file=sys.stderr)
    fleet = load_installation(make_fleet(folder, numbers, persons=persons))
    set_file_clock(folder / "clock", NOW)
    demand(for_each(fleet, approved))
    return fleet


def looked(plain: Installation, folder: Path, count: int) -> tuple[float, float]:
    """Seconds to read an installation of so many that have nothing yet, and to ask all; then the same once more."""
    first = plain.entries[0]
    text = first.settings_file.read_text("utf-8")
    for number in range(1000, 1000 + count):
        place = folder / "places" / str(number)
        place.mkdir(parents=True)
        (place / "kpr.yaml").write_text(text.replace(first.number, str(number)), "utf-8")
    file = folder / "kpr-fleet.yaml"
    file.write_text("places: ['places/*/kpr.yaml']\n", "utf-8")
    shutil.copy(plain.file.parent / "clock", folder / "clock")

    def once() -> float:
        start = time.perf_counter()
        if found := awaiting(load_installation(file)):
            raise SystemExit(f"Nothing was sent, but {len(found)} await something.")
        return time.perf_counter() - start

    return once(), once()


def approved(entry: Entry) -> str:
    """Read, checked and approved."""
    with open_workplace(entry.settings_file) as place:
        submission = prepare_daily(place).submission
        assert submission is not None
        record_approval(place, submission, by="bench")
    return "godkjent"


def demand(results: list) -> None:
    """All went well, or there is nothing to measure."""
    if wrong := [result for result in results if result.error]:
        raise SystemExit(f"{wrong[0].entry.label}: {wrong[0].error}")


def answer(fleet: Installation) -> None:
    """The register answers; not counted."""
    register = Register(load_register_settings(fleet.file.parent / "register" / "register.yaml"))
    register.step(NOW)
    register.close()


def demand_closed(fleet: Installation) -> None:
    """Both legs of all are closed."""
    if open_ones := [standing.label for standing in look_at_all(fleet) if not standing.accepted]:
        raise SystemExit(f"Not accepted: {open_ones[0]} and {len(open_ones) - 1} more.")


def timed(work: Callable[[], float]) -> float:
    """Seconds without what the register took, which the work gives back."""
    start = time.perf_counter()
    register = work()
    return time.perf_counter() - start - register


def by_plain_calls(fleet: Installation) -> float:
    """The steps, one municipality after the other; the seconds of the register's part."""
    demand(for_each(fleet, send))
    start = time.perf_counter()
    answer(fleet)
    register = time.perf_counter() - start
    demand(for_each(fleet, take_in))
    demand_closed(fleet)
    return register


def send(entry: Entry) -> str:
    """Build, protect and send."""
    with open_workplace(entry.settings_file) as place:
        return send_only_approved(place)


def take_in(entry: Entry) -> str:
    """One round."""
    with open_workplace(entry.settings_file) as place:
        return str(collect(place).counts())


def by_flows(fleet: Installation, folder: Path) -> dict[str, float]:
    """The same by two runs on a server with a worker; seconds, and the memory of both."""
    with PrefectServer(folder) as server, PrefectWorker(server) as worker:
        environment = server.environment() | {VARIABLE: str(fleet.file)}
        command = [sys.executable, "-m", "kpr", "deploy", "--installation", str(fleet.file)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        os.environ.update(environment)
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: server.url}):
            run("watch/watch")  # the threads are there when the day of sending comes
            sending = run("fleet report/fleet-report")
            answer(fleet)
            collecting = run("collect/collect")
            demand_closed(fleet)
            set_file_clock(fleet.file.parent / "clock", datetime(2021, 3, 1, 10, tzinfo=OSLO))
            before = children_cpu(worker.pid)
            nothing = run("collect/collect")
            cpu = children_cpu(worker.pid) - before
        memory = {"server_mb": resident(server.pid), "worker_mb": resident(worker.pid)}
    return {"seconds": sending + collecting, "nothing": nothing, "nothing_cpu": cpu, **memory}


def run(deployment: str) -> float:
    """One run on the worker; seconds of its own, from its start to its end."""
    from prefect import get_client

    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        run_id = client.create_flow_run_from_deployment(found.id).id
        while True:
            flow_run = client.read_flow_run(run_id)
            if flow_run.state is not None and flow_run.state.is_final():
                break
            time.sleep(0.2)
    if not flow_run.state.is_completed():
        raise SystemExit(f"{deployment}: {flow_run.state.message}")
    return flow_run.total_run_time.total_seconds()


def resident(pid: int) -> float:
    """Megabytes that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def children_cpu(pid: int) -> float:
    """Seconds of processor that the ended children of a process have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def report(count: int, plain: float, prefect: dict[str, float]) -> None:
    """The ratios, and whether they are within what was promised."""
    ratio = prefect["seconds"] / plain
    print(
        f"Prefect, {count} municipalities from approved to both legs closed: plain calls {plain:.1f} s "
        f"({plain / count:.2f} s each), flows {prefect['seconds']:.1f} s; ratio {ratio:.2f} (at most {MOST_TIMES_PLAIN:.0f})\n"
        f"Prefect, memory: server {prefect['server_mb']:.0f} MB, worker {prefect['worker_mb']:.0f} MB\n"
        f"Prefect, collect with nothing to do: {prefect['nothing']:.2f} s from the run's start to its end "
        f"(at most {MOST_SECONDS_NOTHING:.0f}); {prefect['nothing_cpu']:.1f} s of processor with starting its process"
    )
    if ratio > MOST_TIMES_PLAIN or prefect["nothing"] > MOST_SECONDS_NOTHING:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
