"""The period of a stream: as declared, or the median step where the steps show one; a stream of events has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validators.expectations.expectation import Subject
from validators.findings import NotEvaluable
from validators.metrics import Lift, clock, since_previous
from validators.values import Values

LEAST_STEPS = 20  # fewer show no period
NEAR = 0.25  # of a period: a step this near to a multiple of it is on the beat
ON_THE_BEAT = 0.95  # share of such steps that a periodic stream has
LONGEST = 10  # periods; a longer step is no dropped frame but a pause


@dataclass(frozen=True)
class Period:
    """`seconds`, and whether the recording declares it. A finding against an inferred one only warns."""

    seconds: float
    declared: bool

    @property
    def said(self) -> str:
        """For a note or a message."""
        return f"{1 / self.seconds:.4g} Hz {'is declared' if self.declared else 'inferred from the median step'}"


def step(subject: Subject) -> Lift:
    """dt = t[i] - t[i-1], s; null at the first row of an episode. `NotEvaluable` without a clock."""
    _ = subject.clock
    return since_previous(clock(subject.stream))


def declared(subject: Subject, *, infer: bool) -> Period | None:
    """The declared period, None where one is to be inferred; `NotEvaluable` where that is not wanted."""
    if subject.stream.fps is None and infer:
        return None
    return Period(1 / subject.fps, declared=True)


def period(subject: Subject, values: Values, *, infer: bool) -> Period:
    """The declared period, else the inferred one. `NotEvaluable` for streams of events."""
    return declared(subject, infer=infer) or inferred(subject, values)


def inferred(subject: Subject, values: Values) -> Period:
    """The median step above zero of all episodes, exact up to `SAMPLE` rows, else of every n-th row.

    Periodic is a stream whose steps have an interquartile range of at most half their median, and of which 95 % are
    within a quarter of a period of 1 to 10 periods: dropped frames leave a stream periodic, events and limited rates
    do not. `NotEvaluable` for others.
    """
    dt = step(subject)
    steps = values.sample([dt])[dt.name].drop_nulls().to_numpy()
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if steps.size < LEAST_STEPS:
        raise NotEvaluable(f"no rate is declared, and {steps.size} steps are too few to infer one")
    low, median, high = np.quantile(steps, [0.25, 0.5, 0.75])
    if high - low > median / 2:
        raise NotEvaluable(
            f"no rate is declared, and the stream is one of events: the middle half of its steps is "
            f"{low * 1e3:.4g} to {high * 1e3:.4g} ms"
        )
    beats = steps / median
    on = (np.abs(beats - np.round(beats)) <= NEAR) & (np.round(beats) >= 1) & (beats <= LONGEST)
    if on.mean() < ON_THE_BEAT:
        raise NotEvaluable(
            f"no rate is declared, and {1 - on.mean():.0%} of the steps are on no beat of {median * 1e3:.4g} ms"
        )
    return Period(float(median), declared=False)
