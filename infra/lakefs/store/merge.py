"""Three-way merges: what a source changed since a base, brought to a branch.

A merge never fast-forwards; merged onto its own base, the result is the source's tree as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping

import pyarrow.compute as pc

from infra.lakefs.errors import ConflictError, InvalidError
from infra.lakefs.store import Store, commits, diff, refs, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.rows import Rows, aligned, without
from infra.lakefs.store.trees import Tree

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
    record: Callable[[sqlite3.Connection, Commit], None] = lambda *_: None,
) -> Commit:
    """The merge commit, parents [head, source] (only [head] when squashed). What is staged on the source stays there.

    Its hooks are read from the source, as in lakeFS. `record` runs in the transaction that moves the branch.

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
        tree = three_way(store, base_tree, tip_tree, store.trees.load(head.tree), strategy)
        made = make_commit(
            (head,) if squash else (head, tip),
            tree.id,
            message or f"Merge '{source}' into '{branch}'",
            store.user,
            store.clock(),
            {STRATEGY_KEY: strategy or "default", **(metadata or {})},
        )
        return Plan(
            head,
            mark,
            made,
            takes_staged=False,
            act="merge",
            source=tip,
            rules=tip,
            merge_source=source,
            record=lambda connection: record(connection, made),
        )

    return advance(store, repository, branch, plan)


def three_way(store: Store, base: Tree, source: Tree, destination: Tree, strategy: str) -> Tree:
    """The destination with the source's changes, stored."""
    if base.id == destination.id and source.ranges:
        return source
    ours, theirs = (diff.edits(store.ranges, base, side) for side in (source, destination))
    return store.trees.edit_rows(destination, _reconciled(ours, theirs, strategy))


def _reconciled(ours: Iterator[Rows], theirs: Iterator[Rows], strategy: str) -> Iterator[Rows]:
    """Our edits that may be made where theirs were."""
    for our, their in aligned(ours, theirs):
        apart = without(our.paths, their.paths)
        both, others = our.where(pc.invert(apart)), their.where(pc.is_in(their.paths, value_set=our.paths))
        digests = zip(both.digests.to_pylist(), others.digests.to_pylist(), strict=True)
        differs = [one != other for one, other in digests]
        if not strategy and True in differs:
            path = both.path(differs.index(True))
            raise MergeConflictError(f"both sides changed '{path.decode()[:200]}' and perhaps more")
        # where both did the same, the destination has it
        edits = our if strategy == "source-wins" else our.where(apart)
        if len(edits):
            yield edits
