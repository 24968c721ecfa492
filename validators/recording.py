"""A recording: what was declared about it (facts), its episodes, its streams of rows, its cameras and its labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from validators.files import Files
from validators.stream import EPISODE, FRAME, ROW, START, Feature, Stream

if TYPE_CHECKING:
    from validators.declarations.declaration import Declaration
    from validators.errors import UnreadableDataset
    from validators.labels import Labels
    from validators.pictures import Picture, Probe
    from validators.pictures.measures import Measures
    from validators.statistics.channels import Declared

CLOCK = "timestamp"
MAIN = "frames"  # the stream of a recording that has one table of synchronised rows


@dataclass(frozen=True)
class Sensor:
    """A sensor as declared: `kind` (camera, lidar, imu, …), `rate_hz`, `calibration` as the metadata has it.

    `tolerance_ms`: how far its stamps may be from those of the rig's other sensors.
    """

    name: str
    kind: str
    rate_hz: float | None = None
    calibration: Mapping[str, object] = field(default_factory=dict)
    tolerance_ms: float | None = None


@dataclass(frozen=True)
class Dropout:
    """Time that the recorder itself says it lost: `start_s` since the recording's origin, `duration_s`."""

    episode: int
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Facts:
    """What the recording says of itself; nothing here was measured. `fps` in Hz, `totals` as declared."""

    robot_type: str | None = None
    fps: float | None = None
    codebase_version: str | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    listed: Mapping[int, int] = field(default_factory=dict)  # episode index → length, as listed in the metadata
    sensors: Mapping[str, Sensor] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)  # what wrote it → its version
    dropouts: tuple[Dropout, ...] = ()
    task_indices: tuple[int, ...] = ()  # of `tasks`, one each, where tasks are numbered
    first_rows: Mapping[int, int] = field(default_factory=dict)  # episode index → number of its first row, as listed
    splits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # name → first episode, one after the last
    slices: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)  # feature → part → channels
    statistics: Callable[[], Declared] | None = field(default=None, repr=False, compare=False)
    kind: str | None = None  # what the owner says it is: arm, vehicle, factory, …; the name of a suite


@dataclass(frozen=True)
class Episode:
    """One episode: `length` rows of its main stream in `files` (relative), spanning `start_s`..`end_s` of its clock."""

    index: int
    files: tuple[str, ...]
    length: int
    start_s: float | None = None
    end_s: float | None = None
    task: str | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)  # its line of meta/assay_episodes.jsonl

    @property
    def path(self) -> str:
        """The file that holds its rows."""
        return self.files[0]


@dataclass(frozen=True)
class Camera(ABC):
    """Pictures of one camera. Declared values are None where nothing is declared; `width`, `height` in pixels."""

    name: str
    _: KW_ONLY
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    fps: float | None = None
    depth: bool = False  # its values are distances, so nothing is said of light, contrast or blur

    @property
    @abstractmethod
    def episodes(self) -> Collection[int]:
        """Indices of the episodes of which pictures are here."""

    @abstractmethod
    def pictures(self, episode: int) -> Iterator[Picture]:
        """The pictures of one episode in order. Raises `UnreadableDataset` after those that could be decoded,
        `MissingExtra`."""

    def decode(self, episode: int, threads: int) -> Iterator[Picture]:
        """The same pictures, by so many threads where one stream can use them (0: as many as the machine has)."""
        return self.pictures(episode)

    def where(self, episode: int) -> str:
        """How a message names the place of an episode's pictures: a path in the recording, or a topic."""
        return self.name

    def probe(self, episode: int) -> Probe | None:
        """What the container or the first image says, None where there is none. Raises as `pictures`."""
        return None

    @cached_property
    def measured(self) -> dict[int, Measures]:
        """What was measured of its episodes so far, kept so that each is decoded once."""
        return {}

    @cached_property
    def damaged(self) -> dict[int, UnreadableDataset]:
        """Episodes whose pictures were found damaged so far."""
        return {}


@dataclass(frozen=True)
class Problem:
    """A file that could not be used; the others were. `kind` as in `UnreadableDataset`."""

    kind: str
    path: str
    message: str
    episode: int | None = None
    episodes: tuple[int, ...] = ()  # where one file holds several

    @property
    def affected(self) -> tuple[int, ...]:
        """The episodes that cannot be used for it."""
        return self.episodes if self.episode is None else (self.episode,)


def _none_late() -> tuple[Problem, ...]:
    return ()


@dataclass(frozen=True)
class Recording:
    """Facts, episodes and streams of one folder or file; rows are read when a scan is collected."""

    format: str
    files: Files = field(repr=False)
    facts: Facts
    episodes: tuple[Episode, ...]
    streams: Mapping[str, Stream] = field(default_factory=dict)
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    labels: Labels | None = None
    problems: tuple[Problem, ...] = ()
    declaration: Declaration | None = None
    late: Callable[[], tuple[Problem, ...]] = field(default=_none_late, repr=False)  # found while decoding
    reader: str = ""  # who made it, where that is a third party's reader: distribution, version and module

    @cached_property
    def main(self) -> Stream | None:
        """The stream called `frames`, else the only one."""
        if MAIN in self.streams:
            return self.streams[MAIN]
        return next(iter(self.streams.values())) if len(self.streams) == 1 else None

    @property
    def features(self) -> Mapping[str, Feature]:
        """The features of the main stream."""
        return self.main.features if self.main else {}

    @property
    def rows(self) -> int:
        """Rows of the main stream in all readable files."""
        return sum(e.length for e in self.episodes)

    def scan(self, unpack: Collection[str] = ()) -> pl.LazyFrame:
        """All rows of the main stream in episode order; features in `unpack` also as `feature[i]` columns.

        `episode_index` and `frame_index` are made where the files have none. KeyError without a main stream.
        """
        if self.main is None:
            raise KeyError("no stream of frames; take one of `streams`")
        stream = self.main
        channels = [e.alias(n) for name in unpack for n, e in stream.unpacked(stream.features[name]).items()]
        indices = {i: e.index for i, e in enumerate(self.episodes)}
        made = {
            "episode_index": pl.col(EPISODE).replace_strict(indices, return_dtype=pl.Int64),
            "frame_index": pl.col(FRAME),
        }
        missing = [e.alias(n) for n, e in made.items() if n not in stream.columns]
        return stream.frames().with_columns(channels + missing).drop(EPISODE, ROW, FRAME, START)

    def only(self, kept: tuple[Episode, ...], problems: tuple[Problem, ...], without: Collection[Path]) -> Recording:
        """The recording with those of its episodes alone and without those files, the problems beside its own."""
        old = {e.index: i for i, e in enumerate(self.episodes)}
        moved = {old[e.index]: i for i, e in enumerate(kept)}
        streams = {name: stream.only(moved, without) for name, stream in self.streams.items()}
        return replace(self, episodes=kept, streams=streams, problems=(*self.problems, *problems))
