"""Parcels by FTPS, against a server in a process of its own: it dies, lines are cut, certificates are wrong, disks full."""

from __future__ import annotations

import contextlib
import ftplib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from carrier_contract import FINAL, NAME, PART, CarrierContract, Place
from fault_proxy import Direction, FaultProxy
from ftps_server import PASSWORD, USER, Authority, FtpsServer, running_ftps
from parcels import BIG, content, files_in, put, taken, waiting
from pydantic import ValidationError
from sftp_server import free_port

from kpr.errors import BadSettings, TransportError, TransportRefused
from kpr.transports.edi.ftps import FtpsCarrier
from kpr.transports.edi.ftps_session import Session

pytest.importorskip("pyftpdlib", reason="pyftpdlib is not installed; FTPS was not tried")
pytest.importorskip("OpenSSL", reason="pyopenssl is not installed; FTPS was not tried")

SECRET = "the server's own secret words"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpsServer]:
    """A running server with an empty folder."""
    with running_ftps(tmp_path) as running:
        yield running


@pytest.fixture
def place(server: FtpsServer) -> Place:
    """The other side for the tests that every carrier has to pass."""
    return Place(server.root, lambda: FtpsCarrier(server.settings()), server.lay, sees_links=False)


class TestFtps(CarrierContract):
    """What every carrier of files must do."""


@contextlib.contextmanager
def carrier_to(server: FtpsServer, **changes: Any) -> Iterator[FtpsCarrier]:
    """A carrier, closed at the end."""
    with contextlib.closing(FtpsCarrier(server.settings(**changes))) as ours:
        yield ours


def refused(carrier: FtpsCarrier, condition: str) -> None:
    """The carrier can neither send nor receive, and somebody must mend something."""
    for act in (lambda: put(carrier, b"x"), lambda: waiting(carrier)):
        with pytest.raises(TransportRefused, match=condition) as told:
            act()
        assert told.value.exit_code == 7
    carrier.close()


def may_wait(act: Callable[[], object]) -> None:
    """Do it; whatever goes wrong is said to be a matter of waiting."""
    told: list[TransportError] = []
    try:
        act()
    except TransportError as error:
        told.append(error)
    assert [error for error in told if error.exit_code != 5] == []


def demand_whole(carrier: FtpsCarrier, server: FtpsServer, data: bytes) -> None:
    """Put again, as the retry does: exactly one file, and it is whole."""
    put(carrier, data, NAME)
    assert files_in(server.root) == {FINAL: len(data)}
    assert (server.root / FINAL).read_bytes() == data


# -- kinds of servers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [
        pytest.param({"implicit": True}, id="implicit TLS"),
        pytest.param({"version": "1.2"}, id="TLS 1.2"),
        pytest.param({"reuse": True}, id="demands the session again"),
        pytest.param({"reuse": True, "version": "1.2"}, id="demands the session again, TLS 1.2"),
        pytest.param({"reuse": True, "implicit": True}, id="demands the session again, implicit"),
        pytest.param({"unknown": ["MLSD", "MLST"]}, id="knows no MLSD"),
        pytest.param({"unknown": ["MLSD", "MDTM"]}, id="knows no MLSD and no times"),
        pytest.param({"no_goodbye": True}, id="hangs up without TLS's own end"),
    ],
)
def test_every_kind_of_server(tmp_path: Path, wishes: dict[str, Any]) -> None:
    """Sending, sending again, continuing a part, receiving and setting aside work with every kind of server."""
    data = os.urandom(3_000_000)
    with running_ftps(tmp_path, **wishes) as server, carrier_to(server) as ours:
        assert waiting(ours) == []
        server.lay(PART, data[:2_000_000])
        put(ours, data, NAME)
        demand_whole(ours, server, data)
        for name in ("a b.mime", "æ.mime", "c.mime.part", ".d.mime"):
            server.lay(f"inbox/{name}", data)
        assert taken(ours) == {"a b.mime": data, "æ.mime": data}
        server.lay("inbox/odd.mime", b"odd")
        (odd,) = ours.waiting()
        odd.set_aside("x")
        assert set(files_in(server.root / "failed")) == {"odd.mime", "odd.mime.reason"}


