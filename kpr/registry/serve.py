"""Serves the stand-in register: a loop over the transport, and the daily view on 127.0.0.1. Stops at a signal."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kpr.clock import Clock, file_clock, system_clock
from kpr.errors import KprError
from kpr.log import get_log
from kpr.registry.register import Register
from kpr.registry.settings import RegisterSettings
from kpr.registry.view import index_page, public_view, view_page, with_last_year

_PAUSE = 1.0

#: A municipality's number may be anything that a payload said it was; four digits are what has a view.
_VIEW = re.compile(r"/view/([0-9]{4})/([0-9]{4})(\.json)?")

#: The pages hold no script and fetch nothing; a browser is told to hold them to it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_log = get_log("register")


def clock_of(settings: RegisterSettings) -> Clock:
    """The register's clock: the machine's, or the one that a rehearsal moves."""
    return file_clock(settings.clock_file) if settings.clock_file else system_clock


def serve(settings: RegisterSettings, port: int, announce: Callable[[str], Any]) -> None:
    """Run until SIGINT or SIGTERM; ``announce(address)`` is called once it listens."""
    register = Register(settings)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(register))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    announce(f"http://127.0.0.1:{server.server_port}/")
    try:
        while not stop.is_set():
            _step(register, clock_of(settings))
            stop.wait(_PAUSE)
    finally:
        server.shutdown()
        server.server_close()
        register.close()


def _step(register: Register, clock: Clock) -> None:
    """One round. What goes wrong outside the messages (a full disk, an unreadable clock) may pass: tried again."""
    try:
        register.step(clock())
    except (KprError, OSError) as error:
        _log.error("the round was broken off", reason=type(error).__name__)


def _handler(register: Register) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(register, self.path)
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: addresses belong to whoever asked."""

    return Handler


def answer(register: Register, path: str) -> tuple[HTTPStatus, str, bytes]:
    """``/`` is a list, ``/health`` says what there is, ``/view/<municipality>/<year>`` a page, with ``.json`` data."""
    asked = path.partition("?")[0]
    if asked == "/":
        page = index_page(register.state.accepted_units(), register.state.waiting_units())
        return HTTPStatus.OK, "text/html", page.encode()
    if asked == "/health":
        units = [f"/view/{municipality}/{year}" for municipality, year in register.state.accepted_units()]
        return HTTPStatus.OK, "application/json", json.dumps({"status": "ok", "views": units}).encode()
    if found := _VIEW.fullmatch(asked):
        municipality, year = found[1], int(found[2])
        view = _view(register, municipality, year)
        if view is not None and found[3]:
            return HTTPStatus.OK, "application/json", json.dumps(public_view(view), ensure_ascii=False).encode()
        if view is not None:
            return HTTPStatus.OK, "text/html", view_page(view, municipality, year).encode()
    return HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n"


def _view(register: Register, municipality: str, year: int) -> dict[str, Any] | None:
    state = register.state
    view = state.latest_view(municipality, year)
    if view is None:
        return None
    return with_last_year(view, state.latest_view(municipality, year - 1)) | {
        "unpaired": state.unpaired(municipality, year)
    }
