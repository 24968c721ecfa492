"""Three-way merges: what a source changed since a base, brought to a branch.

A merge never fast-forwards; merged onto its own base, the result is the source's tree as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.lakefs.errors import ConflictError, InvalidError
from infra.lakefs.store import Store, commits, diff, refs, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.trees import Edit, Tree

STRATEGIES = ("", "dest-wins", "source-wins")
STRATEGY_KEY = ".lakefs.merge.strategy"


class MergeConflictError(ConflictError):
    """Both sides changed a path; nothing was merged."""


def merge(
    store: Store,
    repository: str,
    source: str,
    branch: str,
    *,
    message: str = "",
    metadata: Mapping[str, str] | None = None,
    strategy: str = "",
    squash: bool = False,
    allow_empty: bool = False,
    force: bool = False,
) -> Commit:
    """The merge commit, parents [head, source] (only [head] when squashed). What is staged on the source stays there.

    MergeConflictError without a strategy; InvalidError when the source brings nothing or the branch is dirty.
    """
    if strategy not in STRATEGIES:
        raise InvalidError(f"merge strategy '{strategy[:40]}': dest-wins, source-wins or none")

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, repository, branch, force)
        mark = staging.mark(connection)
        refuse_dirty(connection, store, repository, branch, head)
        tip = refs.resolve_commit(connection, repository, source)
        base = commits.merge_base(connection, repository, head, tip)
        base_tree = store.trees.load(base.tree if base else "")
        tip_tree = store.trees.load(tip.tree)
        if base_tree.id == tip_tree.id and not (allow_empty or force):
            raise InvalidError(f"merge: '{source}' brings no changes to '{branch}'")
        tree, folders = three_way(store, base_tree, tip_tree, store.trees.load(head.tree), strategy)
        made = make_commit(
            (head,) if squash else (head, tip),
            tree.id,
            message or f"Merge '{source}' into '{branch}'",
            store.user,
            store.clock(),
            {STRATEGY_KEY: strategy or "default", **(metadata or {})},
        )
        return Plan(head, mark, made, folders, takes_staged=False)

    return advance(store, repository, branch, plan)


def three_way(store: Store, base: Tree, source: Tree, destination: Tree, strategy: str) -> tuple[Tree, set[Path]]:
    """The destination with the source's changes, stored, and the folders to sync."""
    if base.id == destination.id and source.ranges:
        return source, set()

    def edits() -> Iterator[Edit]:
        for item in diff.brought(store.ranges, base, source, destination):
            if item.conflict and not strategy:
                raise MergeConflictError(f"both sides changed '{item.path.decode()[:200]}' and perhaps more")
            if not item.conflict or strategy == "source-wins":
                yield item.path, item.source

    return store.trees.edit(destination, edits())
