"""Sorted runs of entries in Parquet, named by the hash of their rows.

A run ends after an entry whose path's sha256 has its low 11 bits zero (2048 entries on average), so the cuts depend on
the paths alone and equal content has equal names whichever way it came about.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.durable import write_durable
from infra.lakefs.store.rows import EMPTY, SCHEMA, Rows, joined

CUT_MASK = 0x7FF
CACHED = 64 << 20  # bytes
REPEATING = ["mtime", "content_type", "metadata"]  # columns worth a dictionary


@dataclass(frozen=True, slots=True)
class RangeInfo:
    """A range as its tree knows it: `id` 64 hex digits, first and last path, number of entries."""

    id: str
    first: bytes
    last: bytes
    count: int


def cuts(paths: Iterable[bytes]) -> list[int]:
    """After which of the paths, counted from 0, a range ends."""
    hashes = b"".join([hashlib.sha256(path).digest() for path in paths])
    lowest = np.frombuffer(hashes, ">u2")[15::16]
    found: list[int] = np.flatnonzero(lowest & CUT_MASK == 0).tolist()
    return found


def is_cut(path: bytes) -> bool:
    """Whether a range ends after this path."""
    return bool(cuts([path]))


def range_id(rows: Rows) -> str:
    """The hash of the rows' digests."""
    width = SCHEMA.field("digest").type.byte_width
    start, data = rows.digests.offset * width, rows.digests.buffers()[1]
    hashed = hashlib.sha256(b"lakefs-range-1\0")
    hashed.update(memoryview(data)[start : start + len(rows) * width])
    return hashed.hexdigest()


def read_range(path: Path, identifier: str) -> Rows:
    """The rows in a file; DamagedError when they are not what the name says."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"range {identifier} is missing: restore it from a backup") from None
    try:
        table = pq.ParquetFile(pa.py_buffer(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:  # an OSError of memory: pages that do not decompress
        raise DamagedError(f"range {identifier} is unreadable: restore it from a backup") from error
    if table.schema != SCHEMA:
        raise DamagedError(f"range {identifier} has other columns than this version knows: restore it")
    found = joined([EMPTY, *map(Rows, table.to_batches())])
    if range_id(found) != identifier:
        raise DamagedError(f"range {identifier} holds other rows than its name says: restore it from a backup")
    return found


def _is_whole(path: Path, identifier: str) -> bool:
    try:
        read_range(path, identifier)
    except DamagedError:
        return False
    return True


class Ranges:
    def __init__(self, folder: Path, temp: Path) -> None:
        self._folder = folder
        self._temp = temp
        self._cache: OrderedDict[str, Rows] = OrderedDict()
        self._cached = 0  # bytes
        self._guard = threading.Lock()

    def path(self, identifier: str) -> Path:
        return self._folder / identifier[:2] / f"{identifier[2:]}.parquet"

    def put(self, rows: Rows) -> RangeInfo:
        """Store sorted entries; durable but for the fsync of `path(id).parent`. A file that is there already is read,
        and written again where it is damaged."""
        info = RangeInfo(range_id(rows), rows.path(0), rows.path(len(rows) - 1), len(rows))
        target = self.path(info.id)
        if not _is_whole(target, info.id):
            sink = io.BytesIO()
            table = pa.Table.from_batches([rows.batch])
            pq.write_table(table, sink, compression="zstd", use_dictionary=REPEATING, write_statistics=False)
            write_durable(self._temp, target, sink.getvalue())
        return info

    def load(self, identifier: str) -> Rows:
        """The rows of a range, read once and kept; DamagedError when they are not what the name says."""
        with self._guard:
            if (known := self._cache.get(identifier)) is not None:
                self._cache.move_to_end(identifier)
                return known
        found = read_range(self.path(identifier), identifier)
        self._keep(identifier, found)
        return found

    def _keep(self, identifier: str, rows: Rows) -> None:
        with self._guard:
            if identifier not in self._cache:
                self._cache[identifier] = rows
                self._cached += rows.batch.nbytes
            while self._cached > CACHED:
                self._cached -= self._cache.popitem(last=False)[1].batch.nbytes
