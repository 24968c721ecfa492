"""The composition root: settings in, a running catalog out. The only module that knows every room."""

from __future__ import annotations

import gc
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

import uvicorn
from filelock import FileLock, Timeout

from catalog import __version__
from catalog.api.app import create_app
from catalog.api.http import State
from catalog.attest.repository import ReleaseRepository
from catalog.db.door import Records
from catalog.db.migrate import begin, migrate
from catalog.domain.clock import Clock, Ids, uuid7, wall_clock
from catalog.errors import Conflict, Invalid, Unavailable
from catalog.services import (
    approve,
    check,
    copy_store,
    promote,
    quarantine,
    rebase,
    recall,
    register,
    register_model,
    replay,
    rollback,
    rotate_keys,
    withdraw,
)
from catalog.services.context import Context, no_boundary
from catalog.services.init import Bootstrap, init, initialised
from catalog.services.intent import Operations
from catalog.services.simulate import Command, installed
from catalog.services.worker import Worker
from catalog.settings import Settings
from catalog.storage.lakefs import LakeFS
from catalog.storage.moved import Moved

KINDS = (
    register.KIND,
    rebase.KIND,
    check.KIND,
    approve.KIND,
    quarantine.KIND,
    register_model.KIND,
    replay.KIND,
    promote.KIND,
    rollback.KIND,
    withdraw.KIND,
    rotate_keys.KIND,
    recall.KIND,
    copy_store.KIND,
)
BOOTSTRAP = "bootstrap.json"
EMBEDDED = "embedded"


