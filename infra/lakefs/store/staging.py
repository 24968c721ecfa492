"""Uncommitted changes of a branch: what each path becomes, or that it is deleted.

Rows carry a rising sequence, so that a commit takes exactly what it saw and leaves what came later. A row that equals
the committed entry is no change.

Nothing long happens while others wait to write: what was committed or reset is not deleted but covered by a mark of the
branch, `cleared`. Rows up to that sequence are dead, no reader sees them, and `sweep` deletes them later. Another mark,
`staged`, is the sequence of the branch's newest change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.lakefs.store.entries import Entry
from infra.lakefs.store.rows import SCHEMA, VARYING, Edit, Rows, column, in_order, merged, removals
from infra.lakefs.store.trees import Tree, Trees

PAGE = 1024
PIECE = 8192
CHUNK = 2048  # rows that `put_many` should be given in one transaction, in which all other writers wait


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
    connection.execute("UPDATE branches SET staged=? WHERE repository=? AND name=?", (sequence, repository, branch))
    connection.executemany(
        "INSERT OR REPLACE INTO staging VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            (
                repository,
                branch,
                e.path,
                sequence,
                e.sha256,
                e.md5,
                e.size,
                e.mtime,
                e.content_type,
                e.metadata,
                e.digest,
            )
            for e in entries
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO staging (repository, branch, path, sequence) VALUES (?,?,?,?)",
        ((repository, branch, path, sequence) for path in deletions),
    )


def find(connection: sqlite3.Connection, repository: str, branch: str, path: bytes) -> Edit | None:
    """What is staged at a path; None when nothing is."""
    row = connection.execute(
        "SELECT * FROM staging WHERE repository=? AND branch=? AND path=? AND sequence>?",
        (repository, branch, path, _cleared(connection, repository, branch)),
    ).fetchone()
    return None if row is None else _edit(row)


def walk(connection: sqlite3.Connection, repository: str, branch: str, start: bytes = b"") -> Iterator[Edit]:
    """Staged rows in order from `start` on, read in pieces so that nothing holds them all."""
    if is_clean(connection, repository, branch):
        return
    comparison, cleared = ">=", _cleared(connection, repository, branch)
    while True:
        rows = connection.execute(
            f"SELECT * FROM staging WHERE repository=? AND branch=? AND path{comparison}? AND sequence>? "  # noqa: S608 - constants
            f"ORDER BY path LIMIT {PAGE}",
            (repository, branch, start, cleared),
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


def rows(connection: sqlite3.Connection, repository: str, branch: str) -> Iterator[Rows]:
    """All staged rows as edits of a tree, in order.

    SQLite itself joins the values of a piece column by column: one step, in which other threads run, for thousands of
    rows. A deletion has a path alone, and what is joined skips NULL.
    """
    if is_clean(connection, repository, branch):
        return
    start, cleared = b"", _cleared(connection, repository, branch)
    while start is not None:
        piece = connection.execute(_JOINED, (repository, branch, start, cleared)).fetchone()
        start = piece["last"]
        if start is not None:
            yield _unjoined(piece)


def mark(connection: sqlite3.Connection) -> int:
    """The sequence of the newest change anywhere; everything staged now is at most that."""
    value: int = connection.execute("SELECT value FROM counters WHERE name='staging'").fetchone()["value"]
    return value


def is_newer(connection: sqlite3.Connection, repository: str, branch: str, marked: int) -> bool:
    """Whether something was staged on the branch after the mark was taken."""
    found = connection.execute(
        "SELECT 1 FROM branches WHERE repository=? AND name=? AND staged>?", (repository, branch, marked)
    ).fetchone()
    return found is not None


def is_clean(connection: sqlite3.Connection, repository: str, branch: str) -> bool:
    """Whether nothing was staged since the branch was last cleared."""
    return not is_newer(connection, repository, branch, _cleared(connection, repository, branch))


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
        (repository, branch, prefix, prefix + b"\xff"),  # which UTF-8 never holds
    )


def _cleared(connection: sqlite3.Connection, repository: str, branch: str) -> int:
    """The sequence up to which rows are dead; of a branch that is not there all are."""
    row = connection.execute(
        "SELECT cleared FROM branches WHERE repository=? AND name=?", (repository, branch)
    ).fetchone()
    return 2**62 if row is None else row["cleared"]


def _edit(row: sqlite3.Row) -> Edit:
    path: bytes = row["path"]
    if row["digest"] is None:
        return path, None
    return path, Entry(
        path, row["sha256"], row["md5"], row["size"], row["mtime"], row["content_type"], row["metadata"], row["digest"]
    )


def _aggregates() -> Iterator[str]:
    for field in SCHEMA:
        kept = "FILTER (WHERE digest IS NOT NULL)"
        if field.type == pa.int64():
            yield f"group_concat({field.name}) {kept} AS {field.name}"
            continue
        yield f"CAST(group_concat({field.name}, '') {kept} AS BLOB) AS {field.name}"
        if field.type in VARYING:
            yield f"group_concat(length(CAST({field.name} AS BLOB))) {kept} AS {field.name}_lengths"


_JOINED = f"""
SELECT {", ".join(_aggregates())}, max(path) AS last, count(digest) AS entries,
  CAST(group_concat(path, '') FILTER (WHERE digest IS NULL) AS BLOB) AS deleted,
  group_concat(length(path)) FILTER (WHERE digest IS NULL) AS deleted_lengths
FROM (SELECT * FROM staging WHERE repository=? AND branch=? AND path>? AND sequence>? ORDER BY path LIMIT {PIECE})
"""  # noqa: S608 - constants


def _unjoined(piece: sqlite3.Row) -> Rows:
    columns = []
    for field in SCHEMA:
        data = piece[field.name]
        if field.type == pa.int64():
            columns.append(column(field.type, piece["entries"], _integers(data)))
        elif field.type in VARYING:
            columns.append(column(field.type, piece["entries"], data or b"", _offsets(piece[f"{field.name}_lengths"])))
        else:
            columns.append(column(field.type, piece["entries"], data or b""))
    entries = in_order(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
    ends = _offsets(piece["deleted_lengths"])
    deleted = column(pa.binary(), len(ends) - 1, piece["deleted"] or b"", ends)
    return merged(entries, removals(deleted))


def _integers(text: str | None) -> NDArray[np.int64]:
    return np.fromstring(text or "", dtype=np.int64, sep=",")


def _offsets(lengths: str | None) -> NDArray[np.int32]:
    return np.concatenate([[0], _integers(lengths).cumsum()]).astype(np.int32)
