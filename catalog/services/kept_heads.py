"""Heads of the log that came back from outside: in what devices report and in what approvers signed.

Each must be a head of the log as it is stored. One that is not means that the log was rewritten, cut, forked or
restored, and nothing is promoted until somebody has looked.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import select

from catalog.db import records, tables
from catalog.db.door import Records
from catalog.domain.audit import AuditHead, Frontier
from catalog.domain.base import sha256
from catalog.domain.merkle import Growing
from catalog.domain.principal import Key
from catalog.errors import Damaged
from catalog.services.context import Context


@dataclass(frozen=True)
class _Looked:
    """Which heads this process has found to fit, with who brought each, and until when it has read device reports."""

    fitting: dict[tuple[int, str], str]
    reports_until: str


_NOTHING = _Looked({}, "")
_looked: WeakKeyDictionary[Records, _Looked] = WeakKeyDictionary()


def heads_agree(context: Context) -> None:
    """Compare the stored log with every head that came back; raises `Damaged("audit-damaged")` naming who kept it.

    The whole log is hashed each time, in about two seconds a million entries: an entry of long ago is as easily changed
    as the last.
    """
    before = _looked.get(context.records, _NOTHING)
    heads, until = _came_back(context, before.reports_until)
    wanted = before.fitting | {(h.size, h.root): who for who, h in heads}
    _compare(context, wanted)
    _looked[context.records] = _Looked(wanted, until)


def _compare(context: Context, heads: dict[tuple[int, str], str]) -> None:
    wanted: dict[int, list[tuple[str, str]]] = {}
    for (size, root), who in heads.items():
        wanted.setdefault(size, []).append((root, who))
    t, tree = tables.audit.c, Growing(Frontier())
    _fits(wanted, 0, tree.frontier().root())
    every = select(t.body).order_by(t.seq).execution_options(yield_per=10_000)
    with context.records.read() as c:
        head = Frontier.parse(c.execute(select(tables.head.c.frontier)).scalar_one())
        with closing(c.execute(every)) as rows:
            for body in rows.scalars():
                tree.append(body.encode())
                if tree.size in wanted:
                    _fits(wanted, tree.size, tree.frontier().root())
    if longer := [(size, who) for size, found in wanted.items() for _, who in found if size > tree.size]:
        size, who = max(longer)
        what = f"the log has {tree.size} entries, and {who} kept a head of {size}: it was cut or restored"
        raise Damaged("audit-damaged", what, do="find out who restored it; promote nothing until then")
    if tree.frontier() != head:
        what = f"the log's own head is of {head.size} entries, and the {tree.size} that are stored do not give it"
        raise Damaged("audit-damaged", what, do="find out who changed an entry; promote nothing until then")


def _fits(wanted: dict[int, list[tuple[str, str]]], size: int, root: str) -> None:
    for kept, who in wanted.get(size, ()):
        if kept != root:
            what = f"the first {size} entries of the log give {root}, and {who} kept {kept}: it was rewritten"
            raise Damaged("audit-damaged", what, do="find out who rewrote it; promote nothing until then")


def _came_back(context: Context, until: str) -> tuple[list[tuple[str, AuditHead]], str]:
    """Heads from outside, each with who brought it: device reports since the last look, and all signed decisions.

    What a compromised key signed never counted: else one stolen device could stop every promotion for ever.
    """
    r = tables.device_report.c
    found: list[tuple[str, AuditHead]] = []
    with context.records.read() as c:
        stolen = {k.principal for k in records.many(c, tables.key, Key, order="keyid", role="device") if k.compromised}
        for row in c.execute(select(r.device, r.received_at, r.body).where(r.received_at >= until)):
            until = max(until, row.received_at)
            seen = json.loads(row.body)["report"].get("seen")
            if seen and row.device not in stolen:
                found.append((f"device {row.device}", AuditHead.of(seen)))
        found += [(f"who signed decision {digest[:19]}…", AuditHead.of(seen)) for digest, seen in _signed(c)]
    return found, until


def _signed(connection: Any) -> list[tuple[str, dict[str, Any]]]:
    """The heads inside decisions that somebody signed, for data and for releases."""
    d = tables.decision.c
    of_data = select(tables.signature.c.decision)
    of_release = select(tables.release.c.decision).join(
        tables.release_signature, tables.release_signature.c.release == tables.release.c.id
    )
    rows = connection.execute(select(d.digest, d.body).where(d.digest.in_(of_data.union(of_release)))).all()
    if changed := [row.digest for row in rows if sha256(row.body.encode()) != row.digest]:
        what = "a decision that somebody signed is not what it was"
        raise Damaged("audit-damaged", what, where=changed[0], do="restore a backup, and find out who changed it")
    return [(row.digest, json.loads(row.body)["audit_head"]) for row in rows]
