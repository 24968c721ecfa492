"""Sequences of a rig: each folder is one episode, each sensor a stream with stamps of its own, all from one origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import ImageCamera
from validators.readers import clocks
from validators.readers.sequences.lists import Listed
from validators.readers.spool import Spool
from validators.recording import CLOCK, Camera, Episode, Facts, Problem, Recording, Sensor
from validators.stream import Clock, Feature, Stream

SECOND = 1_000_000_000  # ns
SHOWN = 3  # names of files that are missing or not listed


@dataclass
class _Pictures:
    """Where the pictures of one camera lie, with their stamps, ns, by episode; None where they are not known."""

    paths: dict[int, Sequence[str]] = field(default_factory=dict)
    stamps: dict[int, Sequence[int]] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    depth: bool = False


@dataclass
class Sequences:
    """What is gathered, folder by folder; `source` says whose stamps they are."""

    files: Files
    source: str
    problems: list[Problem] = field(default_factory=list)
    sensors: dict[str, Sensor] = field(default_factory=dict)
    _features: dict[str, dict[str, Feature]] = field(default_factory=dict)
    _rates: dict[str, float | None] = field(default_factory=dict)
    _rows: dict[tuple[str, int], dict[str, pa.Array]] = field(default_factory=dict)
    _stamps: dict[tuple[str, int], NDArray[np.int64]] = field(default_factory=dict)
    _files: dict[int, list[str]] = field(default_factory=dict)
    _cameras: dict[str, _Pictures] = field(default_factory=dict)

    def attempt(self, episode: int, relative: str, read: Callable[[], None]) -> None:
        """Reads one file; what is wrong with it is a problem, not the end."""
        try:
            read()
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            self.problems.append(Problem(error.kind, relative, error.detail, episode))

    def problem(self, kind: str, relative: str, message: str, episode: int) -> None:
        """A problem with one file, where there is something to say."""
        if message:
            self.problems.append(Problem(kind, relative, message, episode))

    def add(
        self,
        stream: str,
        episode: int,
        relative: str,
        stamps: NDArray[np.int64] | None,
        columns: Mapping[Feature, pa.Array],
        fps: float | None = None,
    ) -> None:
        """The rows of one sensor in one episode. Raises `UnreadableDataset` when they are unlike another episode's."""
        features = {f.name: f for f in columns}
        rows: dict[str, pa.Array] = {f.name: values for f, values in columns.items()}
        if stamps is not None:
            features = {CLOCK: Feature(CLOCK, "int64", units=("ns",)), **features}
            rows = {CLOCK: pa.array(stamps), **rows}
        known = self._features.setdefault(stream, features)
        if known != features:
            raise UnreadableDataset("column-type", f"has columns {', '.join(features)}; before {', '.join(known)}")
        self._rows[stream, episode] = rows
        if stamps is not None:
            self._stamps[stream, episode] = stamps
        self._rates.setdefault(stream, fps)
        self._files.setdefault(episode, []).append(relative)

    def images(
        self,
        camera: str,
        episode: int,
        found: Sequence[tuple[str, int | None]],
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        *,
        depth: bool = False,
    ) -> None:
        """The pictures of one camera in one episode: (path, stamp in ns) in order; `size` is width, height."""
        if not found:
            return
        width, height = size or (None, None)
        made = _Pictures(width=width, height=height, fps=fps, depth=depth)
        pictures = self._cameras.setdefault(camera, made)
        pictures.paths[episode] = [path for path, _ in found]
        stamps = [at for _, at in found if at is not None]
        if len(stamps) == len(found):
            pictures.stamps[episode] = stamps

    def compared(
        self, episode: int, relative: str, listed: Sequence[str], folder: str, suffixes: Sequence[str]
    ) -> None:
        """Problems for files that are listed and absent, and for those of the folder that nobody lists."""
        wanted = {f"{folder}/{name}" for name in listed}
        there = {n for n in self.files.names(*suffixes) if n.rpartition("/")[0] == folder}
        for kind, names, what in (
            ("file-missing", wanted - there, "are listed and not there"),
            ("path-unexpected", there - wanted, "are there and not listed"),
        ):
            if names:
                shown = ", ".join(n.rpartition("/")[2] for n in sorted(names)[:SHOWN])
                self.problem(kind, relative, f"{len(names)} of {len(wanted | there)} files {what}: {shown}", episode)

    def recording(self, name: str, folders: Sequence[str], facts: Facts | None = None) -> Recording:
        """All of it. Raises `UnreadableDataset` when nothing could be read."""
        if not self._rows:
            first = self.problems[0] if self.problems else None
            detail = f"; the first: {first.message}" if first else ""
            kind, path = (first.kind, first.path) if first else ("file-missing", "")
            raise UnreadableDataset(kind, f"no sensor can be read{detail}", path=self.files.where(path))
        known = sorted({episode for _, episode in self._rows})
        position = {episode: i for i, episode in enumerate(known)}
        starts = [int(s.min()) for s in self._stamps.values()]
        origin = clocks.origin(starts, "ns")
        with Spool(self.files.scratch) as spool:
            for (stream, episode), rows in self._rows.items():
                spool.write(stream, position[episode], pa.RecordBatch.from_pydict(rows))
        streams = {
            stream: Stream(
                stream,
                features,
                spool.tables(stream),
                Clock(CLOCK, "ns", self.source, origin=origin) if CLOCK in features else None,
                self._rates[stream],
            )
            for stream, features in self._features.items()
        }
        episodes = tuple(self._episode(e, folders[e], origin) for e in known)
        base = facts or Facts()
        merged = Facts(base.robot_type, base.fps, sensors={**base.sensors, **self.sensors}, tasks=base.tasks)
        return Recording(name, self.files, merged, episodes, streams, self._made(origin), problems=tuple(self.problems))

    def _episode(self, episode: int, folder: str, origin: float) -> Episode:
        stamps = [s for (_, e), s in self._stamps.items() if e == episode]
        ends = (int(min(s.min() for s in stamps)), int(max(s.max() for s in stamps))) if stamps else None
        start, end = (None, None) if ends is None else ((ends[0] - origin) / SECOND, (ends[1] - origin) / SECOND)
        longest = max(len(next(iter(rows.values()))) for (_, e), rows in self._rows.items() if e == episode)
        provenance = {"sequence": folder} if folder else {}
        return Episode(episode, tuple(self._files[episode]), longest, start, end, provenance=provenance)

    def _made(self, origin: float) -> dict[str, Camera]:
        made: dict[str, Camera] = {}
        for name, found in self._cameras.items():
            times = {e: [(at - origin) / SECOND for at in stamps] for e, stamps in found.stamps.items()}
            paths, width, height = found.paths, found.width, found.height
            made[name] = ImageCamera(
                name, self.files, paths, times, width=width, height=height, fps=found.fps, depth=found.depth
            )
        return made


def vector(values: NDArray[np.float64]) -> pa.Array:
    """float64[rows, width] as an Arrow column of fixed lists."""
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def scalars(listed: Listed, names: Sequence[str], units: Sequence[str] = ()) -> dict[Feature, pa.Array]:
    """Each number of a list as a column."""
    given = tuple(units) or ("",) * len(names)
    return {
        Feature(name, "float64", units=(unit,) if unit else ()): pa.array(listed.numbers[:, i])
        for i, (name, unit) in enumerate(zip(names, given, strict=True))
    }
