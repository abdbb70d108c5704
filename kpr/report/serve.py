"""The folder of pages over HTTP, on this machine alone: for the demo, and for whoever puts a login in front of it."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: A page of a municipality and a data year; nothing else in the folder is shown.
_PAGE = re.compile(r"/([0-9]{4}-[0-9]{4}\.html)")


def pages_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 (``port`` 0: any free one), not yet started. It reads pages and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = _answer(folder, self.path)
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: who looked belongs to whatever asked them who they are."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _answer(folder: Path, path: str) -> tuple[HTTPStatus, bytes]:
    found = _PAGE.fullmatch(path.partition("?")[0])
    if found:
        try:
            return HTTPStatus.OK, (folder / found[1]).read_bytes()
        except OSError:
            pass
    if path == "/":
        names = sorted(each.name for each in folder.glob("*.html") if _PAGE.fullmatch(f"/{each.name}"))
        items = "".join(f'<li><a href="/{name}">{name.removesuffix(".html")}</a></li>' for name in names)
        return HTTPStatus.OK, f'<!doctype html><html lang="nb"><title>kpr</title><ul>{items}</ul></html>'.encode()
    return HTTPStatus.NOT_FOUND, b"<!doctype html><title>kpr</title><p>Det er ingenting her.</p>"
