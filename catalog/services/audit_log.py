"""The entries of the log as a hash tree, and those of them that prove something."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from sqlalchemy import select

from catalog.db import tables
from catalog.domain.audit import AuditEntry
from catalog.domain.merkle import Tree
from catalog.services.context import Context

CHUNK = 500


def log_tree(context: Context, size: int) -> Tree:
    """The hash tree over the first `size` entries as they are stored."""
    t = tables.audit.c
    wanted = select(t.body).where(t.seq < size).order_by(t.seq).execution_options(yield_per=10_000)
    with context.records.read() as c, closing(c.execute(wanted)) as rows:
        return Tree(body.encode() for body in rows.scalars())


def entries_about(context: Context, subjects: Iterable[str], size: int) -> list[AuditEntry]:
    """Every entry about one of these subjects among the first `size`, in the order of the log."""
    t, wanted = tables.audit.c, sorted(set(subjects))
    found: list[AuditEntry] = []
    with context.records.read() as c:
        for first in range(0, len(wanted), CHUNK):
            some = wanted[first : first + CHUNK]
            rows = c.execute(select(t.body).where(t.subject.in_(some), t.seq < size).order_by(t.seq)).scalars()
            found += [AuditEntry.parse(body) for body in rows]
    return sorted(found, key=lambda e: e.seq)
