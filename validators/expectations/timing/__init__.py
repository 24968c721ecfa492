"""Timing: how the rows of each stream follow each other, and how streams keep step."""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.timing.clocks import ExpectMeasuredClock, ExpectNoDuplicateTimes, ExpectTimeNotToRunBack
from validators.expectations.timing.coverage import (
    ExpectEpisodesLongEnough,
    ExpectNoRecorderDropouts,
    ExpectStreamToCoverEpisode,
)
from validators.expectations.timing.steps import ExpectJitterBelow, ExpectMeanRate, ExpectNoGaps, ExpectTimeToIncrease
from validators.expectations.timing.sync import ExpectClocksToAgree, ExpectSensorsInStep

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectTimeToIncrease,
    ExpectNoGaps,
    ExpectMeanRate,
    ExpectJitterBelow,
    ExpectTimeNotToRunBack,
    ExpectNoDuplicateTimes,
    ExpectMeasuredClock,
    ExpectNoRecorderDropouts,
    ExpectEpisodesLongEnough,
    ExpectStreamToCoverEpisode,
    ExpectSensorsInStep,
    ExpectClocksToAgree,
)
