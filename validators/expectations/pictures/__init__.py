"""Pictures: do they come, do they change, can something be seen, are they as declared?"""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.pictures.duplicates import ExpectPicturesToOccurOnce
from validators.expectations.pictures.frames import (
    ExpectEffectiveFrameRate,
    ExpectNoFrozenFrames,
    ExpectNoNearDuplicateFrames,
)
from validators.expectations.pictures.occlusion import ExpectNoOcclusion
from validators.expectations.pictures.photometry import ExpectContrast, ExpectExposure, ExpectSharpness
from validators.expectations.pictures.video import ExpectAPictureForEveryRow, ExpectCamerasAsDeclared

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectEffectiveFrameRate,
    ExpectNoNearDuplicateFrames,
    ExpectNoFrozenFrames,
    ExpectPicturesToOccurOnce,
    ExpectCamerasAsDeclared,
    ExpectAPictureForEveryRow,
    ExpectExposure,
    ExpectContrast,
    ExpectSharpness,
    ExpectNoOcclusion,
)
