"""Signals: are the values of each channel there, possible, alive, and such as a machine can move?"""

from __future__ import annotations

from validators.expectations.expectation import Expectation
from validators.expectations.signal.actions import ExpectActionStepsBelow
from validators.expectations.signal.following import ExpectFollowingErrorBelow, ExpectLagBelow
from validators.expectations.signal.noise import ExpectNoiseWithin, ExpectResolution
from validators.expectations.signal.ranges import ExpectChannelsToBeBetween
from validators.expectations.signal.spikes import ExpectNoAccelerationSpikes, ExpectNoJumps, ExpectNoOutliers
from validators.expectations.signal.stuck import ExpectNoSaturation, ExpectNoStuckChannels
from validators.expectations.signal.values import ExpectNoFrozenRows, ExpectSignalsToBeComplete, ExpectSignalsToBeFinite

EXPECTATIONS: tuple[type[Expectation], ...] = (
    ExpectSignalsToBeComplete,
    ExpectSignalsToBeFinite,
    ExpectChannelsToBeBetween,
    ExpectNoFrozenRows,
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
)
