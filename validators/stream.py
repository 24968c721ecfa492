"""A stream: rows that share one clock, wherever they lie; a lazy Polars table that knows where each episode begins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from polars import selectors

EPISODE = "__episode__"  # position of the row's episode in the recording
ROW = "__row__"  # position of the row in the whole scan
FRAME = "__frame__"  # position of the row in its episode
START = "__start__"  # true at the first row of each episode
FAR = 2**63 - 1  # of a clock's units, from its origin
NO_EPISODE = -1  # position of rows that belong to no episode

Container: TypeAlias = Literal["scalar", "array", "list"]
Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
Synchronised: TypeAlias = Literal["ptp", "gps", "ntp", "none", "unknown"]
PER_SECOND: Mapping[Unit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class Feature:
    """One declared column: `dtype` in LeRobot's words, `shape` without the row axis, names and units of its channels.

    `names` and `units` are empty where they are not declared for each channel. `source` is what the file calls it,
    where that is another name.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = (1,)
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    source: str = ""

    @property
    def width(self) -> int:
        """Channels of a vector or scalar; 0 when the feature is no vector of numbers (image, video, text, matrix)."""
        numeric = self.dtype.startswith(("float", "int", "uint"))
        return self.shape[0] if numeric and len(self.shape) == 1 else 0

    def channels(self) -> tuple[str, ...]:
        """Column name of each channel: the feature itself when scalar, else `feature[0]`, `feature[1]`, …"""
        return (self.name,) if self.width == 1 else tuple(f"{self.name}[{i}]" for i in range(self.width))

    def label(self, channel: int) -> str:
        """The declared name of a channel, or its column name where none is declared."""
        return self.names[channel] if self.names else self.channels()[channel]

    def full_name(self, channel: int) -> str:
        """How a finding names a channel: `feature.label` where labels are declared, else its column."""
        return f"{self.name}.{self.names[channel]}" if self.names else self.channels()[channel]


@dataclass(frozen=True)
class Clock:
    """The column with the time of each row, in `unit` since `origin` (in that unit, one for the whole recording).

    `source` says whose stamp it is (header.stamp, log_time, index), `synchronised` to what it was held.
    """

    column: str
    unit: Unit = "s"
    source: str = "as recorded"
    synchronised: Synchronised = "unknown"
    origin: float = 0

    def seconds(self, column: pl.Expr) -> pl.Expr:
        """float64 s since the origin; the difference is taken before the cast, so nanoseconds keep their digits."""
        since = self._since(column) if self.origin else column
        return since.cast(pl.Float64) / PER_SECOND[self.unit] if self.unit != "s" else since.cast(pl.Float64)

    def _since(self, column: pl.Expr) -> pl.Expr:
        """The difference; null where 64 bits cannot hold it, for it would come back as a small one."""
        if not isinstance(self.origin, int):
            return column - self.origin
        low, high = max(self.origin - FAR, -(2**63)), min(self.origin + FAR, 2**63 - 1)
        return pl.when(column.is_between(low, high)).then(column - self.origin)


@dataclass(frozen=True)
class Part:
    """Consecutive rows of one file, from `offset`, that belong to the episode at `position` of the recording."""

    path: Path
    position: int
    rows: int
    offset: int = 0


@dataclass(frozen=True)
class Table:
    """Files of one schema. `columns`: name → (type of the values as text, container). Parts lie in the files' order
    and cover them whole."""

    parts: tuple[Part, ...]
    columns: Mapping[str, tuple[str, Container]]
    format: Literal["parquet", "arrow"] = "parquet"


