"""Spikes: single points, steps and accelerations that are far from how the channel moves in the whole recording."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import tau
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.signal.scale import Channel, Scale, changes, finite, judged, sample, scales
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, greatest, least
from validators.values import Values

QUANTA = 4  # a change of fewer of the channel's smallest steps is no spike
TURNS = (tau, 360.0)  # an angle that wraps jumps by one of these


class _Spikes(Expectation):
    """A size at each row, of each channel, that must stay below a limit from the channel's own scale."""

    wording: ClassVar[str]
    column: str

    @abstractmethod
    def size(self, channel: Channel) -> Lift:
        """At row i, of the point or step at i-1: its size, null where there is none."""

    @abstractmethod
    def limit(self, rows: pl.DataFrame, channel: Channel, scale: Scale) -> float:
        """From sampled rows with the channel's Δ and the Δ before."""

    def median(self, rows: pl.DataFrame, channel: Channel) -> float:
        """Of the sizes in sampled rows; 0 where there are none."""
        size = finite(rows.select(self.size(channel).expr.alias("size"))["size"])
        return float(np.median(size)) if size.size else 0.0

    def exempt(self, channel: Channel, scale: Scale) -> bool:
        return scale.discrete or channel.rotates

    def needs(self, subject: Subject) -> Needs:
        return Needs(
            tuple(
                m
                for c in judged(subject, self.column)
                for m in (greatest(self.size(c)), least(c.lift), greatest(c.lift))
            )
        )

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = judged(subject, self.column)
        if subject.stream.rows < 8:
            raise NotEvaluable(f"{subject.stream.rows} rows show no scale")
        scale = scales(values, over)
        kept = [c for c in over if c.label in scale and not self.exempt(c, scale[c.label])]
        frame = sample(values, over)
        findings: list[Finding] = []
        for c in kept:
            limit = self.limit(frame, c, scale[c.label])
            failing = np.flatnonzero(values[greatest(self.size(c))] > limit).tolist()
            turn = _turn(values, c)
            for position, rows in values.rows(failing, [*changes(c)[:2], self.size(c)]).items() if failing else ():
                findings += self._finding(subject, c, position, rows, limit, turn)
        left = len(over) - len(kept)
        note = f"{len(kept)} channels judged" + (f", {left} that are constant or discrete are not" if left else "")
        return Judgement(tuple(findings), note, {"channels": len(kept)})

    def _finding(
        self, subject: Subject, channel: Channel, position: int, frame: pl.DataFrame, limit: float, turn: float | None
    ) -> list[Finding]:
        size = frame[self.size(channel).name].fill_null(0.0).fill_nan(0.0).to_numpy().copy()
        if turn is not None:
            for lift in changes(channel)[:2]:
                size[np.abs(np.abs(frame[lift.name].fill_null(0.0).to_numpy()) - turn) < 0.05 * turn] = 0.0
        at = np.flatnonzero(size > limit)
        if not at.size:
            return []
        worst = int(at[np.argmax(size[at])])
        time = frame["t"] if "t" in frame.columns else None
        more = f", and {at.size - 1} more" if at.size > 1 else ""
        return [
            Finding(
                self.check,
                channel.label,
                f"{self.wording} of {size[worst]:.3g}, {size[worst] / limit:.2g} times the limit{more}",
                episode=subject.recording.episodes[position].index,
                start_s=None if time is None else float(time[max(0, worst - 2)]),
                end_s=None if time is None else float(time[worst]),
                value=float(size[worst]),
                limit=limit,
                unit=channel.feature.units[channel.position] if channel.feature.units else "",
                resolves=f"{limit:.3g}",
            )
        ]


def _turn(values: Values, channel: Channel) -> float | None:
    """The full turn, in the channel's unit, by which an angle of its extremes would wrap; None where they fit none."""
    extremes = (values[least(channel.lift)], values[greatest(channel.lift)])
    low, high = (x[np.isfinite(x)] for x in extremes)
    if not low.size or not high.size:
        return None
    span = float(high.max() - low.min())
    return next((t for t in TURNS if 0.9 * t <= span <= 1.02 * t), None)


