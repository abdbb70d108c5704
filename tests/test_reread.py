"""A certificate that was replaced loses no receipt: what cannot be opened is kept, and read again later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from place import Place

from kpr.errors import BadCertificate
from kpr.security.certificates import Purpose
from kpr.security.throwaway import make_authority, make_identity, write_identity
from kpr.store import InboxKind


def _replace_register_certificate(made: Place) -> bytes:
    """Put another certificate in the place of the register's; the right one."""
    path = made.folder / "keys" / "register-sign.pem"
    right = path.read_bytes()
    write_identity(make_identity(make_authority(), "old", Purpose.SIGN), path, made.folder / "unused.key")
    return right


def test_a_receipt_by_another_certificate_is_kept_and_read_when_ours_is_renewed(tmp_path: Path) -> None:
    """While our copy of the register's certificate is old, receipts are kept apart; afterwards --reread counts them."""
    made = Place(tmp_path)
    made.report()
    right = _replace_register_certificate(made)
    assert made.exchange()["unreadable"] == 2
    assert made.status().state == "AWAITING"
    (made.folder / "keys" / "register-sign.pem").write_bytes(right)
    assert "receipt: POSITIVE" not in made.collect()
    command = [sys.executable, "-c", "from kpr.cli import main; main()", "collect", "--reread", "--json"]
    done = subprocess.run([*command, "--settings", made.settings], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["came"]["receipt: POSITIVE"] == 2
    assert said["status"]["state"] == "ACCEPTED"
    with made.open() as place:
        assert place.store.set_aside("unreadable") == []


def test_a_receipt_by_another_certificate_is_not_reported_to_the_register(tmp_path: Path) -> None:
    """It may be our copy that is old, so the register is not told that its certificate is wrong."""
    made = Place(tmp_path)
    made.report()
    _replace_register_certificate(made)
    made.exchange()
    assert not list((tmp_path / "exchange" / "8000004").glob("*.json"))


def test_rereading_what_is_still_unreadable_leaves_it(tmp_path: Path) -> None:
    """Nothing is lost and nothing is counted twice when the certificate has not been renewed yet."""
    made = Place(tmp_path)
    made.report()
    _replace_register_certificate(made)
    made.exchange()
    from kpr.steps.collect import reread

    with made.open() as place:
        assert reread(place).counts() == {"unreadable": 2}
        assert [entry.kind for entry in place.store.set_aside("unreadable")] == [InboxKind.UNKNOWN] * 2


def test_a_fault_on_our_side_leaves_every_message_where_it_is(tmp_path: Path) -> None:
    """When our own copy of a certificate cannot be used, nothing is taken off the transport, and the mail is read."""
    made = Place(tmp_path)
    made.report()
    made.register()
    path = made.folder / "keys" / "register-sign.pem"
    right = path.read_bytes()
    path.write_bytes((made.folder / "keys" / "register-encrypt.pem").read_bytes())
    with pytest.raises(BadCertificate):
        made.collect()
    assert "FEEDBACK_OK" in str(made.status().lines)
    path.write_bytes(right)
    assert made.collect() == {"receipt: POSITIVE": 2}
    assert made.status().state == "ACCEPTED"
