"""Joint limits: do the joints, and what they are told, stay where the robot's model lets them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import tau
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.expectations.robot.pairing import ALIKE, following, pairs
from validators.expectations.robot.units import Mapped, extent, extent_metrics, mapped, said
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import greatest, least
from validators.values import Values, span_of


@dataclass(frozen=True)
class ExpectJointsWithinLimits(Expectation):
    """Joint limits: lower - tolerance <= q <= upper + tolerance for every joint of the state that the model limits.

    Unit: the channel's, declared or inferred (and said); tolerance_deg in degrees for hinges, taken as mm for slides.
    Default: 1 degree, which encoders overshoot at a soft stop. Source: the robot record's URDF or MJCF, never the data.
    Resolves: one row. Normalised channels, ticks and channels without a limit are not evaluable, never a pass; the
    note counts them. When all joints would keep their limits in another order, the note says which are swapped: a hint
    that blocks nothing by itself. Known false alarms: a limit of another robot version; units that no name or value
    betrays.
    """

    type: ClassVar[str] = "expect_joints_within_limits"
    check: ClassVar[str] = "joint_limits"
    telling: ClassVar[bool] = True
    column: str = STATE
    tolerance_deg: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance_deg <= 45:
            raise ValueError("tolerance_deg must be 0 to 45")

    def needs(self, subject: Subject) -> Needs:
        if subject.robot is None:
            raise NotEvaluable("no robot model is given (--robot FILE)")
        return Needs(extent_metrics(subject, self.column))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        feature = subject.feature(self.column)
        found = self._found(subject, values)
        findings = [self._disagree(m) for m in found if m.own and m.own != m.unit]
        judged = [m for m in found if m.scale is not None and m.joint.lower is not None]
        if not judged:
            raise NotEvaluable(f"no channel has both a limit and a unit of angle or length ({said(found)})")
        findings += [f for m in judged for f in self._outside(subject, values, m)]
        rest = feature.width - len(judged)
        note = f"{len(judged)} of {feature.width} channels judged; units: {said(found)}"
        note += f"; {rest} without a limit or a unit are not evaluable" if rest else ""
        swapped = self._order(values, judged) if findings else ""
        return Judgement(tuple(findings), note + swapped)

    def _found(self, subject: Subject, values: Values) -> list[Mapped]:
        return mapped(subject, values, self.column)

    def _order(self, values: Values, judged: Sequence[Mapped]) -> str:
        """Which joints would have to change places for all to keep their limits; empty where no order does that."""
        reach = [tuple(x / (m.scale or 1.0) for x in extent(values, m.lift)) for m in judged]
        new = order(reach, [self._bounds(m) for m in judged])
        moved = [(judged[i], judged[j]) for i, j in enumerate(new) if i != j]
        if not moved:
            return ""
        swaps = ", ".join(f"{a.label} as {b.joint.name}" for a, b in moved[:6])
        return f"; hint: all joints would keep their limits with {swaps}: is the order of joints another?"

    def _bounds(self, m: Mapped) -> tuple[float, float]:
        """The limits with tolerance, rad or m."""
        assert m.joint.lower is not None
        assert m.joint.upper is not None
        tolerance = self._tolerance(m)
        return m.joint.lower - tolerance, m.joint.upper + tolerance

    def _tolerance(self, m: Mapped) -> float:
        """rad or m."""
        return float(np.deg2rad(self.tolerance_deg)) if m.joint.motion == "hinge" else self.tolerance_deg / 1e3

    def _disagree(self, m: Mapped) -> Finding:
        message = f"the robot's record says {m.unit}, the dataset says {m.own}"
        return Finding(self.check, f"{self.column}.{m.label}", message, resolves="a declared unit")

    def _outside(self, subject: Subject, values: Values, m: Mapped) -> list[Finding]:
        assert m.scale is not None
        assert m.joint.lower is not None
        assert m.joint.upper is not None
        tolerance = m.scale * self._tolerance(m)
        lower, upper = m.joint.lower * m.scale, m.joint.upper * m.scale
        low, high = values[least(m.lift)], values[greatest(m.lift)]
        failing = np.flatnonzero((low < lower - tolerance) | (high > upper + tolerance)).tolist()
        found = []
        for position, frame in values.rows(failing, [m.lift]).items() if failing else ():
            column = pl.col(m.lift.name)
            bad = frame.filter(~column.is_nan() & ~column.is_between(lower - tolerance, upper + tolerance))
            under = lower - low[position] > high[position] - upper
            hint = " (looks like degrees)" if m.unit == "rad" and max(-low[position], high[position]) > tau else ""
            start, end = span_of(bad)
            found.append(
                Finding(
                    self.check,
                    f"{self.column}.{m.label}",
                    f"{bad.height} rows {'below' if under else 'above'} the limit of {m.joint.name}{hint}",
                    episode=subject.recording.episodes[position].index,
                    start_s=start,
                    end_s=end,
                    value=float(low[position] if under else high[position]),
                    limit=lower if under else upper,
                    unit=m.unit,
                    resolves=f"one row beyond the limit by {tolerance:.3g} {m.unit}",
                )
            )
        return found


@dataclass(frozen=True)
class ExpectActionsWithinLimits(ExpectJointsWithinLimits):
    """Action limits: lower - tolerance <= a <= upper + tolerance for every joint, where actions are absolute commands.

    They are where half or more of the moving channels follow the state's channel of the same name: correlation about
    the episodes' means at least 0.8, slope 0.5 to 2. Deltas and velocities are not evaluable. Unit: the channel's,
    declared or inferred (and said); tolerance_deg in degrees for hinges, taken as mm for slides. Default: 5 degrees,
    because operators push against stops and the controller clips. Source: the robot record's URDF or MJCF, never the
    data. Resolves: one row. Known false alarms: leader arms whose range is wider than the follower's.
    """

    type: ClassVar[str] = "expect_actions_within_limits"
    check: ClassVar[str] = "action_limits"
    column: str = ACTION
    tolerance_deg: float = 5.0

    def needs(self, subject: Subject) -> Needs:
        metrics = super().needs(subject).metrics
        subject.feature(STATE)
        return Needs((*metrics, *(m for pair in pairs(subject) for m in pair.metrics())))

    def _found(self, subject: Subject, values: Values) -> list[Mapped]:
        found = mapped(subject, values, self.column)
        names = {m.lift.name for m in found}
        both = [following(pair, values).pooled() for pair in pairs(subject) if pair.action.name in names]
        moving = [(slope, alike) for slope, alike in both if np.isfinite(alike)]
        absolute = [alike >= ALIKE and 0.5 <= slope <= 2 for slope, alike in moving]
        if not absolute or np.mean(absolute) < 0.5:
            raise NotEvaluable(
                f"{self.column} is no absolute joint command: {sum(absolute)} of {len(moving)} moving channels follow"
            )
        return found


def order(reach: Sequence[tuple[float, ...]], bounds: Sequence[tuple[float, float]]) -> list[int]:
    """The place of each joint so that each reach lies within the bounds of its place, as few moved as possible.

    The places as they are where no order keeps all bounds. `reach`, `bounds`: least and greatest, in one unit.
    """
    from scipy.optimize import linear_sum_assignment  # heavy to import, and needed only where limits are broken

    low, high = np.array(reach).T
    under, over = np.array(bounds).T
    kept = (low[:, None] >= under) & (high[:, None] <= over)
    cost = np.where(kept, 1.0 - np.eye(len(kept)), len(kept) + 1.0)
    rows, places = linear_sum_assignment(cost)
    return [int(p) for p in places] if kept[rows, places].all() else list(range(len(kept)))
