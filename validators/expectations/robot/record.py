"""What the robot's record says against what the data says: where the two differ the data may hide from its limits.

No suite has to ask for it: limits come from the record, and data whose channels, type or rate are other ones would be
judged by them only in name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from validators.expectations.expectation import STATE, Expectation, Subject
from validators.expectations.robot.kinematics import ExpectActionsWithinLimits, ExpectJointsWithinLimits
from validators.expectations.robot.velocity import ExpectVelocityWithinLimits
from validators.findings import Finding
from validators.robot import RobotModel

CHECK = "robot_record"
RATE_TOLERANCE = 0.01  # of the record's rate
LIMITS = (ExpectJointsWithinLimits, ExpectActionsWithinLimits, ExpectVelocityWithinLimits)


def differences(subject: Subject, judging: Sequence[Expectation]) -> Iterator[Finding]:
    """A finding for each: robot type, rate (Hz), channels of the record or joints with limits that the data lacks.

    Channels matter where one of the expectations judges limits. Nothing where no record is given.
    """
    robot, facts = subject.robot, subject.recording.facts
    if robot is None:
        return
    if robot.robot_type and facts.robot_type and _plain(robot.robot_type) != _plain(facts.robot_type):
        yield _finding(f"the robot's record says robot type {robot.robot_type!r}, the data says {facts.robot_type!r}")
    rate = subject.table.fps if subject.table else facts.fps
    if robot.rate_hz is not None and (rate is None or not math.isclose(rate, robot.rate_hz, rel_tol=RATE_TOLERANCE)):
        said = "declares none" if rate is None else f"declares {rate:g} Hz"
        yield _finding(f"the robot's record says {robot.rate_hz:g} Hz, the data {said}", rate, robot.rate_hz, "Hz")
    if any(isinstance(e, LIMITS) for e in judging):
        yield from _channels(subject, robot)


def _channels(subject: Subject, robot: RobotModel) -> Iterator[Finding]:
    feature = subject.table.features.get(STATE) if subject.table else None
    labels = [feature.label(i) for i in range(feature.width)] if feature else []
    if missing := [name for name in robot.channels if name not in labels]:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        yield _finding(f"{STATE} has no channel {', '.join(missing[:6])}{more}, which the robot's record names")
    limited = any(j.lower is not None or j.velocity is not None for j in robot.tree.joints.values())
    if not robot.channels and limited and labels and not any(robot.channel(label) for label in labels):
        yield _finding(
            f"no channel of {STATE} has the name of a joint of {robot.name!r}, so its limits judge nothing: "
            "declare channels in the robot's record"
        )


def _finding(message: str, value: float | None = None, limit: float | None = None, unit: str = "") -> Finding:
    return Finding(CHECK, STATE, message, value=value, limit=limit, unit=unit, resolves="what is declared")


def _plain(name: str) -> str:
    """One spelling: `unitree-g1` and `Unitree_G1` are one type."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())
