"""A home has one server; whoever starts another on it is given the running one.

That needs the running server's port, or 0, keys that it accepts (those given, or those kept in the home), and nothing
beyond what it was started with. A server that is only starting, or ending, is waited for. It is asked with a session
token that lives for seconds, so no secret reaches a process that took over a dead server's port.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.lakefs.api.auth import PREFIX, Keys
from infra.lakefs.errors import HomeError, HomeTakenError
from infra.lakefs.home import ANNOUNCED, Announced, Credentials, Ready, kept_credentials
from infra.lakefs.store import Clock

WAIT_SECONDS = 15
LOOK_SECONDS = 0.05
ANSWER_SECONDS = 5
PROOF_SECONDS = 10


@dataclass(frozen=True)
class Wanted:
    """What a server is asked to be; `keys` None takes those of the home, `offers` are those of `server.Options`."""

    port: int
    keys: Credentials | None
    offers: tuple[str, ...]


def serve_or_share(
    serve: Callable[[], None], folder: Path, wanted: Wanted, clock: Clock, *, alone: bool
) -> Ready | None:
    """Serve until the end, then None; or what the server says that is there already, unless `alone`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            serve()
            return None
        except HomeTakenError as taken:
            ready = None if alone else _running(folder.absolute(), wanted, clock, taken)
            if ready is not None:
                return ready
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)


def _running(folder: Path, wanted: Wanted, clock: Clock, taken: HomeTakenError) -> Ready | None:
    """The running server; None while it is not to be reached, HomeError when it is another than was asked for."""
    said = _announced(folder)
    if said is None:
        return None
    listens = urlsplit(said["url"]).port or 0
    if wanted.port not in (0, listens):
        raise HomeError(f"{taken}, or ask for port {listens} or 0")
    lacking = [option for option in wanted.offers if option not in said["offers"]]
    if lacking:
        raise HomeError(f"{taken}, or ask for what it offers: it was started without {', '.join(lacking)}")
    keys = wanted.keys or kept_credentials(folder)
    if keys is None:
        raise HomeError(f"{taken}, or give the keys that it was started with")
    accepted = _accepts(listens, Keys(keys, clock, b"").session(PROOF_SECONDS)[0])
    if accepted is None or _announced(folder) != said:
        return None  # what was announced is no longer, or not yet
    if not accepted:
        raise HomeError(f"{taken}, or give the keys that it was started with: it does not accept these")
    return Ready(url=said["url"], pid=said["pid"], home=str(folder))


def _announced(folder: Path) -> Announced | None:
    try:
        said = json.loads((folder / ANNOUNCED).read_bytes())
        return Announced(url=said["url"], pid=said["pid"], offers=said["offers"])
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
