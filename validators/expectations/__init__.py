"""All expectations by the name they have in a suite, and by the short name of their check."""

from __future__ import annotations

from validators.expectations.actions import ExpectActionStepsBelow
from validators.expectations.calibration import (
    ExpectCalibrationAgeBelow,
    ExpectCalibrationPresent,
)
from validators.expectations.clocks import ExpectMeasuredClock, ExpectNoDuplicateTimes, ExpectTimeNotToRunBack
from validators.expectations.core_all import CORE
from validators.expectations.coverage import (
    ExpectEpisodesLongEnough,
    ExpectNoRecorderDropouts,
    ExpectStreamToCoverEpisode,
)
from validators.expectations.drift import ExpectNoDrift
from validators.expectations.duplicates import ExpectPicturesToOccurOnce
from validators.expectations.episodes import ExpectIndexToContinue, ExpectReferencesToExist
from validators.expectations.expectation import Expectation
from validators.expectations.extrinsics import ExpectExtrinsicsSane
from validators.expectations.following import ExpectFollowingErrorBelow, ExpectLagBelow
from validators.expectations.frames import (
    ExpectEffectiveFrameRate,
    ExpectNoFrozenFrames,
    ExpectNoNearDuplicateFrames,
)
from validators.expectations.integrity import ExpectCountsToMatchMetadata, ExpectDeclaredTypes, ExpectIndicesInOrder
from validators.expectations.joint_zero import ExpectJointZeroBelow
from validators.expectations.kinematics import ExpectActionsWithinLimits, ExpectJointsWithinLimits
from validators.expectations.label_agreement import ExpectBoxAgreement, ExpectClassKappa, ExpectKrippendorffAlpha
from validators.expectations.label_boxes import ExpectValidBoxes
from validators.expectations.label_classes import ExpectClassCoverage, ExpectDeclaredClasses, ExpectNoDuplicateBoxes
from validators.expectations.label_pictures import ExpectPictureSizesAsDeclared
from validators.expectations.label_tracks import ExpectConsistentTracks, ExpectLabelTimesWithinRecording
from validators.expectations.labels import ExpectLabelSchema, ExpectNoOrphanLabels
from validators.expectations.markers import ExpectMarkerResidualBelow
from validators.expectations.mixed_units import ExpectNoMixedUnits
from validators.expectations.noise import ExpectNoiseWithin, ExpectResolution
from validators.expectations.occlusion import ExpectNoOcclusion
from validators.expectations.overlap import ExpectNoKnownOverlap
from validators.expectations.photometry import ExpectContrast, ExpectExposure, ExpectSharpness
from validators.expectations.quantiles import ExpectQuantilesOfAllRows
from validators.expectations.ranges import ExpectChannelsToBeBetween
from validators.expectations.reprojection import ExpectReprojectionBelow, ExpectSensorsAligned
from validators.expectations.signal import (
    ExpectNoFrozenRows,
    ExpectSignalsToBeComplete,
    ExpectSignalsToBeFinite,
)
from validators.expectations.sim_to_real import ExpectSimulationToMatch
from validators.expectations.spikes import (
    ExpectNoAccelerationSpikes,
    ExpectNoJumps,
    ExpectNoOutliers,
)
from validators.expectations.statistics import ExpectStatisticsToMatch
from validators.expectations.stuck import ExpectNoSaturation, ExpectNoStuckChannels
from validators.expectations.sync import ExpectClocksToAgree, ExpectSensorsInStep
from validators.expectations.terms import ExpectPeopleHandled, ExpectRetentionNotOver, ExpectTermsDeclared
from validators.expectations.timing import ExpectJitterBelow, ExpectMeanRate, ExpectNoGaps, ExpectTimeToIncrease
from validators.expectations.units import ExpectUnitsKnown
from validators.expectations.velocity import ExpectVelocityWithinLimits
from validators.expectations.video import ExpectAPictureForEveryRow, ExpectCamerasAsDeclared

SHIPPED: tuple[type[Expectation], ...] = (
    ExpectCountsToMatchMetadata,
    ExpectDeclaredTypes,
    ExpectIndicesInOrder,
    ExpectIndexToContinue,
    ExpectReferencesToExist,
    ExpectStatisticsToMatch,
    ExpectQuantilesOfAllRows,
    ExpectNoKnownOverlap,
    ExpectSignalsToBeComplete,
    ExpectSignalsToBeFinite,
    ExpectChannelsToBeBetween,
    ExpectTimeToIncrease,
    ExpectNoGaps,
    ExpectMeanRate,
    ExpectJitterBelow,
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
    ExpectNoFrozenRows,
    ExpectUnitsKnown,
    ExpectNoMixedUnits,
    ExpectJointsWithinLimits,
    ExpectActionsWithinLimits,
    ExpectVelocityWithinLimits,
    ExpectJointZeroBelow,
    ExpectTimeNotToRunBack,
    ExpectNoDuplicateTimes,
    ExpectMeasuredClock,
    ExpectNoRecorderDropouts,
    ExpectEpisodesLongEnough,
    ExpectStreamToCoverEpisode,
    ExpectNoStuckChannels,
    ExpectNoSaturation,
    ExpectNoOutliers,
    ExpectNoJumps,
    ExpectNoAccelerationSpikes,
    ExpectActionStepsBelow,
    ExpectNoiseWithin,
    ExpectResolution,
    ExpectLagBelow,
    ExpectFollowingErrorBelow,
    ExpectSensorsInStep,
    ExpectClocksToAgree,
    ExpectLabelSchema,
    ExpectValidBoxes,
    ExpectPictureSizesAsDeclared,
    ExpectNoOrphanLabels,
    ExpectDeclaredClasses,
    ExpectClassCoverage,
    ExpectNoDuplicateBoxes,
    ExpectConsistentTracks,
    ExpectLabelTimesWithinRecording,
    ExpectBoxAgreement,
    ExpectClassKappa,
    ExpectKrippendorffAlpha,
    ExpectMarkerResidualBelow,
    ExpectCalibrationPresent,
    ExpectCalibrationAgeBelow,
    ExpectReprojectionBelow,
    ExpectSensorsAligned,
    ExpectExtrinsicsSane,
    ExpectNoDrift,
    ExpectSimulationToMatch,
    ExpectTermsDeclared,
    ExpectRetentionNotOver,
    ExpectPeopleHandled,
    *CORE,
)
BY_TYPE = {expectation.type: expectation for expectation in SHIPPED}


def explain(check: str) -> str:
    """What a check computes, by its short name or its name in a suite; KeyError when there is none of that name."""
    found = [e for e in SHIPPED if check in (e.check, e.type)]
    if not found:
        raise KeyError(check)
    return "\n\n".join(f"{e.check} ({e.type})\n{_dedented(e)}" for e in found)


def _dedented(expectation: type[Expectation]) -> str:
    return "\n".join(line.removeprefix("    ") for line in (expectation.__doc__ or "").strip().splitlines())
