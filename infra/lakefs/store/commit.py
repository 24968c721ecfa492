"""Commit what is staged on a branch.

Commits of one branch queue. When one is asked for while changes are staged, and by its turn another has committed those
too, it is made all the same, on top and without changes: its message, its metadata and an identifier under which its
changes are found. Refusing it for having nothing to commit would be a refusal of what took effect. Asked for when
nothing is staged, a commit is refused, as by lakeFS.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, columns, hooks, refs, staging
from infra.lakefs.store.advance import Plan, advance, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.events import PREPARE, Event
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
    _prepare(store, repository, branch, message, metadata, force)

    with store.database.read() as connection:
        staged = not staging.is_clean(connection, repository, branch)
        asked_on = refs.branch(connection, repository, branch).head if staged else None

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, repository, branch, force)
        refuse_protected(get(connection, repository), branch, "commit to")
        mark = staging.mark(connection)
        before = store.trees.load(head.tree)
        tree = store.trees.edit_rows(before, columns.read(connection, repository, branch))
        overtaken = asked_on not in (None, head.id)
        if tree.id == before.id and not (allow_empty or overtaken):
            raise InvalidError(f"commit: no changes on branch '{branch}'")
        made = make_commit((head,), tree.id, message, store.user, store.clock(), metadata, date)
        return Plan(head, mark, made, takes_staged=True)

    return advance(store, repository, branch, plan)


def _prepare(
    store: Store, repository: str, branch: str, message: str, metadata: Mapping[str, str], force: bool
) -> None:
    """Hooks that may still stage what is to be committed; they are read from the branch with what is staged on it."""
    with store.database.read() as connection:
        head = writable_head(connection, repository, branch, force)
        refuse_protected(get(connection, repository), branch, "commit to")
    hooks.judge(
        store,
        Event(
            PREPARE,
            store.clock(),
            repository,
            head.tree,
            source_ref=branch,
            branch=branch,
            message=message,
            committer=store.user,
            metadata=metadata,
        ),
    )
