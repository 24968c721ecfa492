"""Integrity: does a dataset hold what it says of itself, and is everything that it names there?"""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.integrity.episodes import ExpectIndexToContinue, ExpectReferencesToExist
from validators.expectations.integrity.metadata import (
    ExpectCountsToMatchMetadata,
    ExpectDeclaredTypes,
    ExpectIndicesInOrder,
)
from validators.expectations.integrity.quantiles import ExpectQuantilesOfAllRows
from validators.expectations.integrity.statistics import ExpectStatisticsToMatch

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectCountsToMatchMetadata,
    ExpectDeclaredTypes,
    ExpectIndicesInOrder,
    ExpectIndexToContinue,
    ExpectReferencesToExist,
    ExpectStatisticsToMatch,
    ExpectQuantilesOfAllRows,
)
