"""Undo a commit, or bring a single commit elsewhere: three-way merges relative to one of its parents.

As in lakeFS both pass branch protection; a catalog must watch for them. Their hooks are read from the branch as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from infra.lakefs.errors import ConflictError, InvalidError, LakeFSError
from infra.lakefs.store import Store, commits, refs, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.merge import three_way
from infra.lakefs.store.trees import Tree


def revert(
    store: Store,
    repository: str,
    branch: str,
    ref: str,
    parent_number: int,
    *,
    message: str | None = None,
    metadata: Mapping[str, str] | None = None,
    allow_empty: bool = False,
    force: bool = False,
) -> Commit:
    """Undo what `ref` changed since its parent (counted from 1; 0 for a commit with one parent)."""

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, repository, branch, force)
        mark = staging.mark(connection)
        refuse_dirty(connection, store, repository, branch, head)
        bad = refs.resolve_commit(connection, repository, ref)
        before = _parent_tree(connection, store, repository, bad, parent_number, ConflictError)
        present = store.trees.load(head.tree)
        tree = three_way(store, store.trees.load(bad.tree), before, present, "")
        if tree.id == present.id and not allow_empty:
            raise InvalidError(f"revert: undoing '{ref}' changes nothing on '{branch}'")
        words = message or f"Revert {ref}"
        made = make_commit((head,), tree.id, words, store.user, store.clock(), metadata or {})
        return Plan(head, mark, made, takes_staged=False, act="revert", source=bad, rules=head)

    return advance(store, repository, branch, plan)


def cherry_pick(
    store: Store,
    repository: str,
    branch: str,
    ref: str,
    parent_number: int | None,
    *,
    message: str | None = None,
    metadata: Mapping[str, str] | None = None,
    force: bool = False,
) -> Commit:
    """Repeat on `branch` what `ref` changed since its parent; the new commit names its origin."""

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, repository, branch, force)
        mark = staging.mark(connection)
        refuse_dirty(connection, store, repository, branch, head)
        picked = refs.resolve_commit(connection, repository, ref)
        before = _parent_tree(connection, store, repository, picked, parent_number or 0, InvalidError)
        tree = three_way(store, before, store.trees.load(picked.tree), store.trees.load(head.tree), "")
        origin = {"cherry-pick-origin": picked.id, "cherry-pick-committer": picked.committer}
        made = make_commit(
            (head,),
            tree.id,
            message or picked.message,
            store.user,
            store.clock(),
            {**(picked.metadata if metadata is None else metadata), **origin},
        )
        return Plan(head, mark, made, takes_staged=False, act="cherry-pick", source=picked, rules=head)

    return advance(store, repository, branch, plan)


def _parent_tree(
    connection: sqlite3.Connection,
    store: Store,
    repository: str,
    commit: Commit,
    number: int,
    ambiguous: type[LakeFSError],
) -> Tree:
    if number == 0 and len(commit.parents) > 1:
        raise ambiguous(f"{commit.id[:12]} is a merge commit: give parent_number, counted from 1")
    if number < 0 or number > len(commit.parents):
        raise InvalidError(f"commit {commit.id[:12]} has no parent {number}")
    if not commit.parents:
        return store.trees.load("")
    return store.trees.load(commits.get(connection, repository, commit.parents[max(number - 1, 0)]).tree)
