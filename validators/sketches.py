"""Sketches: the quantiles of every channel in each session or episode, from an even sample of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from validators.declarations.origin import session_of
from validators.findings import finite
from validators.metrics import Lift, Metric, channels, greatest, least
from validators.profile import BINS, Session, Sketch, Unit
from validators.recording import Recording
from validators.robot.kinematics import Array
from validators.stream import Stream
from validators.values import Values

LEAST_ROWS = BINS  # finite sampled rows below which a channel has no quantiles
INDEX = ("index", "frame_index", "episode_index", "task_index")  # columns that count, and measure nothing


@dataclass(frozen=True)
class Part:
    """What was read of one stream of one recording; `name` sets its episodes apart from another recording's."""

    recording: Recording
    stream: Stream
    values: Values
    name: str = ""

    def episode(self, index: int) -> str:
        """The name of an episode as a unit of its own."""
        return f"{self.name}: episode {index}" if self.name else f"episode {index}"


def unit_of(recordings: Sequence[Recording]) -> Unit:
    """The session where every episode names its rig and day and these differ, else the episode."""
    named = [session_of(episode) for recording in recordings for episode in recording.episodes]
    return "session" if None not in named and len(set(named)) > 1 else "episode"


def measured(stream: Stream) -> dict[str, Lift]:
    """Channel, by feature and label, → its values; neither the clock nor columns that count."""
    found = {}
    for feature in stream.features.values():
        if (
            feature.width
            and feature.name not in INDEX
            and (stream.clock is None or feature.name != stream.clock.column)
        ):
            for i, lift in enumerate(channels(stream, feature)):
                label = feature.full_name(i)
                found[label] = lift
    return found


def extents(stream: Stream) -> tuple[Metric, ...]:
    """Least and greatest of every measured channel."""
    return tuple(m for lift in measured(stream).values() for m in (least(lift), greatest(lift)))


def sessions(parts: Sequence[Part], unit: Unit) -> tuple[Session, ...]:
    """The sketches of every unit with rows in the stream; recordings of one session are one unit."""
    own = [measured(part.stream) for part in parts]
    labels = [label for label in own[0] if all(label in others for others in own)]
    tables = [_Table(part, [lifts[label] for label in labels]) for part, lifts in zip(parts, own, strict=True)]
    groups: dict[str, list[tuple[_Table, list[int]]]] = {}
    for table in tables:
        for name, positions in _units(table.part, unit).items():
            groups.setdefault(name, []).append((table, positions))
    found = []
    for name, members in groups.items():
        rows = np.concatenate([table.rows(positions) for table, positions in members])
        low = np.concatenate([table.least[:, positions] for table, positions in members], axis=1)
        high = np.concatenate([table.greatest[:, positions] for table, positions in members], axis=1)
        enough = np.flatnonzero(np.isfinite(rows).sum(axis=0) >= LEAST_ROWS)
        sketches = {labels[c]: _sketch(rows[:, c], np.nanmin(low[c]), np.nanmax(high[c])) for c in enough}
        if sketches:
            episodes = tuple(table.part.recording.episodes[i].index for table, positions in members for i in positions)
            found.append(Session(name, episodes, sketches))
    return tuple(found)


def _units(part: Part, unit: Unit) -> dict[str, list[int]]:
    """Unit → positions of its episodes in the recording."""
    groups: dict[str, list[int]] = {}
    for position, episode in enumerate(part.recording.episodes):
        name = session_of(episode) if unit == "session" else None
        groups.setdefault(name or part.episode(episode.index), []).append(position)
    return groups


class _Table:
    """Sampled rows [n, channels] of a part by episode, and extents [channels, episodes] of all its rows."""

    def __init__(self, part: Part, lifts: Sequence[Lift]) -> None:
        sampled = part.values.sampled
        assert sampled is not None
        by_episode = sampled.sort("position", maintain_order=True)
        places = by_episode["position"].to_numpy()
        self.part = part
        self._starts = np.searchsorted(places, np.arange(len(part.recording.episodes) + 1))
        self._sampled = by_episode.select(pl.col(lift.name).cast(pl.Float64) for lift in lifts).to_numpy()
        self.least = np.stack([part.values[least(lift)] for lift in lifts])
        self.greatest = np.stack([part.values[greatest(lift)] for lift in lifts])

    def rows(self, positions: Sequence[int]) -> Array:
        """The sampled rows of some episodes."""
        return np.concatenate([self._sampled[self._starts[i] : self._starts[i + 1]] for i in positions])


def _sketch(column: Array, low: float, high: float) -> Sketch:
    rows = column[np.isfinite(column)]
    levels = (np.arange(BINS) + 0.5) / BINS
    quantiles: Sequence[float] = finite(np.quantile(rows, levels).tolist())
    return Sketch(rows.size, finite(float(low)), finite(float(high)), tuple(quantiles))
