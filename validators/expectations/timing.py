"""Timing: does the clock run forwards, evenly, at the declared rate? Judged on `timestamp`, the only clock here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, clock, count, greatest, since_previous, total
from validators.values import Values

SYNTHETIC_S = 1e-4  # LeRobot's own tolerance for timestamps made from the index


def _dt(subject: Subject) -> Lift:
    _ = subject.clock
    return since_previous(clock(subject.stream))


def _not_forwards(dt: pl.Expr) -> pl.Expr:
    return (~(dt > 0) | dt.is_nan()).fill_null(value=False)


def _late(dt: Lift, limit: float) -> pl.Expr:
    """Polars holds NaN for greater than any number; a NaN is no gap."""
    return (dt.column > limit) & dt.column.is_finite()


def _error(subject: Subject) -> Lift:
    dt = _dt(subject)
    return Lift("|Δt-1/fps|", (dt.column - 1.0 / subject.fps).abs(), (dt,))


def _says_clock(subject: Subject, *, synthetic: bool) -> str:
    made = f" (synthetic clock: |dt - 1/fps| <= {SYNTHETIC_S} s everywhere, so it was made from the index)"
    return f"clock judged: {subject.clock}{made if synthetic else ''}"


@dataclass(frozen=True)
class ExpectTimeToIncrease(Expectation):
    """Monotonic time: every dt = t[i] - t[i-1] within an episode is above zero.

    Unit: s. Default: none. Source: LeRobot v2.1 (one clock an episode).
    Resolves: a single row. Known false alarms: none; float32 clocks past 2^24/fps rows repeat and are found rightly.
    """

    type: ClassVar[str] = "expect_time_to_increase"
    check: ClassVar[str] = "monotonic_time"

    def _metric(self, subject: Subject) -> Metric:
        dt = _dt(subject)
        return count("dt<=0", _not_forwards(dt.column), dt)

    def needs(self, subject: Subject) -> Needs:
        return Needs((self._metric(subject),))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        backwards = values[self._metric(subject)]
        dt = _dt(subject)
        findings = []
        failing = np.flatnonzero(backwards > 0).tolist()
        for position, rows in values.rows(failing, [dt]).items() if failing else ():
            bad = rows.filter(_not_forwards(dt.column))
            findings.append(
                Finding(
                    self.check,
                    subject.clock,
                    f"time stands still or runs backwards {int(backwards[position])} times",
                    episode=subject.recording.episodes[position].index,
                    start_s=_number(bad["t"].min()),
                    end_s=_number(bad["t"].max()),
                    value=_number(bad[dt.name].min()),
                    limit=0.0,
                    unit="s",
                    resolves="one row",
                )
            )
        return Judgement(tuple(findings), f"clock judged: {subject.clock}", {"rows": float(backwards.sum())})


@dataclass(frozen=True)
class ExpectNoGaps(Expectation):
    """Gap or dropped frames: no dt above `period_factor` / fps.

    Unit: ms. Default: 1.5 periods (a single missing frame gives 2). Source: half way to it.
    Frames missing: round(dt * fps) - 1.
    Resolves: one missing frame. Known false alarms: event-driven recorders without a fixed rate (declare none); a clock
    made from the index hides every gap, which is said.
    """

    type: ClassVar[str] = "expect_no_gaps"
    check: ClassVar[str] = "gap"
    period_factor: float = 1.5

    def __post_init__(self) -> None:
        if self.period_factor <= 1:
            raise ValueError("period_factor must be above 1")

    def _metrics(self, subject: Subject) -> tuple[Metric, Metric, Metric]:
        dt = _dt(subject)
        limit = self.period_factor / subject.fps
        late = count(f"dt>{limit:.9g}", _late(dt, limit), dt)
        return late, greatest(dt), greatest(_error(subject))

    def needs(self, subject: Subject) -> Needs:
        return Needs(self._metrics(subject))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        late, widest, error = (values[m] for m in self._metrics(subject))
        limit = self.period_factor / subject.fps
        dt = _dt(subject)
        findings = []
        failing = np.flatnonzero(late > 0).tolist()
        for position, rows in values.rows(failing, [dt]).items() if failing else ():
            gaps = rows.filter(_late(dt, limit)).sort(dt.name, descending=True)
            worst, missing = gaps.row(0, named=True), gaps[dt.name].to_numpy() * subject.fps
            lost = int(np.maximum(1, np.round(missing) - 1).sum())
            findings.append(
                Finding(
                    self.check,
                    subject.clock,
                    f"gaps: {int(late[position])}, frames missing: about {lost}, widest: {worst[dt.name] * 1e3:.1f} ms",
                    episode=subject.recording.episodes[position].index,
                    start_s=worst["t"] - worst[dt.name],
                    end_s=worst["t"],
                    value=worst[dt.name] * 1e3,
                    limit=limit * 1e3,
                    unit="ms",
                    resolves="one missing frame",
                )
            )
        note = _says_clock(subject, synthetic=_synthetic(error))
        return Judgement(tuple(findings), note, {"widest_ms": _greatest(widest) * 1e3})


@dataclass(frozen=True)
class ExpectMeanRate(Expectation):
    """Mean rate: |1 - (n-1) / (t_last - t_first) / fps| at most `tolerance`.

    Unit: Hz. Default: 10 %. Source: a convention. Resolves: the tolerance itself.
    Known false alarms: episodes of fewer than 5 rows are passed over; a clock made from the index always passes.
    """

    type: ClassVar[str] = "expect_mean_rate"
    check: ClassVar[str] = "mean_rate"
    tolerance: float = 0.10

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def _metrics(self, subject: Subject) -> tuple[Metric, Metric, Metric]:
        dt = _dt(subject)
        return total(dt), count("dt known", dt.column.is_finite(), dt), greatest(_error(subject))

    def needs(self, subject: Subject) -> Needs:
        return Needs(self._metrics(subject))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        span, steps, error = (values[m] for m in self._metrics(subject))
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where((steps >= 4) & (span > 0), steps / span, np.nan)
            off = np.abs(rate / subject.fps - 1)
        findings = tuple(
            Finding(
                self.check,
                subject.clock,
                f"{rate[i]:.2f} Hz on average, {subject.fps:g} Hz is declared",
                episode=subject.recording.episodes[i].index,
                start_s=subject.recording.episodes[i].start_s,
                end_s=subject.recording.episodes[i].end_s,
                value=float(rate[i]),
                limit=subject.fps * (1 + self.tolerance * np.sign(rate[i] - subject.fps)),
                unit="Hz",
                resolves=f"{self.tolerance:.0%} of the declared rate",
            )
            for i in np.flatnonzero(off > self.tolerance).tolist()
        )
        return Judgement(
            findings, _says_clock(subject, synthetic=_synthetic(error)), {"worst_share_off": _greatest(off)}
        )


@dataclass(frozen=True)
class ExpectJitterBelow(Expectation):
    """Jitter: standard deviation of dt within an episode, gaps (dt > 1.5/fps) left out, at most `fraction` / fps.

    Unit: ms. Default: 0.10 of the period. Source: a convention; control at rate f tolerates phase noise well below 1/f.
    Resolves: with n steps the deviation is known to about 1/sqrt(2n) of itself. Not evaluable on a synthetic clock
    (|dt - 1/fps| <= 1e-4 s everywhere), which proves nothing. Known false alarms: recorders that write log time.
    """

    type: ClassVar[str] = "expect_jitter_below"
    check: ClassVar[str] = "jitter"
    fraction: float = 0.10

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 0.5:
            raise ValueError("fraction must be between 0 and 0.5")

    def _metrics(self, subject: Subject) -> tuple[Metric, Metric]:
        dt = _dt(subject)
        even = dt.column.filter((dt.column <= 1.5 / subject.fps) & (dt.column > 0))
        return Metric("std(Δt) without gaps", even.std(), (dt,)), greatest(_error(subject))

    def needs(self, subject: Subject) -> Needs:
        return Needs(self._metrics(subject))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        deviation, error = (values[m] for m in self._metrics(subject))
        if _synthetic(error):
            raise NotEvaluable(f"synthetic clock: |dt - 1/fps| <= {SYNTHETIC_S} s everywhere, made from the index")
        limit = self.fraction / subject.fps
        rows = [episode.length for episode in subject.recording.episodes]
        findings = tuple(
            Finding(
                self.check,
                subject.clock,
                f"steps scatter by {deviation[i] * 1e3:.2f} ms around {1e3 / subject.fps:.2f} ms",
                episode=subject.recording.episodes[i].index,
                start_s=subject.recording.episodes[i].start_s,
                end_s=subject.recording.episodes[i].end_s,
                value=float(deviation[i]) * 1e3,
                limit=limit * 1e3,
                unit="ms",
                resolves=f"±{deviation[i] * 1e3 / np.sqrt(2 * max(1, rows[i] - 1)):.2f} ms",
            )
            for i in np.flatnonzero(deviation > limit).tolist()
        )
        return Judgement(findings, _says_clock(subject, synthetic=False), {"worst_ms": _greatest(deviation) * 1e3})


def _synthetic(error: np.ndarray) -> bool:
    return bool(np.all(error[np.isfinite(error)] <= SYNTHETIC_S)) and bool(np.isfinite(error).any())


def _greatest(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
