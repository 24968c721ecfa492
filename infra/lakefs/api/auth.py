"""Who may ask: Basic credentials, a session token made from them, or a scoped token; nobody else, but for a few open
addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from enum import Enum

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.lakefs.api import threads
from infra.lakefs.api.call import Body, Call, answer
from infra.lakefs.api.grants import Grant, permit
from infra.lakefs.api.tokens import ACCESS_KEY, Tokens, never_back
from infra.lakefs.api.tokens import PREFIX as TOKEN_PREFIX
from infra.lakefs.errors import LakeFSError, UnauthenticatedError, storage_error
from infra.lakefs.home import Credentials
from infra.lakefs.store import Clock, Store

PREFIX = "/api/v1"
PRESIGNED = "/presigned"  # what is below carries its own signature
OPEN = {"/healthcheck", "/auth/capabilities", "/setup_lakefs", "/auth/login"}
SESSION_SECONDS = 24 * 3600
COOKIE = "internal_auth_session"
MISSING = "credentials are missing: give access key and secret as Basic authentication"
WRONG = "the credentials are not this server's: check access key and secret"


class Login(Body):
    access_key_id: str
    secret_access_key: str


class Owner(Enum):
    """Whoever holds the server's keys, and may ask everything."""

    OWNER = "owner"


class Keys:
    """The one pair of keys of this server. Comparisons take the same time whatever differs.

    `secret` is the home's own; scoped tokens are signed with it and the keys together.
    """

    def __init__(self, credentials: Credentials, clock: Clock, secret: bytes) -> None:
        self._basic = f"{credentials.key}:{credentials.secret}".encode()
        self._session = hashlib.sha256(b"lakefs-session\0" + self._basic).digest()
        self._clock = never_back(clock)
        scoped = hmac.new(secret, b"lakefs-scoped\0" + self._basic, hashlib.sha256).digest()
        self.tokens = Tokens(scoped, self._clock)

    def identify(self, headers: Headers) -> Owner | Grant | None:
        """Who asks, None for nobody; UnauthenticatedError when the request carries credentials that are wrong."""
        given = headers.get("authorization")
        if given is None:
            return self._holder(_cookie(headers)) if _cookie(headers) else None
        scheme, _, value = given.partition(" ")
        if scheme.lower() == "bearer":
            return self._holder(value)
        pair = _decoded(value) if scheme.lower() == "basic" else b""
        if hmac.compare_digest(pair, self._basic):
            return Owner.OWNER
        name, _, secret = pair.partition(b":")
        if name == ACCESS_KEY.encode():
            return self._holder(secret.decode("latin-1"))
        raise UnauthenticatedError(WRONG)

    def login(self, given: Login) -> tuple[str, int]:
        """A session token and when it expires, in seconds since 1970."""
        if not hmac.compare_digest(f"{given.access_key_id}:{given.secret_access_key}".encode(), self._basic):
            raise UnauthenticatedError(WRONG)
        return self.session(SESSION_SECONDS)

    def session(self, seconds: int) -> tuple[str, int]:
        """A token as good as the keys, and when it expires."""
        expires = self._clock() // 1_000_000 + seconds
        return f"{expires}.{self._signature(str(expires))}", expires

    def _holder(self, token: str) -> Owner | Grant:
        if token.startswith(TOKEN_PREFIX):
            return self.tokens.read(token)
        expires, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(expires).encode()):
            raise UnauthenticatedError(WRONG)
        if int(expires) <= self._clock() // 1_000_000:
            raise UnauthenticatedError("the session has expired: log in again")
        return Owner.OWNER

    def _signature(self, expires: str) -> str:
        return hmac.new(self._session, expires.encode(), hashlib.sha256).hexdigest()


class Gate:
    """Lets a request through to the application, or answers 401 or 403.

    `scope["state"]` says whose it is: `known` for the owner, `grant` of a scoped token or None.
    """

    def __init__(self, app: ASGIApp, keys: Keys, store: Store) -> None:
        self.app = app
        self._keys = keys
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(PREFIX)
            try:
                known, grant = await self._admit(scope["method"], path, Headers(scope=scope))
            except LakeFSError as error:
                refusal = answer({"message": str(error)}, error.status, {"x-error-kind": error.kind})
                await refusal(scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "known": known, "grant": grant}
        await self.app(scope, receive, send)

    async def _admit(self, method: str, path: str, headers: Headers) -> tuple[bool, Grant | None]:
        try:
            caller = self._keys.identify(headers)
        except UnauthenticatedError:
            if not _open(path):
                raise
            caller = None
        if caller is Owner.OWNER:
            return True, None
        if _open(path) or path == "/user":
            return False, None
        if caller is None:
            raise UnauthenticatedError(MISSING)
        try:
            await threads.run(threads.READERS, permit, self._store, caller, method, path)
        except (OSError, sqlite3.Error) as error:
            raise storage_error(error) from error
        return False, caller


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(PRESIGNED + "/")


def login(keys: Keys, call: Call) -> Response:
    token, expires = keys.login(call.json(Login))
    return answer(
        {"token": token, "token_expiration": expires},
        headers={"set-cookie": f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"},
    )


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return b""


def _cookie(headers: Headers) -> str:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")
