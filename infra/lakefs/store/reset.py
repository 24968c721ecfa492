"""Forget staged changes, or set a branch back to another commit."""

from __future__ import annotations

import sqlite3

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, refs, repositories, staging
from infra.lakefs.store.entries import key
from infra.lakefs.store.objects import Guard, unguarded
from infra.lakefs.store.protection import refuse_protected


def reset(
    store: Store, repository: str, branch: str, kind: str, path: str, force: bool, guard: Guard = unguarded
) -> None:
    """Forget what is staged: all of it, one object's, or all below a prefix."""

    def change(connection: sqlite3.Connection) -> None:
        guard(connection, ())
        refs.existing_branch(connection, repository, branch)
        refuse_protected(repositories.writable(connection, repository, force), branch, "reset")
        if kind == "reset":
            staging.clear(connection, repository, branch)
        elif kind == "object":
            staging.forget(connection, repository, branch, key(path))
        elif kind == "common_prefix":
            staging.forget_prefix(connection, repository, branch, key(path))
        else:
            raise InvalidError(f"reset type '{kind[:40]}': reset, object or common_prefix")
        store.resets[repository, branch] += 1

    store.database.write(change)
    store.sweeper.wake()


def hard_reset(store: Store, repository: str, branch: str, ref: str, force: bool) -> None:
    """Set the branch to `ref` and forget what is staged."""

    def change(connection: sqlite3.Connection) -> None:
        before = refs.existing_branch(connection, repository, branch).head
        refuse_protected(repositories.writable(connection, repository, force), branch, "reset")
        head = refs.resolve_commit(connection, repository, ref)
        connection.execute("UPDATE branches SET head=? WHERE repository=? AND name=?", (head.id, repository, branch))
        refs.log_head(connection, repository, before)
        staging.clear(connection, repository, branch)
        store.resets[repository, branch] += 1

    store.database.write(change)
    store.sweeper.wake()
