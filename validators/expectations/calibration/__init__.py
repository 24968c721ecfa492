"""Calibration: is it there, can it be, and do the sensors see the same where it says they are?"""

from __future__ import annotations

from validators.expectations.calibration.extrinsics import ExpectExtrinsicsSane
from validators.expectations.calibration.record import ExpectCalibrationAgeBelow, ExpectCalibrationPresent
from validators.expectations.calibration.reprojection import ExpectReprojectionBelow, ExpectSensorsAligned
from validators.expectations.expectation import Expectation

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectCalibrationPresent,
    ExpectCalibrationAgeBelow,
    ExpectReprojectionBelow,
    ExpectSensorsAligned,
    ExpectExtrinsicsSane,
)