def test_the_server_really_demands_its_session_again(tmp_path: Path) -> None:
    """A client without that, as Python's own is, gets nothing over: so the test above tests something."""
    with running_ftps(tmp_path, reuse=True) as server:
        context = ssl.create_default_context(cafile=server.authority.file)
        with ftplib.FTP_TLS(context=context, timeout=10) as client:
            client.connect("localhost", server.port)
            client.login(USER, PASSWORD)
            client.prot_p()
            with pytest.raises((ftplib.error_perm, OSError)):
                client.retrlines("LIST", lambda line: None)


def test_another_program_reads_and_writes(server: FtpsServer) -> None:
    """Python's own client fetches what we wrote, byte for byte, and we read what it renames."""
    data = os.urandom(BIG)
    with (
        carrier_to(server) as ours,
        ftplib.FTP_TLS(context=ssl.create_default_context(cafile=server.authority.file)) as client,
    ):
        put(ours, data, NAME)
        client.connect("localhost", server.port)
        client.login(USER, PASSWORD)
        client.prot_p()
        fetched: list[bytes] = []
        client.retrbinary(f"RETR {FINAL}", fetched.append)
        assert b"".join(fetched) == data
        client.mkd("inbox")
        with (server.root / FINAL).open("rb") as file:
            client.storbinary("STOR inbox/svar.mime.tmp", file)
        assert waiting(ours) == []
        client.rename("inbox/svar.mime.tmp", "inbox/svar.mime")
        assert taken(ours) == {"svar.mime": data}


# -- lines are cut -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def over_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[Any]:
    """A server, our carrier to it, and the two lines between them: for commands, and for data."""
    data_port = free_port()
    with contextlib.ExitStack() as ends:
        server = ends.enter_context(running_ftps(folder, passive=data_port))
        commands = ends.enter_context(FaultProxy("127.0.0.1", server.port))
        data = ends.enter_context(FaultProxy("127.0.0.1", data_port))
        real = Session.makepasv
        monkeypatch.setattr(Session, "makepasv", lambda session: (real(session)[0], data.port))
        ours = ends.enter_context(carrier_to(server, port=commands.port, **changes))
        yield server, ours, commands, data


#: Bytes after which a line is cut; negative from the end of what an undisturbed delivery of 3 MB takes.
DATA_CUTS: list[tuple[Direction, int]] = [
    *(("up", n) for n in (0, 1, 300, 600, 1000, 100_000, 1_500_000, 2_900_000)),
    *(("up", -n) for n in (1, 24, 100, 5000)),
    *(("down", n) for n in (0, 1, 200)),
]
COMMAND_CUTS: list[tuple[Direction, int]] = [
    *(("up", n) for n in (0, 5, 10, 300, 700, 800, 900, 1000, 1100)),
    *(("up", -n) for n in (1, 30, 60, 90, 120, 200)),
    *(("down", n) for n in (0, 10, 60, 500, 1500, 2000)),
    *(("down", -n) for n in (1, 20, 40, 80, 120, 200)),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The bytes of an undisturbed delivery of 3 MB, on each line and in each direction."""
    with contextlib.ExitStack() as ends:
        patch = ends.enter_context(pytest.MonkeyPatch.context())
        folder = tmp_path_factory.mktemp("ftps")
        _, ours, commands, data = ends.enter_context(over_a_network(folder, patch))
        put(ours, bytes(3_000_000), NAME)
        lines = {"commands": commands, "data": data}
        return {
            f"{name} {way}": getattr(line, f"bytes_{way}") for name, line in lines.items() for way in ("up", "down")
        }


@pytest.mark.parametrize(
    ("line", "direction", "after"),
    [("data", *cut) for cut in DATA_CUTS] + [("commands", *cut) for cut in COMMAND_CUTS],
)
def test_a_delivery_that_is_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, int],
    line: str,
    direction: Direction,
    after: int,
) -> None:
    """Cut at any byte of either line it is a matter of waiting; put again there is one file, and it is whole."""
    payload = os.urandom(3_000_000)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, commands, data):
        proxy = {"commands": commands, "data": data}[line]
        proxy.cut_after(after if after >= 0 else undisturbed[f"{line} {direction}"] + after, direction)
        may_wait(lambda: put(ours, payload, NAME))
        proxy.heal()
        demand_whole(ours, server, payload)


def test_a_delivery_that_is_cut_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut three times, each time later, a large parcel gets through, and its last part is all that is sent in the end."""
    payload = os.urandom(BIG)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, _, data):
        for n in (4_000_000, 6_000_000, 8_000_000):
            data.cut_after(n)
            with pytest.raises(TransportError, match="ftps:") as told:
                put(ours, payload, NAME)
            assert told.value.exit_code == 5
            data.heal()
            assert list(files_in(server.root)) == [PART]
        # A reset also loses what the server had received and not yet read, so what is left is asked of its file.
        before, left = data.bytes_up, BIG - files_in(server.root)[PART]
        demand_whole(ours, server, payload)
        assert left < BIG * 3 // 4
        assert data.bytes_up - before < left * 1.02 + 50_000  # and what TLS adds


