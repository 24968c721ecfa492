"""A webhook's other end on the loopback: keeps what it is sent, answers as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Heard"], int]


@dataclass(frozen=True)
class Heard:
    """One request: `path` without, `target` with its query."""

    path: str
    target: str
    headers: dict[str, str]
    json: dict[str, Any]


class Listener(ThreadingHTTPServer):
    """Answers 200 with a short text; `replies` by path are called, in the order given, for a status of their own."""

    request_queue_size = 256  # connections that wait; of more the kernel drops some, and the caller tries for minutes
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.heard: list[Heard] = []
        self.replies: dict[str, list[Reply]] = {}
        self.location = ""
        self.body = b"well heard"
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, path: str, *replies: int | Reply) -> None:
        """The last of several is given from then on."""
        self.replies[path] = [reply if callable(reply) else _status(reply) for reply in replies]

    def of(self, path: str) -> list[dict[str, Any]]:
        return [heard.json for heard in list(self.heard) if heard.path == path]

    def wait(self, path: str, count: int = 1) -> list[dict[str, Any]]:
        """What came to `path` once that many did."""
        deadline = time.monotonic() + 30
        while len(found := self.of(path)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} calls to {path}"
            time.sleep(0.01)
        return found


def _status(status: int) -> Reply:
    return lambda _: status


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        heard = Heard(path, self.path, headers, json.loads(data or b"null"))
        self.server.heard.append(heard)
        replies = self.server.replies.get(path, [_status(200)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        status = reply(heard)
        try:
            self.send_response(status)
            if self.server.location:
                self.send_header("location", self.server.location)
            self.send_header("content-length", str(len(self.server.body)))
            self.end_headers()
            self.wfile.write(self.server.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked has gone

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def listening(port: int = 0) -> Iterator[Listener]:
    listener = Listener(port)
    try:
        yield listener
    finally:
        listener.shutdown()
        listener.server_close()