@dataclass(frozen=True)
class Stream:
    """One table of rows. `features` and `fps` (Hz) are declared; `source` gives the files, decoded when wanted."""

    name: str
    features: Mapping[str, Feature]
    source: tuple[Table, ...] | Callable[[], tuple[Table, ...]] = field(repr=False)
    clock: Clock | None = None
    fps: float | None = None

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The files that hold the rows."""
        return self.source() if callable(self.source) else self.source

    @property
    def vectors(self) -> tuple[Feature, ...]:
        """Numeric features of more than one channel."""
        return tuple(f for f in self.features.values() if f.width > 1)

    @cached_property
    def lengths(self) -> Mapping[int, int]:
        """Rows of each episode, by its position; episodes without rows here are absent."""
        found: dict[int, int] = {}
        for part in (p for t in self.tables for p in t.parts if p.position != NO_EPISODE):
            found[part.position] = found.get(part.position, 0) + part.rows
        return found

    def length(self, position: int) -> int:
        """Rows of one episode."""
        return self.lengths.get(position, 0)

    @property
    def rows(self) -> int:
        """Rows of all episodes."""
        return sum(self.lengths.values())

    @cached_property
    def in_order(self) -> bool:
        """Whether rows lie in the order of their episodes' positions, in files of one schema."""
        positions = [p.position for t in self.tables for p in t.parts if p.position != NO_EPISODE]
        return len(self.tables) == 1 and all(a <= b for a, b in pairwise(positions))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that all files have."""
        first = self.tables[0].columns if self.tables else self.features
        return tuple(n for n in first if all(n in t.columns for t in self.tables))

    @cached_property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Type of each column of `frames()`; only headers are read."""
        return self.frames().collect_schema()

    def container(self, name: str) -> Container:
        """How a vector is stored; mixed files are brought to lists."""
        found = {t.columns[name][1] for t in self.tables}
        return found.pop() if len(found) == 1 else "list" if found else "scalar"

    def unpacked(self, feature: Feature) -> dict[str, pl.Expr]:
        """Channel column → expression over `frames()`; a row too short gives null."""
        container, column = self.container(feature.name), pl.col(feature.name)
        if container == "scalar":
            return {feature.name: column}
        get = column.arr.get if container == "array" else column.list.get
        names = feature.channels() if feature.width > 1 else (feature.name,)
        return {name: get(i, null_on_oob=True) for i, name in enumerate(names)}

    def seconds(self) -> pl.Expr:
        """The clock over `frames()`, float64 s since the recording's origin. KeyError without a clock."""
        if self.clock is None:
            raise KeyError("clock")
        (column,) = self.unpacked(self.features[self.clock.column]).values()
        return self.clock.seconds(column)

    def frames(self, positions: Collection[int] | None = None) -> pl.LazyFrame:
        """The rows with `EPISODE`, `ROW`, `FRAME` and `START` beside the columns; `positions` keeps those episodes."""
        wanted = None if positions is None else set(positions)
        parts = []
        for table in self.tables:
            files = {p.path for p in table.parts if wanted is None or p.position in wanted}
            if kept := [p for p in table.parts if p.path in files]:
                parts.append(self._part(table, kept, wanted))
        if not parts and self.tables:
            return self._part(self.tables[0], self.tables[0].parts, set())
        if not parts:  # a stream without rows, or none of these episodes
            columns = dict.fromkeys(self.features, pl.Null)
            made = {EPISODE: pl.Int32, ROW: pl.get_index_type(), FRAME: pl.Int64, START: pl.Boolean}
            return pl.LazyFrame(schema={**made, **columns})
        return parts[0] if len(parts) == 1 else pl.concat(parts, how="vertical_relaxed")

    def _part(self, table: Table, parts: Sequence[Part], wanted: set[int] | None) -> pl.LazyFrame:
        paths = list(dict.fromkeys(p.path for p in parts))
        if table.format == "parquet":
            frame = pl.scan_parquet(paths, row_index_name=ROW, glob=False)
        else:
            frame = pl.scan_ipc(paths, row_index_name=ROW, glob=False)
        starts = np.concatenate([[0], np.cumsum([p.rows for p in parts])[:-1]]).astype(np.int64)
        positions = np.array([p.position for p in parts], dtype=np.int32)
        first, before = dict[int, int](), dict[int, int]()  # row of each episode's first part; rows of earlier parts
        origins = np.empty(len(parts), dtype=np.int64)  # row at which each part's episode would begin
        for i, (part, at) in enumerate(zip(parts, starts.tolist(), strict=True)):
            first.setdefault(part.position, at)
            origins[i] = at - before.get(part.position, 0)
            before[part.position] = before.get(part.position, 0) + part.rows
        columns = [self._normal(name, table.columns[name][1]) for name in self.columns]
        start = pl.col(ROW).is_in(sorted(first.values()))
        made = (
            _of_part(starts, positions).alias(EPISODE),
            pl.col(ROW),
            (pl.col(ROW).cast(pl.Int64) - _of_part(starts, origins)).alias(FRAME),
            start.alias(START),
        )
        frame = frame.select(*made, *columns)
        frame = frame.with_columns(selectors.temporal().to_physical())  # times are integers in their unit
        kept = {p for p in first if p != NO_EPISODE and (wanted is None or p in wanted)}
        return frame if kept == first.keys() else frame.filter(pl.col(EPISODE).is_in(sorted(kept)))

    def _normal(self, name: str, container: Container) -> pl.Expr:
        if container == "scalar" or self.container(name) == container:
            return pl.col(name)
        return pl.col(name).arr.to_list() if container == "array" else pl.col(name)

    def only(self, moved: Mapping[int, int], without: Collection[Path] = ()) -> Stream:
        """The stream with episodes at their new positions, others in none, and without some files."""
        tables = []
        for table in self.tables:
            parts = tuple(
                replace(p, position=moved.get(p.position, NO_EPISODE)) for p in table.parts if p.path not in without
            )
            if parts:
                tables.append(replace(table, parts=parts))
        return replace(self, source=tuple(tables))


def is_pattern(name: str) -> bool:
    """Whether Polars takes the name of a column for a pattern of names, so that the column itself is never read."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _of_part(starts: np.ndarray, values: np.ndarray) -> pl.Expr:
    """For each row the value of its part, from the rows at which parts start."""
    kind = pl.Series(values).dtype
    if len(starts) == 1:
        return pl.lit(values[0].item(), dtype=kind)

    def look(rows: pl.Series) -> pl.Series:
        return pl.Series(values[np.searchsorted(starts, rows.to_numpy(), side="right") - 1])

    return pl.col(ROW).map_batches(look, return_dtype=kind, is_elementwise=True)
