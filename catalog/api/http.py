"""What every route shares: who calls, strict bodies, idempotent POSTs, problems, documents as answers."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from catalog.db import records, tables
from catalog.domain.base import Entity, canonical, sha256, strict_json, utc_text
from catalog.domain.principal import Principal
from catalog.errors import AssayError, Invalid, Unauthorised
from catalog.services.context import Context
from catalog.services.intent import Operations, problem

MAX_BODY = 64 * 2**20
E = TypeVar("E", bound=Entity)


@dataclass
class State:
    """What the routes work on."""

    context: Context
    operations: Operations
    home: Path
    used: float = field(default_factory=time.monotonic)
    open_requests: int = 0
    keys: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)


def state(request: Request) -> State:
    """The state of this application."""
    found: State = request.app.state.assay
    return found


def caller(request: Request) -> Principal:
    """The principal whose token this is."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorised("token-missing", "no token was sent", do="use --as NAME, or set ASSAY_TOKEN")
    with state(request).context.records.read() as c:
        found = records.one(c, tables.principal, Principal, token_digest=sha256(token.encode()))
    if found is None:
        raise Unauthorised("token-invalid", "this token is not known here", do="check which home and keys are in use")
    return found


The = Annotated[State, Depends(state)]
Caller = Annotated[Principal, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=500)]  # of a page


def may(action: str) -> Callable[[Principal], Principal]:
    """A dependency: the caller, when a role allows the action."""

    def require(who: Caller) -> Principal:
        who.require(action)
        return who

    return require


def takes(entity: type[E]) -> Callable[[Request], Awaitable[E]]:
    """A dependency: the request's body as this document, strictly."""

    async def parse(request: Request) -> E:
        return entity.parse(await request.body() or b"{}")

    return parse


def described(entity: type[Entity]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this document."""
    schema = {"$ref": f"#/components/schemas/{entity.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answer(entity: Entity, status: int = 200) -> Response:
    """A document as the answer, in its canonical form."""
    return Response(entity.canonical(), status, media_type="application/json")


def items(found: Sequence[Entity], following: str | None) -> Response:
    """One cursor page."""
    return Response(
        canonical({"items": [e.document() for e in found], "next": following}), media_type="application/json"
    )


def refused(error: AssayError, status: int | None = None) -> Response:
    """An error as an RFC 9457 problem; with the status of HTTP itself where it was HTTP that failed."""
    said = problem(error).model_copy(update={"status": status or error.status})
    return Response(said.canonical(), said.status, media_type="application/problem+json")


class Route(APIRoute):
    """Counts what is open, limits bodies, and keeps the answer of every POST under its `Idempotency-Key`.

    `repeatable` routes may be asked without a key: done again, they change nothing.
    """

    repeatable = False

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            here = state(request)
            here.open_requests += 1
            try:
                body = await _body(request)
                if request.method != "POST" or (self.repeatable and "idempotency-key" not in request.headers):
                    answered: Response = await handle(request)
                    return answered
                return await _once(here, request, body, handle)
            finally:
                here.open_requests -= 1
                here.used = time.monotonic()

        return handler


async def _body(request: Request) -> bytes:
    if "transfer-encoding" in request.headers:
        raise Invalid("input-invalid", "a body of unknown length", do="send Content-Length")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        raise Invalid("input-invalid", f"a body of {length[:20]} bytes; at most {MAX_BODY} are taken")
    if int(length) == 0:
        return b""
    await run_in_threadpool(caller, request)  # nobody unknown makes the service read and parse
    body = await request.body()
    await run_in_threadpool(strict_json, body, "request body", MAX_BODY)
    return body


async def _once(here: State, request: Request, body: bytes, handle: Callable[[Request], Any]) -> Response:
    key = request.headers.get("idempotency-key", "")
    if not 8 <= len(key) <= 128:
        raise Invalid("input-invalid", "a POST needs an Idempotency-Key of 8 to 128 characters", do="send a fresh UUID")
    who = await run_in_threadpool(caller, request)
    digest = sha256(hashlib.sha256(f"{request.url.path}\n".encode() + body).digest())
    async with here.keys.setdefault(f"{who.name}/{key}", asyncio.Lock()):
        kept = await run_in_threadpool(_kept, here, who.name, key, digest)
        if kept is not None:
            return kept
        answered: Response = await handle(request)
        if answered.status_code < 500:
            await run_in_threadpool(_keep, here, who.name, key, digest, answered)
        return answered


def _kept(here: State, who: str, key: str, digest: str) -> Response | None:
    t = tables.idempotency
    with here.context.records.read() as c:
        row = c.execute(select(t).where(t.c.key == key, t.c.principal == who)).first()
    if row is None:
        return None
    if row.request != digest:
        raise Invalid("idempotency-reused", "this Idempotency-Key was used for another request", do="send a fresh key")
    return Response(row.answer, row.status, media_type="application/json", headers={"Idempotency-Replayed": "true"})


def _keep(here: State, who: str, key: str, digest: str, answered: Response) -> None:
    with here.context.records.write(who) as write:
        write.insert(
            tables.idempotency,
            key=key,
            principal=who,
            request=digest,
            status=answered.status_code,
            answer=bytes(answered.body).decode(),
            at=utc_text(write.now),
        )
