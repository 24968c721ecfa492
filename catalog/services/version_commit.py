"""The commit that makes a version: manifest and tables beside the data, and the record that names it.

Both register and rebase end here, so a version is written in one way only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import sha256, utc_text
from catalog.domain.dataset import Episode, Location, Manifest, ObjectEntry, Root, Version, repository_of
from catalog.errors import Conflict
from catalog.services import lineage_edges, manifest, opened
from catalog.services.context import INTENT, MANIFEST, Context
from catalog.services.intent import Work
from catalog.storage.port import CommitInfo


def branch_name(work: Work) -> str:
    """The branch of this ingest."""
    return f"ingest-{work.arguments['ingest']}"


def decided_head(context: Context, dataset: str) -> str:
    """The head of `main`, refused unless the catalog decided it."""
    head = context.store.head(repository_of(dataset), "main")
    approved = context.approvals(dataset)
    if head is None or (head.id != approved[0].merge_commit if approved else bool(head.parents)):
        raise Conflict(
            "main-undecided",
            f"main of {dataset} is at {head.id[:12] if head else 'nothing'}, which the catalog did not decide",
            do=f"reset main to {approved[0].merge_commit[:12] if approved else 'its first commit'} with lakectl",
        )
    return head.id


def commit_tables(
    work: Work,
    roots: list[Root],
    episodes: list[Episode],
    objects: list[ObjectEntry],
    parents: tuple[str, ...],
    message: str,
) -> CommitInfo:
    """Write `.assay/` on the branch of this intent and commit everything that is staged there."""
    episode_table, object_table = manifest.tables(episodes, objects)
    document = Manifest(
        dataset=work.arguments["dataset"],
        roots=tuple(sorted(roots, key=lambda r: r.slug)),
        parents=tuple(sorted(parents)),
        episodes_table=sha256(episode_table),
        objects_table=sha256(object_table),
    )
    store, repository, branch = work.context.store, repository_of(work.arguments["dataset"]), branch_name(work)
    for path, content in (
        (manifest.MANIFEST, document.canonical()),
        (manifest.EPISODES, episode_table),
        (manifest.OBJECTS, object_table),
    ):
        store.upload(repository, branch, path, content)
    metadata = {INTENT: work.intent.id, MANIFEST: document.digest()}
    work.memory["manifest"] = document.digest()
    return store.commit(repository, branch, message, metadata)


def committed(work: Work) -> CommitInfo | None:
    """The commit that this intent made on its branch, if it made one."""
    log = work.context.store.log(repository_of(work.arguments["dataset"]), branch_name(work), 5)
    return next((c for c in log if c.metadata.get(INTENT) == work.intent.id), None)


def tables_of(context: Context, version: Version) -> tuple[list[Episode], list[ObjectEntry]]:
    """Both tables of a recorded version, from the records."""
    with context.records.read() as c:
        return (
            records.many(c, tables.episode, Episode, order="number", manifest_digest=version.manifest_digest),
            records.many(c, tables.object_, ObjectEntry, order="path", manifest_digest=version.manifest_digest),
        )


def fetch(work: Work) -> None:
    """Bring the committed manifest and tables back, so that the record says what the commit says."""
    context, repository = work.context, repository_of(work.arguments["dataset"])
    commit = committed(work)
    if commit is None:
        raise Conflict("version-outdated", f"the commit of intent {work.intent.id} is gone", where=repository)
    document = Manifest.parse(b"".join(context.store.read(repository, commit.id, manifest.MANIFEST)))
    meant = work.memory.get("manifest", document.digest())  # a crash before it was kept leaves the check to find it
    if not document.digest() == commit.metadata.get(MANIFEST) == meant:
        raise Conflict("version-outdated", f"the manifest of {commit.id[:12]} was changed", where=repository)
    work.cache["commit"], work.cache["manifest"] = commit, document
    work.cache["tables"] = manifest.read_tables(context.store, repository, commit.id, document)


def record_version(work: Work, write: Write, action: str, rebased_from: str | None = None) -> dict[str, Any]:
    """Write the version, its location, episodes, objects and edges from what the commit holds."""
    document, commit = work.cache["manifest"], work.cache["commit"]
    episodes, objects = work.cache["tables"]
    digest = document.digest()
    dataset = work.arguments["dataset"]
    if write.connection.execute(select(tables.dataset).where(tables.dataset.c.slug == dataset)).first() is None:
        write.insert(
            tables.dataset,
            slug=dataset,
            repository=repository_of(dataset),
            created_at=utc_text(write.now),
            created_by=write.actor,
        )
    version = Version(
        id=work.context.ids(),
        dataset=dataset,
        ingest=work.arguments["ingest"],
        manifest_digest=digest,
        manifest=document,
        registered_by=write.actor,
        registered_at=write.now,
        rebased_from=rebased_from,
    )
    write.insert(
        tables.version,
        version,
        manifest_digest=digest,
        dataset=dataset,
        ingest=version.ingest,
        registered_at=utc_text(write.now),
    )
    location = Location(
        store=work.context.store.name,
        repository=repository_of(dataset),
        branch=branch_name(work),
        commit=commit.id,
        metarange=commit.metarange,
    )
    write.insert(tables.location, location, manifest_digest=digest, store=location.store, commit=commit.id)
    write.insert_many(
        tables.episode,
        [
            {
                "manifest_digest": digest,
                "root": e.root,
                "number": e.index,
                "fingerprint": e.fingerprint,
                "rig": e.rig,
                "seed": e.seed,
                "body": e.canonical().decode(),
            }
            for e in episodes
        ],
    )
    write.insert_many(
        tables.object_,
        [
            {
                "manifest_digest": digest,
                "path": o.path,
                "sha256": o.sha256,
                "rows": o.rows,
                "body": o.canonical().decode(),
            }
            for o in objects
        ],
    )
    lineage_edges.of_version(write, version, episodes)
    opened.of_version(write, version, episodes, objects)
    write.audit(
        action,
        digest,
        dataset=dataset,
        ingest=version.ingest,
        commit=commit.id,
        episodes=len(episodes),
        objects=len(objects),
    )
    lineage_edges.emit_ingest(write, work.intent, version, commit.id)
    return {"dataset": dataset, "ingest": version.ingest, "manifest_digest": digest, "commit": commit.id}
