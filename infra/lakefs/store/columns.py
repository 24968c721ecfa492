"""All that is staged on a branch, as the edits of a tree.

SQLite itself joins the values of a piece column by column: one step, in which other threads run, for thousands of rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from infra.lakefs.store import staging
from infra.lakefs.store.rows import SCHEMA, VARYING, Rows, column, in_order, merged, removals, without

PIECE = 8192
SEPARATOR = "x'ff'"  # UTF-8 never holds it


def read(connection: sqlite3.Connection, repository: str, branch: str) -> Iterator[Rows]:
    """Staged rows in order, some at a time. A deletion has a path alone, and joining skips NULL."""
    start, dead = b"", staging.cleared_to(connection, repository, branch)
    query = _query(staging.chosen_index(connection, repository, branch, dead))
    while start is not None:
        piece = connection.execute(query, (repository, branch, start, dead, PIECE)).fetchone()
        start = piece["last"]
        if start is not None:
            yield _unjoined(piece)


def _query(index: str) -> str:
    return f"""
SELECT max(path) AS last, CAST(group_concat(path, {SEPARATOR}) FILTER (WHERE digest IS NULL) AS BLOB) AS deleted,
  {", ".join(f"{_joined(field)} AS {field.name}" for field in SCHEMA)}
FROM (SELECT {", ".join(SCHEMA.names)} FROM staging {index}
  WHERE repository=? AND branch=? AND path>? AND sequence>? ORDER BY path LIMIT ?)
"""  # noqa: S608 - constants


def _joined(field: pa.Field) -> str:
    if field.type == pa.int64():
        return f"group_concat({field.name})"
    between = SEPARATOR if field.type in VARYING else "''"
    return f"CAST(group_concat({field.name}, {between}) AS BLOB)"


def _unjoined(piece: sqlite3.Row) -> Rows:
    paths, deleted = _split(pa.binary(), piece["path"]), _split(pa.binary(), piece["deleted"])
    columns = [paths.filter(without(paths, deleted)) if len(deleted) else paths]
    for field in list(SCHEMA)[1:]:
        data = piece[field.name]
        if field.type == pa.int64():
            columns.append(column(field.type, len(columns[0]), np.fromstring(data or "", dtype=np.int64, sep=",")))
        elif field.type in VARYING:
            columns.append(_split(field.type, data))
        else:
            columns.append(column(field.type, len(columns[0]), data or b""))
    return merged(in_order(pa.RecordBatch.from_arrays(columns, schema=SCHEMA)), removals(deleted))


def _split(kind: pa.DataType, data: bytes | None) -> pa.Array:
    if data is None:
        return column(kind, 0, b"", np.zeros(1, np.int32))
    values = np.frombuffer(data, np.uint8)
    ends = np.append(np.flatnonzero(values == 0xFF), len(values))
    starts = np.append(0, ends - np.arange(len(ends))).astype(np.int32)  # without the separators
    return column(kind, len(ends), values[values != 0xFF], starts)
