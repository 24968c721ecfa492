"""Imports that run beside the requests: started, asked after, cancelled; each leaves a row that says how it ended.

The row and the branch change in one transaction, so an import that was cancelled never moves the branch, and one that
moved it never counts as failed. A server that stops in the middle leaves the branch as it was; its next start says of
such an import that it was interrupted. It is not taken up again: start another.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.lakefs.errors import BusyError, ConflictError, LakeFSError, NotFoundError, storage_error
from infra.lakefs.log import log_failure
from infra.lakefs.store import Store, refs, repositories
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.ingest import Wanted, ingest

AT_ONCE = 2
WAITING = 100
KEPT = 7 * 24 * 3600 * 1_000_000  # microseconds that the end of an import is remembered
CANCELLED = "cancelled"
INTERRUPTED = "the server stopped before this import was done, and the branch is as it was: start another"


@dataclass(frozen=True, slots=True)
class Status:
    """`updated` is microseconds since 1970. With neither `commit` nor `error` the import is still at work."""

    updated: int
    ingested: int
    commit: str | None
    error: str | None


class _Stopped(Exception):
    """The import is not wanted any more."""


@dataclass
class _Progress:
    updated: int
    ingested: int = 0
    stop: bool = False
    error: str | None = None


class Imports:
    """The imports of a running server, at most AT_ONCE at work at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, _Progress] = {}
        self._guard = threading.Lock()
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import")
        store.database.write(self._interrupt)

    def start(self, wanted: Wanted) -> str:
        """The import's name. What can be said without looking at the disk is refused here, the rest by its status."""
        with self._store.database.read() as connection:
            refs.existing_branch(connection, wanted.repository, wanted.branch)
            repositories.writable(connection, wanted.repository, wanted.force)
        identifier, now = secrets.token_hex(16), self._store.clock()
        with self._guard:
            if len(self._running) >= WAITING:
                raise BusyError(f"{WAITING} imports are waiting already: start this one later")
            self._running[identifier] = _Progress(now)
        try:
            self._store.database.write(
                lambda connection: connection.execute(
                    "INSERT INTO imports VALUES (?,?,?,?,0,NULL,NULL)",
                    (identifier, wanted.repository, wanted.branch, now),
                )
            )
            self._workers.submit(self._run, identifier, wanted)
        except BaseException:
            self._forget(identifier)
            raise
        return identifier

    def status(self, connection: sqlite3.Connection, repository: str, branch: str, identifier: str) -> Status:
        """How far it is, or how it ended."""
        progress = self._running.get(identifier)
        row = connection.execute(
            "SELECT * FROM imports WHERE id=? AND repository=? AND branch=?", (identifier, repository, branch)
        ).fetchone()
        if row is None:
            raise NotFoundError("import not found")
        if progress is None or row["commit"] or row["error"]:
            return Status(row["updated"], row["ingested"], row["commit"], row["error"])
        return Status(progress.updated, progress.ingested, None, progress.error)

    def cancel(self, repository: str, branch: str, identifier: str) -> None:
        """Once this returns, the import does not move the branch; ConflictError when it already has."""

        def change(connection: sqlite3.Connection) -> None:
            status = self.status(connection, repository, branch, identifier)
            if status.commit is not None:
                raise ConflictError(f"the import is completed, as commit {status.commit}: revert that")
            if status.error is None:
                self._end(connection, identifier, status.ingested, error=CANCELLED)

        self._store.database.write(change)
        if (progress := self._running.get(identifier)) is not None:
            progress.stop = True

    def close(self) -> None:
        """Stop what is at work; the rows say that it was interrupted."""
        with self._guard:
            for progress in self._running.values():
                progress.stop = True
        self._workers.shutdown(cancel_futures=True)

    def _run(self, identifier: str, wanted: Wanted) -> None:
        progress = self._running[identifier]

        def counted(more: int) -> None:
            if progress.stop:
                raise _Stopped
            progress.ingested += more
            progress.updated = self._store.clock()

        def record(connection: sqlite3.Connection, commit: Commit) -> None:
            if not self._end(connection, identifier, progress.ingested, commit=commit.id):
                raise _Stopped

        try:
            counted(0)
            ingest(self._store, wanted, counted, record)
        except _Stopped:
            self._fail(identifier, progress, INTERRUPTED)  # unless the row says already that it was cancelled
        except NotFoundError as error:
            self._fail(identifier, progress, f"import error: error on ingest: {error}")
        except LakeFSError as error:
            self._fail(identifier, progress, f"import error: {error}")
        except (OSError, sqlite3.Error) as error:
            log_failure(error)
            self._fail(identifier, progress, f"import error: {storage_error(error)}")
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread, the status has to say it
            log_failure(error)
            self._fail(identifier, progress, "import error: internal error: see the server's log")
        else:
            self._forget(identifier)

    def _fail(self, identifier: str, progress: _Progress, error: str) -> None:
        progress.error, progress.updated = error, self._store.clock()
        try:
            self._store.database.write(
                lambda connection: self._end(connection, identifier, progress.ingested, error=error)
            )
        except LakeFSError as failure:
            # the status still has it from `progress`; after a restart it says that the import was interrupted
            log_failure(failure)
        else:
            self._forget(identifier)

    def _end(
        self,
        connection: sqlite3.Connection,
        identifier: str,
        ingested: int,
        *,
        commit: str | None = None,
        error: str | None = None,
    ) -> bool:
        """Record how it ended; False when it had ended before."""
        done = connection.execute(
            'UPDATE imports SET updated=?, ingested=?, "commit"=?, error=? '
            'WHERE id=? AND "commit" IS NULL AND error IS NULL',
            (self._store.clock(), ingested, commit, error, identifier),
        )
        return done.rowcount == 1

    def _interrupt(self, connection: sqlite3.Connection) -> None:
        """At a start nothing is at work; what ended long ago is forgotten."""
        now = self._store.clock()
        connection.execute(
            'UPDATE imports SET updated=?, error=? WHERE "commit" IS NULL AND error IS NULL', (now, INTERRUPTED)
        )
        connection.execute("DELETE FROM imports WHERE updated<?", (now - KEPT,))

    def _forget(self, identifier: str) -> None:
        with self._guard:
            self._running.pop(identifier, None)
