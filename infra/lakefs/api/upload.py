"""Take an object's bytes, raw or as the part `content` of a multipart form, and stage them at a path.

Who may not write is told before anything large is stored.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from infra.lakefs.api.bodies import take
from infra.lakefs.api.call import Query, answer
from infra.lakefs.api.grants import guard
from infra.lakefs.api.objects import shown
from infra.lakefs.errors import InvalidError, NotOfferedError
from infra.lakefs.store import Store, objects, repositories
from infra.lakefs.store.blobs import Blob
from infra.lakefs.store.entries import DEFAULT_TYPE, Entry

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

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
    guard: objects.Guard

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
            guard=self.guard,
        )
        with self.store.database.read() as connection:
            return entry, repositories.get(connection, self.repository).namespace

    def check(self) -> None:
        with self.store.database.read() as connection:
            self.guard(connection, [self.path])
            objects.check_writable(connection, self.repository, self.branch, self.force)


async def upload(request: Request, store: Store) -> Response:
    target, given = _target(request, store), request.headers.get("content-type", "")
    kind, options = parse_options_header(given.encode())
    is_form = kind == b"multipart/form-data"
    body = _Form(options.get(b"boundary", b"")) if is_form else _Raw(checked_type(given))
    entry, namespace = await take(
        body.content(request.stream()), store, target.check, lambda blob: target.stage(blob, body.content_type)
    )
    return answer(shown(entry, namespace), 201)


def _target(request: Request, store: Store) -> _Target:
    query, headers = Query(request.scope["query_string"]), request.headers
    only_new = asks_only_new(headers)
    return _Target(
        store,
        request.path_params["repository"],
        request.path_params["branch"],
        query.path(),
        _metadata(headers),
        only_new,
        query.flag("force"),
        guard(store, request.state.grant),
    )


def asks_only_new(headers: Headers) -> bool:
    """Whether only an object that is not there yet may be written; NotOfferedError for any other condition."""
    if headers.get("if-none-match", "*") != "*" or "if-match" in headers:
        raise NotOfferedError("of the conditions only 'If-None-Match: *' is offered")
    return "if-none-match" in headers


def _metadata(headers: Headers) -> dict[str, str]:
    found = {}
    for name, value in headers.raw:
        if name.lower().startswith(METADATA.encode()):
            found[name.decode("ascii").lower().removeprefix(METADATA)] = _text(value)
    return found


def _text(value: bytes) -> str:
    """Header text as clients send it: UTF-8, or else ISO 8859-1, as Python's own HTTP client does."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def checked_type(given: str) -> str:
    if given and not CONTENT_TYPE.fullmatch(given):
        raise InvalidError("the content type must be 1 to 255 printable ASCII characters")
    return given or DEFAULT_TYPE


class _Raw:
    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def content(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return chunks


class _Form:
    """A multipart body as it arrives; keeps only the part `content`, whose type is known when all has come."""

    content_type = DEFAULT_TYPE

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise InvalidError("a multipart body needs its boundary in the content-type header")
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._inside = self._complete = False
        self._found: bytes | None = None
        self._out = bytearray()
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise InvalidError(f"the multipart boundary is unusable: {error}") from error

    async def content(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The bytes of the part; InvalidError at the end when there was no such part or the body was cut off."""
        async for chunk in chunks:
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise InvalidError(f"the multipart body is malformed: {error}") from error
            yield bytes(self._out)
            self._out.clear()
        if not self._complete or self._found is None:
            raise InvalidError("the multipart body needs one whole part named 'content'")
        self.content_type = checked_type(self._found.decode("latin-1"))

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
