"""One door to write: everything that a transaction records is in it together with its audit entry, or not at all.

`write()` waits until it is alone (see `engine`), makes no call to anything but the database, and refuses to commit a
governed row without an audit entry. Times never run backwards and no two transactions share one: now is the clock, or
just after the last audit entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from catalog.db import engine, tables
from catalog.db.engine import translated
from catalog.domain.audit import AuditEntry, AuditHead, Frontier
from catalog.domain.base import Entity, utc_text
from catalog.domain.clock import Clock
from catalog.domain.transaction import writing
from catalog.errors import Conflict, Damaged

CLOCK_TOLERANCE = timedelta(minutes=5)
SERVICE = 0x4173736179  # the advisory lock of the one service, "Assay"
TICK = timedelta(microseconds=1)


class Write:
    """One write transaction by one actor."""

    def __init__(self, connection: Connection, actor: str, clock: datetime) -> None:
        self.connection, self.actor = connection, actor
        row = connection.execute(select(tables.head).with_for_update()).one()
        self.last_at = datetime.fromisoformat(row.last_at)
        self.now = max(clock, self.last_at + TICK)
        self.epoch: int = row.epoch
        self._frontier = Frontier.parse(row.frontier)
        self._last_hash: str = row.last_hash
        self._audited = self._governed = False

    @property
    def head(self) -> AuditHead:
        """Size and root of the log as it stands in this transaction."""
        return AuditHead(size=self._frontier.size, root=self._frontier.root())

    def audit(self, action: str, subject: str, /, **details: Any) -> AuditEntry:
        """Append one entry to the chain."""
        entry = AuditEntry(
            seq=self._frontier.size,
            at=self.now,
            actor=self.actor,
            action=action,
            subject=subject,
            details=details,
            prev=self._last_hash,
        )
        body = entry.canonical()
        self.connection.execute(
            insert(tables.audit).values(
                seq=entry.seq, prev=entry.prev, action=action, subject=subject, body=body.decode()
            )
        )
        self._frontier, self._last_hash, self._audited = self._frontier.append(body), entry.hash(), True
        return entry

    def raise_epoch(self) -> None:
        """One more revocation, policy or key change: decisions of earlier epochs are void."""
        self.epoch += 1
        self._governed = True

    def insert(self, table: Table, entity: Entity | None = None, /, **values: Any) -> None:
        """Insert one row; the entity, if any, becomes its body."""
        self._touch(table)
        if entity is not None:
            values["body"] = entity.canonical().decode()
        self.connection.execute(insert(table).values(**values))

    def insert_many(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert many rows of one table."""
        self._touch(table)
        if rows:
            self.connection.execute(insert(table), rows)

    def replace(self, table: Table, where: dict[str, Any], entity: Entity | None = None, /, **values: Any) -> None:
        """Replace values, and the whole body if an entity is given, of the one row found by `where`."""
        self._touch(table)
        if entity is not None:
            values["body"] = entity.canonical().decode()
        found = self.connection.execute(
            update(table).where(*(table.c[k] == v for k, v in where.items())).values(**values)
        )
        if found.rowcount != 1:
            raise Damaged("records-damaged", f"{found.rowcount} rows of {table.name} match {where}, expected one")

    def remove(self, table: Table, **where: Any) -> None:
        """Delete bookkeeping rows; governed rows are never deleted."""
        if table.name not in tables.UNGOVERNED:
            raise ValueError(f"rows of {table.name} are never deleted")
        self.connection.execute(delete(table).where(*(table.c[k] == v for k, v in where.items())))

    def edge(self, src: str, dst: str, kind: str) -> None:
        """Assert that `src` was used to make `dst`, from now on; asserting it again changes nothing."""
        self._touch(tables.edge)
        e = tables.edge.c
        known = select(e.src).where(e.src == src, e.dst == dst, e.kind == kind, e.valid_to.is_(None))
        if self.connection.execute(known).first() is None:
            self.new_edges([(src, dst, kind)])

    def new_edges(self, edges: list[tuple[str, str, str]], asserted_by: str = "catalog") -> None:
        """Assert many (src, dst, kind) whose `dst` or `src` is made in this transaction, so that none can be known."""
        rows = [
            {"src": src, "dst": dst, "kind": kind, "valid_from": utc_text(self.now), "asserted_by": asserted_by}
            for src, dst, kind in edges
        ]
        self.insert_many(tables.edge, rows)

    def emit(self, line: str) -> None:
        """Put an OpenLineage event into the outbox; it leaves only if this transaction commits."""
        self.connection.execute(insert(tables.outbox).values(body=line))

    def finish(self) -> None:
        """Write the head; refuse governed changes that nobody audited."""
        if self._governed and not self._audited:
            raise ValueError("a governed change has no audit entry")
        if self._audited:
            self.connection.execute(
                update(tables.head).values(
                    epoch=self.epoch,
                    last_at=utc_text(self.now),
                    last_hash=self._last_hash,
                    frontier=self._frontier.canonical().decode(),
                )
            )

    def _touch(self, table: Table) -> None:
        self._governed |= table.name not in tables.UNGOVERNED


class Records:
    """The database of one home."""

    def __init__(self, where: Path | str, clock: Clock) -> None:
        self.clock = clock
        self.engine = engine.connect(where)
        self._claim: Connection | None = None
        self._reading, self._writing = engine.reading(self.engine), engine.writing(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent read."""
        with translated(), self.engine.connect().execution_options(**self._reading) as connection:
            yield connection

    @contextmanager
    def write(self, actor: str) -> Iterator[Write]:
        """The one door."""
        token = writing.set(True)
        try:
            with (
                translated(),
                self.engine.connect().execution_options(**self._writing) as connection,
                connection.begin(),
            ):
                transaction = Write(connection, actor, self.clock())
                yield transaction
                transaction.finish()
        finally:
            writing.reset(token)

    def now(self) -> tuple[datetime, bool]:
        """Now, and whether the clock was set back by more than five minutes."""
        with self.read() as connection:
            last = datetime.fromisoformat(connection.execute(select(tables.head.c.last_at)).scalar_one())
        clock = self.clock()
        return max(clock, last), clock < last - CLOCK_TOLERANCE

    def head(self) -> tuple[AuditHead, int]:
        """The audit head and the governance epoch."""
        with self.read() as connection:
            row = connection.execute(select(tables.head)).one()
        frontier = Frontier.parse(row.frontier)
        return AuditHead(size=frontier.size, root=frontier.root()), row.epoch

    def claim(self) -> None:
        """Be the only service on these records until `close()`; a file of a home needs none, its lock is the home's."""
        if self.engine.dialect.name == "postgresql" and self._claim is None:
            with translated():
                claim = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                if not claim.execute(select(func.pg_try_advisory_lock(SERVICE))).scalar_one():
                    claim.close()
                    raise Conflict("home-locked", "another service has these records", do="use it, or end it")
            self._claim = claim

    def close(self) -> None:
        """Give the connections back."""
        if self._claim is not None:
            self._claim.invalidate()  # the lock ends with its connection, not with its return to the pool
            self._claim.close()
            self._claim = None
        self.engine.dispose()
