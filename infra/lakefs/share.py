"""A home has one server; whoever starts another on it is given the running one.

That needs the running server's port, or 0, and keys that the running server accepts: those given, or those kept in the
home. A server that is only starting, or ending, is waited for. It is asked with a session token that lives for seconds,
so no secret reaches a process that took over a dead server's port.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from infra.lakefs.api.auth import PREFIX, Keys
from infra.lakefs.errors import HomeError, HomeTakenError
from infra.lakefs.home import ANNOUNCED, Credentials, Ready, kept_credentials
from infra.lakefs.store import Clock

WAIT_SECONDS = 15
LOOK_SECONDS = 0.05
ANSWER_SECONDS = 5
PROOF_SECONDS = 10


def serve_or_share(
    serve: Callable[[], None], folder: Path, port: int, given: Credentials | None, clock: Clock, *, alone: bool
) -> Ready | None:
    """Serve until the end, then None; or what the server says that is there already, unless `alone`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            serve()
            return None
        except HomeTakenError as taken:
            ready = None if alone else _running(folder, port, given, clock, taken)
            if ready is not None:
                return ready
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)


def _running(folder: Path, port: int, given: Credentials | None, clock: Clock, taken: HomeTakenError) -> Ready | None:
    """The running server; None while it is not to be reached, HomeError when it is another than was asked for."""
    ready = _announced(folder)
    if ready is None:
        return None
    listens = urlsplit(ready["url"]).port or 0
    if port not in (0, listens):
        raise HomeError(f"{taken}, or ask for port {listens} or 0")
    credentials = given or kept_credentials(folder)
    if credentials is None:
        raise HomeError(f"{taken}, or give the keys that it was started with")
    accepted = _accepts(listens, Keys(credentials, clock, b"").session(PROOF_SECONDS)[0])
    if accepted is None or _announced(folder) != ready:
        return None  # what was announced is no longer, or not yet
    if not accepted:
        raise HomeError(f"{taken}, or give the keys that it was started with: it does not accept these")
    return ready


def _announced(folder: Path) -> Ready | None:
    try:
        said = json.loads((folder.absolute() / ANNOUNCED).read_bytes())
        return Ready(url=said["url"], pid=said["pid"], home=str(folder.absolute()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _accepts(port: int, token: str) -> bool | None:
    """Whether the server takes the token; None when nobody answers."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        asked.request("GET", f"{PREFIX}/config", headers={"authorization": f"Bearer {token}"})
        return asked.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return None
    finally:
        asked.close()
