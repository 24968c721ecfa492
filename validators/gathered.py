"""Many small files, put together once in the scratch folder: each pass over a file costs the same however few its rows.

A suite reads its rows several times and in hundreds of expressions, so a thousand episodes in a thousand files are
read, once, into one. Streams that are large, few files or hold pictures in their rows are left where they lie.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl

from validators.recording import Recording
from validators.stream import Part, Stream, Table

LEAST_FILES = 32
SMALL = 50_000  # rows of a file, on average, above which its own cost is little beside that of its rows
WIDE = 16  # bytes that a stored byte may become, and how the free room is reckoned
LARGEST = 8 << 30  # bytes that are put together
_UNLIKE = ("binary", "struct", "dictionary", "map", "union", "extension")


def gathered(recording: Recording) -> Recording:
    """The recording with each stream of many small files in one. Raises Polars' errors where pages are damaged."""
    streams = {name: _stream(recording, place, s) for place, (name, s) in enumerate(recording.streams.items())}
    return recording if streams == dict(recording.streams) else replace(recording, streams=streams)


def _stream(recording: Recording, place: int, stream: Stream) -> Stream:
    files = {p.path for table in stream.tables for p in table.parts}
    if len(files) < LEAST_FILES or stream.rows > SMALL * len(files) or not all(map(_plain, stream.tables)):
        return stream
    size = WIDE * sum(path.stat().st_size for path in files)
    if size > LARGEST or size > shutil.disk_usage(recording.files.scratch).free // 2:
        return stream
    folder = Path(tempfile.mkdtemp(prefix="gathered-", dir=recording.files.scratch))  # an earlier one may be in use
    tables = tuple(_table(folder / f"{place}-{i}.arrow", table) for i, table in enumerate(stream.tables))
    return replace(stream, source=tables)


def _plain(table: Table) -> bool:
    return not any(word in kind for kind, _ in table.columns.values() for word in _UNLIKE)


def _table(target: Path, table: Table) -> Table:
    """The rows of all files, in order, in one Arrow file."""
    paths = list(dict.fromkeys(p.path for p in table.parts))
    scan = pl.scan_parquet if table.format == "parquet" else pl.scan_ipc
    scan(paths, glob=False).select(list(table.columns)).sink_ipc(
        target, compression="uncompressed", maintain_order=True
    )
    parts, offset = [], 0
    for part in table.parts:
        parts.append(Part(target, part.position, part.rows, offset))
        offset += part.rows
    return Table(tuple(parts), table.columns, "arrow")
