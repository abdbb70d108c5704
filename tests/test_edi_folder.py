"""Parcels by a folder of this machine."""

from __future__ import annotations

import errno
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from carrier_contract import FINAL, NAME, CarrierContract, Place
from parcels import files_in, put, taken, waiting

from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi.folder import FolderCarrier
from kpr.transports.edi.settings import FolderCarrierSettings, Folders


def carrier_of(folder: Path, **folders: str) -> FolderCarrier:
    """A carrier over a folder."""
    return FolderCarrier(FolderCarrierSettings(kind="folder", folder=folder, folders=Folders(**folders)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder that is there and empty."""
    root = tmp_path / "exchange"
    root.mkdir()

    def lay(path: str, data: bytes) -> Path:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        return root / path

    return Place(root, lambda: carrier_of(root), lay)


class TestFolder(CarrierContract):
    """What every carrier of files must do."""


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    """A share that is not mounted must not be written beneath: neither sending nor receiving makes the folder."""
    carrier = carrier_of(tmp_path / "unmounted")
    for act in (lambda: put(carrier, b"x"), lambda: waiting(carrier)):
        with pytest.raises(TransportRefused, match="no-such-folder"):
            act()
    assert not (tmp_path / "unmounted").exists()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    """A file under the folder's name, or under the outbox's, is a refusal."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "outbox").write_text("x")
    for folder in (tmp_path / "file", tmp_path):
        with pytest.raises(TransportRefused):
            put(carrier_of(folder), b"x")


def test_folders_within_folders_are_made(tmp_path: Path) -> None:
    """The folders of the settings may lie deeper, and are made when they are needed."""
    carrier = carrier_of(tmp_path, outbox="til/kpr", inbox="fra/kpr", archive="fra/kpr/arkiv")
    put(carrier, b"x", NAME)
    assert waiting(carrier) == []
    (tmp_path / "fra/kpr/svar.mime").write_bytes(b"y")
    assert taken(carrier) == {"svar.mime": b"y"}
    assert files_in(tmp_path) == {f"til/kpr/{NAME}.mime": 1, "fra/kpr/arkiv/svar.mime": 1}


def test_a_part_that_is_a_link_is_not_followed(place: Place, tmp_path: Path) -> None:
    """Whoever lays a link where our part will be cannot make us write elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (place.root / "outbox").mkdir()
    (place.root / f"{FINAL}.part").symlink_to(victim)
    with pytest.raises(TransportRefused):
        put(place.carrier(), b"ours", NAME)
    assert victim.read_bytes() == b"untouched"
    assert not (place.root / FINAL).exists()


def test_a_link_that_came_after_the_listing_is_not_followed(place: Place, tmp_path: Path) -> None:
    """A file that is exchanged for a link before it is opened is not read through it."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    file = place.lay("inbox/a.mime", b"parcel")
    (parcel,) = place.carrier().waiting()
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(TransportError), parcel.open() as stream:
        stream.read()


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """No file of this process may be larger, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_may_pass(place: Place) -> None:
    """Without room it is exit 5 and no final name; with room the same parcel is whole, once."""
    data = os.urandom(5_000_000)
    carrier = place.carrier()
    with largest_file(3_000_000), pytest.raises(TransportError, match="no-room") as told:
        put(carrier, data, NAME)
    assert told.value.exit_code == 5
    assert FINAL not in files_in(place.root)
    put(carrier, data, NAME)
    assert files_in(place.root) == {FINAL: len(data)}
    assert (place.root / FINAL).read_bytes() == data


@pytest.mark.parametrize(
    ("number", "exit_code", "condition"),
    [
        (errno.ENOSPC, 5, "folder:no-room"),
        (errno.EDQUOT, 5, "folder:no-room"),
        (errno.EIO, 5, "folder:failure"),
        (errno.ESTALE, 5, "folder:failure"),
        (errno.EACCES, 7, "folder:permission-denied"),
        (errno.EROFS, 7, "folder:permission-denied"),
    ],
)
def test_what_the_disk_says_becomes_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, exit_code: int, condition: str
) -> None:
    """A disk that fails when everything must be on it: the exit code says whether to wait, and nothing is published."""

    def fails(_: int) -> None:
        raise OSError(number, "the machine's own words", "/a/path")

    carrier = place.carrier()
    monkeypatch.setattr("kpr.transports.edi.folder.os.fsync", fails)
    with pytest.raises(TransportError) as told:
        put(carrier, b"x", NAME)
    assert told.value.exit_code == exit_code
    assert condition in str(told.value)
    assert "own words" not in str(told.value)
    assert "/a/path" not in str(told.value)
    assert FINAL not in files_in(place.root)


def test_a_file_system_without_second_names(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a share that knows no hard links parcels are taken away all the same."""

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr("kpr.transports.edi.folder.os.link", fails)
    place.lay("inbox/a.mime", b"x")
    assert taken(place.carrier()) == {"a.mime": b"x"}
    assert files_in(place.root) == {"archive/a.mime": 1}


@contextmanager
def nobody_special() -> Iterator[None]:
    """Without root's rights, for which no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_without_rights_is_refused() -> None:
    """A folder that we may not write to is a refusal, not a matter of waiting."""
    with tempfile.TemporaryDirectory(prefix="kpr-folder-") as name:
        os.chmod(name, 0o555)
        with nobody_special(), pytest.raises(TransportRefused, match="permission-denied"):
            put(carrier_of(Path(name)), b"x")
        os.chmod(name, 0o755)


def test_a_move_that_was_broken_off_is_finished(place: Place) -> None:
    """Killed between the new name and the old one, a parcel comes again and then lies in the archive once."""
    file = place.lay("inbox/a.mime", b"x")
    (place.root / "archive").mkdir()
    os.link(file, place.root / "archive/a.mime")
    assert taken(place.carrier()) == {"a.mime": b"x"}
    assert files_in(place.root) == {"archive/a.mime": 1}


def test_another_file_of_that_name_and_size_stays(place: Place) -> None:
    """A file in the archive that only looks alike is no half-done move: the new one lies beside it."""
    place.lay("archive/a.mime", b"y")
    place.lay("inbox/a.mime", b"x")
    assert taken(place.carrier()) == {"a.mime": b"x"}
    assert files_in(place.root) == {"archive/a.mime": 1, "archive/a-2.mime": 1}
