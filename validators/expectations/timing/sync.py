"""Synchronisation: do the sensors of a rig measure at one time, and do two clocks agree and keep the same pace?"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.timing.period import Period, period
from validators.expectations.timing.steps import says_clock
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, clock
from validators.metrics.layers import layered
from validators.stream import EPISODE, Stream
from validators.values import Values

POINTS = 200  # of an episode, evenly chosen, to fit a line through
LEAST_POINTS = 10
ALARM, MISS = 2.576, 1.645  # standard errors for 1 % false alarms (two sides) and 95 % found


@dataclass(frozen=True)
class Fit:
    """d = offset + drift · t: `offset_s` at the middle of the span, `drift` in s/s, `error` its standard error."""

    offset_s: float
    drift: float
    error: float

    @property
    def resolves(self) -> float:
        """The least drift found in 95 % of cases at 1 % false alarms, s/s."""
        return (ALARM + MISS) * self.error


def fit(t: NDArray[np.float64], d: NDArray[np.float64]) -> Fit | None:
    """The line through differences d (s) at times t (s): median of the slopes of all pairs of points (Theil-Sen).

    Source: Theil 1950, Sen 1968. The error is that of least squares with a robust residual. None below 10 points.
    """
    known = np.isfinite(t) & np.isfinite(d)
    t, d = t[known], d[known]
    if t.size > POINTS:
        chosen = np.linspace(0, t.size - 1, POINTS).round().astype(np.int64)
        t, d = t[chosen], d[chosen]
    if t.size < LEAST_POINTS or np.ptp(t) <= 0:
        return None
    first, second = np.triu_indices(t.size, 1)
    run = t[second] - t[first]
    drift = float(np.median((d[second] - d[first])[run > 0] / run[run > 0]))
    middle = t - t.mean()
    offset = float(np.median(d - drift * middle))
    residual = d - offset - drift * middle
    spread = 1.4826 * float(np.median(np.abs(residual)))
    return Fit(offset, drift, spread / float(np.sqrt((middle**2).sum())))


def stamps(stream: Stream, position: int) -> pl.DataFrame:
    """The finite stamps of one episode, in order: `t`, s since the recording's origin."""
    frame = layered(stream.frames([position]), [clock(stream)]).select("t")
    return frame.filter(pl.col("t").is_finite()).sort("t").collect(engine="streaming")


