"""An expectation: parameters, the metrics it needs, and a verdict from their values. It knows no Great Expectations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from validators.findings import Judgement, NotEvaluable
from validators.metrics import Lift, Metric
from validators.recording import Feature, Recording
from validators.robot import RobotModel
from validators.values import Values

Progress: TypeAlias = Callable[[str, int, int], None]  # what, done, of how many

STATE, ACTION = "observation.state", "action"


@dataclass(frozen=True)
class Needs:
    """What an expectation reads: metrics of each episode, and columns of which an even sample of rows is kept."""

    metrics: tuple[Metric, ...] = ()
    sample: tuple[Lift, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What is judged: a recording, against a robot's model where one is given."""

    recording: Recording
    robot: RobotModel | None = None
    progress: Progress | None = None

    def feature(self, name: str) -> Feature:
        """The numeric feature of that name, or `NotEvaluable`."""
        found = self.recording.facts.features.get(name)
        if found is None:
            raise NotEvaluable(f"the recording has no column {name!r}")
        if not found.width:
            raise NotEvaluable(f"column {name!r} is {found.dtype}{list(found.shape)}, no vector of numbers")
        return found

    @property
    def fps(self) -> float:
        """The declared rate, Hz, or `NotEvaluable`."""
        if self.recording.facts.fps is None:
            raise NotEvaluable("no rate is declared for this recording")
        return self.recording.facts.fps

    @property
    def signals(self) -> tuple[Feature, ...]:
        """All numeric features."""
        return tuple(f for f in self.recording.facts.features.values() if f.width)


@dataclass(frozen=True)
class Expectation(ABC):
    """Fields are the parameters, with their defaults; docstrings are what `--explain` shows."""

    type: ClassVar[str]  # the name in a suite
    check: ClassVar[str]  # the short name in a finding

    @abstractmethod
    def needs(self, subject: Subject) -> Needs:
        """What has to be read; raises `NotEvaluable`."""

    @abstractmethod
    def judge(self, subject: Subject, values: Values) -> Judgement:
        """The verdict; raises `NotEvaluable`."""


def indices(subject: Subject, positions: Sequence[int]) -> tuple[int, ...]:
    """Episode indices of positions in the recording."""
    return tuple(subject.recording.episodes[i].index for i in positions)
