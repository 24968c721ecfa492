"""What the service does by itself, once per poll: recover intents, watch every main, publish, send lineage events."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import delete, select

from catalog.db import tables
from catalog.errors import AssayError
from catalog.services.context import Context
from catalog.services.intent import Operations
from catalog.services.publish import publish
from catalog.services.watch import watch
from lineage import emit
from lineage.errors import LineageError

log = logging.getLogger("assay.worker")


class Worker:
    """A thread that polls until it is stopped."""

    def __init__(self, context: Context, operations: Operations, seconds: float) -> None:
        self._context, self._operations, self._seconds = context, operations, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin polling."""
        self._thread.start()

    def stop(self) -> None:
        """End after the poll that runs."""
        self._stop.set()
        self._thread.join(timeout=30)
        flush(self._context)

    def _run(self) -> None:
        while not self._stop.is_set():
            poll(self._context, self._operations)
            self._context.boundary("worker", "round")
            self._stop.wait(self._seconds)


def poll(context: Context, operations: Operations) -> None:
    """One round; what fails is logged and tried again in the next."""
    for act in (operations.recover, lambda: watch(context), lambda: publish(context), lambda: flush(context)):
        try:
            act()
        except (AssayError, LineageError) as error:
            log.warning("%s", error)
        except Exception:  # the watch on main must outlive a bug of one round
            log.exception("a round of the worker failed")


def flush(context: Context) -> int:
    """Append the outbox to the lineage log; an event may be there twice, never not at all."""
    with context.records.read() as c:
        rows = c.execute(select(tables.outbox).order_by(tables.outbox.c.id)).all()
    for row in rows:
        emit.append_line(context.lineage_log, row.body)
    if rows:
        with context.records.write("catalog") as write:
            write.connection.execute(delete(tables.outbox).where(tables.outbox.c.id <= rows[-1].id))
    return len(rows)
