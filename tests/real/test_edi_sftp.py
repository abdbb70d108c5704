"""Parcels by SFTP, against OpenSSH's own server: it dies, the line is cut, its key changes, its disk is full."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from carrier_contract import FINAL, NAME, PART, CarrierContract, Place
from fault_proxy import Direction, FaultProxy
from parcels import BIG, content, files_in, label, put, taken, waiting
from sftp_server import USER, SftpServer, find_client, find_sshd, free_port, keygen, password_server, running_sshd

from kpr.errors import BadSettings, KprError, TransportError, TransportRefused
from kpr.transports.edi.sftp import SftpCarrier

pytestmark = pytest.mark.skipif(
    find_sshd() is None or find_client("ssh-keygen") is None,
    reason="OpenSSH's server is not here (KPR_SSHD names none, and scripts/sshd was not run); SFTP was not tried",
)


@pytest.fixture
def server() -> Iterator[SftpServer]:
    """A running server with an empty folder."""
    with running_sshd() as running:
        yield running


@pytest.fixture
def proxy(server: SftpServer) -> Iterator[FaultProxy]:
    """The network between us and the server."""
    with FaultProxy("127.0.0.1", server.port) as between:
        yield between


@pytest.fixture
def carrier(server: SftpServer, proxy: FaultProxy) -> Iterator[SftpCarrier]:
    """Our carrier, through the network."""
    with contextlib.closing(SftpCarrier(server.through(proxy.port))) as ours:
        yield ours


@pytest.fixture
def place(server: SftpServer) -> Place:
    """The other side for the tests that every carrier has to pass."""
    return Place(server.root, lambda: SftpCarrier(server.settings()), server.lay)


class TestSftp(CarrierContract):
    """What every carrier of files must do."""


def refused(carrier: SftpCarrier, condition: str) -> None:
    """The carrier can neither send nor receive, and somebody must mend something."""
    for act in (lambda: put(carrier, b"x"), lambda: waiting(carrier)):
        with pytest.raises(TransportRefused, match=condition) as told:
            act()
        assert told.value.exit_code == 7
    carrier.close()


# -- OpenSSH's own client ----------------------------------------------------------------------------------------------


def sftp(server: SftpServer, *commands: str) -> None:
    """What somebody does who has OpenSSH's own program."""
    program = find_client("sftp")
    if program is None:
        pytest.skip("OpenSSH's sftp is not here")
    server.settings()  # writes known_hosts
    key = server.folder / "own_key"
    shutil.copyfile(server.folder / "user_key", key)
    key.chmod(0o600)
    options = [f"UserKnownHostsFile={server.folder}/known_hosts", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
    subprocess.run(
        [program, "-q", "-b", "-", "-F", "none", "-P", str(server.port), "-i", key]
        + [word for option in options for word in ("-o", option)]
        + [f"{USER.pw_name}@localhost"],
        input="\n".join(commands).encode() + b"\n",
        check=True,
        capture_output=True,
    )


def test_openssh_reads_what_we_write(server: SftpServer, tmp_path: Path) -> None:
    """OpenSSH's client fetches our parcel byte for byte."""
    data = os.urandom(BIG)
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        put(ours, data, NAME)
    sftp(server, f"get {FINAL} {tmp_path}/fetched")
    assert (tmp_path / "fetched").read_bytes() == data


def test_we_read_what_openssh_writes(server: SftpServer, tmp_path: Path) -> None:
    """A file that OpenSSH's client has put under a temporary name is ours when it is renamed, and not before."""
    data = os.urandom(BIG)
    (tmp_path / "answer").write_bytes(data)
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        sftp(server, "mkdir inbox", f"put {tmp_path}/answer inbox/svar.mime.tmp")
        assert waiting(ours) == []
        sftp(server, "rename inbox/svar.mime.tmp inbox/svar.mime")
        assert taken(ours) == {"svar.mime": data}


# -- the line is cut ---------------------------------------------------------------------------------------------------


def demand_whole(carrier: SftpCarrier, server: SftpServer, data: bytes) -> None:
    """Put again, as the retry does: exactly one file, and it is whole."""
    put(carrier, data, NAME)
    assert files_in(server.root) == {FINAL: len(data)}
    assert (server.root / FINAL).read_bytes() == data


def may_wait(act: Callable[[], object]) -> None:
    """Do it; whatever goes wrong is said to be a matter of waiting, so that nobody is sent to look at keys."""
    told: list[TransportError] = []
    try:
        act()
    except TransportError as error:
        told.append(error)
    assert [error for error in told if error.exit_code != 5] == []


#: From the beginning, and (negative) from the end of what an undisturbed delivery takes.
CUTS: list[tuple[Direction, int]] = [
    *(("up", n) for n in (0, 1, 30, 1000, 2500, 3000, 3500, 4500, 100_000, 1_500_000, 2_999_000)),
    *(("up", -n) for n in (1, 60, 150, 300, 500, 1000)),
    *(("down", n) for n in (0, 1, 30, 1000, 2000, 2500, 3000, 3500, 4000)),
    *(("down", -n) for n in (1, 30, 60, 100, 200, 400)),
]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, int]:
    """The bytes of an undisturbed delivery of 3 MB, in each direction."""
    with contextlib.ExitStack() as ends:
        server = ends.enter_context(running_sshd())
        proxy = ends.enter_context(FaultProxy("127.0.0.1", server.port))
        ours = ends.enter_context(contextlib.closing(SftpCarrier(server.through(proxy.port))))
        put(ours, bytes(3_000_000), NAME)
        return {"up": proxy.bytes_up, "down": proxy.bytes_down}


