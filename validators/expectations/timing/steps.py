"""Timing: does the clock run forwards, evenly, at its rate? Which clock was judged is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.timing.period import Period, declared, period, step
from validators.findings import Finding, Judgement, NotEvaluable, Severity
from validators.metrics import Lift, Metric, count, greatest, total
from validators.values import Values

SYNTHETIC_S = 1e-4  # LeRobot's own tolerance for timestamps made from the index


def not_forwards(dt: pl.Expr) -> pl.Expr:
    """Null counts as forwards, NaN does not."""
    return (~(dt > 0) | dt.is_nan()).fill_null(value=False)


def _late(dt: Lift, limit: float) -> pl.Expr:
    """Polars holds NaN for greater than any number; a NaN is no gap."""
    return (dt.column > limit) & dt.column.is_finite()


def off_beat(subject: Subject, found: Period) -> Metric:
    """The greatest |dt - period| of an episode, s."""
    dt = step(subject)
    lift = Lift(f"|Δt-{found.seconds:.9g}|", (dt.column - found.seconds).abs(), (dt,))
    return greatest(lift)


def says_clock(subject: Subject, *, synthetic: bool = False) -> str:
    """Which clock was judged, whose stamp it is, to what it is held, and whether it was made from the index."""
    made = f" (synthetic clock: |dt - 1/fps| <= {SYNTHETIC_S} s everywhere, so it was made from the index)"
    own = subject.stream.clock
    whose = f", {own.source}" if own and own.source not in (own.column, "as recorded") else ""
    held = f"{whose}, synchronised: {own.synchronised}" if own and own.synchronised != "unknown" else whose
    return f"clock judged: {subject.clock}{held}{made if synthetic else ''}"


def synthetic(error: np.ndarray) -> bool:
    """Whether every step is within LeRobot's own tolerance of the period."""
    return bool(np.all(error[np.isfinite(error)] <= SYNTHETIC_S)) and bool(np.isfinite(error).any())


@dataclass(frozen=True)
class ExpectTimeToIncrease(Expectation):
    """Monotonic time: every dt = t[i] - t[i-1] within an episode is above zero.

    Unit: s. Default: none. Source: LeRobot v2.1 (one clock an episode).
    Resolves: a single row. Known false alarms: none; float32 clocks past 2^24/fps rows repeat and are found rightly.
    """

    type: ClassVar[str] = "expect_time_to_increase"
    check: ClassVar[str] = "monotonic_time"

    def _metric(self, subject: Subject) -> Metric:
        dt = step(subject)
        return count("dt<=0", not_forwards(dt.column), dt)

    def needs(self, subject: Subject) -> Needs:
        return Needs((self._metric(subject),))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        backwards = values[self._metric(subject)]
        dt = step(subject)
        findings = []
        failing = np.flatnonzero(backwards > 0).tolist()
        for position, rows in values.rows(failing, [dt]).items() if failing else ():
            bad = rows.filter(not_forwards(dt.column))
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
        return Judgement(tuple(findings), says_clock(subject), {"rows": float(backwards.sum())})


def milder(found: Period) -> Severity:
    """Of a finding against that period."""
    return "blocking" if found.declared else "warning"


@dataclass(frozen=True)
class ExpectNoGaps(Expectation):
    """Gap or dropped frames: no dt above `period_factor` periods. Frames missing: round(dt / period) - 1.

    Period: 1/fps; with `infer` and no declared rate the median step, and then a finding only warns. A stream of events
    (middle half of its steps wider than half their median, or above 5 % of them on no beat) is not evaluable.
    Unit: ms. Default: 1.5 periods (a single missing frame gives 2), infer false. Source: half way to it.
    Resolves: one missing frame. Known false alarms: a sensor that pauses on purpose; a clock made from the index hides
    every gap, which is said.
    """

    type: ClassVar[str] = "expect_no_gaps"
    check: ClassVar[str] = "gap"
    period_factor: float = 1.5
    infer: bool = False

    def __post_init__(self) -> None:
        if self.period_factor <= 1:
            raise ValueError("period_factor must be above 1")

    def needs(self, subject: Subject) -> Needs:
        own, widest = declared(subject, infer=self.infer), greatest(step(subject))
        return Needs((widest, off_beat(subject, own)) if own else (widest,))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        dt, own = step(subject), period(subject, values, infer=self.infer)
        limit, widest = self.period_factor * own.seconds, values[greatest(dt)]
        failing = np.flatnonzero(~(widest <= limit)).tolist()  # a NaN hides what else is wide
        findings = [
            self._finding(subject, position, own, limit, gaps)
            for position, rows in (values.rows(failing, [dt]).items() if failing else ())
            if (gaps := rows.filter(_late(dt, limit)).sort(dt.name, descending=True)).height
        ]
        made = own.declared and synthetic(values[off_beat(subject, own)])
        note = says_clock(subject, synthetic=made) + ("" if own.declared else f"; {own.said}")
        return Judgement(tuple(findings), note, {"widest_ms": _greatest(widest) * 1e3})

    def _finding(self, subject: Subject, position: int, own: Period, limit: float, gaps: pl.DataFrame) -> Finding:
        name = step(subject).name
        worst = gaps.row(0, named=True)
        lost = int(np.maximum(1, np.round(gaps[name].to_numpy() / own.seconds) - 1).sum())
        wide = f"gaps: {gaps.height}, frames missing: about {lost}, widest: {worst[name] * 1e3:.1f} ms"
        return Finding(
            self.check,
            subject.clock,
            wide if own.declared else f"{wide}; {own.said}",
            episode=subject.recording.episodes[position].index,
            start_s=worst["t"] - worst[name],
            end_s=worst["t"],
            value=worst[name] * 1e3,
            limit=limit * 1e3,
            unit="ms",
            resolves="one missing frame",
            severity=milder(own),
        )


