"""The network that fails on command fails as it was told, and only then."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from fault_proxy import FaultProxy

SECONDS = 5


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_answer, args=(server.accept()[0],), daemon=True).start()


def _answer(line: socket.socket) -> None:
    with line, contextlib.suppress(OSError):
        while data := line.recv(1 << 16):
            line.sendall(data)


def connected(proxy: FaultProxy) -> socket.socket:
    """A client through the proxy."""
    return socket.create_connection(("localhost", proxy.port), timeout=SECONDS)


def heard(line: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer when the line ends before."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while len(data) < size and (piece := line.recv(size - len(data))):
            data += piece
    return data


def is_turned_away(proxy: FaultProxy) -> bool:
    """Whether a new connection is reset, at once or soon."""
    try:
        with connected(proxy) as line:
            return line.recv(1) == b""
    except ConnectionResetError:
        return True


def test_everything_passes_and_is_counted(echo: int) -> None:
    """Untouched, the proxy passes a megabyte both ways byte by byte, counts it, and passes on the end."""
    said = bytes(range(256)) * 4096
    with FaultProxy("127.0.0.1", echo) as proxy, connected(proxy) as line:
        threading.Thread(target=line.sendall, args=(said,)).start()
        assert heard(line, len(said)) == said
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
        assert (proxy.bytes_up, proxy.bytes_down, proxy.connections) == (len(said), len(said), 1)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_comes_at_the_byte(echo: int, direction: str) -> None:
    """Exactly the bytes before the cut pass in that direction, then both sides are reset and stay away until healed."""
    with FaultProxy("127.0.0.1", echo) as proxy:
        proxy.cut_after(7, direction)
        with connected(proxy) as line:
            line.sendall(b"0123456789")
            got = heard(line, 10)
            assert got == b"0123456" if direction == "down" else b"0123456".startswith(got)
            assert (proxy.bytes_down if direction == "down" else proxy.bytes_up) == 7
        assert is_turned_away(proxy)
        proxy.heal()
        with connected(proxy) as line:
            line.sendall(b"again")
            assert heard(line, 5) == b"again"


def test_a_cut_may_let_the_next_one_in(echo: int) -> None:
    """A cut that does not stay down, and one made at once, break what is open; the next connection lives."""
    with FaultProxy("127.0.0.1", echo) as proxy:
        proxy.at(1, "up", proxy.cut)
        with connected(proxy) as line:
            line.sendall(b"ab")
            assert heard(line, 2) in (b"", b"a")
        with connected(proxy) as line:
            line.sendall(b"cd")
            assert heard(line, 2) == b"cd"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                line.recv(1)


def test_a_black_hole_is_silent_until_it_is_healed(echo: int) -> None:
    """Nothing comes out of it and nothing is reset; what was on its way arrives afterwards."""
    with FaultProxy("127.0.0.1", echo) as proxy, connected(proxy) as line:
        proxy.black_hole()
        line.sendall(b"hello")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(SECONDS)
        proxy.heal()
        assert heard(line, 5) == b"hello"


def test_a_delay_holds_each_piece_back(echo: int) -> None:
    """With a delay an answer takes at least that long each way."""
    with FaultProxy("127.0.0.1", echo) as proxy, connected(proxy) as line:
        proxy.delay(0.2)
        line.sendall(b"slow")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(SECONDS)
        assert heard(line, 4) == b"slow"


def test_refusing_leaves_open_lines_alone(echo: int) -> None:
    """Refused is only who comes new."""
    with FaultProxy("127.0.0.1", echo) as proxy, connected(proxy) as line:
        line.sendall(b"in")
        assert heard(line, 2) == b"in"
        proxy.refuse()
        assert is_turned_away(proxy)
        line.sendall(b"still")
        assert heard(line, 5) == b"still"


def test_something_can_be_done_at_a_byte(echo: int) -> None:
    """What is planned for a byte is done once it has passed, and before the next one does."""
    counts = []
    with FaultProxy("127.0.0.1", echo) as proxy, connected(proxy) as line:
        proxy.at(3, "up", lambda: counts.append(proxy.bytes_up))
        proxy.at(5, "up", lambda: counts.append(proxy.bytes_up))
        line.sendall(b"0123456789")
        assert heard(line, 10) == b"0123456789"
    assert counts == [3, 5]


def test_a_server_that_is_away_is_a_reset(echo: int) -> None:
    """Where nobody listens behind it, the client is reset, and the proxy lives on."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy:
        assert is_turned_away(proxy)
        assert is_turned_away(proxy)
        assert proxy.connections == 2
