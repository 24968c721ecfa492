"""Statistics that a dataset declares, which policies normalise by, against those of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels, greatest, least, total
from validators.statistics.channels import MOMENTS, Declared, Statistics
from validators.stream import Feature
from validators.values import Values

NUMBERING = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index"})  # nobody normalises these
Array = NDArray[np.float64]


def _deviation(lift: Lift) -> Metric:
    """Standard deviation in the episode, of n as LeRobot has it."""
    return Metric(f"std({lift.name})", lift.column.std(ddof=0), (lift,))


_METRICS: dict[str, Callable[[Lift], Metric]] = {"min": least, "max": greatest, "mean": total, "std": _deviation}


@dataclass(frozen=True)
class _Measured:
    """What the rows give for one feature: arrays [episodes, channels] and, for all rows, [channels]."""

    feature: Feature
    lifts: tuple[Lift, ...]
    values: Values

    @cached_property
    def rows(self) -> Array:
        return self.values.metrics["rows"].cast(pl.Float64).to_numpy().astype(np.float64)

    @cached_property
    def episodes(self) -> dict[str, Array]:
        found = {k: np.stack([self.values[m(lift)] for lift in self.lifts], axis=1) for k, m in _METRICS.items()}
        return found | {"mean": found["mean"] / self.rows[:, None]}

    @cached_property
    def whole(self) -> dict[str, Array]:
        own, weight = self.episodes, (self.rows / self.rows.sum())[:, None]
        mean = (weight * own["mean"]).sum(axis=0)
        spread = (weight * (own["std"] ** 2 + (own["mean"] - mean) ** 2)).sum(axis=0)
        return {"min": own["min"].min(axis=0), "max": own["max"].max(axis=0), "mean": mean, "std": np.sqrt(spread)}

    @cached_property
    def scale(self) -> Array:
        """What differences of a channel are measured by: its range, or a thousandth of its size if it hardly moves."""
        size = np.maximum(np.abs(self.whole["min"]), np.abs(self.whole["max"]))
        return np.maximum(self.whole["max"] - self.whole["min"], np.maximum(1e-3 * size, 1e-9))


@dataclass(frozen=True)
class OfStatistics(Expectation):
    """What expectations of statistics share: those that are declared, and the features that can be judged."""

    def _declared(self, subject: Subject) -> Declared:
        if subject.recording.facts.statistics is None:
            raise NotEvaluable(f"{subject.recording.format} declares no statistics")
        declared = subject.recording.facts.statistics()
        if not declared.whole and not declared.episodes:
            raise NotEvaluable("no statistics of vectors are declared")
        return declared

    def _features(self, subject: Subject, named: set[str]) -> tuple[Feature, ...]:
        columns = subject.stream.columns
        return tuple(f for f in subject.signals if f.name in named - NUMBERING and f.name in columns)

    def _whole(self, subject: Subject) -> str:
        """Why statistics of all rows cannot be judged, empty when they can."""
        recording = subject.recording
        absent = recording.facts.listed.keys() - {e.index for e in recording.episodes}
        return f"{len(absent)} of the listed episodes are not here" if absent else ""


@dataclass(frozen=True)
class ExpectStatisticsToMatch(OfStatistics):
    """Statistics: the declared min, max, mean, std and count are those of the rows, of each episode and of all.

    Found when |declared - computed| is above `tolerance` times the channel's range in the recording (a thousandth of
    its size where it does not move). Statistics of all rows are judged only where all listed episodes are here; of
    timestamps and indices, by which nobody normalises, never. Unit: the channel's. Default: 1 % of the range. Source:
    LeRobot's compute_stats: v2.1 keeps them by episode, v3.0 by episode and for all, v2.0 for all. Resolves: the
    tolerance; one row for the count. Known false alarms: statistics of another subset on purpose, such as the training
    split alone.
    """

    type: ClassVar[str] = "expect_statistics_to_match"
    check: ClassVar[str] = "statistics"
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def _judged(self, subject: Subject, declared: Declared) -> tuple[Feature, ...]:
        named = {f for s in (declared.whole, *declared.episodes.values()) for f in s}
        return self._features(subject, named)

    def needs(self, subject: Subject) -> Needs:
        try:
            features = self._judged(subject, self._declared(subject))
        except UnreadableDataset:
            return Needs()  # which is a finding
        lifts = [lift for f in features for lift in channels(subject.stream, f)]
        return Needs(tuple(metric(lift) for lift in lifts for metric in _METRICS.values()))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        try:
            declared = self._declared(subject)
        except UnreadableDataset as error:
            message = f"cannot be read: {error.detail}"
            return Judgement((Finding(self.check, "statistics", message, resolves="the file"),))
        findings: list[Finding] = []
        why_not = self._whole(subject) if declared.whole else ""
        features = self._judged(subject, declared)
        for feature in features:
            measured = _Measured(feature, channels(subject.stream, feature), values)
            findings += self._of_episodes(subject, measured, declared)
            if not why_not:
                findings += self._of_all(measured, declared.whole)
        return Judgement(tuple(findings), f"those of all rows are not judged: {why_not}" if why_not else "")

    def _of_all(self, measured: _Measured, whole: Statistics) -> Iterator[Finding]:
        said = whole.get(measured.feature.name, {})
        wrong = [w for name in MOMENTS if name in said for w in self._off(measured, name, said[name], measured.whole)]
        if wrong:
            _, message, value, limit = max(wrong)
            more = f" (and {len(wrong) - 1} more of this feature)" if len(wrong) > 1 else ""
            yield self._finding(measured.feature, f"of all rows, {message}{more}", value, limit, ())
        rows, counted = measured.rows.sum(), float(said["count"][0]) if "count" in said else None
        if counted is not None and counted != rows:
            message = f"were computed over {counted:.0f} rows, {rows:.0f} are here"
            yield self._finding(measured.feature, message, counted, rows, ())

    def _of_episodes(self, subject: Subject, measured: _Measured, declared: Declared) -> Iterator[Finding]:
        worst: tuple[float, str, float, float] | None = None
        bad: list[int] = []
        for position, episode in enumerate(subject.recording.episodes):
            said = declared.episodes.get(episode.index, {}).get(measured.feature.name, {})
            own = {name: values[position] for name, values in measured.episodes.items()}
            wrong = [w for name in MOMENTS if name in said for w in self._off(measured, name, said[name], own)]
            if "count" in said and said["count"][0] != measured.rows[position]:
                rows = measured.rows[position]
                message = f"were computed over {said['count'][0]:.0f} rows, it has {rows:.0f}"
                wrong.append((np.inf, message, float(said["count"][0]), float(rows)))
            if wrong:
                bad.append(episode.index)
                worst = max([max(wrong), *([worst] if worst else [])])
        if worst:
            message = f"of {len(bad)} episodes are not those of their rows; the worst: {worst[1]}"
            yield self._finding(measured.feature, message, worst[2], worst[3], tuple(bad))

    def _off(
        self, measured: _Measured, name: str, said: Array, own: dict[str, Array]
    ) -> Iterator[tuple[float, str, float, float]]:
        """(how far in tolerances, what to say, declared, computed) of the worst channel, where it is off at all."""
        if len(said) != measured.feature.width:
            message = f"{name} has {len(said)} channels, the feature {measured.feature.width}"
            yield np.inf, message, float(len(said)), float(measured.feature.width)
            return
        off = np.abs(said - own[name]) / (self.tolerance * measured.scale)
        off[~np.isfinite(own[name])] = 0.0  # NaN in the rows is another check's
        off[~np.isfinite(said)] = np.inf
        worst = int(off.argmax())
        if off[worst] > 1:
            label = measured.feature.label(worst)
            message = f"{name} of {label} is declared {said[worst]:.6g}, the rows give {own[name][worst]:.6g}"
            yield float(off[worst]), message, float(said[worst]), float(own[name][worst])

    def _finding(
        self, feature: Feature, message: str, value: float, limit: float, episodes: tuple[int, ...]
    ) -> Finding:
        resolves = f"{self.tolerance:.0%} of the range"
        return Finding(
            self.check, feature.name, message, episodes=episodes, value=value, limit=limit, resolves=resolves
        )
