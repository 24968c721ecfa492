"""Verify the audit log: every hash, every link, every number, and the root; against a head that somebody kept, and
against the records that it vouches for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import select

from catalog.db import tables
from catalog.domain.audit import GENESIS, AuditEntry, AuditHead, Frontier
from catalog.domain.base import first_fault, sha256
from catalog.domain.merkle import Growing
from catalog.domain.views import AuditReport
from catalog.errors import AssayError, Damaged
from catalog.services.context import Context
from catalog.services.records_agree import records_agree


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
    """Recompute the whole chain, and compare what blocks and permits with it; raises `Damaged` naming what is wrong."""
    report = verify_chain(context, kept)
    with context.records.read() as c:
        records_agree(c)
    return report


def verify_chain(context: Context, kept: AuditHead | None = None) -> AuditReport:
    """Recompute the whole chain; raises `Damaged` naming the first entry that is wrong."""
    tree, prev = Growing(Frontier()), GENESIS
    t = tables.audit.c
    columns = select(t.seq, t.prev, t.action, t.subject, t.body).order_by(t.seq)
    with context.records.read() as c:
        head = c.execute(select(tables.head)).one()
        with closing(c.execute(columns.execution_options(yield_per=10_000))) as rows:
            for expected, (seq, column_prev, action, subject, text) in enumerate(rows):
                body = text.encode()
                entry = _entry(expected, body)
                if seq != expected or entry.seq != expected:
                    raise _damaged(expected, f"is numbered {seq}/{entry.seq}")
                if entry.prev != prev:
                    raise _damaged(expected, "does not follow from the one before")
                if (column_prev, action, subject) != (entry.prev, entry.action, entry.subject):
                    raise _damaged(expected, "is filed under something else than it says")
                prev = sha256(body)
                tree.append(body)
                if kept is not None and kept.size == tree.size and kept.root != tree.frontier().root():
                    raise _damaged(expected, f"gives root {tree.frontier().root()}, the kept head says {kept.root}")
    frontier = tree.frontier()
    if Frontier.parse(head.frontier) != frontier or head.last_hash != prev:
        raise Damaged("audit-damaged", "the recorded head is not the head of these entries", do="restore a backup")
    if kept is not None and kept.size > frontier.size:
        what = f"the log has {frontier.size} entries, the kept head says {kept.size}: it was truncated or restored"
        raise Damaged("audit-damaged", what, do="find out who restored it; promote nothing until then")
    return AuditReport(size=frontier.size, root=frontier.root(), kept=kept)


def _entry(expected: int, body: bytes) -> AuditEntry:
    """The entry, if its bytes are exactly the canonical ones: then nothing is in them twice, besides or otherwise."""
    try:
        entry = AuditEntry.model_validate_json(body)
        same = entry.canonical() == body
    except ValueError as error:
        raise _damaged(expected, f"is no entry: {first_fault(error)}") from error
    if not same:
        raise _damaged(expected, "is not canonical")
    return entry


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