@pytest.mark.parametrize("line", ["data", "commands"])
@pytest.mark.parametrize("after", [0, 1000, 1500, 2000, 2300, 100_000, 1_500_000])
def test_a_reading_that_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, after: int) -> None:
    """Cut while a parcel is read nothing is lost: it lies where it lay, or in the archive when it was read whole."""
    payload = os.urandom(2_000_000)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, commands, data):
        server.lay("inbox/svar.mime", payload)
        proxy = {"commands": commands, "data": data}[line]
        proxy.cut_after(after, "down")
        read: dict[str, bytes] = {}
        may_wait(lambda: read.update(taken(ours)))
        assert list(files_in(server.root)) in (["inbox/svar.mime"], ["archive/svar.mime"])
        proxy.heal()
        read |= taken(ours)
        assert list(files_in(server.root)) == ["archive/svar.mime"]
        assert set(read.values()) <= {payload}
        assert line == "commands" or read == {"svar.mime": payload}


def test_a_cut_data_line_is_no_end_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data line that ends early, politely or not, is never taken for the end of the parcel."""
    payload = os.urandom(2_000_000)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, _, data):
        server.lay("inbox/svar.mime", payload)
        (parcel,) = ours.waiting()
        data.cut_after(1_000_000, "down")
        with pytest.raises(TransportError) as told:
            content(parcel)
        assert told.value.exit_code == 5


def test_a_kept_connection_that_died_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset between two calls, the next one goes over a new connection; undisturbed they share one."""
    with over_a_network(tmp_path, monkeypatch) as (server, ours, commands, _):
        server.lay("inbox/a.mime", b"x")
        put(ours, b"one")
        put(ours, b"two")
        (parcel,) = ours.waiting()
        assert commands.connections == 1
        for number, act in enumerate((lambda: put(ours, b"three"), lambda: content(parcel), parcel.accept), start=2):
            commands.cut()
            act()
            assert commands.connections == number
        assert len(files_in(server.root / "outbox")) == 3
        assert files_in(server.root / "archive") == {"a.mime": 1}


