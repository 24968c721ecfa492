"""A connection and what it may ask of the server: so many bytes of a head, so many seconds of silence.

uvicorn's own protocol has none of these limits. What is too long or not HTTP is refused and the connection closed; so
is what does not move: a head that stays incomplete, a body that stops coming, an answer that nobody reads. A client
that waits for its answer waits as long as that takes. Connections are read in pieces that are the smaller the more
there are, so that what has arrived and waits to be taken stays within a sum.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, cast

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 << 10  # bytes of the address, names and values; a path of 1024 bytes, encoded, fits many times
HEAD_SECONDS = 30
SILENT_SECONDS = 60
ARRIVED = 32 << 20  # bytes of all connections together
LEAST, MOST = 16 << 10, 256 << 10  # bytes of one piece
_buffer = memoryview(bytearray(MOST))  # of the one event loop: what is read into it is taken out at once


class Connection(asyncio.BufferedProtocol):
    """Reads for the protocol below; only a protocol of this kind says how much is read at once."""

    def __init__(self, **given: Any) -> None:
        self._http = Http(**given)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._http.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer[: self._http.piece()]

    def buffer_updated(self, nbytes: int) -> None:
        self._http.data_received(bytes(_buffer[:nbytes]))

    def eof_received(self) -> None:
        self._http.eof_received()


class Http(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._begun = self._moved = self.loop.time()
        self._in_head, self._too_long = True, False
        self._unparsed = 0  # bytes since the last piece of a body or the end of a head
        self._unsent = 0  # bytes of an answer when last looked at

    def data_received(self, data: bytes) -> None:
        self._moved = self.loop.time()
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD:
            self._too_long = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._in_head = self._moved, True

    def on_headers_complete(self) -> None:
        self._too_long = len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD
        if self._too_long:
            raise HttpParserError  # ends the parsing: what follows belongs to no request
        self._unparsed, self._in_head = 0, False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)
        if len(self.cycle.body) >= self.piece() and not self.cycle.response_complete:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def resume_writing(self) -> None:
        self._moved = self.loop.time()
        super().resume_writing()

    def piece(self) -> int:
        """How many bytes may be read at once."""
        return max(LEAST, min(MOST, ARRIVED // max(1, len(self.connections))))

    def end_if_still(self, now: float) -> None:
        """Close when it is the client's turn and nothing moved for too long."""
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._moved = now
        still = now - self._moved > SILENT_SECONDS
        if still and self._unsent:
            self.transport.abort()
        elif self._in_head and now - self._begun > HEAD_SECONDS:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head of the request did not come within {HEAD_SECONDS} s")
        elif still and self.cycle is not None and self.cycle.more_body and not self.flow.read_paused:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"nothing of the body came for {SILENT_SECONDS} s")

    def send_400_response(self, msg: str) -> None:
        """uvicorn's way out of what cannot be parsed."""
        if self._too_long:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, f"the head of the request is longer than {MAX_HEAD} bytes")
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "the request is not HTTP/1.1")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Close, with an answer where it cannot be taken for one to another request."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or (cycle.response_complete if self._in_head else not cycle.response_started):
            body = json.dumps({"message": message}).encode() + b"\n"
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