@dataclass(frozen=True)
class ExpectMeanRate(Expectation):
    """Mean rate: |1 - (n-1) / (t_last - t_first) · period| at most `tolerance`.

    Period: 1/fps; with `infer` and no declared rate the median step of all episodes, and then a finding only warns.
    Unit: Hz. Default: 10 %, infer false. Source: a convention. Resolves: the tolerance itself.
    Known false alarms: episodes of fewer than 5 rows are passed over; a clock made from the index always passes.
    """

    type: ClassVar[str] = "expect_mean_rate"
    check: ClassVar[str] = "mean_rate"
    tolerance: float = 0.10
    infer: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def _metrics(self, subject: Subject) -> tuple[Metric, Metric]:
        dt = step(subject)
        return total(dt), count("dt known", dt.column.is_finite(), dt)

    def needs(self, subject: Subject) -> Needs:
        own = declared(subject, infer=self.infer)
        return Needs((*self._metrics(subject), *([off_beat(subject, own)] if own else [])))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        own = period(subject, values, infer=self.infer)
        span, steps = (values[m] for m in self._metrics(subject))
        wanted = 1 / own.seconds
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where((steps >= 4) & (span > 0), steps / span, np.nan)
            off = np.abs(rate / wanted - 1)
        findings = tuple(
            Finding(
                self.check,
                subject.clock,
                f"{rate[i]:.2f} Hz on average, {own.said}",
                episode=subject.recording.episodes[i].index,
                start_s=subject.recording.episodes[i].start_s,
                end_s=subject.recording.episodes[i].end_s,
                value=float(rate[i]),
                limit=float(wanted * (1 + self.tolerance * np.sign(rate[i] - wanted))),
                unit="Hz",
                resolves=f"{self.tolerance:.0%} of the rate",
                severity=milder(own),
            )
            for i in np.flatnonzero(off > self.tolerance).tolist()
        )
        made = own.declared and synthetic(values[off_beat(subject, own)])
        note = says_clock(subject, synthetic=made) + ("" if own.declared else f"; {own.said}")
        return Judgement(findings, note, {"worst_share_off": _greatest(off)})


@dataclass(frozen=True)
class ExpectJitterBelow(Expectation):
    """Jitter: standard deviation of dt within an episode, gaps (dt > 1.5 periods) left out, at most `fraction` periods.

    Period: 1/fps; with `infer` and no declared rate the median step, and then a finding only warns.
    Unit: ms. Default: 0.10 of the period, infer false. Source: a convention; control at rate f tolerates phase noise
    well below 1/f. Resolves: with n steps the deviation is known to about 1/sqrt(2n) of itself. Not evaluable on a
    synthetic clock (|dt - 1/fps| <= 1e-4 s everywhere), which proves nothing. Known false alarms: recorders that write
    log time.
    """

    type: ClassVar[str] = "expect_jitter_below"
    check: ClassVar[str] = "jitter"
    fraction: float = 0.10
    infer: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 0.5:
            raise ValueError("fraction must be between 0 and 0.5")

    def _deviation(self, subject: Subject, own: Period) -> Metric:
        dt = step(subject)
        even = dt.column.filter((dt.column <= 1.5 * own.seconds) & (dt.column > 0))
        return Metric(f"std(Δt) up to {1.5 * own.seconds:.9g}", even.std(), (dt,))

    def needs(self, subject: Subject) -> Needs:
        own = declared(subject, infer=self.infer)
        return Needs((self._deviation(subject, own), off_beat(subject, own)) if own else ())

    def judge(self, subject: Subject, values: Values) -> Judgement:
        own = period(subject, values, infer=self.infer)
        wanted = (self._deviation(subject, own), off_beat(subject, own))
        values = values if own.declared else values.again(wanted)
        deviation, error = (values[m] for m in wanted)
        if own.declared and synthetic(error):
            raise NotEvaluable(f"synthetic clock: |dt - 1/fps| <= {SYNTHETIC_S} s everywhere, made from the index")
        limit = self.fraction * own.seconds
        findings = tuple(
            Finding(
                self.check,
                subject.clock,
                f"steps scatter by {deviation[i] * 1e3:.2f} ms around {own.seconds * 1e3:.2f} ms",
                episode=subject.recording.episodes[i].index,
                start_s=subject.recording.episodes[i].start_s,
                end_s=subject.recording.episodes[i].end_s,
                value=float(deviation[i]) * 1e3,
                limit=limit * 1e3,
                unit="ms",
                resolves=f"±{deviation[i] * 1e3 / np.sqrt(2 * max(1, subject.stream.length(i) - 1)):.2f} ms",
                severity=milder(own),
            )
            for i in np.flatnonzero(deviation > limit).tolist()
        )
        note = says_clock(subject) + ("" if own.declared else f"; {own.said}")
        return Judgement(findings, note, {"worst_ms": _greatest(deviation) * 1e3})


def _greatest(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
