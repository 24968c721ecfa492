"""Delete staged rows that are dead: a few in each transaction, then as long a rest, so that nobody waits for many.

The table `dead` names branches (some are gone by now) and up to which sequence their rows are dead. It is written in
the transaction in which they die, so that a crash in between leaves work and no trace elsewhere.
"""

from __future__ import annotations

import sqlite3
import threading
import time

from infra.lakefs.errors import LakeFSError
from infra.lakefs.log import log_failure
from infra.lakefs.store.database import Database

PIECE = 2048
PAUSE_SECONDS = 0.2  # commits that follow each other closely are swept together


def sweep(database: Database, closing: threading.Event) -> None:
    """Delete all rows that are dead now; ends early when `closing` is set."""
    with database.read() as connection:
        places = connection.execute("SELECT repository, branch, upto FROM dead").fetchall()
    for repository, branch, upto in places:
        start: bytes | None = b""
        while start is not None:
            if closing.is_set():
                return
            started = time.monotonic()
            start = _sweep_piece(database, repository, branch, upto, start)
            closing.wait(time.monotonic() - started)


def _sweep_piece(database: Database, repository: str, branch: str, upto: int, start: bytes) -> bytes | None:
    """Where to go on; None at the end, when the place is struck off the list."""
    with database.read() as connection:
        found = connection.execute(
            "SELECT path FROM staging WHERE repository=? AND branch=? AND path>=? ORDER BY path LIMIT 1 OFFSET ?",
            (repository, branch, start, PIECE),
        ).fetchone()
    end: bytes | None = found and found["path"]

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM staging WHERE repository=? AND branch=? AND path>=? AND path<? AND sequence<=?",
            (repository, branch, start, end or b"\xff", upto),  # no path is as great, since all are UTF-8
        )
        if end is None:
            connection.execute(
                "DELETE FROM dead WHERE repository=? AND branch=? AND upto=?", (repository, branch, upto)
            )

    database.write(change)
    return end


class Sweeper:
    """A thread that sweeps at the start and whenever it is woken."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closing = threading.Event()
        self._due = threading.Event()
        self._due.set()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._due.set()

    def close(self) -> None:
        self._closing.set()
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._due.wait()
            self._closing.wait(PAUSE_SECONDS)
            self._due.clear()
            try:
                sweep(self._database, self._closing)
            except (LakeFSError, sqlite3.Error) as error:
                log_failure(error)  # dead rows harm nobody; the next time may find a disk with room
