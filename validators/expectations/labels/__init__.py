"""Labels: as their format wants them, geometrically possible, consistent, and agreed on."""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.labels.agreement import ExpectBoxAgreement, ExpectClassKappa, ExpectKrippendorffAlpha
from validators.expectations.labels.boxes import ExpectValidBoxes
from validators.expectations.labels.classes import ExpectClassCoverage, ExpectDeclaredClasses, ExpectNoDuplicateBoxes
from validators.expectations.labels.pictures import ExpectPictureSizesAsDeclared
from validators.expectations.labels.schema import ExpectLabelSchema, ExpectNoOrphanLabels
from validators.expectations.labels.tracks import ExpectConsistentTracks, ExpectLabelTimesWithinRecording

EXPECTATIONS: tuple[type[Expectation], ...] = (
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
)