@pytest.mark.parametrize(
    ("line", "direction", "after"),
    [
        *(("commands", "up", n) for n in (0, 10, 500, 900)),
        *(("commands", "down", n) for n in (0, 60, 1000, 2000)),
        *(("data", "up", n) for n in (0, 300, 1_500_000)),
        ("data", "down", 0),
    ],
)
def test_a_black_hole_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, direction: Direction, after: int
) -> None:
    """When nothing passes any more and nobody says so it ends, as a matter of waiting, and goes on afterwards."""
    payload = os.urandom(3_000_000)
    with over_a_network(tmp_path, monkeypatch, timeout_seconds=1) as (server, ours, commands, data):
        proxy = {"commands": commands, "data": data}[line]
        proxy.at(after, direction, proxy.black_hole)
        may_wait(lambda: put(ours, payload, NAME))
        proxy.heal()
        with carrier_to(server) as again:
            monkeypatch.undo()
            demand_whole(again, server, payload)


def test_nobody_at_home(server: FtpsServer) -> None:
    """A port where nobody listens is a matter of waiting."""
    with carrier_to(server, port=free_port()) as ours, pytest.raises(TransportError, match="ftps:away") as told:
        put(ours, b"x")
    assert told.value.exit_code == 5


def test_a_server_that_says_nothing(server: FtpsServer) -> None:
    """Who takes the call and says nothing is left, with TLS from the first byte or without."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for security in ("tls", "starttls"):
            changes = {"port": silent.getsockname()[1], "security": security, "timeout_seconds": 0.3}
            with carrier_to(server, **changes) as ours, pytest.raises(TransportError, match="ftps:timeout") as told:
                put(ours, b"x")
            assert told.value.exit_code == 5


# -- the server dies ---------------------------------------------------------------------------------------------------


def test_a_server_killed_in_a_delivery_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of a file, started again, killed again: the same carrier delivers one whole file."""
    payload = os.urandom(BIG)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, _, data):
        for n in (5_000_000, 4_000_000):
            data.at(n, "up", server.kill)
            with pytest.raises(TransportError) as told:
                put(ours, payload, NAME)
            assert told.value.exit_code == 5
            with pytest.raises(TransportError):  # nobody there
                put(ours, payload, NAME)
            server.start()
        demand_whole(ours, server, payload)


def test_a_server_killed_while_we_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it sends a parcel, and started again, it still has it, and the same carrier reads it."""
    payload = os.urandom(2_000_000)
    with over_a_network(tmp_path, monkeypatch) as (server, ours, _, data):
        server.lay("inbox/svar.mime", payload)
        data.at(1_000_000, "down", server.kill)
        with pytest.raises(TransportError):
            taken(ours)
        server.start()
        assert taken(ours) == {"svar.mime": payload}


# -- who the server is -------------------------------------------------------------------------------------------------


def refused_with_nothing_written(server: FtpsServer, changes: dict[str, Any], condition: str) -> None:
    """A carrier with these settings is refused, and nothing was written."""
    refused(FtpsCarrier(server.settings(**changes)), condition)
    assert files_in(server.root) == {}


@pytest.mark.parametrize("implicit", [False, True])
def test_an_expired_certificate_is_refused(tmp_path: Path, implicit: bool) -> None:
    """A certificate of yesterday is a refusal before the login."""
    authority = Authority(tmp_path, "own")
    certificate = str(authority.issue(days=-1))
    with running_ftps(tmp_path, certificate=certificate, implicit=implicit) as server:
        refused_with_nothing_written(server, {"ca_file": authority.file}, "ftps:tls")


def test_an_unknown_authority_is_refused(server: FtpsServer, tmp_path: Path) -> None:
    """A certificate of an authority that we do not trust is a refusal, and so it is with the machine's own list."""
    refused_with_nothing_written(server, {"ca_file": Authority(tmp_path, "other").file}, "ftps:tls")
    refused_with_nothing_written(server, {"ca_file": None}, "ftps:tls")


def test_another_host_name_is_refused(tmp_path: Path) -> None:
    """A good certificate of another host is a refusal."""
    authority = Authority(tmp_path, "own")
    with running_ftps(tmp_path, certificate=str(authority.issue("ftp.example.org"))) as server:
        refused_with_nothing_written(server, {"ca_file": authority.file}, "ftps:tls")


