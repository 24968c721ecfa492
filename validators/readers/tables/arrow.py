"""Arrow IPC: files (Feather v2) are scanned where they lie, streams are written anew as files.

Both are checked whole first, because a broken offset in them would be followed into memory that is not theirs.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.readers.columns import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, Footer, columns_of, extent

SUFFIXES = (".arrow", ".feather", ".ipc", ".arrows")
_FILE, _OLD = b"ARROW1", b"FEA1"


def footer(path: Path, clock: str, scratch: Path) -> Footer:
    """What a file holds. Raises `UnreadableDataset` (`file-damaged`, `too-large`)."""
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(_OLD):
        detail = "Feather version 1 is not read; write it again with pyarrow.feather.write_feather"
        raise UnreadableDataset("file-damaged", detail, path=path)
    try:
        with pa.memory_map(str(path)) as source:
            if magic == _FILE:
                return _checked(path, pa.ipc.open_file(source), clock)
            return _checked(_rewritten(source, scratch), None, clock)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        detail = f"no readable Arrow file ({reason}); copy it again" if magic else "has no bytes; copy it again"
        raise UnreadableDataset("file-damaged", detail, path=path) from error


def _checked(path: Path, reader: pa.ipc.RecordBatchFileReader | None, clock: str) -> Footer:
    if reader is None:
        with pa.memory_map(str(path)) as source:
            return _checked(path, pa.ipc.open_file(source), clock)
    schema = reader.schema
    if len(schema) > MAX_COLUMNS:
        raise UnreadableDataset("too-large", f"{len(schema)} columns, at most {MAX_COLUMNS}", path=path)
    if double := sorted({n for n in schema.names if schema.names.count(n) > 1}):
        detail = f"the schema names {', '.join(map(repr, double[:5]))} more than once"
        raise UnreadableDataset("metadata-invalid", detail, path=path)
    rows = size = 0
    ends: list[float] = []
    for i in range(reader.num_record_batches):
        batch = reader.get_batch(i)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > MAX_ROWS or size > MAX_BYTES:
            raise UnreadableDataset("too-large", f"more than {MAX_ROWS} rows or {MAX_BYTES} bytes", path=path)
        batch.validate(full=True)
        if clock in schema.names:
            ends += _ends(batch.column(schema.get_field_index(clock)))
    if not rows:
        raise UnreadableDataset("file-damaged", "holds 0 rows", path=path)
    widths = {f.name: f.type.list_size for f in schema if pa.types.is_fixed_size_list(f.type)}
    span = (min(ends), max(ends)) if ends else None
    return Footer(path, rows, columns_of(schema), widths, span, format="arrow")


def _ends(column: pa.Array) -> tuple[float, ...]:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind)):
        return ()
    return extent(column) or ()


def _rewritten(source: pa.NativeFile, scratch: Path) -> Path:
    """The stream as a file in the scratch folder."""
    folder = scratch / "streams"
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.arrow"
    with pa.ipc.open_stream(source) as reader, pa.ipc.new_file(path, reader.schema) as writer:
        for batch in reader:
            batch.validate(full=True)
            writer.write_batch(batch)
    return path
