"""Measures the ebXML form in one run, and prints ratios, as bench/run.py does.

A 50 MB message (the packed limit that the sister register takes over EDI) is packed from a file into a file: encrypted,
signed, wrapped as MIME; and unpacked again: read, verified, decrypted. Against ``openssl cms`` that signs the same bytes
into a file and encrypts that into another, and decrypts and verifies them again. Everything runs in processes of its
own, in turns, and the best time of each side counts. Loading keys is inside on both sides, starting Python is not: kpr
runs all the time. Keys and payload are made before.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROUNDS = 3
BYTES = 50_000_000
MOST_TIMES_OPENSSL, MOST_MEMORY_MB = 3, 300
_NOW = datetime(2021, 1, 7, 9, tzinfo=UTC)


def main() -> None:
    """Measure both directions, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("pack", "unpack"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.part:
        seconds = {"pack": pack, "unpack": unpack}[words.part](words.folder)
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
        return
    with tempfile.TemporaryDirectory(prefix="kpr-bench-") as folder:
        make(Path(folder))
        measured = [measure_round(Path(folder), number) for number in range(ROUNDS)]
    report(measured)


# -- what is measured ----------------------------------------------------------------------------------------------------


def make(folder: Path) -> None:
    """Keys for both sides, and bytes that nothing can press together."""
    from kpr.simulator import NewPlace, make_place
    from kpr.simulator_edi import edi_by_folder

    edi = edi_by_folder(folder / "exchange", max_bytes=2 * BYTES)
    make_place(folder / "place", NewPlace(edi=edi))
    (folder / "plain").write_bytes(b"<x>" + secrets.token_bytes(BYTES - 3))


def pack(folder: Path) -> float:
    """As the send step does it, but for store and vault."""
    from kpr.steps.workplace import open_workplace
    from kpr.transports.seam import Envelope

    conversation, message = "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0001", "0b7b3f0e-6a53-4f0e-9d1b-2f4a8f1c0002"
    with open_workplace(folder / "place" / "kpr.yaml") as place:
        envelope = Envelope(message, "KPR_IPL", "8000002", "8000004", _NOW, conversation_id=conversation)
        start = time.perf_counter()
        with (folder / "plain").open("rb") as plain, (folder / "packed").open("wb") as out:
            place.packaging.pack(plain, BYTES, out, envelope)
        return time.perf_counter() - start


def unpack(folder: Path) -> float:
    """As the stand-in register does it, but for its vault."""
    from kpr.registry.register import Register
    from kpr.registry.settings import load_register_settings

    settings = load_register_settings(folder / "place" / "register" / "register.yaml")
    larger = settings.transport_settings.model_copy(update={"max_bytes": 2 * BYTES})
    register = Register(settings.model_copy(update={"transport": larger}))
    start = time.perf_counter()
    with (folder / "packed").open("rb") as raw, (folder / "opened").open("wb") as out:
        register.packagings["8000002"].unpack(raw, out, limit=2 * BYTES, now=_NOW)
    seconds = time.perf_counter() - start
    register.close()
    return seconds


def openssl_out(folder: Path) -> None:
    """Signed into a file, and that encrypted into another."""
    ours, theirs = folder / "place" / "keys", folder / "place" / "keys" / "register-encrypt.pem"
    sign = ["-sign", "-nodetach", "-signer", ours / "sign.pem", "-inkey", ours / "sign.key", "-in", folder / "plain"]
    _openssl(*sign, "-out", folder / "signed")
    _openssl("-encrypt", "-aes-256-cbc", "-in", folder / "signed", "-out", folder / "encrypted", theirs)


def openssl_in(folder: Path) -> None:
    """Decrypted into a file, and that verified into another."""
    theirs = folder / "place" / "register" / "keys"
    key = ["-recip", theirs / "decrypt.pem", "-inkey", theirs / "decrypt.key"]
    _openssl("-decrypt", *key, "-in", folder / "encrypted", "-out", folder / "decrypted")
    signer = ["-noverify", "-certfile", theirs / "municipality-sign.pem"]
    _openssl("-verify", *signer, "-in", folder / "decrypted", "-out", folder / "verified")


def _openssl(action: str, *words: object) -> None:
    form = ["-inform", "DER"] if action in ("-decrypt", "-verify") else []
    command = ["openssl", "cms", action, "-binary", *form, "-outform", "DER", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


# -- rounds and figures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """Seconds of each, and peaks of memory of ours in MB."""

    pack: float
    unpack: float
    openssl_out: float
    openssl_in: float
    pack_memory: float
    unpack_memory: float


def measure_round(folder: Path, number: int) -> Round:
    """Each once, in turns."""
    print(f"… {BYTES / 1e6:.0f} MB, run {number + 1}", file=sys.stderr)
    out, pack_time, pack_memory = timed_openssl(openssl_out, folder), *run_part("pack", folder)
    back, unpack_time, unpack_memory = timed_openssl(openssl_in, folder), *run_part("unpack", folder)
    if (folder / "opened").read_bytes() != (folder / "plain").read_bytes():
        raise SystemExit("What was opened is not what was packed.")
    return Round(pack_time, unpack_time, out, back, pack_memory, unpack_memory)


def timed_openssl(work, folder: Path) -> float:
    """Seconds of openssl's part."""
    start = time.perf_counter()
    work(folder)
    return time.perf_counter() - start


def run_part(part: str, folder: Path) -> tuple[float, float]:
    """One of ours in a process of its own: seconds, and memory."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def report(rounds: list[Round]) -> None:
    """The ratios, and whether they are within what was promised."""
    sides = {"packed": ("pack", "openssl_out"), "read back": ("unpack", "openssl_in")}
    ratios = {
        what: min(getattr(r, ours) for r in rounds) / min(getattr(r, base) for r in rounds)
        for what, (ours, base) in sides.items()
    }
    memory = max(max(each.pack_memory, each.unpack_memory) for each in rounds)
    lines = io.StringIO()
    for what, (ours, base) in sides.items():
        seconds = min(getattr(each, ours) for each in rounds), min(getattr(each, base) for each in rounds)
        lines.write(
            f"EDI, 50 MB {what}: {seconds[0]:.2f} s; openssl cms {seconds[1]:.2f} s; "
            f"ratio {ratios[what]:.1f} (at most {MOST_TIMES_OPENSSL})\n"
        )
    lines.write(f"EDI, peak of memory: {memory:.0f} MB (at most {MOST_MEMORY_MB})\n")
    print(lines.getvalue(), end="")
    if max(ratios.values()) > MOST_TIMES_OPENSSL or memory > MOST_MEMORY_MB:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
