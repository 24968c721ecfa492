"""Verification of a long audit log, against sha256 alone over the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import insert, select, update

from catalog.db import tables
from catalog.db.door import Records
from catalog.db.migrate import begin, migrate
from catalog.domain.audit import GENESIS, AuditEntry, Frontier
from catalog.domain.base import utc_text
from catalog.domain.clock import uuid7, wall_clock
from catalog.domain.merkle import Growing
from catalog.services.audit import verify_audit
from tests.benchmarks.figure import Figure, seconds

ENTRIES = 1_000_000
BATCH = 20_000
AT = datetime(2026, 1, 1, tzinfo=UTC)


def figures(folder: Path) -> Iterator[Figure]:
    """A million entries as the catalog writes them."""
    path = folder / "audit" / "records.db"
    path.parent.mkdir()
    records = Records(path, wall_clock)
    migrate(records.engine)
    begin(records.engine, wall_clock, uuid7)
    size = fill(records, ENTRIES)
    context = cast(Any, SimpleNamespace(records=records))

    def plain() -> None:
        with records.read() as c:
            for (body,) in c.execute(select(tables.audit.c.body).order_by(tables.audit.c.seq)).yield_per(BATCH):
                hashlib.sha256(body.encode()).digest()

    taken, beside = seconds(lambda: verify_audit(context)), seconds(plain)
    note = f"{ENTRIES} entries, {size / 1e6:.0f} MB: every hash, link, number, form and the root"
    yield Figure("verification of the audit log", taken, "sha256 of the same", beside, 1, note)
    records.close()


def fill(records: Records, count: int) -> int:
    """Write that many entries in one transaction; how many bytes."""
    prev, tree, size = GENESIS, Growing(Frontier()), 0
    with records.engine.connect() as connection, connection.begin():
        rows: list[dict[str, Any]] = []
        for number in range(count):
            entry = AuditEntry(
                seq=number,
                at=AT + timedelta(seconds=number),
                actor="evaluator",
                action="promotion.judged",
                subject=prev,
                details={"decision": prev, "verdict": "blocked", "blocking": ["evidence-enrolled", "success-rate"]},
                prev=prev,
            )
            body = entry.canonical()
            rows.append({"seq": number, "prev": prev, "action": entry.action, "subject": prev, "body": body.decode()})
            tree.append(body)
            prev, size = entry.hash(), size + len(body)
            if len(rows) == BATCH or number + 1 == count:
                connection.execute(insert(tables.audit), rows)
                rows.clear()
        frontier = tree.frontier().canonical().decode()
        last = utc_text(AT + timedelta(seconds=count))
        connection.execute(update(tables.head).values(frontier=frontier, last_hash=prev, last_at=last))
    return size
