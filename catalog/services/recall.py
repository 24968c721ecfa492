"""Recall: block all that one node of the lineage reaches, in one transaction, then publish the withdrawal.

What is confirmed is what was shown: the plan is computed again inside the transaction, and another one is refused.
From that transaction on a recall cannot be undone or abandoned; what a crash left unpublished is published afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.dataset import Version
from catalog.domain.recall import Reach, Recall, RecallView
from catalog.domain.release import Denial
from catalog.errors import Absent, AssayError, Conflict, Invalid
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.deny import deny_reached
from catalog.services.intent import Kind, Operations, Work
from catalog.services.publish import publish
from catalog.services.quarantine import set_aside
from catalog.services.reach import kind_of, reach
from catalog.services.records_agree import recall_record
from catalog.services.withdraw import withdrawal
from lineage import urn
from lineage.kinds import NodeKind

REVOKED = frozenset({"folder", "run", "model", "evidence"})
ALSO_REVOKED = frozenset({NodeKind.EXTERNAL, NodeKind.POLICY})  # groups `other`; later work on them is blocked, too


def show(context: Context, what: str, as_of: datetime | None = None) -> Reach:
    """What a recall would reach. Nothing is done."""
    with context.records.read() as c:
        return reach(c, what, as_of)


def start(operations: Operations, by: str, what: str, reason: str, plan: str, as_of: datetime | None = None) -> str:
    """Begin the recall that was shown as `plan`; returns the operation's id."""
    with refusals_audited(operations.context, by, "recall", _subject(what)):
        if not reason.strip():
            raise Invalid("input-invalid", "a recall needs a reason", do="say it with --reason")
        _same(show(operations.context, what, as_of), plan)
        arguments = {"what": what, "reason": reason.strip(), "plan": plan, "as_of": None}
        if as_of is not None:
            arguments["as_of"] = as_of.isoformat()
        return operations.start("recall", by, arguments).id


def _subject(what: str) -> str:
    """What was recalled, short enough for an index of the log."""
    return what[:600]


def _same(found: Reach, plan: str) -> None:
    if found.plan != plan:
        raise Conflict(
            "recall-outdated",
            f"the recall of {found.what} reaches something else now than was shown",
            do="look at it again, and confirm that",
        )


def _revoke(work: Work) -> None:
    """Everything at once: quarantine, revocation, denials, epoch, audit."""
    context, arguments = work.context, work.arguments
    as_of = datetime.fromisoformat(arguments["as_of"]) if arguments["as_of"] is not None else None
    with context.records.write(work.intent.by) as write:
        if records.one(write.connection, tables.recall, Recall, id=work.intent.id) is not None:
            return
        found = reach(write.connection, arguments["what"], as_of)
        _same(found, arguments["plan"])
        reason = f"recall of {found.what}: {arguments['reason']}"[:2000]
        releases = [urn.parse(r.urn).parts[0] for r in found.reached if r.group == "release"]
        denied = deny_reached(context, write, releases, reason, work.intent.id)
        recall = Recall(
            id=work.intent.id,
            what=found.what,
            reason=arguments["reason"],
            start=found.start,
            plan=found.plan,
            counts=found.counts,
            denied=tuple(d.release for d in denied),
            by=write.actor,
            at=write.now,
            as_of=as_of,
        )
        write.insert(tables.recall, recall, id=recall.id)
        _set_aside(context, write, found, reason)
        revoked = _revoked(write.connection, found)
        write.insert_many(tables.revoked, [{"urn": node, "recall": recall.id} for node in revoked])
        write.raise_epoch()
        write.audit(
            "recall",
            _subject(recall.what),
            recall=recall.id,
            reason=recall.reason,
            start=list(recall.start),
            plan=recall.plan,
            counts=recall.counts,
            revoked=len(revoked),
            denied=list(recall.denied),
            record=recall_record(recall.digest(), revoked),
        )


def _set_aside(context: Context, write: Write, found: Reach, reason: str) -> None:
    """Quarantine every reached episode, version by version."""
    episodes: dict[str, set[tuple[str, int]]] = {}
    for reached in found.reached:
        if reached.group == "episode":
            _, _, root, number = (item := urn.parse(reached.urn)).parts
            episodes.setdefault(item.digest or "", set()).add((root, int(number)))
    for digest, chosen in sorted(episodes.items()):
        version = records.one(write.connection, tables.version, Version, manifest_digest=digest)
        if version is not None:  # an episode of another installation has no data here
            for root in sorted({root for root, _ in chosen}):
                set_aside(context.ids(), write, version, root, {n for r, n in chosen if r == root}, reason)


def _revoked(connection: Connection, found: Reach) -> list[str]:
    """What is blocked by its name: contents and records; a rig, a robot or a site goes on working."""
    e = tables.episode.c
    marks = {urn.parse(r.urn).digest: r.urn for r in found.reached if kind_of(r.urn) is NodeKind.FINGERPRINT}
    held = {
        digest
        for digest in marks
        if connection.execute(select(e.number).where(e.fingerprint == digest).limit(1)).first() is not None
    }
    named = [r.urn for r in found.reached if r.group in REVOKED or kind_of(r.urn) in ALSO_REVOKED]
    return sorted({*named, *(node for digest, node in marks.items() if digest not in held)})


def _publish(work: Work) -> None:
    """Tell the devices."""
    try:
        publish(work.context)
    except AssayError as error:
        work.cache["unpublished"] = error
        raise


def _record(work: Work, write: Write) -> dict[str, Any]:
    recall = records.one(write.connection, tables.recall, Recall, id=work.intent.id)
    if recall is None:
        raise Absent("recall-unknown", f"recall {work.intent.id} has no record")
    write.audit("recall.published", _subject(recall.what), recall=recall.id, denied=list(recall.denied))
    return {"recall": recall.id, "what": recall.what, "counts": recall.counts, "denied": list(recall.denied)}


def _abandon(work: Work) -> None:
    """Before its transaction nothing happened; afterwards it stands, and stays open until it is published."""
    with work.context.records.read() as c:
        done = records.one(c, tables.recall, Recall, id=work.intent.id) is not None
    if done:
        raise work.cache.get("unpublished") or Conflict(
            "operation-running", "everything is blocked and denied here; the withdrawal is still to be published"
        )


def _serial(_arguments: Mapping[str, Any]) -> str:
    return "recall"  # not "releases": a promotion that stages its files must not hold it up


KIND = Kind("recall", (_revoke, _publish), _record, _abandon, _serial, urgent=True)


def view(context: Context, identity: str) -> RecallView:
    """A recall, and per device whether it has heard of it."""
    with context.records.read() as c:
        recall = records.one(c, tables.recall, Recall, id=identity)
        if recall is None:
            raise Absent("recall-unknown", f"no recall {identity!r}", do="see `assay recall --list`")
        found = [records.many(c, tables.denial, Denial, order="id", release=release) for release in recall.denied]
    return RecallView(recall=recall, withdrawal=withdrawal(context, [d for denials in found for d in denials]))
