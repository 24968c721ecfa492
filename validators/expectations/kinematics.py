"""Kinematics: do the joints stay where the robot's model lets them, in the units they are written in?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import tau
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels, greatest, least
from validators.robot.kinematics import Joint
from validators.values import Values

PER_UNIT = {"rad": 1.0, "deg": 180 / np.pi, "m": 1.0}
_SPELLINGS = {
    "radian": "rad",
    "radians": "rad",
    "degree": "deg",
    "degrees": "deg",
    "°": "deg",
    "metre": "m",
    "meter": "m",
}


@dataclass(frozen=True)
class Mapped:
    """A channel of the state that is a joint of the model, with its unit and how the unit is known."""

    label: str
    lift: Lift
    joint: Joint
    unit: str
    source: str
    own: str = ""  # the unit that the dataset declares

    @property
    def scale(self) -> float | None:
        """Units of the channel per rad (or m), None where values are no angle or length."""
        return PER_UNIT.get(self.unit)


def extent_metrics(subject: Subject, column: str) -> tuple[Metric, ...]:
    """Least and greatest of every channel: what units are inferred from."""
    lifts = channels(subject.stream, subject.feature(column))
    return tuple(m for lift in lifts for m in (least(lift), greatest(lift)))


def mapped(subject: Subject, values: Values, column: str) -> list[Mapped]:
    """The channels that are joints, with units as the record declares, else as the dataset does, else inferred.

    Inferred, from all joints together: those named hand, gripper, finger or jaw with all values in 0..1 are
    `normalised`. The other hinges are all `rad` when the median of their greatest |x| is at most 2π; `deg` when it is
    at most 180 and robot_type names no driver known to normalise (SO-100 and its kind: -100..100, then `normalised`);
    above that `ticks`.
    """
    if subject.robot is None:
        raise NotEvaluable("no robot model is given (--robot FILE)")
    feature = subject.feature(column)
    found = []
    for i, lift in enumerate(channels(subject.stream, feature)):
        label = feature.label(i)
        channel = subject.robot.channel(label)
        if channel is not None:
            own = feature.units[i].lower() if feature.units else ""
            own = _SPELLINGS.get(own, own)
            source = "declared" if channel.unit else "declared by the dataset" if own else "inferred"
            joint = subject.robot.joint(channel.joint)
            found.append(Mapped(label, lift, joint, channel.unit or own, source, own))
    if not found:
        raise NotEvaluable(f"no channel of {column} has the name of a joint of {subject.robot.name!r}")
    names = [m.joint.name for m in found]
    if double := sorted({n for n in names if names.count(n) > 1}):
        raise NotEvaluable(
            f"several channels of {column} map to {', '.join(double)}: declare channels in the robot record"
        )
    return _inferred(subject, values, found)


def _inferred(subject: Subject, values: Values, found: list[Mapped]) -> list[Mapped]:
    extent = {m.label: _extent(values, m) for m in found}
    grips = {m.label for m in found if _is_grip(m.label) and extent[m.label][0] >= 0 and extent[m.label][1] <= 1}
    arm = [m for m in found if m.joint.motion == "hinge" and m.label not in grips]
    typical = float(np.median([max(map(abs, extent[m.label])) for m in arm])) if arm else 0.0
    hinge = "rad" if typical <= tau else "deg" if typical <= 180 else "ticks"
    kind = (subject.recording.facts.robot_type or "").lower()
    if hinge == "deg" and any(driver in kind for driver in ("so100", "so101", "so-100", "so-101", "koch", "lekiwi")):
        hinge = "normalised"
    resolved = []
    for m in found:
        unit = "normalised" if m.label in grips else hinge if m.joint.motion == "hinge" else "m"
        resolved.append(m if m.unit else replace(m, unit=unit))
    return resolved


def _is_grip(label: str) -> bool:
    return any(word in label.lower() for word in ("hand", "grip", "finger", "jaw", "thumb"))


def _extent(values: Values, m: Mapped) -> tuple[float, float]:
    low, high = values[least(m.lift)], values[greatest(m.lift)]
    finite = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def said(found: Sequence[Mapped]) -> str:
    """The units in words, with how they are known."""
    groups: dict[str, list[str]] = {}
    for m in found:
        groups.setdefault(f"{m.unit} ({m.source})", []).append(m.label)
    return "; ".join(f"{unit}: {len(labels)} channels" for unit, labels in groups.items())


@dataclass(frozen=True)
class ExpectJointsWithinLimits(Expectation):
    """Joint limits: lower - tolerance <= q <= upper + tolerance for every joint of the state that the model limits.

    Unit: the channel's, declared or inferred (and said); tolerance_deg in degrees for hinges, taken as mm for slides.
    Default: 1 degree, which encoders overshoot at a soft stop. Source: the robot record's URDF or MJCF, never the data.
    Resolves: one row. Normalised channels, ticks and channels without a limit are not evaluable, never a pass; the
    note counts them. Known false alarms: a limit of another robot version; units that no name or value betrays.
    """

    type: ClassVar[str] = "expect_joints_within_limits"
    check: ClassVar[str] = "joint_limits"
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
        found = mapped(subject, values, self.column)
        findings = [self._disagree(m) for m in found if m.own and m.own != m.unit]
        judged = [m for m in found if m.scale is not None and m.joint.lower is not None]
        if not judged:
            raise NotEvaluable(f"no channel has both a limit and a unit of angle or length ({said(found)})")
        findings += [f for m in judged for f in self._outside(subject, values, m)]
        rest = feature.width - len(judged)
        note = f"{len(judged)} of {feature.width} channels judged; units: {said(found)}"
        return Judgement(
            tuple(findings), note + (f"; {rest} without a limit or a unit are not evaluable" if rest else "")
        )

    def _disagree(self, m: Mapped) -> Finding:
        message = f"the robot's record says {m.unit}, the dataset says {m.own}"
        return Finding(self.check, f"{self.column}.{m.label}", message, resolves="a declared unit")

    def _outside(self, subject: Subject, values: Values, m: Mapped) -> list[Finding]:
        assert m.scale is not None
        assert m.joint.lower is not None
        assert m.joint.upper is not None
        tolerance = m.scale * (
            np.deg2rad(self.tolerance_deg) if m.joint.motion == "hinge" else self.tolerance_deg / 1e3
        )
        lower, upper = m.joint.lower * m.scale, m.joint.upper * m.scale
        low, high = values[least(m.lift)], values[greatest(m.lift)]
        failing = np.flatnonzero((low < lower - tolerance) | (high > upper + tolerance)).tolist()
        found = []
        for position, frame in values.rows(failing, [m.lift]).items() if failing else ():
            column = pl.col(m.lift.name)
            bad = frame.filter(~column.is_nan() & ~column.is_between(lower - tolerance, upper + tolerance))
            under = lower - low[position] > high[position] - upper
            hint = " (looks like degrees)" if m.unit == "rad" and max(-low[position], high[position]) > tau else ""
            found.append(
                Finding(
                    self.check,
                    f"{self.column}.{m.label}",
                    f"{bad.height} rows {'below' if under else 'above'} the limit of {m.joint.name}{hint}",
                    episode=subject.recording.episodes[position].index,
                    start_s=float(bad["t"][0]),
                    end_s=float(bad["t"][-1]),
                    value=float(low[position] if under else high[position]),
                    limit=lower if under else upper,
                    unit=m.unit,
                    resolves=f"one row beyond the limit by {tolerance:.3g} {m.unit}",
                )
            )
        return found