def test_an_old_tls_is_refused(tmp_path: Path) -> None:
    """A server that knows nothing newer than TLS 1.1 is a refusal, or at least gets nothing."""
    with running_ftps(tmp_path, version="1.1") as server, carrier_to(server) as ours:
        with pytest.raises(TransportError, match="ftps:"):
            put(ours, b"x")
        assert files_in(server.root) == {}


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_without_tls_gets_no_password(tmp_path: Path, security: str) -> None:
    """A server that knows no TLS is a refusal; what it heard holds no login."""
    with running_ftps(tmp_path, plain=True) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        refused_with_nothing_written(server, {"port": proxy.port, "security": security}, r"ftps:(no-)?tls")
        assert security == "tls" or proxy.bytes_up == 2 * len("AUTH TLS\r\n")


def test_without_tls_on_this_machine_alone(tmp_path: Path) -> None:
    """Without TLS a server on this machine serves; the settings refuse any other."""
    with running_ftps(tmp_path, plain=True) as server:
        with carrier_to(server, security="none") as ours:
            put(ours, b"x" * 100_000, NAME)
            server.lay("inbox/a.mime", b"y")
            assert taken(ours) == {"a.mime": b"y"}
        assert files_in(server.root)[FINAL] == 100_000
        with pytest.raises(ValidationError, match="on this machine"):
            server.settings(security="none", host="ftp.example.org")


@pytest.mark.parametrize("unknown", [["PBSZ", "PROT"], ["PROT"]])
def test_a_server_that_encrypts_no_data_is_refused(tmp_path: Path, unknown: list[str]) -> None:
    """A server whose data connections are not encrypted gets nothing, although the login is."""
    with running_ftps(tmp_path, unknown=unknown, optional=True) as server:
        refused_with_nothing_written(server, {}, "ftps:no-tls")


# -- who we are --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"password": "galt"}, {"username": "ingen-slik"}])
def test_a_login_that_is_not_accepted(server: FtpsServer, changes: dict[str, str]) -> None:
    """A wrong password or user is for a person to mend."""
    refused_with_nothing_written(server, changes, "ftps:login-refused")


def test_files_of_no_use_are_bad_settings(server: FtpsServer, tmp_path: Path) -> None:
    """What is missing or unreadable in the settings is told by its setting, not by its path."""
    (tmp_path / "garbage").write_text("no certificate")
    wrongs = [
        {"ca_file": tmp_path / "nowhere"},
        {"ca_file": tmp_path / "garbage"},
        {"password": None},
        {"username": ""},
    ]
    for changes in wrongs:
        with carrier_to(server, **changes) as ours, pytest.raises(BadSettings) as told:
            put(ours, b"x")
        assert told.value.place.startswith("transport.carrier."), changes
        assert str(tmp_path) not in str(told.value)


# -- room and rights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "condition"),
    [
        ("452 Insufficient storage", "ftps:no-room"),
        ("552 Quota exceeded", "ftps:no-room"),
        ("451 Local error", "ftps:away"),
        ("426 Transfer aborted", "ftps:away"),
    ],
)
@pytest.mark.parametrize("after", [100_000, 2_000_000])
def test_a_server_that_has_no_room(tmp_path: Path, reply: str, condition: str, after: int) -> None:
    """Hung up on in the middle of a file we hear why, may wait, and say it in our own words; the rest goes afterwards."""
    payload = os.urandom(8_000_000)
    with running_ftps(tmp_path, full=[after, f"{reply}: {SECRET}"]) as server, carrier_to(server) as ours:
        with pytest.raises(TransportError, match=condition) as told:
            put(ours, payload, NAME)
        assert told.value.exit_code == 5
        assert SECRET not in str(told.value)
        assert FINAL not in files_in(server.root)
        server.kill()
        del server.wishes["full"]
        server.start()
        demand_whole(ours, server, payload)


