"""Simulation against reality: do matched episodes of both come out alike, within a margin that is proven?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validators.declarations.origin import UNKNOWN, origin_of
from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, channels
from validators.recording import Episode
from validators.robot.kinematics import Array
from validators.statistics.paired import mean_interval, rate_interval
from validators.values import Values

KEYS = ("pair", "initial_condition")  # of the provenance; else scene and seed together
LEAST_PAIRS = 5


def matching(episode: Episode) -> str | None:
    """What an episode is matched by: `pair`, `initial_condition`, or `scene` with `seed`; None where it has none."""
    given = episode.provenance
    for key in KEYS:
        if given.get(key) is not None:
            return f"{key} {given[key]}"
    if given.get("scene") is not None and given.get("seed") is not None:
        return f"scene {given['scene']}, seed {given['seed']}"
    return None


def pairs(episodes: tuple[Episode, ...], other: str) -> dict[str, tuple[int, int]]:
    """Match → positions of the first recorded episode and the first of the other origin."""
    first: dict[str, dict[str, int]] = {"recorded": {}, other: {}}
    for position, episode in enumerate(episodes):
        key, origin = matching(episode), origin_of(episode)
        if key is not None and origin in first:
            first[origin].setdefault(key, position)
    recorded, simulated = first["recorded"], first[other]
    return {key: (recorded[key], simulated[key]) for key in recorded if key in simulated}


@dataclass(frozen=True)
class Difference:
    """Recorded minus simulated of one measure over `pairs`: mean and its bounds, against a margin, all in `unit`."""

    name: str
    mean: float
    low: float
    high: float
    margin: float
    unit: str
    pairs: int

    @property
    def verdict(self) -> Literal["within", "beyond", "open"]:
        """Whether the whole interval lies within the margin, beyond it, or neither can be said."""
        if self.low >= -self.margin and self.high <= self.margin:
            return "within"
        return "beyond" if self.low > self.margin or self.high < -self.margin else "open"

    def __str__(self) -> str:
        return f"{self.name} {self.mean:+.3g} [{self.low:+.3g}, {self.high:+.3g}] {self.unit}"


@dataclass(frozen=True)
class ExpectSimulationToMatch(Expectation):
    """Sim to real: over matched pairs, the mean difference of each joint's mean, and of success, lies within a margin.

    Recorded and simulated episodes are matched by `pair`, `initial_condition`, or `scene` and `seed` in their
    provenance; each origin (simulated, stand-in, …) is compared apart and never pooled. Bounds: Student's t for joints,
    Tango's interval for `success`, all together at `confidence` (Bonferroni). Found when an interval lies wholly beyond
    its margin; clean when all lie within; otherwise not evaluable, with the differences. Unit: spreads (the standard
    deviation of a joint within recorded episodes, mean), and a share for success. Default: 0.25 spreads, 0.10, 95 %.
    Source: equivalence testing; a difference that is not significant proves nothing. Resolves: the margin, when the
    intervals are narrower than twice it; they are said.
    Known false alarms: conditions matched in name only.
    """

    type: ClassVar[str] = "expect_simulation_to_match"
    check: ClassVar[str] = "sim_to_real"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    margin: float = 0.25
    success_margin: float = 0.10
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 10 or not 0 < self.success_margin < 1 or not 0.5 <= self.confidence < 1:
            raise ValueError("margin must be above 0, success_margin between 0 and 1, confidence 0.5 to 1")

    def _lifts(self, subject: Subject) -> tuple[Lift, ...]:
        table = subject.table
        if table is None or STATE not in table.features or not table.features[STATE].width:
            return ()
        return channels(table, table.features[STATE])

    def needs(self, subject: Subject) -> Needs:
        if not self._matched(subject):
            raise NotEvaluable(
                "no recorded episode is matched with a simulated one; say origin and pair, initial_condition or scene "
                "and seed in the episodes' provenance"
            )
        return Needs(tuple(m for lift in self._lifts(subject) for m in (_mean(lift), _deviation(lift))))

    def _matched(self, subject: Subject) -> dict[str, dict[str, tuple[int, int]]]:
        episodes = subject.recording.episodes
        others = dict.fromkeys(origin_of(e) for e in episodes)
        found = {o: pairs(episodes, o) for o in others if o not in ("recorded", UNKNOWN)}
        return {origin: matched for origin, matched in found.items() if matched}

    def judge(self, subject: Subject, values: Values) -> Judgement:
        findings, notes, whys, observed = [], [], [], {}
        for origin, matched in self._matched(subject).items():
            if len(matched) < LEAST_PAIRS:
                whys.append(f"{origin}: {len(matched)} pairs, {LEAST_PAIRS} are needed")
                continue
            found = self._differences(subject, values, matched)
            beyond = [d for d in found if d.verdict == "beyond"]
            open_ = [d for d in found if d.verdict == "open"]
            findings += [self._finding(subject, origin, d, matched) for d in beyond]
            if open_ and not beyond:
                whys.append(f"{origin}: {len(matched)} pairs cannot tell: {'; '.join(map(str, open_[:4]))}")
            worst = max(found, key=lambda d: max(abs(d.low), abs(d.high)) / d.margin, default=None)
            notes.append(f"{origin}: {len(matched)} pairs, farthest {worst}")
            observed[origin] = {d.name: [d.mean, d.low, d.high] for d in found}
        if whys and not findings:
            raise NotEvaluable("; ".join(whys))
        return Judgement(tuple(findings), "; ".join([*notes, *whys]), observed)

    def _differences(
        self, subject: Subject, values: Values, matched: Mapping[str, tuple[int, int]]
    ) -> list[Difference]:
        recorded, simulated = (list(side) for side in zip(*matched.values(), strict=True))
        episodes, lifts = subject.recording.episodes, self._lifts(subject)
        outcomes = [[episodes[i].provenance.get("success") for i in side] for side in (recorded, simulated)]
        told = all(isinstance(outcome, bool) for side in outcomes for outcome in side)
        confidence = 1 - (1 - self.confidence) / max(1, len(lifts) + told)
        found = []
        for i, lift in enumerate(lifts):
            mean, spread = values[_mean(lift)], float(np.nanmean(values[_deviation(lift)][recorded]))
            apart: Array = mean[recorded] - mean[simulated]
            if spread > 0 and np.isfinite(apart).all():
                label = subject.stream.features[STATE].label(i)
                low, high = mean_interval(apart / spread, confidence)
                found.append(
                    Difference(label, float(apart.mean()) / spread, low, high, self.margin, "spreads", len(matched))
                )
        if told:
            first, second = np.array(outcomes, dtype=bool)
            alone = int((first & ~second).sum()), int((second & ~first).sum())
            low, high = rate_interval(*alone, len(matched), confidence)
            share = (alone[0] - alone[1]) / len(matched)
            found.append(Difference("success", share, low, high, self.success_margin, "share", len(matched)))
        if not found:
            raise NotEvaluable("matched episodes have neither a joint that moves nor a success")
        return found

    def _finding(self, subject: Subject, origin: str, d: Difference, matched: Mapping[str, tuple[int, int]]) -> Finding:
        episodes = subject.recording.episodes
        return Finding(
            self.check,
            d.name,
            f"recorded minus {origin} over {d.pairs} matched pairs: {d}",
            episodes=tuple(sorted(episodes[i].index for pair in matched.values() for i in pair)),
            value=d.mean,
            limit=d.margin,
            unit=d.unit,
            resolves=f"the margin, ± {(d.high - d.low) / 2:.2g} {d.unit}",
        )


def _mean(lift: Lift) -> Metric:
    return Metric(f"mean({lift.name})", lift.column.mean(), (lift,))


def _deviation(lift: Lift) -> Metric:
    return Metric(f"std({lift.name})", lift.column.std(), (lift,))
