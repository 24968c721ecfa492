"""Clocks: does time stand, run back, or was it made from the index?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.timing.period import LEAST_STEPS, Period, period, step
from validators.expectations.timing.steps import off_beat, says_clock
from validators.findings import Finding, Judgement, NotEvaluable, Severity
from validators.metrics import Metric, clock, count, greatest
from validators.values import Values

EXACT_S = 1e-6  # what no measured clock keeps to for a whole episode
FLOAT32 = 2.0**-23  # relative step of float32, in which LeRobot writes its clock


class _Steps(Expectation):
    """Steps of the clock that must not occur."""

    wording: ClassVar[str]

    @abstractmethod
    def bad(self, dt: pl.Expr) -> pl.Expr:
        """True on such a step."""

    def _metric(self, subject: Subject) -> Metric:
        dt = step(subject)
        return count(f"dt {self.check}", self.bad(dt.column), dt)

    def needs(self, subject: Subject) -> Needs:
        return Needs((self._metric(subject),))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        rows, dt = values[self._metric(subject)], step(subject)
        failing = np.flatnonzero(rows > 0).tolist()
        found = values.rows(failing, [dt]).items() if failing else ()
        findings = tuple(self._finding(subject, position, frame) for position, frame in found)
        return Judgement(findings, says_clock(subject), {"rows": float(np.nansum(rows))})

    def _finding(self, subject: Subject, position: int, frame: pl.DataFrame) -> Finding:
        dt = step(subject)
        bad = frame.filter(self.bad(dt.column))
        times, steps = bad["t"].to_numpy(), bad[dt.name].to_numpy()
        finite = np.isfinite(times)
        return Finding(
            self.check,
            subject.clock,
            f"{bad.height} of {max(1, frame.height - 1)} steps {self.wording}",
            episode=subject.recording.episodes[position].index,
            start_s=float(times[finite].min()) if finite.any() else None,
            end_s=float(times[finite].max()) if finite.any() else None,
            value=float(np.nanmin(steps)) * 1e3 if np.isfinite(steps).any() else None,
            limit=0.0,
            unit="ms",
            resolves="one row",
            severity=self.severity(subject),
        )

    def severity(self, subject: Subject) -> Severity:
        """At most, of a finding."""
        return "blocking"


@dataclass(frozen=True)
class ExpectTimeNotToRunBack(_Steps):
    """Time runs back: no dt = t[i] - t[i-1] within an episode is below zero or no number; equal stamps are apart.

    Unit: ms. Default: none. Source: a sequence is ordered by its clock. Resolves: one row.
    Known false alarms: one topic with several publishers whose own stamps interleave; judge it by log time.
    """

    type: ClassVar[str] = "expect_time_not_to_run_back"
    check: ClassVar[str] = "runs_back"
    wording: ClassVar[str] = "run back or are no number"

    def bad(self, dt: pl.Expr) -> pl.Expr:
        return ((dt < 0) | dt.is_nan()).fill_null(value=False)


@dataclass(frozen=True)
class ExpectNoDuplicateTimes(_Steps):
    """Duplicate times: no dt = t[i] - t[i-1] within an episode is zero. In one of several streams it only warns.

    Unit: ms. Default: none. Source: one sensor measures once at a time; a message sent twice is no second sample.
    Resolves: one row, at the resolution of the clock. Known false alarms: topics that publish several objects with one
    stamp; float32 clocks past 2^24/fps rows repeat and are found rightly.
    """

    type: ClassVar[str] = "expect_no_duplicate_times"
    check: ClassVar[str] = "duplicate_times"
    wording: ClassVar[str] = "are zero: the stamp repeats"

    def bad(self, dt: pl.Expr) -> pl.Expr:
        return (dt == 0).fill_null(value=False)

    def severity(self, subject: Subject) -> Severity:
        return "blocking" if len(subject.recording.streams) == 1 else "warning"


@dataclass(frozen=True)
class ExpectMeasuredClock(Expectation):
    """Synthetic clock: some |dt - period| within the recording is above max(1 µs, float32 rounding of t).

    A clock that keeps to that was made from the index: no gap, rate or jitter can show in it. In LeRobot data it is as
    its writer makes it (timestamp = frame_index / fps), and where no time is recorded the reader makes it from the
    declared rate: there it is said and no finding.
    Unit: µs. Default: 1 µs. Source: LeRobot's writer; no sensor keeps to a microsecond. Resolves: 1 µs.
    Known false alarms: lockstep simulation, whose clock is exact by design, and which should be declared as such.
    """

    type: ClassVar[str] = "expect_measured_clock"
    check: ClassVar[str] = "synthetic_clock"
    telling: ClassVar[bool] = True

    def needs(self, subject: Subject) -> Needs:
        _ = subject.clock
        own = Period(1 / subject.stream.fps, declared=True) if subject.stream.fps else None
        return Needs((greatest(clock(subject.stream)), *([off_beat(subject, own)] if own else [])))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        stream = subject.stream
        if stream.rows < LEAST_STEPS:
            raise NotEvaluable(f"{stream.rows} rows are too few to tell")
        own = period(subject, values, infer=True)
        error = off_beat(subject, own)
        off = values[error] if own.declared else values.again([error])[error]
        last = np.abs(values[greatest(clock(stream))])
        single = stream.features[subject.clock].dtype == "float32"
        allowed = np.maximum(EXACT_S, last * (2 * FLOAT32 if single else 0.0))
        known = np.isfinite(off)
        if not known.any():
            raise NotEvaluable("no episode has two rows")
        worst = float(off[known].max())
        if not bool(np.all(off[known] <= allowed[known])):
            return Judgement((), says_clock(subject), {"worst_us": worst * 1e6})
        text = f"synthetic: every step is {own.seconds * 1e3:.6g} ms within {max(worst * 1e6, 0.01):.2g} µs"
        if "lerobot" in subject.recording.format.lower():
            note = f"{says_clock(subject)}; {text}: made from the index, as LeRobot's writer does"
            return Judgement((), note, {"worst_us": worst * 1e6})
        if stream.clock and stream.clock.source == "index":
            note = (
                f"{says_clock(subject)}; made from the row's number and the declared rate, because no time is recorded"
            )
            return Judgement((), note, {"worst_us": worst * 1e6})
        finding = Finding(
            self.check,
            subject.clock,
            f"{text}: made from the index, or by a simulator in lockstep; it measures nothing",
            episodes=tuple(e.index for e, k in zip(subject.recording.episodes, known, strict=True) if k),
            value=round(worst * 1e6, 3),
            limit=float(allowed[known].max()) * 1e6,
            unit="µs",
            resolves="1 µs",
        )
        return Judgement((finding,), says_clock(subject), {"worst_us": worst * 1e6})
