"""Tell the hooks of `post-…` events, from a queue on disk, on threads of their own.

An event leaves the queue with the record of its run, so a server that ended in between tells it again at the next
start. Events are told in no order.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from typing import TYPE_CHECKING

from infra.lakefs.errors import BusyError, LakeFSError
from infra.lakefs.log import log_failure
from infra.lakefs.store import runs
from infra.lakefs.store.events import Event

if TYPE_CHECKING:
    from infra.lakefs.store import Store

THREADS = 8


class Followers:
    """Starts threads when there is something to tell."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[int, Event] | None] = queue.SimpleQueue()
        self._last = 0  # the newest event taken from the disk
        self._threads = 0
        self._closed = False

    def tell(self) -> None:
        """Take what was queued on disk since the last call; after a start, all that was left."""
        with self._guard:
            if self._closed:
                return
            with self._store.database.read() as connection:
                found = runs.queued(connection, self._last)
            for number, event in found:
                self._last = number
                self._waiting.put((number, event))
            for _ in range(min(THREADS - self._threads, len(found))):
                self._threads += 1
                threading.Thread(target=self._run, name="followers", daemon=True).start()

    def close(self) -> None:
        """What is not told yet stays queued on disk."""
        with self._guard:
            self._closed = True
            for _ in range(self._threads):
                self._waiting.put(None)

    def _run(self) -> None:
        try:
            while (item := self._waiting.get()) is not None and not self._closed:
                try:
                    self._follow(*item)
                except BusyError:
                    return  # the server is ending
                except (LakeFSError, OSError, sqlite3.Error) as error:
                    log_failure(error)  # the event is told at the next start
        finally:
            with self._guard:
                self._threads -= 1

    def _follow(self, number: int, event: Event) -> None:
        from infra.lakefs.store import hooks  # which needs the store, which has followers

        performed = hooks.perform(self._store, event)
        with self._guard:
            if self._closed:
                return
            self._store.database.write(lambda connection: runs.told(connection, number, event.repository, performed))
