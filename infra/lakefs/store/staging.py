"""Uncommitted changes of a branch: what each path becomes, or that it is deleted.

Rows carry a rising sequence, so that a commit takes exactly what it saw and leaves what came later. A row that equals
the committed entry is no change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from infra.lakefs.store.entries import Entry
from infra.lakefs.store.trees import Edit, Tree, Trees

PAGE = 1024


def put(connection: sqlite3.Connection, repository: str, branch: str, path: bytes, entry: Entry | None) -> None:
    """Stage an entry, or with None a deletion."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'staging'")
    values: tuple[object, ...] = (None,) * 7
    if entry is not None:
        values = (entry.sha256, entry.md5, entry.size, entry.mtime, entry.content_type, entry.metadata, entry.digest)
    connection.execute(
        "INSERT OR REPLACE INTO staging VALUES (?,?,?,(SELECT value FROM counters WHERE name='staging'),?,?,?,?,?,?,?)",
        (repository, branch, path, *values),
    )


def find(connection: sqlite3.Connection, repository: str, branch: str, path: bytes) -> Edit | None:
    """What is staged at a path; None when nothing is."""
    row = connection.execute(
        "SELECT * FROM staging WHERE repository=? AND branch=? AND path=?", (repository, branch, path)
    ).fetchone()
    return None if row is None else _edit(row)


def walk(connection: sqlite3.Connection, repository: str, branch: str, start: bytes = b"") -> Iterator[Edit]:
    """Staged rows in order from `start` on, read in pieces so that nothing holds them all."""
    comparison = ">="
    while True:
        rows = connection.execute(
            f"SELECT * FROM staging WHERE repository=? AND branch=? AND path{comparison}? ORDER BY path LIMIT {PAGE}",  # noqa: S608 - constants
            (repository, branch, start),
        ).fetchall()
        for row in rows:
            yield _edit(row)
        if len(rows) < PAGE:
            return
        start, comparison = rows[-1]["path"], ">"


def changes(
    connection: sqlite3.Connection, trees: Trees, repository: str, branch: str, tree: Tree, start: bytes = b""
) -> Iterator[Edit]:
    """Staged rows that differ from the committed tree."""
    for path, entry in walk(connection, repository, branch, start):
        committed = trees.find(tree, path)
        if (committed and committed.digest) != (entry and entry.digest):
            yield path, entry


def mark(connection: sqlite3.Connection) -> int:
    """The sequence of the newest change anywhere; everything staged now is at most that."""
    value: int = connection.execute("SELECT value FROM counters WHERE name='staging'").fetchone()["value"]
    return value


def is_newer(connection: sqlite3.Connection, repository: str, branch: str, marked: int) -> bool:
    """Whether something was staged on the branch after the mark was taken."""
    found = connection.execute(
        "SELECT 1 FROM staging WHERE repository=? AND branch=? AND sequence>? LIMIT 1", (repository, branch, marked)
    ).fetchone()
    return found is not None


def clear(connection: sqlite3.Connection, repository: str, branch: str, marked: int | None = None) -> None:
    """Forget what is staged, up to a mark where one is given."""
    limit = marked if marked is not None else 2**62
    connection.execute(
        "DELETE FROM staging WHERE repository=? AND branch=? AND sequence<=?", (repository, branch, limit)
    )


def forget(connection: sqlite3.Connection, repository: str, branch: str, path: bytes) -> None:
    connection.execute("DELETE FROM staging WHERE repository=? AND branch=? AND path=?", (repository, branch, path))


def forget_prefix(connection: sqlite3.Connection, repository: str, branch: str, prefix: bytes) -> None:
    connection.execute(
        "DELETE FROM staging WHERE repository=? AND branch=? AND path>=? AND substr(path,1,?)=?",
        (repository, branch, prefix, len(prefix), prefix),
    )


def _edit(row: sqlite3.Row) -> Edit:
    path: bytes = row["path"]
    if row["digest"] is None:
        return path, None
    return path, Entry(
        path, row["sha256"], row["md5"], row["size"], row["mtime"], row["content_type"], row["metadata"], row["digest"]
    )
