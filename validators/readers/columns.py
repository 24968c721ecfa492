"""Parquet footers, read once: rows, schema and clock span of each file, before any data page is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias, TypeGuard, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.recording import CLOCK, Problem
from validators.stream import Container, Feature, Part, Table, Unit

MAX_ROWS = 20_000_000  # of one episode: five hours at 1 kHz
MAX_COLUMNS = 4096

MAX_BYTES = 8 << 30  # of one episode, uncompressed
Span: TypeAlias = tuple[float, float] | None  # least and greatest value of a clock, s
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}
READ_ERRORS = (OSError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError)


@dataclass(frozen=True)
class Footer:
    """What is known of a file before its rows are read. `span` is the clock's, where it was asked for, in its own unit
    and exact; `first_index` the least `index` of the first rows, as their statistics say."""

    path: Path
    rows: int
    columns: Mapping[str, tuple[str, Container]]
    widths: Mapping[str, int]
    span: Span = None
    first_index: int | None = None
    format: Literal["parquet", "arrow"] = "parquet"


def footer(path: Path, opened: IO[bytes] | None = None, *, clock: str | None = CLOCK) -> Footer:
    """The footer of one file and the span of its clock, read through `opened` where the file is not at `path` yet.

    Raises `UnreadableDataset` (`file-damaged`, `too-large`).
    """
    try:
        with pq.ParquetFile(opened or path) as file:
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
            span = _extent(file, columns, clock) if clock else None
            first = _first_index(metadata)
    except READ_ERRORS as error:
        raise _damaged(path, error) from error
    return Footer(path, rows, columns, widths, span, first)


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


def looked(files: Files, relative: str, clock: str | None = CLOCK) -> Footer:
    """The footer of one file as `footer` has it; of a file that is elsewhere only what is looked at is fetched."""
    if files.folder is not None:
        return footer(files.local(relative), clock=clock)
    with files.open(relative) as opened:
        return footer(files.place(relative), opened, clock=clock)


def fetched(
    files: Files, names: Sequence[str], found: tuple[Table, ...]
) -> tuple[Table, ...] | Callable[[], tuple[Table, ...]]:
    """The tables in those files, which are fetched when rows are first wanted."""

    def here() -> tuple[Table, ...]:
        for relative in names:
            files.local(relative)
        return found

    return found if files.folder is not None else here


def spans(footer: Footer, ranges: Sequence[tuple[int, int]], opened: IO[bytes] | None = None) -> list[Span]:
    """The span of the clock in ranges (offset, rows) of a file. Raises `UnreadableDataset` (`file-damaged`)."""
    if CLOCK not in footer.columns or not number(footer.columns[CLOCK][0]):
        return [None] * len(ranges)
    try:
        with pq.ParquetFile(opened or footer.path) as file:
            values = file.read(columns=[CLOCK], use_threads=False).column(0).combine_chunks()
            if _container(values.type) != "scalar":
                values = values.flatten()
    except READ_ERRORS as error:
        raise _damaged(footer.path, error) from error
    return [extent(values.slice(offset, rows)) for offset, rows in ranges]


def _extent(file: pq.ParquetFile, columns: Mapping[str, tuple[str, Container]], clock: str) -> Span:
    """From the statistics in the footer where it has them, else from the column."""
    if clock not in columns or not (number(columns[clock][0]) or is_time(columns[clock][0])):
        return None
    if columns[clock][1] == "scalar" and (known := _known(file.metadata, clock)):
        return known
    return extent(file.read(columns=[clock], use_threads=False).column(0).combine_chunks())


def extent(values: pa.Array) -> Span:
    """Least and greatest finite value; whole numbers and dates stay whole."""
    if _container(values.type) != "scalar":
        values = values.flatten()
    whole = not pa.types.is_floating(values.type)
    values = values.drop_null()
    times = (values.cast(pa.int64()) if whole else values.cast(pa.float64())).to_numpy(zero_copy_only=False)
    times = times[np.isfinite(times)]
    return (times.min().item(), times.max().item()) if times.size else None


def _known(metadata: pq.FileMetaData, column: str) -> Span:
    """Least and greatest value by the statistics of all row groups."""
    ends = []
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        chunks = (group.column(i) for i in range(group.num_columns))
        found = next((c.statistics for c in chunks if c.path_in_schema == column), None)
        if found is None or not found.has_min_max:
            return None
        ends += [found.min_raw, found.max_raw]
    known = bool(ends) and all(isinstance(e, int | float) and not isinstance(e, bool) for e in ends)
    return (min(ends), max(ends)) if known and np.isfinite(ends).all() else None


def number(kind: str) -> bool:
    """Whether a type, in words, is a number."""
    return kind.startswith(("float", "int", "uint"))


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value of some metadata counts something."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def is_time(kind: str) -> bool:
    """Whether a type, in words, is a date with a time of day."""
    return kind.startswith("timestamp[")


def time_unit(kind: str) -> Unit | None:
    """The unit of a date type as Polars holds it, None of any other type."""
    found = re.match(r"timestamp\[(s|ms|us|ns)", kind)
    return None if found is None else "ms" if found[1] == "s" else cast(Unit, found[1])


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
    groups: dict[object, tuple[Footer, list[Part]]] = {}
    for one, parts in found:
        groups.setdefault((one.format, *one.columns.items()), (one, []))[1].extend(parts)
    return tuple(Table(tuple(parts), dict(one.columns), one.format) for one, parts in groups.values())


def unreadable(error: UnreadableDataset, files: Files, relative: str, episode: int | None) -> Problem:
    """The problem that takes a file's place among the episodes."""
    return Problem(
        error.kind, relative, error.detail.replace(f"{files.where()}/", "").replace(f"{files.root}/", ""), episode
    )


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
