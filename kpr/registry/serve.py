"""Serves the stand-in register: a loop over the transport, and the daily view on 127.0.0.1. Stops at a signal."""

from __future__ import annotations

import json
import signal
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kpr.clock import Clock, file_clock, system_clock
from kpr.registry.register import Register
from kpr.registry.settings import RegisterSettings
from kpr.registry.view import view_page, with_last_year

_PAUSE = 1.0


def clock_of(settings: RegisterSettings) -> Clock:
    """The register's clock: the machine's, or the one that a rehearsal moves."""
    return file_clock(settings.clock_file) if settings.clock_file else system_clock


def serve(settings: RegisterSettings, port: int, announce: Any) -> None:
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
            register.step(clock_of(settings)())
            stop.wait(_PAUSE)
    finally:
        server.shutdown()
        server.server_close()
        register.state.close()


def _handler(register: Register) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(register, self.path)
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: addresses belong to whoever asked."""

    return Handler


def answer(register: Register, path: str) -> tuple[HTTPStatus, str, bytes]:
    """``/`` and ``/health``, ``/view/<municipality>/<year>`` as a page and with ``.json`` as data."""
    parts = path.split("?")[0].strip("/").split("/")
    if parts in ([""], ["health"]):
        units = [f"/view/{municipality}/{year}" for municipality, year in register.state.accepted_units()]
        return HTTPStatus.OK, "application/json", json.dumps({"views": units}).encode()
    if len(parts) == 3 and parts[0] == "view" and parts[2].removesuffix(".json").isdigit():
        year = int(parts[2].removesuffix(".json"))
        view = _view(register, parts[1], year)
        if view is not None and parts[2].endswith(".json"):
            return HTTPStatus.OK, "application/json", json.dumps(view, ensure_ascii=False).encode()
        if view is not None:
            return HTTPStatus.OK, "text/html", view_page(view, parts[1], year).encode()
    return HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n"


def _view(register: Register, municipality: str, year: int) -> dict[str, Any] | None:
    view = register.state.latest_view(municipality, year)
    return with_last_year(view, register.state.latest_view(municipality, year - 1)) if view else None
