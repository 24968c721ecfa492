"""Joint velocity: does a joint ever move faster, for longer than a glitch lasts, than the robot can?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.expectations.robot.units import Mapped, extent_metrics, mapped, said
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels, clock, greatest, since_previous
from validators.robot.kinematics import Array
from validators.values import Values

FLOOR = 0.5  # of the period: a step of the clock shorter than this is jitter of the clock, not haste of the joint


@dataclass(frozen=True)
class ExpectVelocityWithinLimits(Expectation):
    """Joint velocity: |Δq / Δt| <= (1 + tolerance) * limit, found where `rows` steps in a row break it one way.

    Δt is the declared clock's step, at least half a period (1/fps; without a declared rate half the episode's median
    step), so that jitter makes no haste; on a clock made from the index it is 1/fps, and a frame that was dropped there
    doubles a single step only. One wrong row breaks two steps, one each way, and is none. Unit: rad/s or m/s, from
    units declared or inferred (and said). Default: 3 steps, 10 %. Source: the robot record's `velocity`, else the
    URDF's; MJCF has none.
    Resolves: `rows` steps beyond (1 + tolerance) * limit. Channels without a limit or a unit are not evaluable, never a
    pass; the note counts them. Known false alarms: models that carry a placeholder below the real speed; angles that
    wrap break one step only.
    """

    type: ClassVar[str] = "expect_velocity_within_limits"
    check: ClassVar[str] = "velocity_limits"
    column: str = STATE
    rows: int = 3
    tolerance: float = 0.10

    def __post_init__(self) -> None:
        if not 2 <= self.rows <= 1000 or not 0 <= self.tolerance <= 10:
            raise ValueError("rows must be 2 to 1000, tolerance 0 to 10")

    def _fastest(self, subject: Subject, lift: Lift) -> Metric:
        """Greatest speed of any single step: an upper bound of what a run holds."""
        step, dt = since_previous(lift), since_previous(clock(subject.stream))
        least_step = FLOOR / subject.stream.fps if subject.stream.fps else 0.0
        length = dt.column.clip(least_step, None)
        speed = pl.when(length > 0).then(step.column.abs() / length)
        return greatest(Lift(f"speed of {lift.name}", pl.when(speed.is_finite()).then(speed), (step, dt)))

    def needs(self, subject: Subject) -> Needs:
        if subject.robot is None:
            raise NotEvaluable("no robot model is given (--robot FILE)")
        _ = subject.clock
        lifts = channels(subject.stream, subject.feature(self.column))
        return Needs((*extent_metrics(subject, self.column), *(self._fastest(subject, lift) for lift in lifts)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found = mapped(subject, values, self.column)
        judged = [m for m in found if m.scale is not None and m.joint.velocity is not None]
        if not judged:
            raise NotEvaluable(f"no channel has both a velocity limit and a unit of angle or length ({said(found)})")
        findings = [f for m in judged for f in self._beyond(subject, values, m)]
        width = subject.feature(self.column).width
        shares = [self._share(subject, values, m) for m in judged]
        note = f"{len(judged)} of {width} channels judged; units: {said(found)}; clock judged: {subject.clock}"
        if rest := width - len(judged):
            note += f"; {rest} without a velocity limit or a unit are not evaluable"
        return Judgement(tuple(findings), note, {"fastest_step_of_limit": max(shares)})

    def _share(self, subject: Subject, values: Values, m: Mapped) -> float:
        fastest = values[self._fastest(subject, m.lift)]
        assert m.scale is not None
        assert m.joint.velocity is not None
        return float(np.nanmax(fastest, initial=0.0)) / (m.scale * m.joint.velocity)

    def _beyond(self, subject: Subject, values: Values, m: Mapped) -> list[Finding]:
        assert m.scale is not None
        assert m.joint.velocity is not None
        limit = m.scale * m.joint.velocity
        bar = (1 + self.tolerance) * limit
        failing = np.flatnonzero(values[self._fastest(subject, m.lift)] > bar).tolist()
        found = []
        for position, frame in values.rows(failing, [m.lift]).items() if failing else ():
            t, q = frame["t"].to_numpy(), frame[m.lift.name].cast(pl.Float64).to_numpy()
            speed = held(t, q, self.rows, subject.stream.fps)
            over = np.flatnonzero(speed > bar)
            if not over.size:
                continue
            unit = "m" if m.joint.motion == "slide" else m.unit
            found.append(
                Finding(
                    self.check,
                    f"{self.column}.{m.label}",
                    f"{m.joint.name} moves faster than it can for {self.rows} steps or more, {over.size} times",
                    episode=subject.recording.episodes[position].index,
                    start_s=float(t[over[0]]),
                    end_s=float(t[over[-1] + self.rows]),
                    value=float(speed.max()),
                    limit=limit,
                    unit=f"{unit}/s",
                    resolves=f"{self.rows} steps one way beyond {bar:.3g} {unit}/s",
                )
            )
        return found


def held(t: Array, q: Array, rows: int, fps: float | None) -> Array:
    """Speed that `rows` steps in a row all reach one way, for each first row [n - rows], per s; 0 where a step is
    not finite."""
    if len(t) <= rows:
        return np.zeros(0)
    dt = np.diff(t)
    forwards = dt[np.isfinite(dt) & (dt > 0)]
    period = 1 / fps if fps else float(np.median(forwards)) if forwards.size else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.diff(q) / np.maximum(dt, FLOOR * period)
    windows = sliding_window_view(np.where(np.isfinite(steps), steps, 0.0), rows)
    one_way: Array = np.maximum(0.0, np.maximum(windows.min(axis=1), -windows.max(axis=1)))
    return one_way
