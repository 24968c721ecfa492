"""Noise: how much a channel trembles from sample to sample, against what it should; and how fine its steps are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.signal.scale import Channel, changes, judged, sample, scales
from validators.findings import Finding, Judgement, NotEvaluable
from validators.stream import EPISODE
from validators.values import Values

GAUSS = 1.4826  # standard deviations to a median absolute deviation of normal noise
SECOND = 6.0**0.5  # a second difference of white noise has this many of its standard deviations
LEAST_STEPS = 16


def floors(values: Values, over: Sequence[Channel]) -> dict[str, pl.DataFrame]:
    """Label → the noise floor of each episode with enough rows: `EPISODE`, `floor` in the channel's unit, `rows`."""
    table = sample(values, over).select(
        EPISODE,
        *((pl.col(now.name) - pl.col(before.name)).alias(c.label) for c in over for now, before, _ in [changes(c)]),
    )
    found = {}
    for c in over:
        known = table.filter(pl.col(c.label).is_finite()).group_by(EPISODE)
        floor = pl.col(c.label).abs().median() * (GAUSS / SECOND)
        rows = known.agg(floor.alias("floor"), pl.len().alias("rows")).sort(EPISODE)
        found[c.label] = rows.filter(pl.col("rows") >= LEAST_STEPS)
    return found


@dataclass(frozen=True)
class ExpectNoiseWithin(Expectation):
    """Noise floor: 1.4826 · median |x[i] - 2 x[i-1] + x[i-2]| / sqrt(6) of an episode, against `reference`.

    The second difference takes slow motion away, the median takes spikes. Found above `factor` · reference, and below
    reference / `factor`: a sensor that has lost its noise is dead or filtered. The reference is that of approved data
    (`assay profile` writes it) or of the data sheet; `references` are one a channel of a vector, 0 where a channel is
    not judged. Unit: the channel's. Default: factor 3. Source: robust estimation of white noise by
    differences. Resolves: the factor; with n rows the floor is known to about 1.7/sqrt(n) of itself.
    Known false alarms: machines whose vibration is the signal: take the reference in the same operating state.
    """

    type: ClassVar[str] = "expect_noise_within"
    check: ClassVar[str] = "noise_floor"
    column: str
    reference: float = 0.0
    factor: float = 3.0
    references: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        given = self.references or (self.reference,)
        if bool(self.references) == bool(self.reference):
            raise ValueError("either reference or references must be given")
        if not all(0 <= r < math.inf for r in given) or not any(given) or not 1 < self.factor <= 1e6:
            raise ValueError("a reference must be above 0, factor above 1")

    def _over(self, subject: Subject) -> list[tuple[Channel, float]]:
        """The channels to judge, each with its reference."""
        over = judged(subject, self.column)
        if self.references and len(self.references) != len(over):
            raise NotEvaluable(f"{self.column} has {len(over)} channels, {len(self.references)} references are given")
        given = self.references or (self.reference,) * len(over)
        return [(channel, reference) for channel, reference in zip(over, given, strict=True) if reference]

    def needs(self, subject: Subject) -> Needs:
        self._over(subject)
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = self._over(subject)
        known = floors(values, [channel for channel, _ in over])
        findings = tuple(f for c, reference in over for f in self._found(subject, c, known[c.label], reference))
        levels = {label: float(np.median(rows["floor"])) for label, rows in known.items() if rows.height}
        if not levels:
            raise NotEvaluable(f"no episode has {LEAST_STEPS} rows of {self.column}")
        return Judgement(findings, "", {"floor": levels})

    def _found(self, subject: Subject, channel: Channel, rows: pl.DataFrame, reference: float) -> Iterator[Finding]:
        for position, floor, n in rows.iter_rows():
            if reference / self.factor <= floor <= reference * self.factor:
                continue
            episode = subject.recording.episodes[position]
            high = floor > reference
            yield Finding(
                self.check,
                channel.label,
                f"noise of {floor:.3g} is {'above' if high else 'below'} the {reference:.3g}",
                episode=episode.index,
                start_s=episode.start_s,
                end_s=episode.end_s,
                value=float(floor),
                limit=reference * self.factor if high else reference / self.factor,
                unit=channel.feature.units[channel.position] if channel.feature.units else "",
                resolves=f"±{1.7 / n**0.5:.0%}",
            )


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
