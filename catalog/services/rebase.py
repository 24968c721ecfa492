"""Rebase an ingest: merge `main` in, allow conflicts below `.assay/` only, write the union's manifest, judge again.

The data of both sides is kept as it was; a conflict anywhere else is named and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.db.door import Write
from catalog.domain.dataset import repository_of
from catalog.errors import Conflict
from catalog.services import manifest, version_commit
from catalog.services.context import INTENT, MANIFEST
from catalog.services.intent import Kind, Operations, Work, already_running


def start(operations: Operations, by: str, dataset: str, ingest: str) -> str:
    """Begin a rebase of the newest version of an ingest onto `main`; returns the operation's id."""
    already_running(operations.context, "rebase", dataset=dataset, ingest=ingest)
    version = operations.context.candidate(dataset, ingest)
    if operations.context.approval(version.manifest_digest) is not None:
        raise Conflict("already-exists", f"{ingest} is on main already", where=dataset, do="there is nothing to rebase")
    arguments = {"dataset": dataset, "ingest": ingest, "manifest_digest": version.manifest_digest}
    return operations.start("rebase", by, arguments).id


def _look(work: Work) -> None:
    """Find both sides, and refuse any conflict outside `.assay/`."""
    context, dataset = work.context, work.arguments["dataset"]
    repository = repository_of(dataset)
    version = context.version(work.arguments["manifest_digest"])
    commit = context.location(version.manifest_digest).commit
    head = version_commit.decided_head(context, dataset)
    if context.store.merge_base(repository, commit, "main") == head:
        raise Conflict("already-exists", f"{version.ingest} already stands on main", where=dataset, do="approve it")
    branch = context.store.head(repository, version_commit.branch_name(work))
    if branch is None or branch.id != commit:
        raise Conflict(
            "version-outdated",
            f"{version_commit.branch_name(work)} moved since {commit[:12]} was registered",
            where=dataset,
            do="register what is there as a new ingest",
        )
    ours = {c.path for c in context.store.diff(repository, "main", commit)}
    theirs = {c.path for c in context.store.diff(repository, commit, head)}
    conflicts = sorted(p for p in ours & theirs if not p.startswith(manifest.FOLDER))
    if conflicts:
        raise Conflict(
            "merge-conflict",
            f"main and {version.ingest} both changed {conflicts[0]} ({len(conflicts)} such paths)",
            where=dataset,
            do="register it as a new ingest under another name",
        )
    work.memory["head"], work.memory["candidate"] = head, commit


def _merge(work: Work) -> None:
    """Merge `main` into the branch; its own `.assay/` is replaced in the next step."""
    context, branch = work.context, version_commit.branch_name(work)
    repository = repository_of(work.arguments["dataset"])
    log = context.store.log(repository, branch, 5)
    if not any(c.metadata.get(INTENT) == work.intent.id for c in log):
        metadata = {INTENT: work.intent.id}
        message = f"Bring {work.arguments['ingest']} up to date with main"
        context.store.merge(repository, work.memory["head"], branch, message, metadata, keep="destination")


def _commit(work: Work) -> None:
    """Write the manifest of the union."""
    log = work.context.store.log(repository_of(work.arguments["dataset"]), version_commit.branch_name(work), 5)
    if any(c.metadata.get(INTENT) == work.intent.id and MANIFEST in c.metadata for c in log):
        return
    version = work.context.version(work.arguments["manifest_digest"])
    approval = next(a for a in work.context.approvals(version.dataset) if a.merge_commit == work.memory["head"])
    approved = work.context.version(approval.manifest_digest)
    own = [r for r in version.manifest.roots if r.slug == version.ingest]
    episodes, objects = version_commit.tables_of(work.context, version)
    main_episodes, main_objects = version_commit.tables_of(work.context, approved)
    version_commit.commit_tables(
        work,
        [*approved.manifest.roots, *own],
        main_episodes + [e for e in episodes if e.root == version.ingest],
        main_objects + [o for o in objects if o.path.startswith(f"{version.ingest}/")],
        (approved.manifest_digest, version.manifest_digest),
        f"Rebase {version.ingest}",
    )


def _record(work: Work, write: Write) -> dict[str, Any]:
    return version_commit.record_version(work, write, "dataset.rebase", work.arguments["manifest_digest"])


def _abandon(work: Work) -> None:
    """Put the branch back to the registered commit: it is deleted and made again at the same place."""
    if "candidate" in work.memory:
        repository, branch = repository_of(work.arguments["dataset"]), version_commit.branch_name(work)
        head = work.context.store.head(repository, branch)
        if head is None or head.id != work.memory["candidate"]:
            work.context.store.delete_branch(repository, branch)
            work.context.store.ensure_branch(repository, branch, work.memory["candidate"])


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"ingest:{arguments['dataset']}/{arguments['ingest']}"


KIND = Kind("rebase", (_look, _merge, _commit, version_commit.fetch), _record, _abandon, _serial)