def nearest(reference: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """For each stamp `t` of the reference within the other: `d`, the nearest other minus t, s."""
    if not other.height:
        return pl.DataFrame({"t": [], "d": []}, schema={"t": pl.Float64, "d": pl.Float64})
    first, last = other["t"][0], other["t"][-1]
    inside = reference.filter(pl.col("t").is_between(first, last))
    joined = inside.join_asof(other.rename({"t": "u"}), left_on="t", right_on="u", strategy="nearest")
    return joined.select("t", d=pl.col("u") - pl.col("t"))


@dataclass(frozen=True)
class ExpectSensorsInStep(Expectation):
    """Spread across sensors: each stamp of the slowest stream has one of every other stream at most the tolerance away.

    Nearest stamps (`join_asof`) of periodic streams whose names fit `stream`, an episode at a time, where both streams
    have begun and not ended. The tolerance is `tolerance_ms`; else that of the sensors that have one (`tolerance_ms`
    in assay.yaml or in the recording; the sensor named as its stream), the wider of the two, and the
    others are not compared; without either it is not evaluable, and what was measured is said. A finding also tells
    the offset between the two clocks and their drift (Theil-Sen line through the pairs). Unit: ms. Default: the rig's.
    Source: rigs state it (a trigger line keeps 1 ms, free-running cameras half a period). Resolves: one pair.
    Known false alarms: sensors that run free on purpose: give a tolerance of half the period of the slower one.
    """

    type: ClassVar[str] = "expect_sensors_in_step"
    check: ClassVar[str] = "sync_spread"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    tolerance_ms: float | None = None

    def __post_init__(self) -> None:
        if self.tolerance_ms is not None and not 0 < self.tolerance_ms < 1e9:
            raise ValueError("tolerance_ms must be above 0")

    def _meant(self, subject: Subject) -> dict[str, Stream]:
        """By the rig's tolerances only the sensors that have one."""
        streams = subject.recording.streams.items()
        found = {n: s for n, s in streams if s.clock is not None and fnmatch.fnmatchcase(n, self.stream)}
        held = {n: s for n, s in found.items() if self._tolerance(subject, n) is not None}
        return held or found

    def needs(self, subject: Subject) -> Needs:
        if len(self._meant(subject)) < 2:
            raise NotEvaluable("fewer than two streams with a clock: the sensors are in one table, row by row")
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        periods = dict(self._periods(subject))
        if len(periods) < 2:
            raise NotEvaluable("fewer than two streams are periodic")
        slowest = max(periods, key=lambda name: periods[name].seconds)
        findings: list[Finding] = []
        seen: dict[str, float] = {}
        for name in sorted(periods.keys() - {slowest}):
            tolerance = self._tolerance(subject, slowest, name)
            for position in range(len(subject.recording.episodes)):
                streams = subject.recording.streams
                pairs = nearest(stamps(streams[slowest], position), stamps(streams[name], position))
                if pairs.height:
                    worst = float(np.abs(pairs["d"].to_numpy()).max()) * 1e3
                    seen[name] = max(seen.get(name, 0.0), worst)
                    if tolerance is not None and worst > tolerance:
                        findings.append(self._finding(subject, position, (slowest, name), pairs, tolerance))
        if not seen:
            raise NotEvaluable("no two streams have time in common")
        said = ", ".join(f"{name} {ms:.3g} ms" for name, ms in sorted(seen.items(), key=lambda s: -s[1])[:4])
        if all(self._tolerance(subject, slowest, name) is None for name in seen):
            raise NotEvaluable(f"no tolerance is declared; farthest from {slowest}: {said}")
        return Judgement(tuple(findings), f"reference: {slowest}; farthest from it: {said}", {"worst_ms": seen})

    def _periods(self, subject: Subject) -> Iterator[tuple[str, Period]]:
        for name, stream in self._meant(subject).items():
            own = Values(stream, Values.none(len(subject.recording.episodes)).metrics)
            try:
                yield name, period(dataclasses.replace(subject, table=stream), own, infer=True)
            except NotEvaluable:
                continue  # a stream of events has no stamps to compare

    def _tolerance(self, subject: Subject, *names: str) -> float | None:
        if self.tolerance_ms is not None:
            return self.tolerance_ms
        recording = subject.recording
        declared = recording.declaration.sensors if recording.declaration else {}
        found = []
        for name in names:
            own, sensor = declared.get(name), recording.facts.sensors.get(name)
            value = own.tolerance_ms if own else sensor.tolerance_ms if sensor else None
            if value is not None and value > 0:
                found.append(value)
        return max(found) if found else None

    def _finding(
        self, subject: Subject, position: int, names: tuple[str, str], pairs: pl.DataFrame, tolerance: float
    ) -> Finding:
        t, d = pairs["t"].to_numpy(), pairs["d"].to_numpy() * 1e3
        far = np.abs(d) > tolerance
        edges = np.flatnonzero(np.diff(np.concatenate([[0], far.astype(np.int8), [0]])))
        first, stop = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
        p50, p95, worst = np.quantile(np.abs(d), [0.5, 0.95, 1.0])
        line = fit(t, d / 1e3)
        said = ""
        if line:
            drift, least = line.drift * 1e6, line.resolves * 1e6
            said = f"; offset {line.offset_s * 1e3:.3g} ms, drift {drift:.3g} ppm (resolves {least:.3g})"
        return Finding(
            self.check,
            f"{names[0]} ~ {names[1]}",
            f"{far.sum()} of {far.size} pairs apart: p50 {p50:.3g}, p95 {p95:.3g}, most {worst:.3g} ms{said}",
            episode=subject.recording.episodes[position].index,
            start_s=float(t[first]),
            end_s=float(t[stop - 1]),
            value=float(worst),
            limit=tolerance,
            unit="ms",
            resolves="one pair",
        )


@dataclass(frozen=True)
class ExpectClocksToAgree(Expectation):
    """Two clocks: the column `against` minus the stream's clock, row by row, is d = offset + drift · t.

    Both are in the clock's unit and of its origin. The line is Theil-Sen's through up to 200 rows of an episode. Found
    where |offset| is above `offset_ms`, or |drift| is above `drift_ppm` by 2.58 standard errors (1 % false alarms).
    Unit: ms; ppm for the drift. Default: 500 ms, 200 ppm: crystals keep 50, a synchronised clock far less. Source:
    header.stamp is the sensor's clock, log_time the recorder's. Resolves: the limit, and for drifts 4.2 standard
    errors more, the least found in 95 % of cases. Known false alarms: the offset holds the transport and what was
    buffered, so a slow link is no wrong clock; a clock that is stepped (NTP) is no drift.
    """

    type: ClassVar[str] = "expect_clocks_to_agree"
    check: ClassVar[str] = "clock_drift"
    against: str = "log_time"
    offset_ms: float = 500.0
    drift_ppm: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.offset_ms < 1e12 or not 0 < self.drift_ppm <= 1e6:
            raise ValueError("offset_ms and drift_ppm must be above 0")

    def _apart(self, subject: Subject) -> tuple[Lift, Lift]:
        stream = subject.stream
        if subject.clock == self.against:
            raise NotEvaluable(f"the clock is {self.against} itself: no second one is recorded")
        if self.against not in stream.features or not stream.features[self.against].width or stream.clock is None:
            raise NotEvaluable(f"there is no column {self.against!r} to compare the clock with")
        own = clock(stream)
        (column,) = stream.unpacked(stream.features[self.against]).values()
        return own, Lift(f"{self.against} - clock", stream.clock.seconds(column) - own.column, (own,))

    def needs(self, subject: Subject) -> Needs:
        self._apart(subject)
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        own, apart = self._apart(subject)
        parts = values.sample([own, apart]).partition_by(EPISODE, as_dict=True)
        findings: list[Finding] = []
        offsets, drifts, least = [], [], []
        for (position,), frame in sorted(parts.items()):
            line = fit(frame[own.name].to_numpy(), frame[apart.name].to_numpy())
            if line is None:
                continue
            offset, drift = line.offset_s * 1e3, line.drift * 1e6
            offsets.append(offset)
            drifts.append(drift)
            least.append(line.resolves * 1e6)
            if abs(offset) > self.offset_ms:
                text = f"{self.against} is {offset:.4g} ms off {subject.clock}"
                findings.append(self._finding(subject, position, text, (offset, self.offset_ms, "ms"), "1 ms"))
            if abs(drift) - ALARM * line.error * 1e6 > self.drift_ppm:
                text = f"{self.against} gains {drift:.4g} ppm on {subject.clock}"
                resolves = f"{self.drift_ppm + least[-1]:.3g} ppm"
                findings.append(self._finding(subject, position, text, (drift, self.drift_ppm, "ppm"), resolves))
        if not offsets:
            raise NotEvaluable(f"no episode has {LEAST_POINTS} rows with both clocks")
        note = f"{says_clock(subject)}; {self.against} {np.median(offsets):.4g} ms later, {np.median(drifts):.3g} ppm"
        note += f", resolves {np.median(least):.3g} ppm"
        observed = {"offset_ms": float(np.median(offsets)), "drift_ppm": float(np.median(drifts))}
        return Judgement(tuple(findings), note, observed)

    def _finding(
        self, subject: Subject, position: int, text: str, said: tuple[float, float, str], resolves: str
    ) -> Finding:
        value, limit, unit = said
        episode = subject.recording.episodes[position]
        return Finding(
            self.check,
            subject.clock,
            text,
            episode=episode.index,
            start_s=episode.start_s,
            end_s=episode.end_s,
            value=value,
            limit=limit,
            unit=unit,
            resolves=resolves,
        )
