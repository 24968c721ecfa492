"""Quarantine episodes: from now on they may be used for nothing, under any name; the data itself is kept.

The record with its digests is what blocks; the branch `quarantine-…` is its projection in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.dataset import Episode, Quarantine, repository_of
from catalog.errors import Invalid
from catalog.policy.floor_facts import QuarantinedEpisode
from catalog.services import version_commit
from catalog.services.context import Context
from catalog.services.intent import Kind, Operations, Work


def start(operations: Operations, by: str, dataset: str, ingest: str | None, episodes: list[int], reason: str) -> str:
    """Begin a quarantine; no episodes means the whole version. Returns the operation's id."""
    context = operations.context
    version = context.candidate(dataset, ingest)
    known = {e.index for e in version_commit.tables_of(context, version)[0] if e.root == version.ingest}
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


def _look(work: Work) -> None:
    """Remember whether the branch will be this intent's, before it is made."""
    work.memory["branch"] = work.context.store.head(repository_of(work.arguments["dataset"]), _branch(work)) is None


def _project(work: Work) -> None:
    """Show the quarantined version as a branch of the store."""
    repository = repository_of(work.arguments["dataset"])
    commit = work.context.location(work.arguments["manifest_digest"]).commit
    work.context.store.ensure_branch(repository, _branch(work), commit)


def _branch(work: Work) -> str:
    return f"quarantine-{work.arguments['ingest']}"


def _record(work: Work, write: Write) -> dict[str, Any]:
    context, arguments = work.context, work.arguments
    version = context.version(arguments["manifest_digest"])
    own, objects = version_commit.tables_of(context, version)
    chosen = [
        e for e in own if (e.root == version.ingest and e.index in arguments["episodes"]) or not arguments["episodes"]
    ]
    quarantine = Quarantine(
        id=context.ids(),
        dataset=version.dataset,
        manifest_digest=version.manifest_digest,
        root=version.ingest if arguments["episodes"] else None,
        episodes=tuple(arguments["episodes"]),
        fingerprints=tuple(sorted({e.fingerprint for e in chosen})),
        reason=arguments["reason"],
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
    write.insert_many(tables.quarantined, _marks(quarantine.id, chosen, own, {o.path: o.sha256 for o in objects}))
    write.raise_epoch()
    write.audit(
        "dataset.quarantine",
        version.manifest_digest,
        dataset=version.dataset,
        ingest=version.ingest,
        episodes=arguments["episodes"],
        reason=quarantine.reason,
    )
    return {"quarantine": quarantine.id, "dataset": version.dataset, "episodes": len(chosen)}


def _marks(
    quarantine: str, chosen: list[Episode], all_: list[Episode], digests: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What identifies the chosen episodes: fingerprints, and objects that hold nothing else."""
    shared = {path for e in all_ if e not in chosen for path in e.objects}
    marks = {}
    for e in chosen:
        own = [(e.fingerprint, "fingerprint")]
        own += [(digests[path], "object") for path in e.objects if path in digests and path not in shared]
        for digest, of in own:
            marks[digest] = {"digest": digest, "quarantine": quarantine, "of": of, "root": e.root, "number": e.index}
    return list(marks.values())


def _abandon(work: Work) -> None:
    if work.memory.get("branch"):
        work.context.store.delete_branch(repository_of(work.arguments["dataset"]), _branch(work))


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"dataset:{arguments['dataset']}"


KIND = Kind("quarantine", (_look, _project), _record, _abandon, _serial)


def quarantined(context: Context, digests: Mapping[str, str]) -> tuple[QuarantinedEpisode, ...]:
    """The quarantined episodes among fingerprints and object digests; `digests` says in what each was found."""
    t, found, wanted = tables.quarantined, [], sorted(digests)
    with context.records.read() as c:
        reasons = {q.id: q for q in records.many(c, tables.quarantine, Quarantine, order="id")}
        for first in range(0, len(wanted), 500):
            rows = c.execute(select(t).where(t.c.digest.in_(wanted[first : first + 500])).order_by(t.c.digest))
            found += [
                QuarantinedEpisode(
                    dataset=reasons[row.quarantine].dataset,
                    root=row.root,
                    index=row.number,
                    found_by=row.of,
                    found_in=digests[row.digest][-200:],
                    reason=reasons[row.quarantine].reason,
                )
                for row in rows
            ]
    unique = {(q.dataset, q.root, q.index, q.found_in): q for q in reversed(found)}
    return tuple(unique[key] for key in sorted(unique))
