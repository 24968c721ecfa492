"""Commit what is staged on a branch."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, staging
from infra.lakefs.store.advance import Plan, advance, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.protection import refuse_protected
from infra.lakefs.store.repositories import get


def commit(
    store: Store,
    repository: str,
    branch: str,
    message: str,
    metadata: Mapping[str, str],
    *,
    date: int | None = None,
    allow_empty: bool = False,
    force: bool = False,
) -> Commit:
    """The new head; InvalidError when nothing is staged. `date` is seconds since 1970 as the caller claims them."""

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, repository, branch, force)
        refuse_protected(get(connection, repository), branch, "commit to")
        mark = staging.mark(connection)
        tree = store.trees.load(head.tree)
        edits = staging.changes(connection, store.trees, repository, branch, tree)
        first = next(edits, None)
        if first is None and not allow_empty:
            raise InvalidError(f"commit: no changes on branch '{branch}'")
        result, folders = store.trees.edit(tree, itertools.chain([first] if first else [], edits))
        made = make_commit((head,), result.id, message, store.user, store.clock(), metadata, date)
        return Plan(head, mark, made, folders, takes_staged=True)

    return advance(store, repository, branch, plan)
