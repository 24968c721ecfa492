"""Read an object's bytes: whole, one range, or headers only.

What is larger than 32 KiB comes in pieces, in constant memory: one is read while the one before is on its way. An
imported file read whole is hashed on its way: where it is not what was committed any more, the last piece never goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import BinaryIO

from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from infra.lakefs.api import presigned
from infra.lakefs.api.call import Call, answer
from infra.lakefs.api.memory import BODIES, LEAST
from infra.lakefs.api.threads import READERS, run
from infra.lakefs.errors import DamagedError, InvalidError, NoObjectError, NotFoundError
from infra.lakefs.store import objects, repositories
from infra.lakefs.store.contents import open_content
from infra.lakefs.store.entries import Entry
from infra.lakefs.store.sources import IN_MEMORY, SourceFile

RANGES = re.compile(r"bytes=(?>\d*-\d*,? ?)+")  # atomic, or a crafted header would be tried in 2^n ways
ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
# lakeFS's words, whose length clients may have seen as content-length
NO_OBJECT = "not found"
BAD_RANGE = (
    'parameter "Range" in header has an error: string doesn\'t match the regular expression '
    '"^bytes=((\\d*-\\d*,? ?)+)$"\nSchema:\n  {{\n    "pattern": "^bytes=((\\\\d*-\\\\d*,? ?)+)$",\n'
    '    "type": "string"\n  }}\n\nValue:\n  "{}"\n'
)


def get(call: Call) -> Response:
    if not presigned.asked(call):
        return send(call, _find(call))
    path, repository = call.query.path(), call.params["repository"]
    with call.store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
        entry = objects.stat(connection, call.store, repository, call.params["ref"], path)
    return RedirectResponse(presigned.address(call, entry, namespace)["physical_address"], 302)


def get_presigned(call: Call) -> Response:
    return send(call, presigned.readable(call))


def head_presigned(call: Call) -> Response:
    return send_head(call, presigned.readable(call))


def send(call: Call, entry: Entry) -> Response:
    """The entry's bytes as the request's headers ask for them."""
    headers = _headers(entry)
    headers["content-disposition"] = "inline" if entry.content_type.startswith("text/plain") else "attachment"
    headers["x-content-type-options"] = "nosniff"
    if headers["etag"] in (tag.strip() for tag in call.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    span = _span(call.headers.get("range"), entry.size)
    if span is None:
        refusal = {"message": "Requested Range Not Satisfiable"}
        headers |= {"content-range": f"bytes */{entry.size}", "content-disposition": "inline"}
        headers["content-type"] = "application/json"
        return answer(refusal, 416, headers)
    start, length, status = span
    if status == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    file = open_content(call.store, entry, part=length < entry.size)
    if isinstance(file, SourceFile) and entry.size <= IN_MEMORY:
        with file:
            return Response(file.whole()[start : start + length], status, headers)
    if length <= LEAST:
        with file:
            return Response(_read(file, start, length), status, headers)
    headers["content-length"] = str(length)
    return _Stream(file, start, length, status, headers, whole=length == entry.size)


def head(call: Call) -> Response:
    return send_head(call, _find(call))


def send_head(call: Call, entry: Entry) -> Response:
    headers = _headers(entry)
    span = _span(call.headers.get("range"), entry.size)
    if span is None:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{entry.size}"})
    start, length, status = span
    if status == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    headers["content-length"] = str(length)
    return Response(None, status, headers)


def _find(call: Call) -> Entry:
    path = call.query.path()
    with call.store.database.read() as connection:
        try:
            return objects.stat(connection, call.store, call.params["repository"], call.params["ref"], path)
        except NoObjectError as error:
            raise NotFoundError(NO_OBJECT) from error


def _headers(entry: Entry) -> dict[str, str]:
    return {
        "accept-ranges": "bytes",
        "cache-control": "no-store, must-revalidate",
        "content-type": entry.content_type,  # as it was given: a charset that nobody named is not added
        "etag": f'"{entry.md5.hex()}"',
        "last-modified": formatdate(entry.mtime, usegmt=True),
    }


def _span(header: str | None, size: int) -> tuple[int, int, int] | None:
    """Start, length and status of what is asked for; None when nothing of it exists. Several ranges get the whole."""
    if header is None:
        return 0, size, 200
    if not RANGES.fullmatch(header):
        raise InvalidError(BAD_RANGE.format(header))
    parsed = ONE_RANGE.fullmatch(header.rstrip(", "))
    if parsed is None:
        return 0, size, 200
    first, last = parsed.groups()
    if not first:
        length = min(int(last or 0), size)
        return (size - length, length, 206) if length else None
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    return (start, end - start + 1, 206) if start <= end else None


class _Stream(Response):
    def __init__(
        self, file: BinaryIO, start: int, length: int, status: int, headers: Mapping[str, str], *, whole: bool
    ) -> None:
        super().__init__(None, status, headers)
        self._file = file
        self._start = start
        self._end = start + length
        self._hashed = hashlib.sha256() if whole and isinstance(file, SourceFile) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(receive())  # the request was read before: what comes is that the client left
        try:
            with self._file, BODIES.share() as allowed:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                at = self._start
                while at < self._end and not gone.done():
                    data = await run(READERS, self._read, at, min(allowed(), self._end - at))
                    at += len(data)
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body"})  # returns when the last piece has gone
        finally:
            gone.cancel()

    def _read(self, at: int, length: int) -> bytes:
        data = _read(self._file, at, length)
        if self._hashed is not None and isinstance(self._file, SourceFile):
            self._hashed.update(data)
            if at + length == self._end:
                self._file.check_content(self._hashed.digest())
        return data


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    data = os.pread(file.fileno(), length, start)
    while len(data) < length:
        more = os.pread(file.fileno(), length - len(data), start + len(data))
        if not more:
            raise DamagedError("the stored object ends early: restore it from a backup")
        data += more
    if isinstance(file, SourceFile):
        file.check()
    return data
