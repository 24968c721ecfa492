"""Units: in what unit each channel is written, and how that is known. A unit is declared or inferred, and said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import tau
from typing import ClassVar, TypeAlias

import numpy as np

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels, greatest, least
from validators.robot.kinematics import Joint
from validators.stream import Feature
from validators.values import Values

PER_UNIT = {"rad": 1.0, "deg": 180 / np.pi, "m": 1.0}
NORMALISING = ("so100", "so101", "so-100", "so-101", "koch", "lekiwi")  # robot types whose driver writes -100..100
Extent: TypeAlias = tuple[float, float]
_SPELLINGS = {
    "radian": "rad",
    "radians": "rad",
    "degree": "deg",
    "degrees": "deg",
    "°": "deg",
    "metre": "m",
    "meter": "m",
}
_HINGE = re.compile(
    r"shoulder|elbow|wrist|forearm|hip|knee|ankle|waist|torso|neck|yaw|pitch|roll|pan\b|tilt|flex|joint|(?:^|_)j\d"
)
_GRIP = re.compile(r"hand|grip|finger|jaw|thumb")
_SLIDE = re.compile(
    r"slide|linear|prismatic|rail|(?<!shoulder_)lift$|(?:^|[_.])[xyz]$|pos_[xyz]|position_[xyz]|quat|force|torque|vel"
)


@dataclass(frozen=True)
class Mapped:
    """A channel that is a joint of the model, with its unit and how the unit is known."""

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


@dataclass(frozen=True)
class Known:
    """The unit of a channel, empty where nothing tells it, and how it is known."""

    label: str
    unit: str
    source: str


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
            own = declared(feature, i)
            source = "declared" if channel.unit else "declared by the dataset" if own else "inferred"
            joint = replace(subject.robot.joint(channel.joint), velocity=subject.robot.velocity(channel))
            found.append(Mapped(label, lift, joint, channel.unit or own, source, own))
    if not found:
        raise NotEvaluable(f"no channel of {column} has the name of a joint of {subject.robot.name!r}")
    names = [m.joint.name for m in found]
    if double := sorted({n for n in names if names.count(n) > 1}):
        raise NotEvaluable(
            f"several channels of {column} map to {', '.join(double)}: declare channels in the robot record"
        )
    return _inferred(subject, values, found)


def declared(feature: Feature, channel: int) -> str:
    """The unit that the dataset declares of a channel, in one spelling; empty where it declares none."""
    own = feature.units[channel].lower() if feature.units else ""
    return _SPELLINGS.get(own, own)


def _inferred(subject: Subject, values: Values, found: list[Mapped]) -> list[Mapped]:
    extents = {m.label: extent(values, m.lift) for m in found}
    grips = {m.label for m in found if normalised_grip(m.label, extents[m.label])}
    arm = [extents[m.label] for m in found if m.joint.motion == "hinge" and m.label not in grips]
    hinge = hinge_unit(subject, arm)
    resolved = []
    for m in found:
        unit = "normalised" if m.label in grips else hinge if m.joint.motion == "hinge" else "m"
        resolved.append(m if m.unit else replace(m, unit=unit))
    return resolved


def hinge_unit(subject: Subject, extents: Sequence[Extent]) -> str:
    """The one unit of all hinges, from the median of their greatest |x|: a single channel cannot tell."""
    typical = float(np.median([max(map(abs, e)) for e in extents])) if extents else 0.0
    unit = "rad" if typical <= tau else "deg" if typical <= 180 else "ticks"
    kind = (subject.recording.facts.robot_type or "").lower()
    return "normalised" if unit == "deg" and any(driver in kind for driver in NORMALISING) else unit


def normalised_grip(label: str, values: Extent) -> bool:
    """Whether a channel is named like a hand or gripper and stays in 0..1."""
    return bool(_GRIP.search(label.lower())) and values[0] >= 0 and values[1] <= 1


def hinge_name(label: str) -> bool:
    """Whether a channel is named like a joint that turns, and like nothing else."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label).lower()
    return bool(_HINGE.search(words)) and not _GRIP.search(words) and not _SLIDE.search(words)


def extent(values: Values, lift: Lift) -> Extent:
    """Least and greatest finite value of a channel in all episodes."""
    low, high = values[least(lift)], values[greatest(lift)]
    finite = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def said(found: Sequence[Mapped | Known]) -> str:
    """The units in words, with how they are known."""
    groups: dict[str, list[str]] = {}
    for m in found:
        groups.setdefault(f"{m.unit or 'unknown'} ({m.source})", []).append(m.label)
    return "; ".join(f"{unit}: {len(labels)} channel{'s' * (len(labels) > 1)}" for unit, labels in groups.items())