@pytest.mark.parametrize(("direction", "after"), CUTS)
def test_a_delivery_that_is_cut(
    server: SftpServer,
    proxy: FaultProxy,
    carrier: SftpCarrier,
    undisturbed: dict[str, int],
    direction: Direction,
    after: int,
) -> None:
    """Cut at any byte it is a matter of waiting; put again by the same carrier there is one file, and it is whole."""
    data = os.urandom(3_000_000)
    proxy.cut_after(after if after >= 0 else undisturbed[direction] + after, direction)
    may_wait(lambda: put(carrier, data, NAME))
    proxy.heal()
    demand_whole(carrier, server, data)


@pytest.mark.parametrize("how", ["reset", "killed"])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_login_that_is_cut(server: SftpServer, proxy: FaultProxy, direction: Direction, how: str) -> None:
    """Cut anywhere between the greeting and the first listing, by the line or by the server's end, it was never refused.

    paramiko calls the second a failed authentication; nobody must be sent to change a password for that.
    """
    with contextlib.closing(SftpCarrier(server.through(proxy.port))) as ours:
        assert waiting(ours) == []
        total = proxy.bytes_up if direction == "up" else proxy.bytes_down
    assert total > 1000
    for n in range(0, total, 60):
        if how == "reset":
            proxy.cut_after(n, direction)
        else:
            proxy.at(n, direction, server.kill)
        with contextlib.closing(SftpCarrier(server.through(proxy.port))) as ours:
            may_wait(lambda: waiting(ours))
        proxy.heal()
        if server.process is None:
            server.start()


def test_a_delivery_that_is_cut_again_and_again(server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier) -> None:
    """Cut three times, each time later, a large parcel gets through, and its last part is all that is sent in the end."""
    data = os.urandom(BIG)
    for n in (4_000_000, 6_000_000, 8_000_000):
        proxy.cut_after(n)
        with pytest.raises(TransportError, match="sftp:away"):
            put(carrier, data, NAME)
        proxy.heal()
        assert list(files_in(server.root)) == [PART]
    before, left = proxy.bytes_up, BIG - files_in(server.root)[PART]  # a reset loses what was received and not yet read
    demand_whole(carrier, server, data)
    assert left < BIG * 3 // 4
    assert proxy.bytes_up - before < left * 1.02 + 50_000  # and what SSH adds


@pytest.mark.parametrize("after", [0, 1000, 3000, 4000, 5000, 100_000, 1_500_000])
def test_a_reading_that_is_cut(server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier, after: int) -> None:
    """Cut while a parcel is read nothing is lost: it lies where it lay, and is read whole by the same carrier."""
    data = os.urandom(2_000_000)
    server.lay("inbox/svar.mime", data)
    proxy.cut_after(after, "down")
    with pytest.raises(TransportError) as told:
        taken(carrier)
    assert told.value.exit_code == 5
    assert files_in(server.root) == {"inbox/svar.mime": len(data)}
    proxy.heal()
    assert taken(carrier) == {"svar.mime": data}
    assert files_in(server.root) == {"archive/svar.mime": len(data)}


