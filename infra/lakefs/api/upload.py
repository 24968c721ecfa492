"""Take an object's bytes, raw or as the part `content` of a multipart form, in constant memory.

A body that fits into its share of memory, 1 MiB as a rule, is stored in one go by one thread; of a larger one two
shares are held at most, one arriving while the one before is hashed and written. Who may not write is told before
anything large is stored. A body that breaks off leaves nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from infra.lakefs.api.call import Query, answer
from infra.lakefs.api.memory import BODIES
from infra.lakefs.api.objects import shown
from infra.lakefs.api.threads import UPLOADS, run
from infra.lakefs.errors import InvalidError, NotOfferedError
from infra.lakefs.store import Store, objects, repositories
from infra.lakefs.store.blobs import Blob, BlobWriter
from infra.lakefs.store.entries import DEFAULT_TYPE, Entry

HELD = 1 << 20
METADATA = "x-lakefs-meta-"
CONTENT_TYPE = re.compile(r"[\x20-\x7e]{1,255}")  # it goes back out as a header


@dataclass(frozen=True)
class _Target:
    store: Store
    repository: str
    branch: str
    path: bytes
    metadata: dict[str, str]
    only_new: bool
    force: bool

    def stage(self, blob: Blob, content_type: str) -> tuple[Entry, str]:
        entry = objects.stage(
            self.store,
            self.repository,
            self.branch,
            self.path,
            blob,
            content_type,
            self.metadata,
            only_new=self.only_new,
            force=self.force,
        )
        with self.store.database.read() as connection:
            return entry, repositories.get(connection, self.repository).namespace

    def put(self, data: bytearray, content_type: str) -> tuple[Entry, str]:
        with self.store.collection.shared():
            return self.stage(self.store.blobs.put(data), content_type)

    def finish(self, writer: BlobWriter, data: bytearray, content_type: str) -> tuple[Entry, str]:
        writer.write(data)
        with self.store.collection.shared():
            return self.stage(writer.finish(), content_type)

    def begin(self) -> BlobWriter:
        with self.store.database.read() as connection:
            objects.check_writable(connection, self.repository, self.branch, self.force)
        return BlobWriter(self.store.blobs)


async def upload(request: Request, store: Store) -> Response:
    target = _target(request, store)
    kind, options = parse_options_header(request.headers.get("content-type", DEFAULT_TYPE).encode())
    form = _Form(options.get(b"boundary", b"")) if kind == b"multipart/form-data" else None
    held, writer, writing = bytearray(), None, None
    try:
        with BODIES.share() as allowed:
            async for chunk in request.stream():
                held += chunk if form is None else form.feed(chunk)
                if len(held) > allowed():
                    if writer is None:
                        writer = await run(UPLOADS, target.begin)
                    if writing is not None:
                        await writing
                    writing, held = run(UPLOADS, writer.write, held), bytearray()
            content_type = checked_type(form.end() if form else request.headers.get("content-type", ""))
            if writer is None:
                entry, namespace = await run(UPLOADS, target.put, held, content_type)
            else:
                if writing is not None:
                    await writing
                entry, namespace = await run(UPLOADS, target.finish, writer, held, content_type)
    finally:
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)
        if writer is not None:
            await run(UPLOADS, writer.abort)
    return answer(shown(entry, namespace), 201)


def _target(request: Request, store: Store) -> _Target:
    query, headers = Query(request.scope["query_string"]), request.headers
    if headers.get("if-none-match", "*") != "*" or "if-match" in headers:
        raise NotOfferedError("of the conditions only 'If-None-Match: *' is offered")
    return _Target(
        store,
        request.path_params["repository"],
        request.path_params["branch"],
        query.path(),
        _metadata(headers),
        "if-none-match" in headers,
        query.flag("force"),
    )


def _metadata(headers: Headers) -> dict[str, str]:
    found = {}
    for name, value in headers.raw:
        if name.lower().startswith(METADATA.encode()):
            try:
                found[name.decode("ascii").lower().removeprefix(METADATA)] = value.decode()
            except UnicodeDecodeError as error:
                raise InvalidError(f"header {name!r} is not UTF-8") from error
    return found


def checked_type(given: str) -> str:
    if given and not CONTENT_TYPE.fullmatch(given):
        raise InvalidError("the content type must be 1 to 255 printable ASCII characters")
    return given or DEFAULT_TYPE


class _Form:
    """A multipart body as it arrives; keeps only the part `content`."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise InvalidError("a multipart body needs its boundary in the content-type header")
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._inside = self._complete = False
        self._found: bytes | None = None
        self._out = bytearray()
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # its own type forbids subsets
        except FormParserError as error:
            raise InvalidError(f"the multipart boundary is unusable: {error}") from error

    def feed(self, chunk: bytes) -> bytes:
        """Bytes of the part `content` that this chunk of the body holds."""
        try:
            for piece in _pieces(chunk):
                self._parser.write(piece)
        except FormParserError as error:
            raise InvalidError(f"the multipart body is malformed: {error}") from error
        out = bytes(self._out)
        self._out.clear()
        return out

    def end(self) -> str:
        """The part's content type; InvalidError when there was no such part or the body was cut off."""
        if not self._complete or self._found is None:
            raise InvalidError("the multipart body needs one whole part named 'content'")
        return self._found.decode("latin-1")

    def _begin(self) -> None:
        self._headers, self._field, self._value = {}, b"", b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._inside = options.get(b"name") == b"content"
        if self._inside and self._found is not None:
            raise InvalidError("the multipart body has several parts named 'content'")
        if self._inside:
            self._found = self._headers.get(b"content-type", b"")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._out += data[start:end]

    def _on_end(self) -> None:
        self._complete = True


def _pieces(chunk: bytes) -> Iterator[bytes]:
    for at in range(0, len(chunk), HELD):
        yield chunk[at : at + HELD]
