"""Quarantine episodes: from now on they may be used for nothing, under any name; the data itself is kept.

The record with its digests is what blocks, and it denies what was released from them in the same transaction; the
branch `quarantine-…` is its projection in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from sqlalchemy import func, select

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.dataset import Episode, ObjectEntry, Quarantine, Version, repository_of
from catalog.errors import Absent, Conflict, Invalid
from catalog.services.deny import deny_reached
from catalog.services.intent import Kind, Operations, Work
from catalog.services.publish import publish
from catalog.services.reach import releases_from
from catalog.services.records_agree import quarantine_record
from lineage import urn

MANY = 500


def start(operations: Operations, by: str, dataset: str, ingest: str | None, episodes: list[int], reason: str) -> str:
    """Begin a quarantine; no episodes means the whole version. Returns the operation's id."""
    context = operations.context
    version = context.candidate(dataset, ingest)
    e = tables.episode.c
    with context.records.read() as c:
        held = select(e.number).where(e.manifest_digest == version.manifest_digest, e.root == version.ingest)
        known = set(c.execute(held).scalars())
    unknown = sorted(set(episodes) - known)
    if unknown:
        raise Invalid("input-invalid", f"{version.ingest} has no episode {unknown[0]}", where=dataset)
    if not reason.strip():
        raise Invalid("input-invalid", "a quarantine needs a reason", do="say it with --reason")
    arguments = {
        "dataset": dataset,
        "ingest": version.ingest,
        "manifest_digest": version.manifest_digest,
        "episodes": sorted(set(episodes)),
        "reason": reason.strip(),
    }
    return operations.start("quarantine", by, arguments).id


def _branch(work: Work) -> str:
    return f"quarantine-{work.arguments['ingest']}"


def _mark(work: Work) -> None:
    """The record that blocks, and the denial of every published release that the episodes reach, at once."""
    context, arguments = work.context, work.arguments
    with context.records.write(work.intent.by) as write:
        if records.one(write.connection, tables.quarantine, Quarantine, id=work.intent.id) is not None:
            return
        version = context.version(arguments["manifest_digest"])
        only = set(arguments["episodes"])
        quarantine = set_aside(
            work.intent.id, write, version, version.ingest if only else None, only, arguments["reason"]
        )
        write.raise_epoch()
        marks = [str(urn.fingerprint(mark)) for mark in quarantine.fingerprints]
        reason = f"quarantine in {version.dataset}/{version.ingest}: {quarantine.reason}"[:4000]
        deny_reached(context, write, releases_from(write.connection, marks), reason)


def set_aside(
    identity: str, write: Write, version: Version, root: str | None, numbers: Set[int], reason: str
) -> Quarantine:
    """Record in this transaction that episodes of a root, or without a root all of a version, are quarantined."""
    own = records.many(
        write.connection, tables.episode, Episode, order="number", manifest_digest=version.manifest_digest
    )
    objects = records.many(
        write.connection, tables.object_, ObjectEntry, order="path", manifest_digest=version.manifest_digest
    )
    chosen = [e for e in own if root is None or (e.root == root and e.index in numbers)]
    quarantine = Quarantine(
        id=identity,
        dataset=version.dataset,
        manifest_digest=version.manifest_digest,
        root=root,
        episodes=tuple(sorted(numbers)) if root is not None else (),
        fingerprints=tuple(sorted({e.fingerprint for e in chosen})),
        reason=reason,
        by=write.actor,
        at=write.now,
    )
    write.insert(
        tables.quarantine,
        quarantine,
        id=quarantine.id,
        dataset=version.dataset,
        manifest_digest=version.manifest_digest,
    )
    gone = _already(write, {e.fingerprint for e in own})
    rest = [e for e in own if e not in chosen and e.fingerprint not in gone]
    marks = _marks(quarantine.id, chosen, rest, {o.path: o.sha256 for o in objects})
    write.insert_many(tables.quarantined, marks)
    write.audit(
        "dataset.quarantine",
        version.manifest_digest,
        dataset=version.dataset,
        ingest=version.ingest,
        root=root,
        episodes=list(quarantine.episodes),
        reason=quarantine.reason,
        record=quarantine_record(quarantine.digest(), [(m["digest"], m["of"], m["root"], m["number"]) for m in marks]),
    )
    return quarantine


def _already(write: Write, fingerprints: Set[str]) -> set[str]:
    """Those of the fingerprints that are quarantined."""
    q, wanted, found = tables.quarantined.c, sorted(fingerprints), set[str]()
    for first in range(0, len(wanted), MANY):
        among = select(q.digest).where(q.digest.in_(wanted[first : first + MANY]))
        found |= set(write.connection.execute(among).scalars())
    return found


def _marks(
    quarantine: str, chosen: list[Episode], rest: list[Episode], digests: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What identifies the chosen episodes: fingerprints, and objects that hold nothing of the episodes in use."""
    shared = {path for e in rest for path in e.objects}
    marks = {}
    for e in chosen:
        own = [(e.fingerprint, "fingerprint")]
        own += [(digests[path], "object") for path in e.objects if path in digests and path not in shared]
        for digest, of in own:
            marks[digest] = {"digest": digest, "quarantine": quarantine, "of": of, "root": e.root, "number": e.index}
    return list(marks.values())


def _publish(work: Work) -> None:
    """Tell the devices, if that withdrew anything; the next poll tells them, too."""
    publish(work.context)


def _project(work: Work) -> None:
    """Show the quarantined version as a branch of the store, which may come later: the record is what blocks."""
    repository = repository_of(work.arguments["dataset"])
    commit = work.context.location(work.arguments["manifest_digest"]).commit
    work.context.store.ensure_branch(repository, _branch(work), commit)


def _record(work: Work, write: Write) -> dict[str, Any]:
    found = records.one(write.connection, tables.quarantine, Quarantine, id=work.intent.id)
    if found is None:
        raise Absent("ingest-unknown", f"quarantine {work.intent.id} has no record")
    e = tables.episode.c
    held = select(func.count()).where(e.manifest_digest == found.manifest_digest)
    episodes = len(found.episodes) or int(write.connection.execute(held).scalar_one())
    return {"quarantine": found.id, "dataset": found.dataset, "episodes": episodes}


def _abandon(work: Work) -> None:
    """Before its record nothing was done; afterwards the quarantine stands, open until it is published and shown."""
    with work.context.records.read() as c:
        if records.one(c, tables.quarantine, Quarantine, id=work.intent.id) is not None:
            raise Conflict("operation-running", "the episodes are quarantined; the rest of it is still to be done")


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"dataset:{arguments['dataset']}"


KIND = Kind("quarantine", (_mark, _publish, _project), _record, _abandon, _serial, urgent=True)
