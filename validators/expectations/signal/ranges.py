"""Ranges: does each channel of a vector stay where the approved data were?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, channels, greatest, least
from validators.stream import Feature
from validators.values import Values, span_of


@dataclass(frozen=True)
class ExpectChannelsToBeBetween(Expectation):
    """Channel ranges: min_values[i] <= x[i] <= max_values[i] for every row and every channel i of a vector.

    Unit: the column's. Default: none; `assay profile` writes the bounds. Source: approved data, widened by a margin.
    Resolves: one row. NaN and null are other checks. Known false alarms: with bounds from n approved episodes, a
    further episode like them passes a bound without margin with probability 1/(n+1); a new task moves elsewhere.
    """

    type: ClassVar[str] = "expect_channels_to_be_between"
    check: ClassVar[str] = "channel_ranges"
    column: str
    min_values: tuple[float, ...]
    max_values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.min_values or len(self.min_values) != len(self.max_values):
            raise ValueError("min_values and max_values are lists of the same length, one value a channel")
        if any(low > high for low, high in zip(self.min_values, self.max_values, strict=True)):
            raise ValueError("a least value is above its greatest")

    def _lifts(self, subject: Subject) -> tuple[Feature, tuple[Lift, ...]]:
        feature = subject.feature(self.column)
        if feature.width != len(self.min_values):
            raise NotEvaluable(f"{self.column} has {feature.width} channels, {len(self.min_values)} bounds are given")
        return feature, channels(subject.stream, feature)

    def needs(self, subject: Subject) -> Needs:
        _, lifts = self._lifts(subject)
        return Needs(tuple(m for lift in lifts for m in (least(lift), greatest(lift))))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        feature, lifts = self._lifts(subject)
        found = []
        for channel, (lift, low, high) in enumerate(zip(lifts, self.min_values, self.max_values, strict=True)):
            under, over = values[least(lift)], values[greatest(lift)]
            failing = np.flatnonzero((under < low) | (over > high)).tolist()
            for position, frame in values.rows(failing, [lift]).items() if failing else ():
                bad = frame.filter(~lift.column.is_nan() & ~lift.column.is_between(low, high))
                start, end = span_of(bad)
                below = low - under[position] > over[position] - high
                found.append(
                    Finding(
                        self.check,
                        feature.full_name(channel),
                        f"{bad.height} of {frame.height} rows {'below' if below else 'above'} the approved range",
                        episode=subject.recording.episodes[position].index,
                        start_s=start,
                        end_s=end,
                        value=float(under[position] if below else over[position]),
                        limit=low if below else high,
                        unit=feature.units[channel] if feature.units else "",
                        resolves="one row",
                    )
                )
        return Judgement(tuple(found))
