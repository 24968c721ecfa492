"""Parquet footers, read once: rows, schema and clock span of each file, before any data page is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.recording import CLOCK, Problem
from validators.stream import Container, Feature, Part, Table

MAX_ROWS = 20_000_000  # of one episode: five hours at 1 kHz
MAX_COLUMNS = 4096

MAX_BYTES = 8 << 30  # of one episode, uncompressed
Span: TypeAlias = tuple[float, float] | None  # least and greatest value of a clock, s
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}
READ_ERRORS = (OSError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError)


@dataclass(frozen=True)
class Footer:
    """What a Parquet footer says. `span` is the clock's, where it was asked for; `first_index` the least `index` of the
    first rows, as their statistics say."""

    path: Path
    rows: int
    columns: Mapping[str, tuple[str, Container]]
    widths: Mapping[str, int]
    span: Span = None
    first_index: int | None = None


def footer(path: Path, *, clock: bool = True) -> Footer:
    """The footer of one file, and the span of its clock. Raises `UnreadableDataset` (`file-damaged`, `too-large`)."""
    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
            rows = metadata.num_rows
            size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
            if rows > MAX_ROWS or len(schema) > MAX_COLUMNS or size > MAX_BYTES:
                detail = f"{rows} rows, {len(schema)} columns, {size} bytes in one episode"
                raise UnreadableDataset("too-large", detail, path=path)
            if rows <= 0:
                raise UnreadableDataset("file-damaged", f"holds {rows} rows", path=path)
            columns = columns_of(schema)
            widths = {f.name: f.type.list_size for f in schema if pa.types.is_fixed_size_list(f.type)}
            first = _first_index(metadata)
    except READ_ERRORS as error:
        raise _damaged(path, error) from error
    found = Footer(path, rows, columns, widths, first_index=first)
    return replace(found, span=spans(found, [(0, rows)])[0]) if clock else found


def _damaged(path: Path, error: BaseException) -> UnreadableDataset:
    reason = " ".join(str(error).split())[:200]
    return UnreadableDataset("file-damaged", f"no readable Parquet file ({reason}); copy it again", path=path)


def _first_index(metadata: pq.FileMetaData) -> int | None:
    group = metadata.row_group(0)
    for i in range(group.num_columns):
        column = group.column(i)
        if column.path_in_schema == "index" and column.statistics is not None and column.statistics.has_min_max:
            return column.statistics.min if isinstance(column.statistics.min, int) else None
    return None


def columns_of(schema: pa.Schema) -> dict[str, tuple[str, Container]]:
    """Name → (type of the values in LeRobot's words, container), as a `Table` has them."""
    return {f.name: (_word(f.type), _container(f.type)) for f in schema}


def _container(kind: pa.DataType) -> Container:
    if pa.types.is_fixed_size_list(kind):
        return "array"
    return "list" if pa.types.is_list(kind) or pa.types.is_large_list(kind) else "scalar"


def _word(kind: pa.DataType) -> str:
    """The type of the values in LeRobot's words: float32, int64, …; others as arrow calls them."""
    element = kind if _container(kind) == "scalar" else kind.value_type
    return _FLOATS.get(str(element), str(element))


def spans(footer: Footer, ranges: Sequence[tuple[int, int]]) -> list[Span]:
    """The span of the clock in ranges (offset, rows) of a file. Raises `UnreadableDataset` (`file-damaged`)."""
    if CLOCK not in footer.columns or not number(footer.columns[CLOCK][0]):
        return [None] * len(ranges)
    try:
        with pq.ParquetFile(footer.path) as file:
            values = file.read(columns=[CLOCK], use_threads=False).column(0).combine_chunks()
            if _container(values.type) != "scalar":
                values = values.flatten()
            times = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except READ_ERRORS as error:
        raise _damaged(footer.path, error) from error
    return [_span(times[offset : offset + rows]) for offset, rows in ranges]


def _span(times: np.ndarray) -> Span:
    times = times[np.isfinite(times)]
    return (float(times.min()), float(times.max())) if times.size else None


def number(kind: str) -> bool:
    """Whether a type, in words, is a number."""
    return kind.startswith(("float", "int", "uint"))


def misfit(found: Footer, features: Sequence[Feature]) -> UnreadableDataset | None:
    """Why the file cannot be scanned as the features declare it: a column absent, no number, or of another width."""
    for feature in features:
        if feature.name not in found.columns:
            return UnreadableDataset(
                "column-missing", f"column {feature.name!r} is declared and absent", path=found.path
            )
        kind, container = found.columns[feature.name]
        if not number(kind):
            detail = f"column {feature.name!r} holds {kind}, declared {feature.dtype}{list(feature.shape)}"
            return UnreadableDataset("column-type", detail, path=found.path)
        width = found.widths.get(feature.name, 1 if container == "scalar" else feature.width)
        if width != feature.width:
            detail = f"column {feature.name!r} has {width} channels, {feature.width} are declared"
            return UnreadableDataset("column-type", detail, path=found.path)
    return None


def tables(found: Sequence[tuple[Footer, Sequence[Part]]]) -> tuple[Table, ...]:
    """The files grouped by schema, in order, each with its parts."""
    groups: dict[tuple[tuple[str, tuple[str, Container]], ...], list[Part]] = {}
    for footer, parts in found:
        groups.setdefault(tuple(footer.columns.items()), []).extend(parts)
    return tuple(Table(tuple(parts), dict(key)) for key, parts in groups.items())


def unreadable(error: UnreadableDataset, files: Files, relative: str, episode: int | None) -> Problem:
    """The problem that takes a file's place among the episodes."""
    return Problem(error.kind, relative, error.detail.replace(files.root + "/", ""), episode)


def page_damage(path: Path, columns: Sequence[str], kind: str = "parquet") -> str:
    """Reads the file whole: why its data pages cannot be read, empty when they can."""
    try:
        if kind == "parquet":
            pl.read_parquet(path, columns=list(columns), glob=False)
        else:
            pl.scan_ipc(path, glob=False).select(columns).collect()
    except READ_ERRORS as error:
        return " ".join(str(error).split())[:200]
    return ""
