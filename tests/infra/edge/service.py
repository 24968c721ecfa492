"""A service as a device sees it: the release repository and a place for reports, over real HTTP, behind a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Service(ThreadingHTTPServer):
    """`mood` is a path suffix → how it answers there: a status, `cut`, `redirect`, or `drip`."""

    def __init__(self, releases: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.releases, self.token = releases, token
        self.mood: dict[str, Any] = {}
        self.received: list[dict[str, Any]] = []
        self.answers: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        if self._moody():
            return
        path = self.server.releases / self.path.removeprefix("/api/v1/releases/")
        if not path.is_file():
            self._answer(404)
            return
        self._answer(200, path.read_bytes())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self._moody():
            return
        key = self.headers["idempotency-key"]
        if key not in self.server.answers:
            self.server.received.append(body["envelope"])
            self.server.answers[key] = 200
        self._answer(self.server.answers[key])

    def _moody(self) -> bool:
        self.server.asked.append((self.command, self.path))
        if self.headers["authorization"] != f"Bearer {self.server.token}":
            self._answer(401)
            return True
        mood = next((said for suffix, said in self.server.mood.items() if self.path.endswith(suffix)), None)
        if mood == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{self.server.url}/elsewhere")
            self.end_headers()
        elif mood == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"{")
        elif isinstance(mood, int):
            self._answer(mood)
        return mood is not None

    def _answer(self, status: int, body: bytes = b"{}") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(releases: Path, token: str) -> Iterator[Service]:
    """A service until the block ends."""
    with Service(releases, token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
