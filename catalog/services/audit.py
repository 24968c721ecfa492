"""Verify the audit log: every hash, every link, every number, and the root; against a head that somebody kept, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from catalog.db import tables
from catalog.domain.audit import GENESIS, AuditEntry, AuditHead, Frontier
from catalog.domain.base import canonical, strict_json
from catalog.domain.views import AuditReport
from catalog.errors import AssayError, Damaged
from catalog.services.context import Context


@contextmanager
def refusals_audited(context: Context, by: str, action: str, subject: str) -> Iterator[None]:
    """Whoever tries and is refused leaves a trace: what was tried, on what, and the reason."""
    try:
        yield
    except AssayError as error:
        with context.records.write(by) as write:
            write.audit(f"{action}.refused", subject, kind=error.kind, what=error.what[:1000])
        raise


def verify_audit(context: Context, kept: AuditHead | None = None) -> AuditReport:
    """Recompute the whole chain; raises `Damaged` naming the first entry that is wrong."""
    frontier, prev = Frontier(), GENESIS
    with context.records.read() as c:
        head = c.execute(select(tables.head)).one()
        rows = c.execute(select(tables.audit.c.seq, tables.audit.c.body).order_by(tables.audit.c.seq))
        for expected, row in enumerate(rows.yield_per(10_000)):
            body = row.body.encode()
            if canonical(strict_json(body, "audit entry")) != body:
                raise _damaged(expected, "is not canonical")
            entry = AuditEntry.parse(body)
            if row.seq != expected or entry.seq != expected:
                raise _damaged(expected, f"is numbered {row.seq}/{entry.seq}")
            if entry.prev != prev:
                raise _damaged(expected, "does not follow from the one before")
            prev, frontier = entry.hash(), frontier.append(body)
            if kept is not None and kept.size == frontier.size and kept.root != frontier.root():
                raise _damaged(expected, f"gives root {frontier.root()}, the kept head says {kept.root}")
    if Frontier.parse(head.frontier) != frontier or head.last_hash != prev:
        raise Damaged("audit-damaged", "the recorded head is not the head of these entries", do="restore a backup")
    if kept is not None and kept.size > frontier.size:
        what = f"the log has {frontier.size} entries, the kept head says {kept.size}: it was truncated or restored"
        raise Damaged("audit-damaged", what, do="find out who restored it; promote nothing until then")
    return AuditReport(size=frontier.size, root=frontier.root(), kept=kept)


def _damaged(seq: int, what: str) -> Damaged:
    return Damaged(
        "audit-damaged", f"audit entry {seq} {what}", do="keep a copy, restore a backup, find out who did it"
    )


def entries(context: Context, after: int, limit: int) -> tuple[list[AuditEntry], str | None]:
    """One page of the log."""
    t = tables.audit.c
    with context.records.read() as c:
        rows = c.execute(select(t.seq, t.body).where(t.seq > after).order_by(t.seq).limit(limit + 1)).all()
    items = [AuditEntry.parse(r.body) for r in rows[:limit]]
    return items, str(rows[limit - 1].seq) if len(rows) > limit else None
