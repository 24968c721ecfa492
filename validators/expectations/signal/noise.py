"""Noise: how much a channel trembles from sample to sample, against what it should; and how fine its steps are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.signal.scale import changes, judged, sample, scales
from validators.findings import Finding, Judgement, NotEvaluable
from validators.stream import EPISODE
from validators.values import Values

GAUSS = 1.4826  # standard deviations to a median absolute deviation of normal noise
SECOND = 6.0**0.5  # a second difference of white noise has this many of its standard deviations
LEAST_STEPS = 16


@dataclass(frozen=True)
class ExpectNoiseWithin(Expectation):
    """Noise floor: 1.4826 · median |x[i] - 2 x[i-1] + x[i-2]| / sqrt(6) of an episode, against `reference`.

    The second difference takes slow motion away, the median takes spikes. Found above `factor` · reference, and below
    reference / `factor`: a sensor that has lost its noise is dead or filtered. The reference is that of approved data
    or of the data sheet. Unit: the channel's. Default: factor 3. Source: robust estimation of white noise by
    differences. Resolves: the factor; with n rows the floor is known to about 1.7/sqrt(n) of itself.
    Known false alarms: machines whose vibration is the signal: take the reference in the same operating state.
    """

    type: ClassVar[str] = "expect_noise_within"
    check: ClassVar[str] = "noise_floor"
    column: str
    reference: float
    factor: float = 3.0

    def __post_init__(self) -> None:
        if not self.reference > 0 or not 1 < self.factor <= 1e6:
            raise ValueError("reference must be above 0, factor above 1")

    def needs(self, subject: Subject) -> Needs:
        judged(subject, self.column)
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = judged(subject, self.column)
        table = sample(values, over).select(
            EPISODE,
            *((pl.col(now.name) - pl.col(before.name)).alias(c.label) for c in over for now, before, _ in [changes(c)]),
        )
        size = [pl.col(c.label).filter(pl.col(c.label).is_finite()).abs().median() for c in over]
        known = [pl.col(c.label).is_finite().sum().alias(f"n {c.label}") for c in over]
        table = table.group_by(EPISODE).agg(*size, *known).sort(EPISODE)
        findings: list[Finding] = []
        levels: dict[str, float] = {}
        for c in over:
            rows = table.filter(pl.col(f"n {c.label}") >= LEAST_STEPS)
            floors = rows[c.label].to_numpy() * GAUSS / SECOND
            levels |= {c.label: float(np.median(floors))} if floors.size else {}
            for position, floor, n in zip(rows[EPISODE], floors, rows[f"n {c.label}"], strict=True):
                if not self.reference / self.factor <= floor <= self.reference * self.factor:
                    episode = subject.recording.episodes[position]
                    high = floor > self.reference
                    findings.append(
                        Finding(
                            self.check,
                            c.label,
                            f"noise of {floor:.3g} is {'above' if high else 'below'} the {self.reference:.3g}",
                            episode=episode.index,
                            start_s=episode.start_s,
                            end_s=episode.end_s,
                            value=float(floor),
                            limit=self.reference * self.factor if high else self.reference / self.factor,
                            unit=c.feature.units[c.position] if c.feature.units else "",
                            resolves=f"±{1.7 / n**0.5:.0%}",
                        )
                    )
        if not levels:
            raise NotEvaluable(f"no episode has {LEAST_STEPS} rows of {self.column}")
        return Judgement(tuple(findings), "", {"floor": levels})


@dataclass(frozen=True)
class ExpectResolution(Expectation):
    """Resolution: a channel that moves takes at least `steps` steps across its range: range / smallest change.

    Range is the 1st to 99th percentile over the recording, the change the least above zero between neighbouring
    samples. Hands, grippers, discrete channels (16 values or fewer) and channels narrower than a tenth of the widest of
    their vector are not judged. Unit: steps. Default: 64. Source: six bits; coarser signals give steps where a velocity
    is taken. Resolves: one quantum. Known false alarms: counters and coarse status values stored as floats.
    """

    type: ClassVar[str] = "expect_resolution"
    check: ClassVar[str] = "resolution"
    column: str = "*"
    steps: float = 64.0

    def __post_init__(self) -> None:
        if not 2 <= self.steps <= 1e12:
            raise ValueError("steps must be at least 2")

    def needs(self, subject: Subject) -> Needs:
        judged(subject, self.column)
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = judged(subject, self.column)
        scale = scales(values, over)
        kept = {
            c.label: s
            for c in over
            if (s := scale.get(c.label)) and not (s.discrete or c.grips) and s.own >= s.width and s.quantum > 0
        }
        if not kept:
            raise NotEvaluable("no channel moves continuously")
        everywhere = tuple(e.index for e in subject.recording.episodes)
        findings = tuple(
            Finding(
                self.check,
                label,
                f"the range {s.own:.3g} is made of {s.own / s.quantum:.0f} steps of {s.quantum:.3g}",
                episodes=everywhere,
                value=s.own / s.quantum,
                limit=self.steps,
                unit="steps",
                resolves=f"{s.quantum:.3g}",
            )
            for label, s in kept.items()
            if s.own / s.quantum < self.steps
        )
        coarsest = min(s.own / s.quantum for s in kept.values())
        return Judgement(findings, "", {"coarsest_steps": coarsest})