@pytest.mark.parametrize("n", [0, 60, 120, 200, 300])
def test_a_taking_away_that_is_cut(server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier, n: int) -> None:
    """Cut while a parcel is accepted it is in the inbox or in the archive, and in the end in the archive, once."""
    server.lay("inbox/svar.mime", b"x")
    (parcel,) = carrier.waiting()
    proxy.cut_after(n, "down")
    may_wait(parcel.accept)
    proxy.heal()
    assert len(files_in(server.root)) == 1
    parcel.accept()
    assert files_in(server.root) == {"archive/svar.mime": 1}


def test_a_kept_connection_that_died_is_opened_anew(
    server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier
) -> None:
    """Reset between two calls by a firewall, the next one goes over a new connection; undisturbed they share one."""
    server.lay("inbox/a.mime", b"x")
    put(carrier, b"one")
    put(carrier, b"two")
    (parcel,) = carrier.waiting()
    assert proxy.connections == 1
    for number, act in enumerate((lambda: put(carrier, b"three"), lambda: content(parcel), parcel.accept), start=2):
        proxy.cut()
        act()
        assert proxy.connections == number
    assert len(files_in(server.root / "outbox")) == 3
    assert files_in(server.root / "archive") == {"a.mime": 1}


@pytest.mark.parametrize("after", [0, 1000, 2000, 2600, 3000, 3400, 3800, 1_500_000])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_black_hole_is_left(server: SftpServer, proxy: FaultProxy, direction: Direction, after: int) -> None:
    """When nothing passes any more and nobody says so it ends, as a matter of waiting, and goes on afterwards."""
    data = os.urandom(3_000_000)
    with contextlib.closing(SftpCarrier(server.through(proxy.port, timeout_seconds=1))) as ours:
        proxy.at(after, direction, proxy.black_hole)
        may_wait(lambda: put(ours, data, NAME))
        proxy.heal()
    with contextlib.closing(SftpCarrier(server.through(proxy.port))) as again:
        demand_whole(again, server, data)


