"""What the hooks did: a run an event, a hook run each hook that ran, its output; and the events still to be told.

An event that follows a change is queued in the transaction of that change, and leaves the queue in the transaction that
records its run. A server that ends in between tells it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from infra.lakefs.errors import NotFoundError
from infra.lakefs.store import repositories
from infra.lakefs.store.events import Event, decode
from infra.lakefs.store.numbers import to_id, to_number


@dataclass(frozen=True, slots=True)
class HookRun:
    """Times are microseconds since 1970; `why` it failed is not kept; `id` is "" until it is recorded."""

    action: str
    hook: str
    started: int
    ended: int
    failed: bool
    output: str
    why: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    event: str
    branch: str
    commit_id: str
    started: int
    ended: int
    failed: bool
    id: str = ""


def record(connection: sqlite3.Connection, repository: str, run: Run, hook_runs: Sequence[HookRun]) -> str:
    """The id that the run has from now on; "" when the repository is gone."""
    if repositories.find(connection, repository) is None:
        return ""
    number = connection.execute(
        "INSERT INTO runs (repository, event, branch, commit_id, started, ended, failed) VALUES (?,?,?,?,?,?,?)",
        (repository, run.event, run.branch, run.commit_id, run.started, run.ended, run.failed),
    ).lastrowid
    assert number is not None
    connection.executemany(
        "INSERT INTO hook_runs (run, action, hook, started, ended, failed, output) VALUES (?,?,?,?,?,?,?)",
        [(number, h.action, h.hook, h.started, h.ended, h.failed, h.output) for h in hook_runs],
    )
    return to_id(number)


def get(connection: sqlite3.Connection, repository: str, identifier: str) -> Run:
    repositories.get(connection, repository)
    row = connection.execute(
        "SELECT * FROM runs WHERE repository=? AND number=?", (repository, to_number(identifier))
    ).fetchone()
    if row is None:
        raise NotFoundError(f"run '{identifier[:80]}' not found")
    return _run(row)


def page(
    connection: sqlite3.Connection, repository: str, branch: str, commit: str, after: str, amount: int
) -> tuple[list[Run], bool]:
    """The newest first; those of one branch in the order they happened, as recorded of a lakeFS."""
    repositories.get(connection, repository)
    start = to_number(after) if after else None
    beyond, order = (">", "ASC") if branch else ("<", "DESC")
    rows = connection.execute(
        "SELECT * FROM runs WHERE repository=:repository AND (:branch='' OR branch=:branch) "  # noqa: S608 - constants
        f"AND (:commit='' OR commit_id=:commit) AND (:start IS NULL OR number{beyond}:start) "
        f"ORDER BY number {order} LIMIT :amount",
        {"repository": repository, "branch": branch, "commit": commit, "start": start, "amount": amount + 1},
    ).fetchall()
    return [_run(row) for row in rows[:amount]], len(rows) > amount


def page_hooks(
    connection: sqlite3.Connection, repository: str, identifier: str, after: str, amount: int
) -> tuple[list[HookRun], bool]:
    """Hooks in the order they ran."""
    get(connection, repository, identifier)
    start = to_number(after) if after else -1
    rows = connection.execute(
        "SELECT * FROM hook_runs WHERE run=? AND number>? ORDER BY number LIMIT ?",
        (to_number(identifier), start, amount + 1),
    ).fetchall()
    return [_hook_run(row) for row in rows[:amount]], len(rows) > amount


def output(connection: sqlite3.Connection, repository: str, identifier: str, hook_run: str) -> str:
    get(connection, repository, identifier)
    row = connection.execute(
        "SELECT output FROM hook_runs WHERE run=? AND number=?",
        (to_number(identifier), to_number(hook_run)),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"hook run '{hook_run[:80]}' not found")
    text: str = row["output"]
    return text


def queue(connection: sqlite3.Connection, event: Event) -> None:
    """Have an event told once the transaction is on disk."""
    connection.execute("INSERT INTO events (repository, event) VALUES (?,?)", (event.repository, event.encoded()))


def queued(connection: sqlite3.Connection, after: int) -> list[tuple[int, Event]]:
    rows = connection.execute("SELECT number, event FROM events WHERE number>? ORDER BY number", (after,))
    return [(row["number"], decode(row["event"])) for row in rows]


def told(
    connection: sqlite3.Connection, number: int, repository: str, performed: tuple[Run, Sequence[HookRun]] | None
) -> None:
    """Record what a queued event led to and take it from the queue."""
    if performed is not None:
        record(connection, repository, *performed)
    connection.execute("DELETE FROM events WHERE number=?", (number,))


def _run(row: sqlite3.Row) -> Run:
    return Run(
        row["event"],
        row["branch"],
        row["commit_id"],
        row["started"],
        row["ended"],
        bool(row["failed"]),
        to_id(row["number"]),
    )


def _hook_run(row: sqlite3.Row) -> HookRun:
    return HookRun(
        row["action"],
        row["hook"],
        row["started"],
        row["ended"],
        bool(row["failed"]),
        row["output"],
        id=to_id(row["number"]),
    )
