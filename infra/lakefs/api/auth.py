"""Who may ask: Basic credentials or a session token made from them; nobody else, but for a few open addresses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.lakefs.api.call import Body, Call, answer
from infra.lakefs.errors import UnauthenticatedError
from infra.lakefs.home import Credentials
from infra.lakefs.store import Clock

PREFIX = "/api/v1"
PRESIGNED = "/presigned"  # what is below carries its own signature
OPEN = {"/healthcheck", "/auth/capabilities", "/setup_lakefs", "/auth/login"}
SESSION_SECONDS = 24 * 3600
COOKIE = "internal_auth_session"


class Login(Body):
    access_key_id: str
    secret_access_key: str


class Keys:
    """The one pair of keys of this server. Comparisons take the same time whatever differs."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._basic = f"{credentials.key}:{credentials.secret}".encode()
        self._session = hashlib.sha256(b"lakefs-session\0" + self._basic).digest()
        self._clock = clock

    def accepts(self, headers: Headers) -> bool:
        """Whether the request may pass; UnauthenticatedError when it carries credentials that are wrong."""
        given = headers.get("authorization", "")
        scheme, _, value = given.partition(" ")
        if scheme.lower() == "basic" and self._is_basic(value):
            return True
        token = value if scheme.lower() == "bearer" else _cookie(headers)
        if token and self._is_token(token):
            return True
        if given or token:
            raise UnauthenticatedError("the credentials are not this server's: check access key and secret")
        return False

    def login(self, given: Login) -> tuple[str, int]:
        """A session token and when it expires, in seconds since 1970."""
        if not hmac.compare_digest(f"{given.access_key_id}:{given.secret_access_key}".encode(), self._basic):
            raise UnauthenticatedError("the credentials are not this server's: check access key and secret")
        expires = self._clock() // 1_000_000 + SESSION_SECONDS
        return f"{expires}.{self._signature(str(expires))}", expires

    def _is_basic(self, value: str) -> bool:
        try:
            given = base64.b64decode(value, validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(given, self._basic)

    def _is_token(self, token: str) -> bool:
        expires, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(expires).encode()):
            return False
        return int(expires) > self._clock() // 1_000_000

    def _signature(self, expires: str) -> str:
        return hmac.new(self._session, expires.encode(), hashlib.sha256).hexdigest()


class Gate:
    """Lets a request through to the application, or answers 401; `scope["state"]["known"]` says whose it is."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(PREFIX)
            problem = "credentials are missing: give access key and secret as Basic authentication"
            try:
                known = self._keys.accepts(Headers(scope=scope))
                refused = not known and path != "/user"
            except UnauthenticatedError as error:
                known, refused, problem = False, True, str(error)
            if refused and path not in OPEN and not path.startswith(PRESIGNED + "/"):
                refusal = answer({"message": problem}, 401, {"x-error-kind": UnauthenticatedError.kind})
                await refusal(scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "known": known}
        await self._app(scope, receive, send)


def login(keys: Keys, call: Call) -> Any:
    token, expires = keys.login(call.json(Login))
    return answer({"token": token, "token_expiration": expires}, headers={"set-cookie": f"{COOKIE}={token}; HttpOnly"})


def _cookie(headers: Headers) -> str:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")
