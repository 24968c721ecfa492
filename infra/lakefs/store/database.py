"""SQLite with one door to write: a writer thread makes one transaction of all changes waiting at that moment.

A change's answer is given only after its transaction is on disk; a refused change is rolled back alone. Readers see
a snapshot and wait for nobody.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from infra.lakefs.errors import HomeError, LakeFSError, storage_error
from infra.lakefs.store.durable import fsync_folder
from infra.lakefs.store.migrate import add_marks

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
  hidden INTEGER NOT NULL, staged INTEGER NOT NULL DEFAULT 0, cleared INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
  repository TEXT NOT NULL REFERENCES repositories ON DELETE CASCADE, name TEXT NOT NULL, head TEXT NOT NULL,
  PRIMARY KEY (repository, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staging (
  repository TEXT NOT NULL, branch TEXT NOT NULL, path BLOB NOT NULL, sequence INTEGER NOT NULL,
  sha256 BLOB, md5 BLOB, size INTEGER, mtime INTEGER, content_type TEXT, metadata TEXT, digest BLOB,
  PRIMARY KEY (repository, branch, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
  repository TEXT NOT NULL, branch TEXT NOT NULL, upto INTEGER NOT NULL,
  PRIMARY KEY (repository, branch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('staging', 0);
"""


class _Job:
    __slots__ = ("answer", "change", "folders")

    def __init__(self, change: Callable[[sqlite3.Connection], Any], folders: Iterable[Path]) -> None:
        self.change = change
        self.folders = folders
        self.answer: Future[Any] = Future()


class Database:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        try:
            self._writer = self._connect()
            self._writer.executescript(SCHEMA)
            add_marks(self._writer)
            fsync_folder(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise HomeError(f"{path} cannot be opened: {error}") from error
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the changes already waiting finish, then close."""
        self._jobs.put(None)
        self._thread.join()
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

        `folders` hold files that the change names: they are synced before the transaction commits. `change` holds up
        all other writers, so it does no long work; it may raise to refuse, which undoes it alone.
        """
        job = _Job(change, folders)
        self._jobs.put(job)
        result: T = job.answer.result()
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.row_factory = sqlite3.Row
        return connection

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, last = [first], False
            while len(batch) < BATCH and not last:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    last = True
                else:
                    batch.append(job)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Job]) -> None:
        refused: dict[_Job, Exception] = {}
        results: dict[_Job, Any] = {}
        try:
            for folder in {folder for job in batch for folder in job.folders}:
                fsync_folder(folder)
            self._writer.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._writer.execute("SAVEPOINT job")
                try:
                    results[job] = job.change(self._writer)
                except (OSError, sqlite3.Error):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller, who waits for it
                    self._writer.execute("ROLLBACK TO job")
                    refused[job] = error
                self._writer.execute("RELEASE job")
            self._writer.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            failure: LakeFSError = storage_error(error)
            for job in batch:
                job.answer.set_exception(failure)
            return
        for job in batch:
            if job in refused:
                job.answer.set_exception(refused[job])
            else:
                job.answer.set_result(results[job])
