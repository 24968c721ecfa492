"""Run the server: one home, one port on the loopback, one line on stdout when it is ready.

The line is `{"url": "http://127.0.0.1:PORT/api/v1", "pid": …, "home": "…"}`. SIGTERM and SIGINT end it with status 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn

from infra.lakefs.api.app import build
from infra.lakefs.api.auth import PREFIX, Keys
from infra.lakefs.api.connection import Connection, Http
from infra.lakefs.errors import HomeError
from infra.lakefs.home import Credentials, Home
from infra.lakefs.store import Store
from infra.lakefs.store.imports import Imports

HOST = "127.0.0.1"
USER = "quickstart"  # lakeFS's name for the one user of a single-user server
IDLE_SECONDS = 120
GRACE_SECONDS = 10
TICKS = 50  # of a tenth of a second, from one look at the connections to the next
FILES = 1 << 16  # that may be open at once: a connection and its upload are two


@dataclass(frozen=True)
class Options:
    """What a server offers on request; `allow_environment` names what action files may use of the environment."""

    allow_import: Sequence[Path] = ()
    presign: bool = False
    allow_environment: Sequence[str] = ()
    exact_history: bool = False

    def offers(self) -> tuple[str, ...]:
        """What is offered, as the options of the command that ask for it."""
        folders = (f"--allow-import {folder.absolute()}" for folder in self.allow_import)
        names = (f"--allow-env {name}" for name in self.allow_environment)
        flags = {"--presign": self.presign, "--exact-history": self.exact_history}
        return (*folders, *names, *(flag for flag, given in flags.items() if given))


def serve(
    folder: Path,
    port: int,
    credentials: Credentials | None,
    options: Options,
    *,
    until_stdin_ends: bool = False,
) -> None:
    """Serve until a signal, or until whoever holds the other end of stdin is gone; HomeError when it cannot begin."""
    environment = {name: os.environ[name] for name in options.allow_environment if name in os.environ}
    for allowed in options.allow_import:
        if not allowed.exists():
            print(f"lakefs: --allow-import {allowed} is not there (yet): nothing is read from it", file=sys.stderr)
    _allow_files()
    with Home(folder) as home:
        keys = credentials or home.credentials()
        with _listen(port) as listening:
            opened = Store(
                home.folder,
                clock,
                USER,
                allowed=options.allow_import,
                secret=home.secret(),
                presign=options.presign,
                environment=environment,
                exact_history=options.exact_history,
            )
            with (
                closing(opened) as store,
                closing(Imports(store)) as imports,
                closing(store.webhooks),  # first, so that an import does not wait for its hook
            ):
                store.followers.tell()
                settings = uvicorn.Config(
                    build(store, Keys(keys, clock, home.secret()), imports),
                    log_level="warning",
                    access_log=False,
                    lifespan="off",
                    loop="uvloop",
                    http=Connection,  # type: ignore[arg-type]  # its type names Protocol alone, asyncio serves both kinds
                    ws="none",
                    proxy_headers=False,
                    server_header=False,
                    timeout_keep_alive=IDLE_SECONDS,
                    timeout_graceful_shutdown=GRACE_SECONDS,
                )
                server = _Server(settings, home, partial(home.announce, offers=options.offers()))
                if until_stdin_ends:
                    threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
                server.run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, settings: uvicorn.Config, home: Home, announce: Callable[[str], None]) -> None:
        super().__init__(settings)
        self._home = home
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            url = f"http://{HOST}:{sockets[0].getsockname()[1]}{PREFIX}"
            self._announce(url)
            print(json.dumps({"url": url, "pid": os.getpid(), "home": str(self._home.folder)}), flush=True)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Http)
                connection.end_if_still(now)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal ends the process with status 0 instead of being raised again."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
        yield


def _end_with_stdin(server: uvicorn.Server) -> None:
    """A supervisor killed with -9 closes the pipe too, so that no orphan keeps the home."""
    while os.read(0, 4096):
        pass
    server.should_exit = True


def _allow_files() -> None:
    """As many open files as the system lets this process have; the usual limit is for programs that use select."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(port: int) -> socket.socket:
    # the protocol is named because asyncio sets TCP_NODELAY only then; without it each answer waits 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(2048)  # so that a second server on this port fails here and not later
    except (OSError, OverflowError) as error:
        listening.close()
        raise HomeError(
            f"port {port} on {HOST} cannot be used ({error}): choose another, or 0 for a free one"
        ) from error
    return listening


def clock() -> int:
    return time.time_ns() // 1000