class EmbeddedStore:
    """The embedded lakeFS server as a child; its keys live in the two processes' memory only."""

    def __init__(self, settings: Settings) -> None:
        self.key = settings.lakefs_key.get_secret_value() if settings.lakefs_key else "AKIA" + secrets.token_hex(8)
        secret = settings.lakefs_secret
        self.secret = secret.get_secret_value() if secret else secrets.token_urlsafe(30)
        self._log: IO[bytes] = (settings.home / "lakefs.log").open("ab")
        environment = os.environ | {"LAKEFS_ACCESS_KEY_ID": self.key, "LAKEFS_SECRET_ACCESS_KEY": self.secret}
        command = [sys.executable, "-m", "infra.lakefs", "--home", str(settings.home / "lakefs"), "--port", "0"]
        command += ["--exact-history", "--presign"]  # committed history never looks different; clients may read past us
        for folder in settings.import_folders:
            command += ["--allow-import", str(folder)]
        self._process = subprocess.Popen(
            [*command, "--until-stdin-ends"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else b""
        if not line:
            self.stop()
            raise Unavailable(
                "store-unreachable",
                "the embedded lakeFS server did not start",
                where=str(settings.home / "lakefs.log"),
                do="read that log",
            )
        self.url = str(json.loads(line)["url"])

    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the child and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._log.close()


@dataclass
class Service:
    """A running catalog. Closing it leaves the home as a killed one would: whole."""

    settings: Settings
    context: Context
    operations: Operations
    worker: Worker
    embedded: EmbeddedStore | None
    opened: ExitStack = field(repr=False)

    def close(self) -> None:
        """Stop what runs, in the order it depends, whatever fails on the way."""
        self.opened.close()


def open_service(
    settings: Settings,
    *,
    clock: Clock = wall_clock,
    ids: Ids = uuid7,
    boundary: Callable[[str, str], None] = no_boundary,
    harness: Callable[[str], Command] = installed,
) -> Service:
    """Open the home, alone: migrate its records, start the store, recover what was running."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as opened:
        _lock(settings, opened)
        records = Records(_where(settings), clock)
        opened.callback(records.close)
        records.claim()
        _prepare(records, clock, ids)
        if settings.lakefs_url is None:
            embedded = EmbeddedStore(settings)
            opened.callback(embedded.stop)
            lakefs = LakeFS(embedded.url, embedded.key, embedded.secret, name=EMBEDDED)
        else:
            embedded, lakefs = None, _external(settings)
        context = Context(
            records=records,
            store=Moved(lakefs, lambda repository: copy_store.copies_at(records, lakefs.name, repository)),
            lakefs=lakefs,
            clock=clock,
            ids=ids,
            environment=settings.environment,
            snapshots=settings.snapshots,
            lineage_log=settings.home / "lineage.jsonl",
            releases=ReleaseRepository(settings.releases),
            release_key=settings.release_key_file,
            report_key=settings.report_key_file,
            lease_hours=settings.lease_hours,
            boundary=boundary,
            harness=harness,
        )
        settings.snapshots.mkdir(exist_ok=True)
        _bootstrap(settings, context)
        operations = Operations(context, KINDS)
        opened.callback(operations.close)
        worker = Worker(context, operations, settings.poll_seconds)
        worker.start()
        opened.callback(worker.stop)
        return Service(settings, context, operations, worker, embedded, opened.pop_all())


def _lock(settings: Settings, opened: ExitStack) -> None:
    lock = FileLock(settings.home / "service.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise Conflict(
            "home-locked", "another service has this home", where=str(settings.home), do="use it, or `assay down`"
        ) from error
    opened.callback(lock.release)


def _where(settings: Settings) -> Path | str:
    return settings.database_url.get_secret_value() if settings.database_url is not None else settings.database


def _prepare(records: Records, clock: Clock, ids: Ids) -> None:
    migrate(records.engine)
    with records.read() as c:
        fresh = c.exec_driver_sql("select count(*) from head").scalar_one() == 0
    if fresh:
        begin(records.engine, clock, ids)


def _external(settings: Settings) -> LakeFS:
    url, key, secret, namespace = (
        settings.lakefs_url,
        settings.lakefs_key,
        settings.lakefs_secret,
        settings.lakefs_namespace,
    )
    if url is None or key is None or secret is None or namespace is None:
        raise Invalid("settings-invalid", "an external lakeFS needs a URL, a key, a secret and a namespace")
    return LakeFS(url, key.get_secret_value(), secret.get_secret_value(), namespace=namespace)


def _bootstrap(settings: Settings, context: Context) -> None:
    """Take the file that `assay init` left for a fresh home, once."""
    path = settings.home / BOOTSTRAP
    if path.exists():
        if not initialised(context):
            init(context, Bootstrap.parse(path.read_bytes()))
        path.unlink()
    elif not initialised(context):
        raise Unavailable(
            "home-not-initialised", "this home has no principals", where=str(settings.home), do="run `assay init`"
        )


def serve(settings: Settings, port: int = 0) -> None:
    """Serve the API on loopback until a signal, or until nothing was asked for `idle_seconds`."""
    # uvicorn raises the signal that ended it once more, so it must end in an exception, or nothing below is closed
    signal.signal(signal.SIGTERM, _terminated)
    with closing(_listener(port)) as listener, closing(open_service(settings)) as service:
        state = State(service.context, service.operations, settings.home)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(create_app(state), log_level="warning", access_log=False))
        _say(settings.address, {"url": url, "pid": os.getpid(), "version": __version__})
        watch = (server, state, service, settings.idle_seconds)
        threading.Thread(target=_end_when_idle, args=watch, daemon=True).start()
        gc.freeze()  # what was imported stays for good: without it every collection walks all of it again
        try:
            server.run(sockets=[listener])
        finally:
            settings.address.unlink(missing_ok=True)


def _terminated(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _listener(port: int) -> socket.socket:
    # the protocol is named because asyncio sets TCP_NODELAY only then; without it each answer waits 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise Conflict("port-in-use", f"port {port}: {error.strerror}", do="choose another with --port") from error
    return listener


def _say(path: Path, document: dict[str, object]) -> None:
    """Write the address so that a reader sees all of it or none."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


def _end_when_idle(server: uvicorn.Server, state: State, service: Service, seconds: int) -> None:
    while not server.should_exit:
        time.sleep(min(1.0, seconds / 4))
        idle = time.monotonic() - state.used
        if idle > seconds and state.open_requests == 0 and not service.operations.busy:
            server.should_exit = True
        if service.embedded is not None and not service.embedded.alive():
            logging.getLogger("assay").error("the embedded lakeFS server ended; the service ends too")
            server.should_exit = True
