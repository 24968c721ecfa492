"""A recording: what was declared about it (facts), its episodes, and its frames as a lazy Polars table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl

FILE = "__file__"  # path of the file a row came from: the key of its episode
ROW = "__row__"  # position of the row in the whole scan
START = "__start__"  # true at the first row of each episode

Container: TypeAlias = Literal["scalar", "array", "list"]
CLOCK = "timestamp"


@dataclass(frozen=True)
class Feature:
    """One declared column: `dtype` in LeRobot's words, `shape` without the row axis, names and units of its channels.

    `names` and `units` are empty where they are not declared for each channel.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...]
    units: tuple[str, ...] = ()

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


@dataclass(frozen=True)
class Facts:
    """What the recording says of itself; nothing here was measured. `fps` in Hz, `totals` as declared."""

    robot_type: str | None = None
    fps: float | None = None
    codebase_version: str | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    listed: Mapping[int, int] = field(default_factory=dict)  # episode index → length, as listed in the metadata

    @property
    def vectors(self) -> tuple[Feature, ...]:
        """Numeric features of more than one channel."""
        return tuple(f for f in self.features.values() if f.width > 1)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the video features."""
        return tuple(f.name for f in self.features.values() if f.dtype == "video")


@dataclass(frozen=True)
class Episode:
    """One episode: `length` rows in the file `path` (relative), spanning `start_s`..`end_s` of its own clock."""

    index: int
    path: str
    length: int
    start_s: float | None = None
    end_s: float | None = None
    task: str | None = None
    videos: Mapping[str, str] = field(default_factory=dict)  # camera → relative path, those on disk
    provenance: Mapping[str, object] = field(default_factory=dict)  # its line of meta/assay_episodes.jsonl


@dataclass(frozen=True)
class Problem:
    """A file that could not be used; the others were. `kind` as in `UnreadableDataset`."""

    kind: str
    path: str
    message: str
    episode: int | None = None


@dataclass(frozen=True)
class Table:
    """Files of one schema. `columns`: name → (arrow type as text, container)."""

    paths: tuple[Path, ...]
    columns: Mapping[str, tuple[str, Container]]


@dataclass(frozen=True)
class Recording:
    """Frames, facts and episodes of one folder; reading happens when a scan is collected."""

    format: str
    root: Path
    facts: Facts
    episodes: tuple[Episode, ...]
    tables: tuple[Table, ...]
    problems: tuple[Problem, ...] = ()

    def scan(self, unpack: Collection[str] = ()) -> pl.LazyFrame:
        """All rows in episode order, columns as declared; features in `unpack` also as `feature[i]` columns.

        `episode_index` and `frame_index` are made where the files have none.
        """
        channels = [e.alias(n) for name in unpack for n, e in self.unpacked(self.facts.features[name]).items()]
        indices = {str(self.root / e.path): e.index for e in self.episodes}
        made = {
            "episode_index": pl.col(FILE).replace_strict(indices, return_dtype=pl.Int64),
            "frame_index": pl.int_range(pl.len(), dtype=pl.Int64).over(FILE),
        }
        missing = [e.alias(n) for n, e in made.items() if n not in self._columns()]
        return self.frames().with_columns(channels + missing).drop(FILE, ROW, START)

    @property
    def rows(self) -> int:
        """Rows in all readable files."""
        return sum(e.length for e in self.episodes)

    def only(self, episodes: tuple[Episode, ...], problems: tuple[Problem, ...]) -> Recording:
        """The recording with those episodes alone, the problems beside its own."""
        paths = {self.root / e.path for e in episodes}
        tables = tuple(replace(t, paths=tuple(p for p in t.paths if p in paths)) for t in self.tables)
        kept = tuple(t for t in tables if t.paths)
        return replace(self, episodes=episodes, tables=kept, problems=(*self.problems, *problems))

    def unpacked(self, feature: Feature) -> dict[str, pl.Expr]:
        """Channel column → expression over `frames()`; a row too short gives null."""
        container = self._container(feature.name)
        column = pl.col(feature.name)
        if container == "scalar":
            return {feature.name: column}
        get = column.arr.get if container == "array" else column.list.get
        names = feature.channels() if feature.width > 1 else (feature.name,)
        return {name: get(i, null_on_oob=True) for i, name in enumerate(names)}

    def _container(self, name: str) -> Container:
        found = {t.columns[name][1] for t in self.tables}
        return found.pop() if len(found) == 1 else "list"  # mixed files are brought to lists by `frames`

    def frames(self, episodes: Collection[int] | None = None) -> pl.LazyFrame:
        """The scan with `FILE`, `ROW` and `START` beside the columns; `episodes` keeps those positions only."""
        wanted = None if episodes is None else {str(self.root / self.episodes[i].path) for i in episodes}
        parts = []
        for table in self.tables:
            kept = [p for p in table.paths if wanted is None or str(p) in wanted]
            if kept:
                parts.append(self._part(table, kept))
        return parts[0] if len(parts) == 1 else pl.concat(parts, how="vertical_relaxed")

    def _part(self, table: Table, paths: list[Path]) -> pl.LazyFrame:
        length = {str(self.root / e.path): e.length for e in self.episodes}
        starts, total = [], 0
        for path in paths:
            starts.append(total)
            total += length[str(path)]
        frame = pl.scan_parquet(paths, include_file_paths=FILE, row_index_name=ROW, glob=False)
        columns = [self._normal(name, table.columns[name][1]) for name in self._columns()]
        return frame.select(pl.col(FILE), pl.col(ROW), pl.col(ROW).is_in(starts).alias(START), *columns)

    def _columns(self) -> list[str]:
        return [n for n in self.tables[0].columns if all(n in t.columns for t in self.tables)]

    def _normal(self, name: str, container: Container) -> pl.Expr:
        if container == "scalar" or self._container(name) == container:
            return pl.col(name)
        return pl.col(name).arr.to_list() if container == "array" else pl.col(name)
