"""Comparison with other data: the approved sessions, a simulation, the sets that are kept apart."""

from __future__ import annotations

from validators.expectations.comparison.drift import ExpectNoDrift
from validators.expectations.comparison.overlap import ExpectNoKnownOverlap
from validators.expectations.comparison.sim_to_real import ExpectSimulationToMatch
from validators.expectations.expectation import Expectation

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectNoKnownOverlap,
    ExpectNoDrift,
    ExpectSimulationToMatch,
)