@pytest.mark.parametrize("room", [0, 1_000_000, 4_999_000])
def test_a_full_disk_may_pass(server: FtpsServer, room: int) -> None:
    """Without room, were it for the last thousand bytes, it is a matter of waiting; with room the parcel is whole, once."""
    payload = os.urandom(5_000_000)
    # pyftpdlib answers nothing when it cannot write what came over TLS: so it is found out by waiting.
    with carrier_to(server, timeout_seconds=3) as ours:
        server.limit_file_size(room)
        with pytest.raises(TransportError) as told:
            put(ours, payload, NAME)
        assert told.value.exit_code == 5
        assert FINAL not in files_in(server.root)
        server.limit_file_size(100_000_000)
        demand_whole(ours, server, payload)


@pytest.mark.parametrize(
    ("perm", "act", "condition"),
    [
        ("elr", lambda ours: put(ours, b"x"), "permission-denied"),
        ("elrw", lambda ours: put(ours, b"x"), "permission-denied"),
        ("elr", lambda ours: taken(ours), "not-moved"),
        ("el", lambda ours: taken(ours), "gone"),
        ("e", lambda ours: taken(ours), "permission-denied"),
    ],
)
def test_missing_rights_are_told(
    tmp_path: Path, perm: str, act: Callable[[FtpsCarrier], object], condition: str
) -> None:
    """A user that may not write, rename, read or list is told so, and loses nothing."""
    with running_ftps(tmp_path, perm=perm) as server, carrier_to(server) as ours:
        server.lay("inbox/a.mime", b"x")
        for folder in ("outbox", "archive"):
            (server.root / folder).mkdir()
        with pytest.raises(TransportError, match=f"ftps:{condition}") as told:
            act(ours)
        assert told.value.exit_code == (5 if condition == "gone" else 7)
        assert FINAL not in files_in(server.root)
        assert "inbox/a.mime" in files_in(server.root)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """Where we may not make the folders somebody else must."""
    with running_ftps(tmp_path, perm="elradfw") as server:
        refused_with_nothing_written(server, {}, "ftps:no-such-folder")


@pytest.mark.parametrize("missing", ["SIZE", "STOR", "RNFR", "TYPE"])
def test_a_server_that_lacks_a_command_is_refused(tmp_path: Path, missing: str) -> None:
    """A server without a command that we need is told as such, and nothing has the final name."""
    with running_ftps(tmp_path, unknown=[missing]) as server, carrier_to(server) as ours:
        with pytest.raises(TransportRefused, match="ftps:not-understood"):
            put(ours, b"x", NAME)
        assert FINAL not in files_in(server.root)


def test_a_server_that_cannot_continue(tmp_path: Path) -> None:
    """A server that knows no REST still gets the whole file over a part that was left."""
    payload = os.urandom(3_000_000)
    with running_ftps(tmp_path, unknown=["REST"]) as server, carrier_to(server) as ours:
        server.lay(PART, payload[:2_000_000])
        demand_whole(ours, server, payload)


def test_a_server_that_gives_no_file_to_read(tmp_path: Path) -> None:
    """A letter box that nobody may read from gets the whole file over a part that was left, too."""
    payload = os.urandom(3_000_000)
    with running_ftps(tmp_path, perm="elwfm") as server, carrier_to(server) as ours:
        server.lay(PART, payload[:2_000_000])
        demand_whole(ours, server, payload)


def test_folders_in_folders_and_with_norwegian_names(server: FtpsServer) -> None:
    """The folders of the settings may lie deeper and hold blanks and letters; they are made when needed."""
    folders = {"outbox": "til kpr/ut", "inbox": "fra/æøå", "archive": "fra/arkiv", "failed": "fra/feil"}
    with carrier_to(server, folders=folders) as ours:
        put(ours, b"x", NAME)
        assert waiting(ours) == []
        server.lay("fra/æøå/svar.mime", b"y")
        assert taken(ours) == {"svar.mime": b"y"}
    assert files_in(server.root) == {f"til kpr/ut/{NAME}.mime": 1, "fra/arkiv/svar.mime": 1}
