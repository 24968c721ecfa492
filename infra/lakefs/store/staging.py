"""Uncommitted changes of a branch: what each path becomes, or that it is deleted.

Rows carry a rising sequence, so that a commit takes exactly what it saw and leaves what came later. A row that equals
the committed entry is no change.

Nothing long happens while others wait to write: what was committed or reset is not deleted but covered by a mark of the
branch, `cleared`. Rows up to that sequence are dead, no reader sees them, and `sweep` deletes them later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from operator import attrgetter

from infra.lakefs.store.entries import Entry
from infra.lakefs.store.listing import beyond
from infra.lakefs.store.rows import Edit
from infra.lakefs.store.trees import Tree, Trees

PAGE = 1024
FEW = 1024
_VALUES = attrgetter("sha256", "md5", "size", "mtime", "content_type", "metadata", "digest")


def put(connection: sqlite3.Connection, repository: str, branch: str, path: bytes, entry: Entry | None) -> None:
    """Stage an entry, or with None a deletion."""
    if entry is None:
        put_many(connection, repository, branch, (), (path,))
    else:
        put_many(connection, repository, branch, (entry,))


def put_many(
    connection: sqlite3.Connection,
    repository: str,
    branch: str,
    entries: Iterable[Entry],
    deletions: Iterable[bytes] = (),
) -> None:
    """Stage entries and deletions, of paths that differ."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'staging'")
    sequence = mark(connection)
    connection.executemany(
        "INSERT OR REPLACE INTO staging VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        ((repository, branch, entry.path, sequence, *_VALUES(entry)) for entry in entries),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO staging (repository, branch, path, sequence) VALUES (?,?,?,?)",
        ((repository, branch, path, sequence) for path in deletions),
    )


def find(connection: sqlite3.Connection, repository: str, branch: str, path: bytes) -> Edit | None:
    """What is staged at a path; None when nothing is."""
    row = connection.execute(
        "SELECT * FROM staging WHERE repository=? AND branch=? AND path=? AND sequence>?",
        (repository, branch, path, cleared_to(connection, repository, branch)),
    ).fetchone()
    return None if row is None else _edit(row)


def walk(connection: sqlite3.Connection, repository: str, branch: str, start: bytes = b"") -> Iterator[Edit]:
    """Staged rows in order from `start` on, read in pieces so that nothing holds them all."""
    comparison, dead = ">=", cleared_to(connection, repository, branch)
    index = chosen_index(connection, repository, branch, dead)
    while True:
        rows = connection.execute(
            f"SELECT * FROM staging {index} WHERE repository=? AND branch=? AND path{comparison}? AND sequence>? "  # noqa: S608 - constants
            f"ORDER BY path LIMIT {PAGE}",
            (repository, branch, start, dead),
        ).fetchall()
        for row in rows:
            yield _edit(row)
        if len(rows) < PAGE:
            return
        start, comparison = rows[-1]["path"], ">"


def chosen_index(connection: sqlite3.Connection, repository: str, branch: str, dead: int) -> str:
    """How to look for rows above a sequence: by that where they are few, since they may lie among many dead ones."""
    count = connection.execute(
        "SELECT count(*) FROM "
        "(SELECT 1 FROM staging INDEXED BY staged WHERE repository=? AND branch=? AND sequence>? LIMIT ?)",
        (repository, branch, dead, FEW + 1),
    ).fetchone()[0]
    return "INDEXED BY staged" if count <= FEW else ""


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


def cleared_to(connection: sqlite3.Connection, repository: str, branch: str) -> int:
    """The sequence up to which rows are dead; of a branch that is not there all are."""
    row = connection.execute(
        "SELECT cleared FROM branches WHERE repository=? AND name=?", (repository, branch)
    ).fetchone()
    return 2**62 if row is None else row["cleared"]


def is_newer(connection: sqlite3.Connection, repository: str, branch: str, marked: int) -> bool:
    """Whether something was staged on the branch after the mark was taken."""
    found = connection.execute(
        "SELECT 1 FROM staging INDEXED BY staged WHERE repository=? AND branch=? AND sequence>? LIMIT 1",
        (repository, branch, marked),
    ).fetchone()
    return found is not None


def is_clean(connection: sqlite3.Connection, repository: str, branch: str) -> bool:
    """Whether nothing is staged."""
    return not is_newer(connection, repository, branch, cleared_to(connection, repository, branch))


def clear(connection: sqlite3.Connection, repository: str, branch: str, marked: int | None = None) -> None:
    """Forget what is staged, up to a mark where one is given."""
    upto = mark(connection) if marked is None else marked
    connection.execute(
        "UPDATE branches SET cleared=max(cleared,?) WHERE repository=? AND name=?", (upto, repository, branch)
    )
    leave(connection, repository, branch, upto)


def leave(connection: sqlite3.Connection, repository: str, branch: str, upto: int) -> None:
    """Write down where dead rows may lie, for `sweep`."""
    connection.execute(
        "INSERT INTO dead VALUES (?,?,?) ON CONFLICT DO UPDATE SET upto=max(upto,excluded.upto)",
        (repository, branch, upto),
    )


def forget(connection: sqlite3.Connection, repository: str, branch: str, path: bytes) -> None:
    connection.execute("DELETE FROM staging WHERE repository=? AND branch=? AND path=?", (repository, branch, path))


def forget_prefix(connection: sqlite3.Connection, repository: str, branch: str, prefix: bytes) -> None:
    connection.execute(
        "DELETE FROM staging WHERE repository=? AND branch=? AND path>=? AND path<?",
        (repository, branch, prefix, beyond(prefix)),
    )


def _edit(row: sqlite3.Row) -> Edit:
    path: bytes = row["path"]
    if row["digest"] is None:
        return path, None
    return path, Entry(
        path, row["sha256"], row["md5"], row["size"], row["mtime"], row["content_type"], row["metadata"], row["digest"]
    )
