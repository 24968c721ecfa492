"""An expectation: parameters, the metrics it needs, and a verdict from their values. It knows no Great Expectations."""

from __future__ import annotations

import datetime
import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from validators.findings import Judgement, NoClock, NotEvaluable
from validators.metrics import Lift, Metric
from validators.recording import Recording
from validators.robot import RobotModel
from validators.stream import Feature, Stream
from validators.values import Values

if TYPE_CHECKING:
    from validators.profile import Profile

Progress: TypeAlias = Callable[[str, int, int], None]  # what, done, of how many

STATE, ACTION = "observation.state", "action"


@dataclass(frozen=True)
class Needs:
    """What an expectation reads: metrics of each episode, and columns of which an even sample of rows is kept."""

    metrics: tuple[Metric, ...] = ()
    sample: tuple[Lift, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What is judged: a recording and one of its streams, against a robot's model and a profile of approved data.

    `now` is the time of the judgement, with its zone: a check never asks the machine.
    """

    recording: Recording
    table: Stream | None
    robot: RobotModel | None = None
    progress: Progress | None = None
    now: datetime.datetime | None = None
    reference: Profile | None = None

    @property
    def stream(self) -> Stream:
        """The stream that is judged, or `NotEvaluable`."""
        if self.table is None:
            raise NotEvaluable("the recording has no stream of frames")
        return self.table

    def feature(self, name: str) -> Feature:
        """The numeric feature of that name, or `NotEvaluable`."""
        found = self.stream.features.get(name)
        if found is None:
            raise NotEvaluable(f"the recording has no column {name!r}")
        if not found.width:
            raise NotEvaluable(f"column {name!r} is {found.dtype}{list(found.shape)}, no vector of numbers")
        return found

    @property
    def clock(self) -> str:
        """The column with the time, or `NotEvaluable`."""
        if self.stream.clock is None:
            raise NoClock("no clock is declared: give --clock COLUMN:UNIT, or clock in assay.yaml")
        return self.stream.clock.column

    @property
    def fps(self) -> float:
        """The declared rate, Hz, or `NotEvaluable`."""
        if self.stream.fps is None:
            raise NotEvaluable("no rate is declared for this recording")
        return self.stream.fps

    @property
    def signals(self) -> tuple[Feature, ...]:
        """All numeric features of the stream."""
        return tuple(f for f in self.stream.features.values() if f.width)


@dataclass(frozen=True)
class Expectation(ABC):
    """Fields are the parameters, with their defaults; docstrings are what `--explain` shows.

    With the scope `stream` it is judged on each stream whose name the keyword `stream` fits, else once.
    """

    type: ClassVar[str]  # the name in a suite
    check: ClassVar[str]  # the short name in a finding
    scope: ClassVar[Literal["stream", "recording"]] = "stream"
    telling: ClassVar[bool] = False  # whether its note is worth a line of the one screen when it is clean
    decodes: ClassVar[bool] = False  # whether it reads pictures, which takes long, so that it is judged last
    stream: str = field(default="*", kw_only=True)

    def fits(self, stream: Stream) -> bool:
        """Whether it is judged on that stream."""
        return fnmatch.fnmatchcase(stream.name, self.stream)

    @abstractmethod
    def needs(self, subject: Subject) -> Needs:
        """What has to be read; raises `NotEvaluable`."""

    @abstractmethod
    def judge(self, subject: Subject, values: Values) -> Judgement:
        """The verdict; raises `NotEvaluable`."""


def indices(subject: Subject, positions: Sequence[int]) -> tuple[int, ...]:
    """Episode indices of positions in the recording."""
    return tuple(subject.recording.episodes[i].index for i in positions)
