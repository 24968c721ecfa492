"""Signals: are values there, finite, within range, and do they move when they are told to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels, count, greatest, least, previous
from validators.stream import START, Feature
from validators.values import Values, span_of


def _where(subject: Subject, feature: Feature, condition: str) -> Lift:
    """True on rows where any channel of the feature is null, or is not finite."""
    lifts = channels(subject.stream, feature)
    tests = [c.column.is_null() if condition == "null" else ~c.column.is_finite() for c in lifts]
    return Lift(f"{condition} in {feature.name}", pl.any_horizontal(t.fill_null(value=False) for t in tests), lifts)


class _Rows(Expectation):
    """Rows that must not occur, counted a feature and located by channel where they do."""

    check: ClassVar[str]
    condition: ClassVar[str]
    wording: ClassVar[str]

    def features(self, subject: Subject) -> Sequence[Feature]:
        return subject.signals

    def _metric(self, subject: Subject, feature: Feature) -> Metric:
        bad = _where(subject, feature, self.condition)
        return count(bad.name, bad.column, bad)

    def needs(self, subject: Subject) -> Needs:
        return Needs(tuple(self._metric(subject, f) for f in self.features(subject)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        findings: list[Finding] = []
        for feature in self.features(subject):
            rows = values[self._metric(subject, feature)]
            failing = np.flatnonzero(rows > 0).tolist()
            findings += self._located(subject, values, feature, failing) if failing else []
        return Judgement(tuple(findings))

    def _located(self, subject: Subject, values: Values, feature: Feature, failing: list[int]) -> list[Finding]:
        lifts = channels(subject.stream, feature)
        found = []
        for position, frame in values.rows(failing, lifts).items():
            for channel, lift in enumerate(lifts):
                column = pl.col(lift.name)
                test = column.is_null() if self.condition == "null" else ~column.is_finite()
                bad = frame.filter(test)
                if bad.height:
                    start, end = span_of(bad)
                    found.append(
                        Finding(
                            self.check,
                            feature.full_name(channel),
                            f"{bad.height} of {frame.height} rows {self.wording}",
                            episode=subject.recording.episodes[position].index,
                            start_s=start,
                            end_s=end,
                            value=float(bad.height),
                            limit=0.0,
                            unit="rows",
                            resolves="one row",
                        )
                    )
        return found


@dataclass(frozen=True)
class ExpectSignalsToBeComplete(_Rows):
    """Nulls: no numeric column and no channel of a vector is null (a vector that is too short counts for its end).

    Unit: rows. Default: none. Source: LeRobot v2.1 declares every column for every frame. Resolves: one row.
    Known false alarms: none known; NaN is another check.
    """

    type: ClassVar[str] = "expect_signals_to_be_complete"
    check: ClassVar[str] = "nulls"
    condition: ClassVar[str] = "null"
    wording: ClassVar[str] = "have no value"


@dataclass(frozen=True)
class ExpectSignalsToBeFinite(_Rows):
    """NaN and infinity: every value of every numeric column is finite. Nulls are another check.

    Unit: rows. Default: none. Source: one NaN in a batch ruins a gradient step. Resolves: one row.
    Known false alarms: sensors that write NaN for "no contact" on purpose; give those a suite of their own.
    """

    type: ClassVar[str] = "expect_signals_to_be_finite"
    check: ClassVar[str] = "nan"
    condition: ClassVar[str] = "NaN or infinity"
    wording: ClassVar[str] = "are NaN or infinite"


@dataclass(frozen=True)
class ChannelsNotNull(_Rows):
    """Nulls in the channels of one vector; NaN is another check."""

    type: ClassVar[str] = "expect_column_values_to_not_be_null"
    check: ClassVar[str] = "nulls"
    condition: ClassVar[str] = "null"
    wording: ClassVar[str] = "have no value"
    column: str

    def features(self, subject: Subject) -> Sequence[Feature]:
        return [subject.feature(self.column)]


@dataclass(frozen=True)
class ChannelsBetween(Expectation):
    """Range of every channel of one vector; NaN and null are other checks."""

    type: ClassVar[str] = "expect_column_values_to_be_between"
    check: ClassVar[str] = "ranges"
    column: str
    min_value: float | None = None
    max_value: float | None = None

    def needs(self, subject: Subject) -> Needs:
        lifts = channels(subject.stream, subject.feature(self.column))
        return Needs(tuple(m for lift in lifts for m in (least(lift), greatest(lift))))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        feature = subject.feature(self.column)
        low = -np.inf if self.min_value is None else self.min_value
        high = np.inf if self.max_value is None else self.max_value
        findings = []
        for channel, lift in enumerate(channels(subject.stream, feature)):
            under, over = values[least(lift)], values[greatest(lift)]
            failing = np.flatnonzero((under < low) | (over > high)).tolist()
            for position, frame in values.rows(failing, [lift]).items() if failing else ():
                bad = frame.filter(~pl.col(lift.name).is_nan() & ~pl.col(lift.name).is_between(low, high))
                start, end = span_of(bad)
                below = under[position] < low
                findings.append(
                    Finding(
                        self.check,
                        feature.full_name(channel),
                        f"{bad.height} rows {'below' if below else 'above'} the range",
                        episode=subject.recording.episodes[position].index,
                        start_s=start,
                        end_s=end,
                        value=float(under[position] if below else over[position]),
                        limit=float(low if below else high),
                        resolves="one row",
                    )
                )
        return Judgement(tuple(findings))


@dataclass(frozen=True)
class ExpectNoFrozenRows(Expectation):
    """Frozen rows: `rows` consecutive rows of observation.state are identical bit by bit while the action moves.

    Moves: across the run some channel of `action` changes by more than `moved` times its range in the recording.
    Unit: rows. Default: 5 rows, 2 % of the range. Source: a still robot repeats rows rightly, a frozen one does not.
    Resolves: a run of `rows` rows. Known false alarms: noise-free simulated arms blocked by an obstacle; a robot told
    to stand still is none, because the action must move.
    """

    type: ClassVar[str] = "expect_no_frozen_rows"
    check: ClassVar[str] = "frozen_rows"
    rows: int = 5
    moved: float = 0.02

    def __post_init__(self) -> None:
        if not 2 <= self.rows <= 32 or not 0 < self.moved < 1:
            raise ValueError("rows must be 2 to 32, moved between 0 and 1")

    def _features(self, subject: Subject) -> tuple[Feature, Feature]:
        return subject.feature(STATE), subject.feature(ACTION)

    def _run(self, subject: Subject) -> Lift:
        """True at the last of `rows` identical rows."""
        state = Lift(STATE, pl.col(STATE))
        before = previous(state)
        same = pl.when(~pl.col(START)).then(state.column.eq_missing(before.column)).otherwise(pl.lit(False))
        repeated = Lift("state repeats", same, (before,))
        earlier = tuple(previous(repeated, j) for j in range(1, self.rows - 1))
        all_same = reduce(and_, (lift.column.fill_null(value=False) for lift in (repeated, *earlier)))
        return Lift(f"state same for {self.rows} rows", all_same, (repeated, *earlier))

    def _commands(self, subject: Subject) -> tuple[Lift, ...]:
        """For each channel of the action, how far it went across the run; null elsewhere."""
        run = self._run(subject)
        lifts = []
        for channel in channels(subject.stream, subject.feature(ACTION)):
            before = previous(channel, self.rows - 1)
            change = pl.when(run.column).then((channel.column - before.column).abs())
            lifts.append(Lift(f"{channel.name} moved in {self.rows} frozen rows", change, (run, channel, before)))
        return tuple(lifts)

    def needs(self, subject: Subject) -> Needs:
        self._features(subject)
        actions = channels(subject.stream, subject.feature(ACTION))
        moves = [greatest(lift) for lift in self._commands(subject)]
        return Needs((*moves, *(m for a in actions for m in (least(a), greatest(a)))))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        actions = channels(subject.stream, subject.feature(ACTION))
        commands = self._commands(subject)
        limits = [float(_spread(values[least(a)], values[greatest(a)])) * self.moved for a in actions]
        if not any(limit > 0 for limit in limits):
            raise NotEvaluable("no channel of the action ever moves")
        hit = np.zeros(len(subject.recording.episodes), dtype=bool)
        for command, limit in zip(commands, limits, strict=True):
            hit |= (values[greatest(command)] > limit) & (limit > 0)
        failing = np.flatnonzero(hit).tolist()
        findings = [
            self._finding(subject, position, frame, commands, limits)
            for position, frame in (values.rows(failing, [self._run(subject), *commands]).items() if failing else ())
        ]
        return Judgement(tuple(findings))

    def _finding(
        self, subject: Subject, position: int, frame: pl.DataFrame, commands: Sequence[Lift], limits: Sequence[float]
    ) -> Finding:
        pairs = [(c, limit) for c, limit in zip(commands, limits, strict=True) if limit > 0]
        moving = frame.select(
            pl.any_horizontal(((c.column > limit) & ~c.column.is_nan()).fill_null(value=False) for c, limit in pairs)
        ).to_series()
        run = frame[self._run(subject).name].to_numpy()
        ends = np.flatnonzero(run & ~np.append(run[1:], np.array([False])))  # last row of each run
        begins = np.flatnonzero(run & ~np.insert(run[:-1], 0, values=False)) - (self.rows - 1)
        told = [(b, e) for b, e in zip(begins, ends, strict=True) if moving[b + self.rows - 1 : e + 1].any()]
        begin, end = max(told, key=lambda span: span[1] - span[0])
        others = f" ({len(told)} such runs)" if len(told) > 1 else ""
        start_s, end_s = span_of(frame[int(begin) : int(end) + 1])
        return Finding(
            self.check,
            STATE,
            f"{end - begin + 1} identical rows while the action moves{others}",
            episode=subject.recording.episodes[position].index,
            start_s=start_s,
            end_s=end_s,
            value=float(end - begin + 1),
            limit=float(self.rows),
            unit="rows",
            resolves=f"{self.rows} rows",
        )


def _spread(low: np.ndarray, high: np.ndarray) -> float:
    if not np.isfinite(low).any() or not np.isfinite(high).any():
        return 0.0
    return float(np.nanmax(high) - np.nanmin(low))
