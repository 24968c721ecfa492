"""What the checks of pictures share: each camera's episode with its measures, and whether the robot moved meanwhile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.errors import MissingExtra
from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.findings import Judgement, NotEvaluable
from validators.metrics import channels
from validators.pictures.measured import measured
from validators.pictures.measures import Measures
from validators.pictures.video import available
from validators.recording import Camera, Episode
from validators.stream import Feature, Stream
from validators.values import Values

STATES = (STATE, "position")  # columns with what joints measured: LeRobot's, and that of sensor_msgs/JointState
NOISE = 8.0  # standard deviations: white noise does not go so far


@dataclass(frozen=True, eq=False)
class Seen:
    """What one camera saw in one episode."""

    subject: Subject
    camera: Camera
    position: int
    measures: Measures

    @property
    def episode(self) -> Episode:
        return self.subject.recording.episodes[self.position]

    @cached_property
    def fps(self) -> float | None:
        """The declared rate, else that of the pictures' own times, Hz; None where there is neither."""
        main = self.subject.recording.main
        if declared := self.camera.fps or (main.fps if main else None):
            return declared
        dt = np.diff(self.measures.time_s)
        dt = dt[np.isfinite(dt) & (dt > 0)]
        return float(1 / np.median(dt)) if dt.size else None

    def time(self, frame: int) -> float | None:
        """s since the recording's origin; from the rate where the pictures carry no time."""
        at = float(self.measures.time_s[frame])
        if np.isfinite(at):
            return at
        return None if self.fps is None else (self.episode.start_s or 0.0) + frame / self.fps

    @cached_property
    def state(self) -> NDArray[np.float64] | None:
        """What the joints measured in the episode [rows, 1 + channels], the time first; None without state or time."""
        found = next(((s, f) for s in self._streams() if s.clock for f in _states(s)), None)
        if found is None:
            return None
        stream, feature = found
        lifts = channels(stream, feature)
        rows = Values(stream, pl.DataFrame()).rows([self.position], lifts).get(self.position)
        if rows is None or not rows.height:
            return None
        return rows.select("t", *(lift.name for lift in lifts)).cast(pl.Float64).to_numpy()

    def _streams(self) -> list[Stream]:
        recording = self.subject.recording
        others = [s for s in recording.streams.values() if s is not recording.main]
        return [*([recording.main] if recording.main else []), *others]

    def moves(self, first: int, last: int, share: float) -> bool | None:
        """Whether a joint goes by more than `share` of its range in the episode between two frames; None: no state.

        Picture i belongs to row i where there are as many; else they meet by time. Going by less than 8 standard
        deviations of the noise, which is taken from second differences, is none.
        """
        if self.state is None:
            return None
        time_s, state = self.state[:, 0], self.state[:, 1:]
        if len(self.measures) == len(time_s):
            rows = slice(first, last + 1)
            part = state[rows]
        else:
            start, end = self.time(first), self.time(last)
            if start is None or end is None:
                return None
            part = state[(time_s >= start) & (time_s <= end)]
        state, part = (a[np.isfinite(a).all(axis=1)] for a in (state, part))
        if len(state) < 3 or len(part) < 2:
            return None
        noise = np.sqrt(np.mean(np.diff(state, n=2, axis=0) ** 2, axis=0) / 6)
        least = np.maximum(share * np.ptp(state, axis=0), NOISE * noise)
        return bool((np.ptp(part, axis=0) > least).any())


def _states(stream: Stream) -> Iterator[Feature]:
    if stream.clock is not None:
        yield from (f for f in stream.features.values() if f.name in STATES and f.width)


@dataclass(frozen=True)
class OfPictures(Expectation):
    """Judged once, on what every camera saw in every episode; what is damaged is told by the run. Needs `video`."""

    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    decodes: ClassVar[bool] = True

    def needs(self, subject: Subject) -> Needs:
        cameras = subject.recording.cameras.values()
        if not cameras:
            raise NotEvaluable("no camera is declared")
        if not any(e.index in c.episodes for e in subject.recording.episodes for c in cameras):
            raise NotEvaluable("no picture of the declared cameras is here")
        try:
            available()
        except MissingExtra as error:
            raise NotEvaluable(error.detail) from error
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        recording = subject.recording
        seen = [
            Seen(subject, recording.cameras[name], position, found)
            for (name, position), found in measured(recording, subject.progress).items()
        ]
        decoded = [one for one in seen if len(one.measures)]
        if not decoded:
            raise NotEvaluable("no picture could be decoded")
        return self.judged(subject, decoded)

    @abstractmethod
    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        """The verdict on pictures that could be decoded; raises `NotEvaluable`."""
