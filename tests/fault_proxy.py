"""A network that fails on command: it stands between a client and a server, passes bytes through, and is told to break.

TLS passes through it untouched; a client that checks the host name must call it ``localhost``. It counts what passed,
so that a test can break the line at a given byte and not at a given time. Its loop runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Literal, Self

Direction = Literal["up", "down"]  # up is towards the server
_NAP = 0.005
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the socket ends with a reset, not with a goodbye


class FaultProxy:
    """Listens on ``port`` of this machine."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self.port = self.connections = self.bytes_up = self.bytes_down = 0
        self._points: list[tuple[Direction, int, Callable[[], object]]] = []
        self._hole, self._refusing, self._pause, self._ready = False, False, 0.0, threading.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def at(self, n_bytes: int, direction: Direction, act: Callable[[], object]) -> None:
        """Do something when so many further bytes have passed: they have arrived, and the next one has not."""
        self._points.append((direction, self._passed(direction) + n_bytes, act))

    def cut_after(self, n_bytes: int, direction: Direction = "up") -> None:
        """Reset every connection on both sides after so many further bytes; refuse new ones until it is healed."""
        self.at(n_bytes, direction, lambda: (self.refuse(), self.cut()))

    def cut(self) -> None:
        """Reset every connection on both sides now; new ones get through."""
        if threading.current_thread() is self._thread:  # at a byte: nothing more passes
            self._reset(*self._open)
        else:
            self._loop.call_soon_threadsafe(lambda: self._reset(*self._open))

    def black_hole(self) -> None:
        """Nothing passes any more, and nobody is told; what is under way arrives when it is healed."""
        self._hole = True

    def delay(self, seconds: float) -> None:
        """Each piece waits so long before it is passed on."""
        self._pause = seconds

    def refuse(self) -> None:
        """New connections are reset at once; those that are open stay."""
        self._refusing = True

    def heal(self) -> None:
        """Everything passes again; what was planned is forgotten."""
        self._hole, self._refusing, self._pause, self._points = False, False, 0.0, []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self._reset(*self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.ExitStack() as ends:
            ends.callback(self._reset, writer)  # whichever end goes, the other goes too
            if not self._refusing:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                self._open.add(far_writer)
                ends.callback(self._reset, far_writer)
                await asyncio.gather(self._pump(reader, far_writer, "up"), self._pump(far_reader, writer, "down"))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction) -> None:
        while data := await source.read(1 << 16):
            await asyncio.sleep(self._pause)
            while self._hole:
                await asyncio.sleep(_NAP)
            while data and not sink.is_closing():
                point = min((p for p in self._points if p[0] == direction), default=None, key=lambda p: p[1])
                room = len(data) if point is None else max(0, point[1] - self._passed(direction))
                sink.write(data[:room])
                while sink.transport.get_write_buffer_size() and not sink.is_closing():
                    await asyncio.sleep(_NAP)  # a reset would throw away what has not left yet
                setattr(self, f"bytes_{direction}", self._passed(direction) + len(data[:room]))
                data = data[room:]
                if point is not None and self._passed(direction) >= point[1]:
                    self._points.remove(point)
                    point[2]()
        with contextlib.suppress(OSError):
            sink.write_eof()

    def _passed(self, direction: Direction) -> int:
        return self.bytes_up if direction == "up" else self.bytes_down

    def _reset(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            self._open.discard(writer)
            with contextlib.suppress(OSError, AttributeError):  # closed already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
