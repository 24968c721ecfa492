"""Move a branch from the head that was looked at to a new commit, or not at all.

The work on trees happens before, outside of any transaction; the move is a compare-and-swap in one transaction. When
the branch moved or something was staged meanwhile, the work is done again on what is there now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from infra.lakefs.errors import BusyError, InvalidError
from infra.lakefs.store import Store, commits, refs, repositories, staging
from infra.lakefs.store.commits import Commit

ATTEMPTS = 20


@dataclass(frozen=True)
class Plan:
    """A commit for a branch. `takes_staged`: staged changes up to `mark` are in it; otherwise none may exist. `record`
    runs in the transaction that moves the branch and may raise to refuse that."""

    head: Commit
    mark: int
    commit: Commit
    takes_staged: bool
    record: Callable[[sqlite3.Connection], None] = lambda _: None


class _MovedError(Exception):
    """The branch is not where the plan was made."""


def advance(store: Store, repository: str, branch: str, make_plan: Callable[[sqlite3.Connection], Plan]) -> Commit:
    """Make a plan on a snapshot and carry it out; BusyError when the branch keeps moving."""
    with store.branch_lock(repository, branch):
        for _ in range(ATTEMPTS):
            with store.database.read() as connection:
                plan = make_plan(connection)
            try:
                made = store.database.write(_move(repository, branch, plan))
            except _MovedError:
                continue
            store.sweeper.wake()
            return made
    raise BusyError(f"branch '{branch}' kept changing, nothing was done: repeat")


def writable_head(connection: sqlite3.Connection, repository: str, branch: str, force: bool) -> Commit:
    """The head of a branch that may change."""
    head = refs.existing_branch(connection, repository, branch).head
    repositories.writable(connection, repository, force)
    return commits.get(connection, repository, head)


def refuse_dirty(connection: sqlite3.Connection, store: Store, repository: str, branch: str, head: Commit) -> None:
    """A branch that takes a merge, a revert or a cherry-pick must hold no staged change."""
    tree = store.trees.load(head.tree)
    for path, _ in staging.changes(connection, store.trees, repository, branch, tree):
        raise InvalidError(
            f"branch '{branch}' has uncommitted changes, the first at '{path.decode()[:200]}': commit or reset them"
        )


def _move(repository: str, branch: str, plan: Plan) -> Callable[[sqlite3.Connection], Commit]:
    def change(connection: sqlite3.Connection) -> Commit:
        if refs.branch(connection, repository, branch).head != plan.head.id:
            raise _MovedError
        if not plan.takes_staged and staging.is_newer(connection, repository, branch, plan.mark):
            raise _MovedError
        plan.record(connection)
        commits.insert(connection, repository, plan.commit)
        connection.execute(
            "UPDATE branches SET head=? WHERE repository=? AND name=?", (plan.commit.id, repository, branch)
        )
        staging.clear(connection, repository, branch, plan.mark)
        return plan.commit

    return change
