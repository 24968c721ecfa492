"""One authenticated connection to the service: problems come back as our errors, POSTs are idempotent.

A forked process never uses the parent's sockets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from catalog.client.launch import ensure
from catalog.domain.base import Entity, first_fault, strict_json
from catalog.domain.clock import uuid7
from catalog.domain.intent import Problem
from catalog.errors import AssayError, Invalid, Unauthorised, Unavailable, from_kind
from catalog.settings import Settings

API = "/api/v1"
TIMEOUT = httpx.Timeout(120, connect=5)
E = TypeVar("E", bound=Entity)


class Connection:
    """HTTP as one principal."""

    def __init__(self, settings: Settings, principal: str) -> None:
        self.settings, self.principal = settings, principal
        self._base = _base(settings)  # first: in a folder that is no home, no token is to be missed
        self._token = _token(settings, principal)
        self._pid, self._http = os.getpid(), _http(self._token)

    @property
    def address(self) -> str:
        """Where the service answers: what a device is given with `--from`."""
        return self._base.removesuffix(API)

    def get(self, path: str, entity: type[E], **query: Any) -> E:
        """GET one document."""
        return entity.parse(self._ask("GET", path, params=_known(query)))

    def get_bytes(self, path: str) -> bytes:
        """GET raw bytes."""
        return self._ask("GET", path)

    def pages(self, path: str, entity: type[E], **query: Any) -> list[E]:
        """GET all pages of a list, or those behind `after`."""
        found: list[E] = []
        after: str | None = query.pop("after", None)
        while True:
            page = strict_json(self._ask("GET", path, params=_known({**query, "after": after})), "page")
            found += [entity.of(item) for item in page["items"]]
            after = page["next"]
            if after is None:
                return found

    def post(self, path: str, entity: type[E], body: Entity | None = None, key: str | None = None) -> E:
        """POST one document; a lost answer is asked for again under the same key."""
        content = body.canonical() if body is not None else b""
        headers = {"Idempotency-Key": key or uuid7(), "Content-Type": "application/json"}
        try:
            return entity.parse(self._ask("POST", path, content=content, headers=headers))
        except Unavailable as error:
            if error.kind != "service-unreachable":
                raise
            return entity.parse(self._ask("POST", path, content=content, headers=headers))

    def close(self) -> None:
        """Give the sockets back."""
        self._http.close()

    def _ask(self, method: str, path: str, **options: Any) -> bytes:
        if self._pid != os.getpid():
            self._pid, self._http = os.getpid(), _http(self._token)
        try:
            try:
                answer = self._http.request(method, self._base + path, **options)
            except httpx.ConnectError:
                # a service that we started may have ended, being idle, while the job computed; nothing was sent yet
                self._base = _base(self.settings)
                answer = self._http.request(method, self._base + path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                "service-unreachable", f"the service does not answer: {error}", where=self._base, do="try again"
            ) from error
        if answer.status_code >= 400:
            raise _problem(answer)
        return answer.content


def _base(settings: Settings) -> str:
    return ensure(settings).rstrip("/") + API


def _http(token: str) -> httpx.Client:
    return httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, trust_env=False)


def document(entity: type[E], **fields: Any) -> E:
    """A document to send; raises `Invalid` naming the first field that may not be so."""
    try:
        return entity(**fields)
    except ValidationError as error:
        raise Invalid("input-invalid", f"{entity.__name__}: {first_fault(error)}", do="correct that value") from error


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe=":")


def _known(query: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in query.items() if v is not None}


def _problem(answer: httpx.Response) -> AssayError:
    try:
        problem = Problem.parse(answer.content)
        return from_kind(problem.kind, problem.title, where=problem.where, do=problem.do)
    except (AssayError, ValueError):
        text = answer.text[:200]
        return Unavailable("service-unreachable", f"the service answered {answer.status_code}: {text}", do="try again")


def _token(settings: Settings, principal: str) -> str:
    if settings.token is not None:
        return settings.token.get_secret_value()
    path = token_path(settings, principal)
    try:
        return path.read_text().strip()
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in settings.keys_folder.glob("*.token")))
        raise Unauthorised(
            "token-missing",
            f"no token of {principal!r}",
            where=str(path),
            do=f"be one of {known}; or set ASSAY_TOKEN" if known else "set ASSAY_KEYS to the keys of this home",
        ) from error


def token_path(settings: Settings, principal: str) -> Path:
    """Where a principal's token is on this machine."""
    return settings.keys_folder / f"{principal}.token"
