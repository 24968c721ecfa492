"""Read an object's bytes: whole, one range, or headers only. A stream in constant memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from infra.lakefs.api.call import Call, answer
from infra.lakefs.api.objects import refuse_presigned
from infra.lakefs.errors import DamagedError, InvalidError
from infra.lakefs.store import objects
from infra.lakefs.store.entries import Entry

CHUNK = 1 << 20
RANGES = re.compile(r"bytes=((\d*-\d*,? ?)+)")
ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
# lakeFS's words, whose length clients may have seen as content-length
BAD_RANGE = (
    'parameter "Range" in header has an error: string doesn\'t match the regular expression '
    '"^bytes=((\\d*-\\d*,? ?)+)$"\nSchema:\n  {{\n    "pattern": "^bytes=((\\\\d*-\\\\d*,? ?)+)$",\n'
    '    "type": "string"\n  }}\n\nValue:\n  "{}"\n'
)


def get(call: Call) -> Response:
    refuse_presigned(call)
    entry = _find(call)
    headers = _headers(entry)
    headers["content-disposition"] = "inline" if entry.content_type.startswith("text/plain") else "attachment"
    headers["x-content-type-options"] = "nosniff"
    if headers["etag"] in (tag.strip() for tag in call.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    span = _span(call.headers.get("range"), entry.size)
    if span is None:
        refusal = {"message": "Requested Range Not Satisfiable"}
        headers.update({"content-range": f"bytes */{entry.size}", "content-disposition": "inline"})
        return answer(refusal, 416, headers)
    start, length, status = span
    if status == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    file = call.store.blobs.open(entry.sha256, entry.size)
    if length <= CHUNK:
        with file:
            return Response(_read(file, start, length), status, headers, entry.content_type)
    headers["content-length"] = str(length)
    return StreamingResponse(_stream(file, start, length), status, headers, entry.content_type)


def head(call: Call) -> Response:
    entry = _find(call)
    headers = _headers(entry)
    span = _span(call.headers.get("range"), entry.size)
    if span is None:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{entry.size}"})
    start, length, status = span
    if status == 206:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    headers["content-length"] = str(length)
    return Response(None, status, headers, entry.content_type)


def _find(call: Call) -> Entry:
    path = call.query.path()
    with call.store.database.read() as connection:
        return objects.stat(connection, call.store, call.params["repository"], call.params["ref"], path)


def _headers(entry: Entry) -> dict[str, str]:
    return {
        "accept-ranges": "bytes",
        "cache-control": "no-store, must-revalidate",
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


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    parts = []
    while length:
        data = file.read(length)
        if not data:
            raise DamagedError("the stored object ends early: restore it from a backup")
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


async def _stream(file: BinaryIO, start: int, length: int) -> AsyncIterator[bytes]:
    with file:
        while length:
            data = await run_in_threadpool(_read, file, start, min(CHUNK, length))
            yield data
            start, length = start + len(data), length - len(data)
