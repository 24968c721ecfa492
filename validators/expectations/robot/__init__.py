"""The robot: units, limits and kinematics, and what an outside tracker saw of it."""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.robot.joint_zero import ExpectJointZeroBelow
from validators.expectations.robot.kinematics import ExpectActionsWithinLimits, ExpectJointsWithinLimits
from validators.expectations.robot.markers import ExpectMarkerResidualBelow
from validators.expectations.robot.mixed_units import ExpectNoMixedUnits
from validators.expectations.robot.units import ExpectUnitsKnown
from validators.expectations.robot.velocity import ExpectVelocityWithinLimits

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectUnitsKnown,
    ExpectNoMixedUnits,
    ExpectJointsWithinLimits,
    ExpectActionsWithinLimits,
    ExpectVelocityWithinLimits,
    ExpectJointZeroBelow,
    ExpectMarkerResidualBelow,
)
