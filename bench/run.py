"""Measures a synthetic municipality in one run and prints ratios; see bench/README.md for what each means.

Each size runs in a process of its own, so that its peak of memory is its own. Only ratios are meant to be compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

SIZES = (6_000, 60_000)
SERVICES_PER_PERSON = 4

#: What issue and README promise.
MOST_TIMES_XMLLINT, MOST_MEMORY_MB, MOST_TIMES_SMALL = 8, 600, 11


def main() -> None:
    """Run both sizes and xmllint, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.size:
        print(json.dumps(measure(words.size, words.out)))
        return
    with tempfile.TemporaryDirectory(prefix="kpr-bench-") as folder:
        small, large = (run_size(size, Path(folder)) for size in SIZES)
        lint = run_xmllint(Path(folder))
    report(small, large, lint)


def run_size(size: int, folder: Path) -> dict[str, float]:
    """One size in a process of its own."""
    print(f"… {size} persons", file=sys.stderr)
    command = [sys.executable, __file__, "--size", str(size), "--out", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(size: int, folder: Path) -> dict[str, float]:
    """Check, build, gate and protect one synthetic municipality; seconds per step, and the peak of memory."""
    from kpr.checks.content import ContentOptions
    from kpr.checks.run import check
    from kpr.messages.shape import iplos_shape
    from kpr.security.vault import MasterKey, Vault
    from kpr.sources.work_rows import load
    from kpr.synth import SyntheticMunicipality
    from kpr.years import load_year

    year = load_year(2020)
    vault = Vault(folder / f"vault-{size}", MasterKey(bytes(range(32))))
    key = vault.new_wrapped_key()
    seconds: dict[str, float] = {}
    with timed(seconds, "read (not counted)"):
        source = SyntheticMunicipality(year, size, services_per_person=SERVICES_PER_PERSON)
        work = load(source, iplos_shape("3.7"))
    services = work.count("tjeneste")
    with timed(seconds, "check"):
        check(work, year, ContentOptions(municipality_number="1103"))
    with timed(seconds, "build"):
        build(work, vault, key)
    with timed(seconds, "gate"):
        pass_gate(vault, key)
    with timed(seconds, "protect"):
        protect_both(vault, key)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with vault.open("iplos", key) as plain:
        megabytes = plain.size / 1e6
        if size == max(SIZES):  # for xmllint; the persons in it are invented
            with (folder / "iplos.xml").open("wb") as out:
                while chunk := plain.read(1 << 20):
                    out.write(chunk)
    return {"persons": size, "services": services, "megabytes": megabytes, "memory": peak, **seconds}


@contextmanager
def timed(seconds: dict[str, float], step: str):
    """Wall-clock seconds of a step."""
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


def build(work, vault, key) -> None:
    """Both messages into the vault, each person validated first."""
    from datetime import date

    from kpr.messages.head import write_message
    from kpr.messages.ident import IdentHeader, ident_payload
    from kpr.messages.iplos import IplosHeader, iplos_payload

    first, last, made = date(2020, 1, 1), date(2020, 12, 31), date(2021, 1, 4)
    contacts = [{"Type": kind, "Navn": "Rolle", "Telefon": "00000000", "Epost": "a@example.invalid"} for kind in "12"]
    iplos = iplos_payload(work, IplosHeader("1103", "00", contacts, first, last, made, "SYNT", "1.0", 1))
    contact = {"kontPerson": "Rolle", "meldEpost1": "a@example.invalid", "typeKontaktperson": "16"}
    header = IdentHeader("53.1.3", first, last, made, "Synt", "Synt", "1", "1", 1, "777777777", [contact])
    ident = ident_payload(work, header)
    for name, message_type, payload in (("ident", "KPR_IDE", ident), ("iplos", "KPR_IPL", iplos)):
        with vault.create(name, key) as out:
            write_message(head(message_type), payload, out)


def head(message_type: str):
    """A message head of the simulator."""
    from kpr.messages.head import Head, Party

    ours = Party("Eksempel kommune", "8000001", "Saksbehandling", "8000002")
    theirs = Party("Registereier", "8000003", "KPR", "8000004")
    msg_id = "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001"
    return Head(message_type, msg_id, datetime(2021, 1, 4, tzinfo=UTC), ours, theirs, "D")


def pass_gate(vault, key) -> None:
    """Both finished messages once more, and held against each other."""
    from kpr.messages.gate import gate
    from kpr.messages.pair import check_pair

    reports = {}
    for name, version in (("ident", "53.1.3"), ("iplos", "3.7")):
        with vault.open(name, key) as plain:
            reports[name] = gate(plain, name, version)
    check_pair(reports["ident"], reports["iplos"])


def protect_both(vault, key) -> None:
    """Sign and encrypt both."""
    from kpr.security.certificates import Purpose
    from kpr.security.cms_write import protect
    from kpr.security.throwaway import make_authority, make_identity

    authority = make_authority()
    signer, receiver = make_identity(authority, "s", Purpose.SIGN), make_identity(authority, "r", Purpose.ENCRYPT)
    for name in ("ident", "iplos"):
        with vault.open(name, key) as plain, vault.create(f"{name}-protected", key) as out:
            protect(plain, plain.size, out, signer, receiver.certificate)


def run_xmllint(folder: Path) -> float:
    """Seconds that ``xmllint --noout --stream --schema`` takes on the file that was built; the best of three."""
    from kpr.messages.schemas import MSGHEAD, namespace_of
    from kpr.messages.shape import SCHEMAS

    parts = ((MSGHEAD, "msghead-1.2.xsd"), (namespace_of("iplos", "3.7"), "iplos-3.7.xsd"))
    lines = "".join(
        f'<xs:import namespace="{space}" schemaLocation="{(SCHEMAS / name).as_uri()}"/>' for space, name in parts
    )
    schema = folder / "set.xsd"
    schema.write_text(f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{lines}</xs:schema>')
    command = ["xmllint", "--noout", "--stream", "--huge", "--schema", str(schema), str(folder / "iplos.xml")]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        best = min(best, time.perf_counter() - start)
    return best


def report(small: dict[str, float], large: dict[str, float], lint: float) -> None:
    """Print steps, ratios and whether they hold."""
    steps = ("check", "build", "gate", "protect")
    for measured in (small, large):
        print(
            f"{measured['persons']:>6} persons, {measured['services']} services, IPLOS message {measured['megabytes']:.0f} MB"
        )
        print(
            "       "
            + ", ".join(f"{step} {measured[step]:.1f} s" for step in steps)
            + f"; peak {measured['memory']:.0f} MB"
        )
    total, total_small = (sum(measured[step] for step in steps) for measured in (large, small))
    rows = (
        ("check + build + gate + protect : xmllint on the file built", total / lint, MOST_TIMES_XMLLINT),
        ("peak memory of the process, MB", large["memory"], MOST_MEMORY_MB),
        ("60,000 persons : 6,000 persons", total / total_small, MOST_TIMES_SMALL),
    )
    print(f"       xmllint {lint:.1f} s")
    for name, value, most in rows:
        print(f"{name:<62} {value:>7.1f}   (at most {most}) {'holds' if value <= most else 'DOES NOT HOLD'}")
    sys.exit(0 if all(value <= most for _name, value, most in rows) else 1)


if __name__ == "__main__":
    main()