@dataclass(frozen=True)
class ExpectNoOutliers(_Spikes):
    """Outliers: no isolated point. Its size is min(|x[i]-x[i-1]|, |x[i]-x[i+1]|) where both neighbours lie on one side.

    Found above `z` · max(1.4826 · median size, 1 % of the channel's range, quantum / 3): range is the 1st to 99th
    percentile over the recording, at least a tenth of the widest channel's of its vector (idle joints and hands are
    down-weighted so); quantum is the channel's smallest change. Discrete channels (16 values or fewer) and quaternions
    are exempt. Unit: the channel's. Default: z 12. Source: robust z-score with a floored median absolute deviation.
    Resolves: the limit, 12 % of the range where the signal is smooth, about 9 standard deviations where it is noise.
    Known false alarms: impacts, contact forces and shocks sampled once.
    """

    type: ClassVar[str] = "expect_no_outliers"
    check: ClassVar[str] = "outlier"
    wording: ClassVar[str] = "an isolated point"
    column: str = "*"
    z: float = 12.0

    def __post_init__(self) -> None:
        if not 3 <= self.z <= 1e6:
            raise ValueError("z must be at least 3")

    def size(self, channel: Channel) -> Lift:
        now, before, _ = changes(channel)
        height = pl.min_horizontal(now.column.abs(), before.column.abs())
        return Lift(
            f"isolated {channel.lift.name}", pl.when(now.column * before.column < 0).then(height), (now, before)
        )

    def limit(self, rows: pl.DataFrame, channel: Channel, scale: Scale) -> float:
        typical = 1.4826 * self.median(rows, channel)
        return self.z * max(typical, 0.01 * scale.width, scale.quantum * QUANTA / self.z)


@dataclass(frozen=True)
class ExpectNoJumps(_Spikes):
    """Jumps: no single step that stays: min(|b|, |a + b|, |b + c|) of three steps a, b, c in a row, of one sign.

    Found above `factor` · max(99th percentile of |Δ|, 2 % of the channel's range, quantum); range and quantum as for
    outliers. Hands, grippers, discrete channels and quaternions are exempt, and so is an angle that wraps (its values
    span a full turn, and the step is one within 5 %). Unit: the channel's. Default: factor 5. Source: a body cannot be
    elsewhere a sample later. Resolves: the limit, 10 % of the range at least. Known false alarms: set-points
    and estimates that are reset on purpose (odometry after loop closure); judge measured columns.
    """

    type: ClassVar[str] = "expect_no_jumps"
    check: ClassVar[str] = "jump"
    wording: ClassVar[str] = "a step"
    column: str = "*"
    factor: float = 5.0

    def __post_init__(self) -> None:
        if not 1 < self.factor <= 1e6:
            raise ValueError("factor must be above 1")

    def size(self, channel: Channel) -> Lift:
        after, step, before = changes(channel)
        stays, came = step.column + after.column, step.column + before.column
        height = pl.min_horizontal(step.column.abs(), stays.abs(), came.abs())
        both = (step.column * stays, step.column * came)
        one_way = pl.all_horizontal((p > 0) & p.is_finite() for p in both)  # Polars holds NaN for greater than 0
        return Lift(f"stepped {channel.lift.name}", pl.when(one_way).then(height), (after, step, before))

    def limit(self, rows: pl.DataFrame, channel: Channel, scale: Scale) -> float:
        step = np.abs(finite(rows[changes(channel)[0].name]))
        top = float(np.quantile(step, 0.99)) if step.size else 0.0
        return self.factor * max(top, 0.02 * scale.width, scale.quantum)

    def exempt(self, channel: Channel, scale: Scale) -> bool:
        return channel.grips or super().exempt(channel, scale)


@dataclass(frozen=True)
class ExpectNoAccelerationSpikes(_Spikes):
    """Acceleration spikes: no |x[i] - 2 x[i-1] + x[i-2]| above `factor` · max(median, floor).

    Floor: 1 % of the channel's range a step², and a quarter of its quantum; range and quantum as for outliers. Without
    the floor every idle joint is flagged. Hands, grippers, discrete channels and quaternions are exempt, wraps too.
    Unit: the channel's, a step². Default: factor 15. Source: a convention of data set linters, the floor from real
    Unitree G1 episodes, of which all six were flagged without it. Resolves: 15 % of the range.
    Known false alarms: impacts; controllers that switch.
    """

    type: ClassVar[str] = "expect_no_acceleration_spikes"
    check: ClassVar[str] = "acceleration_spike"
    wording: ClassVar[str] = "an acceleration"
    column: str = "*"
    factor: float = 15.0

    def __post_init__(self) -> None:
        if not 1 < self.factor <= 1e6:
            raise ValueError("factor must be above 1")

    def size(self, channel: Channel) -> Lift:
        now, before, _ = changes(channel)
        return Lift(f"|Δ²{channel.lift.name}|", (now.column - before.column).abs(), (now, before))

    def limit(self, rows: pl.DataFrame, channel: Channel, scale: Scale) -> float:
        return self.factor * max(self.median(rows, channel), 0.01 * scale.width, scale.quantum / 4)

    def exempt(self, channel: Channel, scale: Scale) -> bool:
        return channel.grips or super().exempt(channel, scale)
