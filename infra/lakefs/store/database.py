"""SQLite with one door to write: the first of those who wait makes one transaction of all changes waiting then.

A change's answer is given only after its transaction is on disk; a refused change is rolled back alone. Readers see
a snapshot and wait for nobody.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from infra.lakefs.errors import HomeError, LakeFSError, storage_error
from infra.lakefs.store.durable import fsync_folder
from infra.lakefs.store.migrate import migrate

T = TypeVar("T")
BATCH = 256

SCHEMA = """
CREATE TABLE IF NOT EXISTS repositories (
  id TEXT PRIMARY KEY, namespace TEXT NOT NULL, default_branch TEXT NOT NULL, created INTEGER NOT NULL,
  read_only INTEGER NOT NULL, metadata TEXT NOT NULL, protection TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS namespaces (namespace TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
  repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, id TEXT NOT NULL, parents TEXT NOT NULL,
  tree TEXT NOT NULL, message TEXT NOT NULL, committer TEXT NOT NULL, date INTEGER NOT NULL, recorded INTEGER NOT NULL,
  metadata TEXT NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (repository, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS branches (
  repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, name TEXT NOT NULL, head TEXT NOT NULL,
  hidden INTEGER NOT NULL, cleared INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
  repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, name TEXT NOT NULL, head TEXT NOT NULL,
  PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reflog (
  repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, head TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (repository, head)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staging (
  repository TEXT NOT NULL, branch TEXT NOT NULL, path BLOB NOT NULL, sequence INTEGER NOT NULL,
  sha256 BLOB, md5 BLOB, size INTEGER, mtime INTEGER, content_type TEXT, metadata TEXT, digest BLOB,
  PRIMARY KEY (repository, branch, path)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS staged ON staging (repository, branch, sequence);
CREATE TABLE IF NOT EXISTS dead (
  repository TEXT NOT NULL, branch TEXT NOT NULL, upto INTEGER NOT NULL,
  PRIMARY KEY (repository, branch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE,
  event TEXT NOT NULL, branch TEXT NOT NULL, commit_id TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
  failed INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS runs_of_repository ON runs (repository, number);
CREATE TABLE IF NOT EXISTS hook_runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  action TEXT NOT NULL, hook TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL, failed INTEGER NOT NULL,
  output TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS hook_runs_of_run ON hook_runs (run, number);
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE,
  event TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_repository ON events (repository);
CREATE TABLE IF NOT EXISTS pulls (
  number INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE,
  status TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, author TEXT NOT NULL, created INTEGER NOT NULL,
  source TEXT NOT NULL, destination TEXT NOT NULL, closed INTEGER, merged_commit TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS pulls_of_repository ON pulls (repository, number);
CREATE TABLE IF NOT EXISTS sources (
  sha256 BLOB NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, device INTEGER NOT NULL, PRIMARY KEY (sha256, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imports (
  id TEXT PRIMARY KEY, repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, branch TEXT NOT NULL,
  updated INTEGER NOT NULL, ingested INTEGER NOT NULL, "commit" TEXT, error TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS addresses (
  address TEXT PRIMARY KEY, expires INTEGER NOT NULL, sha256 BLOB NOT NULL, md5 BLOB NOT NULL,
  size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('staging', 0);
"""


class _Job:
    """A change in the queue; `woken` when it is done, or when it is first and has to lead."""

    __slots__ = ("change", "done", "failure", "result", "woken")

    def __init__(self, change: Callable[[sqlite3.Connection], Any]) -> None:
        self.change = change
        self.woken = threading.Event()
        self.done = False
        self.result: Any = None
        self.failure: Exception | None = LakeFSError("the change broke off, nothing was changed")


class Database:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._guard = threading.Lock()  # over the two below
        self._waiting: deque[_Job] = deque()
        self._led = False
        try:
            self._writer = self._connect()
            migrate(self._writer, SCHEMA)
            fsync_folder(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise HomeError(f"{path} cannot be opened: {error}") from error

    def close(self) -> None:
        """Let the changes already waiting finish, then close."""
        self.write(lambda _: None)
        self._writer.close()
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A snapshot of one moment."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._idle.put(connection)

    def write(self, change: Callable[[sqlite3.Connection], T], folders: Iterable[Path] = ()) -> T:
        """Run `change` in a transaction and return its result once that is on disk.

        `folders` hold files that the change names: they are synced first, by the caller's own thread. `change` holds
        up all other writers, so it does no long work; it may raise to refuse, which undoes it alone.
        """
        try:
            for folder in set(folders):
                fsync_folder(folder)
        except OSError as error:
            raise storage_error(error) from error
        job = _Job(change)
        with self._guard:
            self._waiting.append(job)
            leads, self._led = not self._led, True
        if not leads:
            job.woken.wait()
        if not job.done:
            self._lead()
        if isinstance(job.failure, OSError | sqlite3.Error):
            raise storage_error(job.failure) from job.failure
        if job.failure is not None:
            raise job.failure
        result: T = job.result
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.row_factory = sqlite3.Row
        return connection

    def _lead(self) -> None:
        """Carry out the first changes of the queue, the caller's among them, and hand the lead on."""
        with self._guard:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            self._commit(batch)
        finally:
            for job in batch:
                job.done = True
            with self._guard:
                self._led = bool(self._waiting)
                woken = [self._waiting[0], *batch] if self._led else batch
            for job in woken:
                job.woken.set()

    def _commit(self, batch: list[_Job]) -> None:
        failures: dict[_Job, Exception] = {}
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._writer.execute("SAVEPOINT job")
                try:
                    job.result = job.change(self._writer)
                except Exception as error:  # a refusal or a failure: it is given to whoever asked
                    if not self._writer.in_transaction:
                        raise  # SQLite gave up the whole transaction
                    self._writer.execute("ROLLBACK TO job")
                    failures[job] = error
                self._writer.execute("RELEASE job")
            self._writer.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            failures = dict.fromkeys(batch, error)
        for job in batch:
            job.failure = failures.get(job)
