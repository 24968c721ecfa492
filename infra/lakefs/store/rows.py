"""Entries in order of their paths as Arrow columns: the unit in which trees are read, compared and made.

A row without a digest stands for the removal of its path. Edits may hold such rows, a range never does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from infra.lakefs.store.entries import Entry

PIECE = 256
SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("digest", pa.binary(32)),
        ("sha256", pa.binary(32)),
        ("md5", pa.binary(16)),
        ("size", pa.int64()),
        ("mtime", pa.int64()),
        ("content_type", pa.string()),
        ("metadata", pa.string()),
    ]
)

VARYING = (pa.binary(), pa.string())  # values of varying length, as opposed to digests

Edit = tuple[bytes, Entry | None]  # a path and what it becomes; None removes it


class Rows:
    """Python objects are made of single rows and only when asked for."""

    __slots__ = ("batch", "digests", "paths")

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.paths: pa.Array = batch.column(0)
        self.digests: pa.Array = batch.column(1)

    def __len__(self) -> int:
        count: int = self.batch.num_rows
        return count

    def __getitem__(self, part: slice) -> Rows:
        start, stop, _ = part.indices(len(self))
        return Rows(self.batch.slice(start, max(stop - start, 0)))

    def path(self, row: int) -> bytes:
        value: bytes = self.paths[row].as_py()
        return value

    def place(self, path: bytes) -> int:
        """The first row at or after a path."""
        return bisect_left(range(len(self)), path, key=self.path)

    def find(self, path: bytes) -> int | None:
        row = self.place(path)
        return row if row < len(self) and self.path(row) == path else None

    def where(self, mask: pa.Array) -> Rows:
        return Rows(self.batch.filter(mask))

    def entry(self, row: int) -> Entry:
        return next(self[row : row + 1].entries())

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Entries from a row on; decoded in pieces, since a reader may stop soon."""
        for at in range(start, len(self), PIECE):
            path, digest, *others = (column.to_pylist() for column in self.batch.slice(at, PIECE).columns)
            yield from map(Entry, path, *others, digest)


def of_entries(entries: Sequence[Entry]) -> Rows:
    columns = [_column(field.type, [getattr(e, field.name) for e in entries]) for field in SCHEMA]
    return Rows(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))


def removals(paths: pa.Array) -> Rows:
    """Rows that remove these paths."""
    nothing = [pa.nulls(len(paths), field.type) for field in SCHEMA][1:]
    return Rows(pa.RecordBatch.from_arrays([paths, *nothing], schema=SCHEMA))


def of_edits(edits: Iterable[Edit], size: int = 1024) -> Iterator[Rows]:
    """Sorted edits, some at a time."""
    waiting = iter(edits)
    while piece := list(islice(waiting, size)):
        yield merged(
            of_entries([entry for _, entry in piece if entry is not None]),
            removals(_column(pa.binary(), [path for path, entry in piece if entry is None])),
        )


def joined(parts: Sequence[Rows]) -> Rows:
    """Parts that follow each other."""
    return parts[0] if len(parts) == 1 else Rows(pa.concat_batches([part.batch for part in parts]))


def merged(*parts: Rows) -> Rows:
    """All rows in order, of parts without a path in common."""
    filled = [part for part in parts if len(part)]
    return in_order(joined(filled).batch) if len(filled) > 1 else (filled or [EMPTY])[0]


def in_order(batch: pa.RecordBatch) -> Rows:
    return Rows(batch.take(pc.array_sort_indices(batch.column(0))))


def without(rows: pa.Array, others: pa.Array) -> pa.Array:
    """A mask: which values the others lack."""
    return pc.invert(pc.is_in(rows, value_set=others))


def overlay(old: Rows, edits: Rows) -> Rows:
    """Rows with edits over them. An edit to what is there already is none: the row keeps its time."""
    if not len(edits) or (not len(old) and not edits.digests.null_count):
        return merged(old, edits)
    fresh = edits.where(without(edits.digests, old.digests))
    kept = old.where(without(old.paths, fresh.paths))
    return merged(kept, fresh.where(pc.is_valid(fresh.digests)))


def aligned(left: Iterator[Rows], right: Iterator[Rows]) -> Iterator[tuple[Rows, Rows]]:
    """Both sides cut at the same paths: what has a path in common meets, and one side may be empty."""
    left, right, a, b = filter(len, left), filter(len, right), EMPTY, EMPTY
    while True:
        a, b = a if len(a) else next(left, EMPTY), b if len(b) else next(right, EMPTY)
        if not len(a) and not len(b):
            return
        ends = [rows.path(len(rows) - 1) for rows in (a, b) if len(rows)]
        bound = min(ends) + b"\0"
        i, j = (a.place(bound), b.place(bound)) if len(ends) == 2 else (len(a), len(b))
        yield a[:i], b[:j]
        a, b = a[i:], b[j:]


def _column(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """An Arrow column made of plain buffers: `pa.array` would import pandas, half a second, where that is installed."""
    if kind == pa.int64():
        return column(kind, len(values), array("q", values))
    data = [value.encode() if isinstance(value, str) else value for value in values]
    return column(kind, len(values), b"".join(data), array("i", accumulate(map(len, data), initial=0)))


def column(kind: pa.DataType, count: int, data: Any, offsets: Any = b"") -> pa.Array:
    """A column of plain buffers; `offsets` (int32) say where each value of varying length begins, and the end."""
    places = [pa.py_buffer(offsets)] if kind in VARYING else []
    return pa.Array.from_buffers(kind, count, [None, *places, pa.py_buffer(data)])


EMPTY = of_entries([])