def test_nobody_at_home(server: SftpServer) -> None:
    """A port where nobody listens is a matter of waiting."""
    port = free_port()
    with contextlib.closing(SftpCarrier(server.through(port))) as ours, pytest.raises(TransportError) as told:
        put(ours, b"x")
    assert told.value.exit_code == 5


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n" + bytes(4000)])
def test_somebody_else_at_home(server: SftpServer, greeting: bytes) -> None:
    """Who hangs up, or speaks something else, is told as away, without his words."""

    def answer(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as line:
            line.sendall(greeting)
            line.shutdown(socket.SHUT_WR)
            while line.recv(1 << 16):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        settings = server.through(listening.getsockname()[1], timeout_seconds=2)
        with contextlib.closing(SftpCarrier(settings)) as ours, pytest.raises(TransportError, match="sftp:") as told:
            put(ours, b"x")
        thread.join(10)
    assert told.value.exit_code == 5
    assert "HTTP" not in str(told.value)


# -- the server dies ---------------------------------------------------------------------------------------------------


def test_a_server_killed_in_a_delivery_and_again(server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier) -> None:
    """Killed in the middle of a file, started again, killed again: the same carrier delivers one whole file."""
    data = os.urandom(BIG)
    for n in (5_000_000, 4_000_000):
        proxy.at(n, "up", server.kill)
        with pytest.raises(TransportError) as told:
            put(carrier, data, NAME)
        assert told.value.exit_code == 5
        with pytest.raises(TransportError):  # nobody there
            put(carrier, data, NAME)
        server.start()
    demand_whole(carrier, server, data)


def test_a_server_killed_while_we_read(server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier) -> None:
    """Killed while it sends a parcel, and started again, it still has it, and the same carrier reads it."""
    data = os.urandom(2_000_000)
    server.lay("inbox/svar.mime", data)
    proxy.at(1_000_000, "down", server.kill)
    with pytest.raises(TransportError):
        taken(carrier)
    server.start()
    assert taken(carrier) == {"svar.mime": data}


def test_a_server_that_is_started_anew_between_two_calls(server: SftpServer) -> None:
    """A restart between two calls is not noticed."""
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        put(ours, b"one")
        server.kill()
        server.start()
        put(ours, b"two")
    assert len(files_in(server.root)) == 2


# -- who the server is -------------------------------------------------------------------------------------------------


def test_an_unknown_server_is_refused(server: SftpServer, tmp_path: Path) -> None:
    """A server that is not in known_hosts, or only under another port, gets neither login nor bytes."""
    for line in ("", server.host_line.replace(str(server.port), "1"), server.host_line.replace("localhost", "other")):
        (tmp_path / "known").write_text(line)
        refused(SftpCarrier(server.settings(known_hosts=tmp_path / "known")), "sftp:unknown-host-key")
    assert "Accepted" not in (server.folder / "log").read_text()


def test_another_key_than_the_known_one_is_refused(server: SftpServer, tmp_path: Path) -> None:
    """A server with another key than the one that we know, of the same kind or another, is refused before the login."""
    for kind in ("ed25519", "ecdsa"):
        keygen(kind, tmp_path / kind)
        (tmp_path / "known").write_text(
            f"[localhost]:{server.port} {(tmp_path / kind).with_suffix('.pub').read_text()}"
        )
        refused(SftpCarrier(server.settings(known_hosts=tmp_path / "known")), "sftp:changed-host-key")
    assert "Accepted" not in (server.folder / "log").read_text()


def test_a_key_that_changes_while_the_carrier_lives(server: SftpServer) -> None:
    """A server that comes back with another key is a stranger, and gets nothing."""
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        put(ours, b"one")
        server.kill()
        server.new_host_key()
        server.start()
        refused(ours, "sftp:changed-host-key")
    assert len(files_in(server.root)) == 1


def test_a_server_that_is_about_to_change_its_key(server: SftpServer, tmp_path: Path) -> None:
    """With the old and the new key of one kind in known_hosts, in either order, the server is known."""
    keygen("ed25519", tmp_path / "old")
    old = f"[localhost]:{server.port} {(tmp_path / 'old.pub').read_text()}"
    for lines in (old + server.host_line, server.host_line + old):
        (tmp_path / "known").write_text("# keys\n\n" + lines)
        with contextlib.closing(SftpCarrier(server.settings(known_hosts=tmp_path / "known"))) as ours:
            put(ours, b"x")
    assert len(files_in(server.root)) == 2


def test_a_server_with_two_keys_of_which_we_know_one(tmp_path: Path) -> None:
    """A server with two kinds of keys is known by either of them, also by the one that it would not show by itself."""
    with running_sshd(second_key="ecdsa") as server:
        known = tmp_path / "known"
        for line in (server.host_line, f"[localhost]:{server.port} {(server.folder / 'second_key.pub').read_text()}"):
            known.write_text(line)
            with contextlib.closing(SftpCarrier(server.settings(known_hosts=known))) as ours:
                put(ours, b"x")
        assert len(files_in(server.root)) == 2


def test_a_revoked_key_is_refused(server: SftpServer, tmp_path: Path) -> None:
    """A key that known_hosts calls revoked is not accepted, even if another line has it."""
    (tmp_path / "known").write_text(f"{server.host_line}@revoked {server.host_line}")
    refused(SftpCarrier(server.settings(known_hosts=tmp_path / "known")), "sftp:unknown-host-key")


def test_a_hashed_name_is_known(server: SftpServer, tmp_path: Path) -> None:
    """known_hosts may hide its names, as Debian's does, and hold several words of comment."""
    known = tmp_path / "known"
    known.write_text(server.host_line.strip() + "  and more words\n")
    subprocess.run([str(find_client("ssh-keygen")), "-H", "-f", known], check=True, capture_output=True)
    assert "localhost" not in known.read_text()
    with contextlib.closing(SftpCarrier(server.settings(known_hosts=known))) as ours:
        put(ours, b"x")
    assert len(files_in(server.root)) == 1


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_every_kind_of_key(server: SftpServer, tmp_path: Path, kind: str) -> None:
    """Host keys and keys of ours of every kind that is in use serve, with a password on ours as well."""
    server.kill()
    server.new_host_key(kind)
    keygen(kind, tmp_path / "mine", "passord")
    shutil.copy(tmp_path / "mine.pub", server.folder / "authorized_keys")
    server.start()
    settings = server.settings(key_file=tmp_path / "mine", key_password="passord")
    with contextlib.closing(SftpCarrier(settings)) as ours:
        put(ours, b"x")
    assert len(files_in(server.root)) == 1


# -- who we are --------------------------------------------------------------------------------------------------------


def test_a_key_that_the_server_does_not_know_is_refused(server: SftpServer, tmp_path: Path) -> None:
    """A login that the server does not accept is for a person to mend, and leaves no connection behind."""
    keygen("ed25519", tmp_path / "other")
    refused(SftpCarrier(server.settings(key_file=tmp_path / "other")), "sftp:login-refused")
    left = [thread for thread in threading.enumerate() if isinstance(thread, paramiko.Transport)]
    for thread in left:
        thread.join(10)
    assert not [thread for thread in left if thread.is_alive()]


def test_an_unknown_user_is_refused(server: SftpServer) -> None:
    """So is a user that the server does not have."""
    refused(SftpCarrier(server.settings(username="ingen-slik")), "sftp:login-refused")


def test_a_password_is_asked_for_where_only_that_is_allowed(server: SftpServer) -> None:
    """A server that takes keys alone refuses a password as a login, not as a fault."""
    refused(SftpCarrier(server.settings(key_file=None, password="x")), "sftp:login-refused")


def unusable(server: SftpServer, tmp_path: Path) -> list[dict[str, object]]:
    """Settings whose files are of no use, or that lack something."""
    garbage, known = tmp_path / "garbage", tmp_path / "known"
    garbage.write_text("no key\n")
    garbage.chmod(0o600)
    known.write_text(f"[localhost]:{server.port} ssh-ed25519 AAAA*\n")
    keygen("ed25519", tmp_path / "locked", "passord")
    shutil.copy(tmp_path / "locked", tmp_path / "open")
    (tmp_path / "open").chmod(0o644)
    return [
        {"known_hosts": tmp_path / "nowhere"},
        {"known_hosts": tmp_path},
        {"known_hosts": known},
        {"key_file": tmp_path / "nowhere"},
        {"key_file": garbage},
        {"key_file": tmp_path / "locked"},
        {"key_file": tmp_path / "locked", "key_password": "feil"},
        {"key_file": tmp_path / "open", "key_password": "passord"},
        {"key_file": None},
        {"username": ""},
    ]


def test_files_of_no_use_are_bad_settings(server: SftpServer, tmp_path: Path) -> None:
    """A file that is missing, is no key, is locked, or can be read by others is told by its setting, not by its path."""
    for changes in unusable(server, tmp_path):
        with contextlib.closing(SftpCarrier(server.settings(**changes))) as ours, pytest.raises(BadSettings) as told:
            put(ours, b"x")
        assert told.value.place.startswith("transport.carrier."), changes
        assert str(tmp_path) not in str(told.value)


def test_a_password_and_a_server_without_extensions(tmp_path: Path) -> None:
    """The right password opens; without posix-rename and fsync everything works by the plain requests, resuming too."""
    data = os.urandom(3_000_000)
    with password_server(tmp_path, "riktig") as settings:
        with contextlib.closing(SftpCarrier(settings.model_copy(update={"password": secret("riktig")}))) as ours:
            put(ours, b"first")
            (tmp_path / "root" / PART).write_bytes(data[:2_000_000])
            put(ours, data, NAME)
            (tmp_path / "root/inbox").mkdir()
            (tmp_path / "root/inbox/a.mime").write_bytes(b"answer")
            assert taken(ours) == {"a.mime": b"answer"}
        assert (tmp_path / "root" / FINAL).read_bytes() == data
        refused(SftpCarrier(settings.model_copy(update={"password": secret("galt")})), "sftp:login-refused")


def test_a_write_that_fails_in_the_middle_leaves_no_hole(tmp_path: Path) -> None:
    """When the server says no to one write of many, and yes to those after it, nothing is published.

    The file has the right size then, with a hole in it: only the server's answers tell.
    """
    data = os.urandom(3_000_000)
    with password_server(tmp_path, "riktig", fails_at=[1_600_000]) as settings:
        with contextlib.closing(SftpCarrier(settings.model_copy(update={"password": secret("riktig")}))) as ours:
            with pytest.raises(TransportError, match="sftp:failure") as told:
                put(ours, data, NAME)
            assert told.value.exit_code == 5
            assert not (tmp_path / "root" / FINAL).exists()
            put(ours, data, NAME)
        assert (tmp_path / "root" / FINAL).read_bytes() == data


def secret(word: str) -> object:
    """A password as settings hold it."""
    from pydantic import SecretStr

    return SecretStr(word)


def test_a_server_without_sftp_is_refused() -> None:
    """A server that lets us in and offers no SFTP is for its owner to mend."""
    with running_sshd(subsystem=False) as server:
        refused(SftpCarrier(server.settings()), "sftp:no-sftp")


# -- room and rights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1_000_000, 4_999_000])
def test_a_full_disk_may_pass(server: SftpServer, room: int) -> None:
    """Without room, were it for the last thousand bytes, it is a matter of waiting; with room the parcel is whole, once."""
    data = os.urandom(5_000_000)
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        server.kill()
        server.start(largest_file=room)
        with pytest.raises(TransportError, match="sftp:failure") as told:
            put(ours, data, NAME)
        assert told.value.exit_code == 5
        assert FINAL not in files_in(server.root)
        server.kill()
        server.start()
        demand_whole(ours, server, data)


@pytest.mark.parametrize(
    ("closed", "act"),
    [
        ("outbox", lambda ours: put(ours, b"x")),
        ("inbox", lambda ours: waiting(ours)),
        ("archive", lambda ours: taken(ours)),
        ("inbox/a.mime", lambda ours: taken(ours)),
    ],
)
def test_a_closed_folder_is_refused(server: SftpServer, closed: str, act: Callable[[SftpCarrier], object]) -> None:
    """A folder or file that we may not use is for a person to mend, and nothing is lost by it."""
    server.lay("inbox/a.mime", b"x")
    for folder in ("outbox", "archive"):
        server.lay(f"{folder}/.keep", b"")
    (server.root / closed).chmod(0o000)
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        with pytest.raises(TransportRefused, match=r"sftp:(permission-denied|not-moved)"):
            act(ours)
        (server.root / closed).chmod(0o700)
        put(ours, b"x", NAME)
        assert taken(ours) == {"a.mime": b"x"}


def test_a_folder_that_cannot_be_made_is_refused(server: SftpServer) -> None:
    """Where we may not make the folders somebody else must."""
    server.root.chmod(0o500)
    refused(SftpCarrier(server.settings()), "sftp:no-such-folder")
    assert files_in(server.root) == {}
    server.root.chmod(0o700)


def test_a_server_that_only_lets_read() -> None:
    """A server that refuses every write is a refusal, not a matter of waiting."""
    with running_sshd(options=["-R"]) as server:
        server.lay("outbox/.keep", b"")
        ours = SftpCarrier(server.settings())
        with contextlib.closing(ours), pytest.raises(TransportRefused, match="sftp:permission-denied"):
            put(ours, b"x")


def test_an_archive_that_we_may_not_see(server: SftpServer) -> None:
    """Sending asks whether the other side has taken it already; where it may not look there it sends."""
    server.lay("archive/.keep", b"")
    (server.root / "archive").chmod(0o000)
    with contextlib.closing(SftpCarrier(server.settings())) as ours:
        put(ours, b"x", NAME)
    (server.root / "archive").chmod(0o700)
    assert FINAL in files_in(server.root)


# -- what is said, and what is not -------------------------------------------------------------------------------------


def test_nothing_is_logged_by_the_library(
    server: SftpServer, proxy: FaultProxy, carrier: SftpCarrier, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a delivery nor a cut line brings words of the library, names of files or the server's words to a log."""
    caplog.set_level(logging.DEBUG)
    put(carrier, os.urandom(1_000_000), NAME)
    proxy.cut_after(100_000)
    with pytest.raises(TransportError):
        put(carrier, os.urandom(1_000_000))
    proxy.heal()
    refused(SftpCarrier(server.settings(username="ingen-slik")), "login-refused")
    assert [record for record in caplog.records if record.name.startswith("paramiko")] == []


def test_an_error_has_no_cause_to_print(server: SftpServer) -> None:
    """An error of ours shows nothing of the library's own, not even in a traceback."""
    ours = SftpCarrier(server.settings(username="ingen-slik"))
    with contextlib.closing(ours), pytest.raises(KprError) as told:
        put(ours, b"x")
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_a_body_that_fails_leaves_no_connection_in_doubt(server: SftpServer, carrier: SftpCarrier) -> None:
    """When our own file cannot be read halfway, nothing is published, and the next parcel goes through."""

    class Broken(io.BytesIO):
        def read(self, *args: object) -> bytes:
            if self.tell() >= 2 << 20:
                raise ValueError("our own disk")
            return super().read(1 << 20)

    with pytest.raises(ValueError, match="our own disk"):
        carrier.put(label(NAME), Broken(bytes(3_000_000)), 3_000_000)
    assert FINAL not in files_in(server.root)
    demand_whole(carrier, server, os.urandom(3_000_000))
