"""Scoped tokens: what a client gets, so that it needs none of the server's keys.

POST /assay/tokens {"repository", "branches": [patterns], "access": "read" | "stage", "expires_in": seconds}, with the
server's keys, answers {"token", "token_expiration"}. The token is used as `Authorization: Bearer`, or, by clients that
know pairs of keys only, as the pair access key `token`, secret access key the token. What it allows says `grants`.

A token is `assay.CLAIMS.SIGNATURE`. The signature's key is derived from the server's keys and from a secret in the
home, so all tokens end when the keys change or the secret is removed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict
from typing import Annotated

from pydantic import ConfigDict, Field
from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer
from infra.lakefs.api.grants import Access, Grant, namespace_digest
from infra.lakefs.errors import InvalidError, UnauthenticatedError
from infra.lakefs.store import Clock, repositories
from infra.lakefs.store.entries import canonical

PREFIX = "assay."
ACCESS_KEY = "token"
LONGEST_SECONDS = 24 * 3600
MAX_PATTERNS = 32
MAX_PATTERN_TEXT = 2048  # characters of all patterns, so that a token fits in a header


class TokenCreation(Body):
    model_config = ConfigDict(strict=True, extra="forbid")

    repository: str
    branches: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_*?-]+$")]], Field(min_length=1, max_length=MAX_PATTERNS)
    ]
    access: Access
    expires_in: Annotated[int, Field(ge=1, le=LONGEST_SECONDS)]


class Tokens:
    """Signs grants and reads them back; `clock` must never go back."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def sign(self, grant: Grant) -> str:
        claims = base64.urlsafe_b64encode(canonical(asdict(grant)).encode()).decode()
        return f"{PREFIX}{claims}.{self._signature(claims)}"

    def read(self, token: str) -> Grant:
        """The grant of a token; UnauthenticatedError when it was not signed here or has expired."""
        claims, _, signature = token.removeprefix(PREFIX).partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(claims).encode()):
            raise UnauthenticatedError("the token is not this server's: ask for a new one")
        said = json.loads(base64.urlsafe_b64decode(claims))
        grant = Grant(**{**said, "branches": tuple(said["branches"])})
        if grant.expires <= self.now():
            raise UnauthenticatedError("the token has expired: ask for a new one")
        return grant

    def now(self) -> int:
        return self._clock() // 1_000_000

    def _signature(self, claims: str) -> str:
        return hmac.new(self._key, claims.encode(), hashlib.sha256).hexdigest()


def create(tokens: Tokens, call: Call) -> Response:
    body = call.json(TokenCreation)
    if sum(map(len, body.branches)) > MAX_PATTERN_TEXT:
        raise InvalidError(f"branches: all patterns together have at most {MAX_PATTERN_TEXT} characters")
    with call.store.database.read() as connection:
        namespace = namespace_digest(repositories.get(connection, body.repository))
    grant = Grant(body.repository, namespace, tuple(body.branches), body.access, tokens.now() + body.expires_in)
    return answer({"token": tokens.sign(grant), "token_expiration": grant.expires}, 201)


def never_back(clock: Clock) -> Clock:
    """The largest time seen so far: a clock that is set back revives nothing."""
    latest = 0

    def now() -> int:
        nonlocal latest
        latest = max(latest, clock())
        return latest

    return now
