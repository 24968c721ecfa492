"""Commits, named by the hash of all they say; their history and common ancestors."""

from __future__ import annotations

import hashlib
import heapq
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from infra.lakefs.errors import DamagedError, NotFoundError
from infra.lakefs.store.entries import canonical

VERSION = 1
COMMIT_FIELDS = ("parents", "tree", "message", "committer", "date", "recorded", "metadata", "generation")


@dataclass(frozen=True, slots=True)
class Commit:
    """`tree` is the metarange's name ("" for a repository's first commit), `date` seconds since 1970 as claimed,
    `recorded` microseconds since 1970 by the server's clock."""

    id: str
    parents: tuple[str, ...]
    tree: str
    message: str
    committer: str
    date: int
    recorded: int
    metadata: Mapping[str, str]
    generation: int


def make_commit(
    parents: tuple[Commit, ...],
    tree: str,
    message: str,
    committer: str,
    recorded: int,
    metadata: Mapping[str, str],
    date: int | None = None,
) -> Commit:
    named = tuple(parent.id for parent in parents)
    date = recorded // 1_000_000 if date is None else date
    generation = 1 + max((parent.generation for parent in parents), default=0)
    unnamed = Commit("", named, tree, message, committer, date, recorded, dict(metadata), generation)
    return replace(unnamed, id=commit_id(unnamed))


def commit_id(said: Commit) -> str:
    """The name of what a commit says."""
    fields = [getattr(said, name) for name in COMMIT_FIELDS]
    return hashlib.sha256(b"lakefs-commit-1\0" + canonical([VERSION, *fields]).encode()).hexdigest()


def insert(connection: sqlite3.Connection, repository: str, commit: Commit) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO commits VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            repository,
            commit.id,
            canonical(commit.parents),
            commit.tree,
            commit.message,
            commit.committer,
            commit.date,
            commit.recorded,
            canonical(commit.metadata),
            commit.generation,
        ),
    )


def find(connection: sqlite3.Connection, repository: str, identifier: str) -> Commit | None:
    row = connection.execute("SELECT * FROM commits WHERE repository=? AND id=?", (repository, identifier)).fetchone()
    return None if row is None else from_row(row)


def from_row(row: sqlite3.Row) -> Commit:
    return Commit(
        row["id"],
        tuple(json.loads(row["parents"])),
        row["tree"],
        row["message"],
        row["committer"],
        row["date"],
        row["recorded"],
        json.loads(row["metadata"]),
        row["generation"],
    )


def get(connection: sqlite3.Connection, repository: str, identifier: str) -> Commit:
    """A commit that a ref or another commit names."""
    commit = find(connection, repository, identifier)
    if commit is None:
        raise DamagedError(f"commit {identifier} of {repository} is named but missing: restore the database")
    return commit


def by_prefix(connection: sqlite3.Connection, repository: str, prefix: str) -> str | None:
    """The id of the one commit that starts so; None for none, NotFoundError for several."""
    rows = connection.execute(
        "SELECT id FROM commits WHERE repository=? AND id>=? AND id<? LIMIT 2", (repository, prefix, prefix + "g")
    ).fetchall()
    if len(rows) > 1:
        raise NotFoundError(f"commit prefix '{prefix}' fits several commits: give more digits")
    return rows[0]["id"] if rows else None


def log(connection: sqlite3.Connection, repository: str, head: Commit, first_parent: bool = False) -> Iterator[Commit]:
    """History from `head`, every commit before its parents, the younger of two side lines first."""
    heap = [_younger_first(head)]
    seen = {head.id}
    while heap:
        commit = heapq.heappop(heap)[-1]
        yield commit
        for parent in commit.parents[: 1 if first_parent else None]:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(heap, _younger_first(get(connection, repository, parent)))


def in_history(connection: sqlite3.Connection, repository: str, commit: Commit, heads: Iterable[str]) -> bool:
    """Whether `commit` is one of the heads or an ancestor of one; nothing older than it is looked at."""
    found = connection.execute(
        "WITH RECURSIVE history(id) AS (SELECT value FROM json_each(:heads) UNION "
        "SELECT parent.value FROM history JOIN commits ON repository=:repository AND commits.id=history.id, "
        "json_each(commits.parents) AS parent WHERE commits.generation>:generation) "
        "SELECT 1 FROM history WHERE id=:id LIMIT 1",
        {
            "heads": canonical(list(heads)),
            "repository": repository,
            "generation": commit.generation,
            "id": commit.id,
        },
    )
    return found.fetchone() is not None


def merge_base(connection: sqlite3.Connection, repository: str, left: Commit, right: Commit) -> Commit | None:
    """The common ancestor farthest from the beginning, or None where the histories share nothing."""
    heap = [_younger_first(commit) for commit in {left.id: left, right.id: right}.values()]
    heapq.heapify(heap)
    reached = {left.id: 1}
    reached[right.id] = reached.get(right.id, 0) | 2
    while heap:
        commit = heapq.heappop(heap)[-1]
        if reached[commit.id] == 3:
            return commit
        for parent in commit.parents:
            if parent not in reached:
                reached[parent] = 0
                heapq.heappush(heap, _younger_first(get(connection, repository, parent)))
            reached[parent] |= reached[commit.id]
    return None


def _younger_first(commit: Commit) -> tuple[int, int, str, Commit]:
    return (-commit.generation, -commit.recorded, commit.id, commit)
