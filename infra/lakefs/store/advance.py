"""Move a branch from the head that was looked at to a new commit, or not at all.

The work on trees happens before, outside of any transaction, and so do the hooks that may refuse; the move is a
compare-and-swap in one transaction. When the branch moved or something was staged meanwhile, the work is done again on
what is there now, and judged again. Where no hook judged, the last attempt looks at what was staged within the
transaction, so that uploads without end, of what is there already, keep nobody out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, commits, hooks, refs, repositories, staging
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.events import Event
from infra.lakefs.store.hooks import MovedError, Proposal, Turn


@dataclass(frozen=True)
class Plan:
    """A commit for a branch. `takes_staged`: staged changes up to `mark` are in it; otherwise none may exist. `record`
    runs in the transaction that moves the branch and may raise to refuse that.

    Its hooks are those of `pre-ACT` and `post-ACT`. `source` is what is brought where that is a commit. Whose action
    files count before is `rules`, by default the commit itself, which counts after.
    """

    head: Commit
    mark: int
    commit: Commit
    takes_staged: bool
    record: Callable[[sqlite3.Connection], None] = lambda _: None
    act: str = "commit"
    source: Commit | None = None
    rules: Commit | None = None
    merge_source: str = ""


@dataclass(frozen=True)
class _Seen:
    """`resets` is how often staged changes were forgotten by then: hooks may judge them too."""

    plan: Plan
    resets: int


def advance(store: Store, repository: str, branch: str, make_plan: Callable[[sqlite3.Connection], Plan]) -> Commit:
    """Make a plan on a snapshot and carry it out; BusyError when the branch keeps moving."""

    def propose(connection: sqlite3.Connection) -> Proposal[_Seen]:
        resets = store.resets[repository, branch]  # before the first look, at which the snapshot begins
        plan = make_plan(connection)
        return Proposal(_Seen(plan, resets), *_events(store, repository, branch, plan))

    def move(connection: sqlite3.Connection, seen: _Seen, turn: Turn) -> Commit:
        plan, taken = seen.plan, seen.plan.mark
        if refs.branch(connection, repository, branch).head != plan.head.id:
            raise MovedError
        if (turn.judged or not plan.takes_staged) and staging.is_newer(connection, repository, branch, plan.mark):
            if turn.judged or not turn.last:
                raise MovedError
            refuse_dirty(connection, store, repository, branch, plan.head)
            taken = staging.mark(connection)
        if turn.judged and store.resets[repository, branch] != seen.resets:
            raise MovedError
        plan.record(connection)
        commits.insert(connection, repository, plan.commit)
        connection.execute(
            "UPDATE branches SET head=? WHERE repository=? AND name=?", (plan.commit.id, repository, branch)
        )
        staging.clear(connection, repository, branch, taken)
        return plan.commit

    with store.branch_lock(repository, branch), store.collection.shared():
        made = hooks.change(store, f"branch '{branch}'", propose, move)
    store.sweeper.wake()
    return made


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


def _events(store: Store, repository: str, branch: str, plan: Plan) -> tuple[Event, Event]:
    made = plan.commit
    after = Event(
        f"post-{plan.act}",
        store.clock(),
        repository,
        made.tree,
        made.id,
        branch,
        commit_id=made.id,
        merge_source=plan.merge_source,
        message=made.message,
        committer=made.committer,
        metadata=made.metadata,
    )
    source = plan.source.id if plan.source else branch
    rules = plan.rules or made
    return replace(after, kind=f"pre-{plan.act}", source_ref=source, tree=rules.tree), after