def known(subject: Subject, values: Values, column: str) -> list[Known]:
    """The unit of every channel of a column: joints of the model as `mapped` has them, others by what is declared.

    Without a model, channels named like a joint are inferred together as hinges are.
    """
    feature = subject.feature(column)
    try:
        joints = {m.label: m for m in mapped(subject, values, column)}
    except NotEvaluable:
        joints = {}
    lifts = dict(zip((feature.label(i) for i in range(feature.width)), channels(subject.stream, feature), strict=True))
    extents = {label: extent(values, lift) for label, lift in lifts.items()}
    undeclared = [label for i, label in enumerate(lifts) if not declared(feature, i) and label not in joints]
    hinge = hinge_unit(subject, [extents[label] for label in undeclared if hinge_name(label)])
    found = []
    for i, label in enumerate(lifts):
        if label in joints:
            found.append(Known(label, joints[label].unit, joints[label].source))
        elif own := declared(feature, i):
            found.append(Known(label, own, "declared by the dataset"))
        elif normalised_grip(label, extents[label]):
            found.append(Known(label, "normalised", "inferred"))
        else:
            unit = hinge if hinge_name(label) else ""
            found.append(Known(label, unit, "inferred" if unit else "neither declared nor told by name and values"))
    return found


@dataclass(frozen=True)
class ExpectUnitsKnown(Expectation):
    """Units: every channel of observation.state and action has a unit, declared or inferred, and it is said.

    Declared by the robot's record, then by the dataset; inferred for joints from names and values of all joints
    together (median of the greatest |x|: at most 2π rad, at most 180 degrees, above that encoder ticks) and for hands
    and grippers in 0..1 (normalised). Found: channels without a unit, and hinges declared in radians whose greatest |x|
    has a median above 4π. Unit: channels. Default: none. Source: SO-100 writes -100..100, Inspire hands 0..1, Unitree
    radians, Feetech servos ticks. Resolves: one channel without a unit; degrees declared as radians where most joints
    pass 4π. Known false alarms: channels that have no unit by nature; declare theirs as "1".
    """

    type: ClassVar[str] = "expect_units_known"
    check: ClassVar[str] = "units"
    telling: ClassVar[bool] = True

    def _columns(self, subject: Subject) -> list[str]:
        features = subject.stream.features
        if STATE not in features or not features[STATE].width:
            return []
        return [name for name in (STATE, ACTION) if name in features and features[name].width]

    def needs(self, subject: Subject) -> Needs:
        if not self._columns(subject):
            raise NotEvaluable(f"the recording has no column {STATE!r}")
        return Needs(tuple(m for column in self._columns(subject) for m in extent_metrics(subject, column)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        findings: list[Finding] = []
        notes, observed = [], {}
        for column in self._columns(subject):
            found = known(subject, values, column)
            notes.append(f"{column}: {said(found)}")
            observed[column] = {k.label: f"{k.unit or 'unknown'} ({k.source})" for k in found}
            findings += self._unknown(column, found)
            findings += self._contradicted(subject, values, column, found)
        return Judgement(tuple(findings), "; ".join(notes), observed)

    def _unknown(self, column: str, found: list[Known]) -> list[Finding]:
        without = [k.label for k in found if not k.unit]
        if not without:
            return []
        message = f"no unit is declared or can be inferred for {', '.join(without[:6])}"
        message += f" and {len(without) - 6} more" if len(without) > 6 else ""
        return [
            Finding(
                self.check,
                column,
                f"{message}; declare units",
                value=float(len(without)),
                limit=0.0,
                unit="channels",
                resolves="one channel",
            )
        ]

    def _contradicted(self, subject: Subject, values: Values, column: str, found: list[Known]) -> list[Finding]:
        feature = subject.feature(column)
        lifts = channels(subject.stream, feature)
        reach = [
            max(map(abs, extent(values, lift)))
            for k, lift in zip(found, lifts, strict=True)
            if k.unit == "rad" and k.source != "inferred" and hinge_name(k.label)
        ]
        if not reach or np.median(reach) <= 2 * tau:
            return []
        typical = float(np.median(reach))
        message = f"{len(reach)} joints are declared in radians and typically reach {typical:.0f}: degrees?"
        limit = 2 * tau
        return [
            Finding(self.check, column, message, value=typical, limit=limit, unit="rad", resolves="a median over 4π")
        ]
