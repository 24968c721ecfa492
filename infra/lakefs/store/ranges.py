"""Sorted runs of entries in Parquet, named by the hash of their rows.

A run ends after an entry whose path's sha256 has its low 11 bits zero (2048 entries on average), so the cuts depend on
the paths alone and equal content has equal names whichever way it came about.
"""

from __future__ import annotations

import hashlib
import io
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.durable import write_durable
from infra.lakefs.store.entries import Entry

CUT_MASK = 0x7FF
CACHED = 256
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


@dataclass(frozen=True, slots=True)
class RangeInfo:
    """A range as its tree knows it: `id` 64 hex digits, first and last path, number of entries."""

    id: str
    first: bytes
    last: bytes
    count: int


class Range:
    """The rows of one range; only paths and digests are Python lists, the rest stays in Arrow until asked for."""

    __slots__ = ("_table", "digests", "paths")

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.paths: list[bytes] = table.column("path").to_pylist()
        self.digests: list[bytes] = table.column("digest").to_pylist()

    def entry(self, row: int) -> Entry:
        path, digest = self.paths[row], self.digests[row]
        sha256, md5, size, mtime, content_type, metadata = (
            self._table.column(name)[row].as_py() for name in SCHEMA.names[2:]
        )
        return Entry(path, sha256, md5, size, mtime, content_type, metadata, digest)

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Entries from a row on; decoded in pieces, since a reader may stop soon."""
        for at in range(start, len(self.paths), PIECE):
            piece = self._table.slice(at, PIECE)
            columns = [piece.column(name).to_pylist() for name in SCHEMA.names[2:]]
            yield from map(Entry, self.paths[at : at + PIECE], *columns, self.digests[at : at + PIECE])


def is_cut(path: bytes) -> bool:
    """Whether a range ends after this path."""
    return not int.from_bytes(hashlib.sha256(path).digest()[-2:], "big") & CUT_MASK


def range_id(digests: Sequence[bytes]) -> str:
    return hashlib.sha256(b"lakefs-range-1\0" + b"".join(digests)).hexdigest()


class Ranges:
    def __init__(self, folder: Path, temp: Path) -> None:
        self._folder = folder
        self._temp = temp
        self._cache: OrderedDict[str, Range] = OrderedDict()
        self._guard = threading.Lock()

    def path(self, identifier: str) -> Path:
        return self._folder / identifier[:2] / f"{identifier[2:]}.parquet"

    def put(self, entries: Sequence[Entry]) -> RangeInfo:
        """Store sorted entries; durable but for the fsync of `path(id).parent`."""
        info = RangeInfo(range_id([e.digest for e in entries]), entries[0].path, entries[-1].path, len(entries))
        target = self.path(info.id)
        if not target.exists():
            columns = [_column(field.type, [getattr(e, field.name) for e in entries]) for field in SCHEMA]
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), sink, compression="zstd")
            write_durable(self._temp, target, sink.getvalue())
        return info

    def load(self, identifier: str) -> Range:
        """The rows of a range, read once and kept; DamagedError when they are not what the name says."""
        with self._guard:
            if (known := self._cache.get(identifier)) is not None:
                self._cache.move_to_end(identifier)
                return known
        try:
            table = pq.ParquetFile(io.BytesIO(self.path(identifier).read_bytes())).read()
        except (FileNotFoundError, pa.ArrowException) as error:
            raise DamagedError(f"range {identifier} is missing or unreadable: restore it from a backup") from error
        if table.schema != SCHEMA:
            raise DamagedError(f"range {identifier} has other columns than this version knows: restore it")
        found = Range(table)
        if range_id(found.digests) != identifier:
            raise DamagedError(f"range {identifier} holds other rows than its name says: restore it from a backup")
        with self._guard:
            self._cache[identifier] = found
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return found


def _column(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """An Arrow column made of plain buffers: `pa.array` would import pandas, half a second, where that is installed."""
    if kind == pa.int64():
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(array("q", values).tobytes())])
    data = [value.encode() if isinstance(value, str) else value for value in values]
    joined = pa.py_buffer(b"".join(data))
    if kind in (pa.string(), pa.binary()):
        offsets = array("i", [0, *accumulate(map(len, data))])
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(offsets.tobytes()), joined])
    return pa.Array.from_buffers(kind, len(values), [None, joined])  # of fixed size
