"""How well a simulator ranks policies on one task, beside what a perfect simulator would score with as few trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from validators.findings import NotEvaluable
from validators.statistics.agreement import Array

LEAST_POLICIES = 6
RESAMPLES = 4000
TAIL = 0.05  # each end of a range: its bounds are one-sided


@dataclass(frozen=True)
class Validity:
    """One task. A perfect simulator falls short of each end of a range in 5 % of cases, at these rates and trials."""

    task: str
    policies: tuple[str, ...]
    pearson: float
    pearson_range: tuple[float, float]
    mmrv: float
    mmrv_range: tuple[float, float]
    trials: tuple[int, int]  # real, simulated, of each policy

    @property
    def as_good_as_perfect(self) -> bool:
        """Whether neither figure is worse than a perfect simulator's range: such a difference is chance."""
        return self.pearson >= self.pearson_range[0] and self.mmrv <= self.mmrv_range[1]


def validity(
    task: str, real: Mapping[str, float], simulated: Mapping[str, float], trials: tuple[int, int], seed: int
) -> Validity:
    """The figures of one task: `real`, `simulated`: policy → success rate; `trials` of each policy, real and simulated.

    Tasks are never pooled: a correlation over tasks mostly tells that tasks differ. Raises `NotEvaluable` below 6
    policies on both sides, or where a side has one rate for all. Source: SIMPLER (Li et al. 2024), Pearson and MMRV.
    """
    names = tuple(name for name in real if name in simulated)
    if len(names) < LEAST_POLICIES:
        raise NotEvaluable(f"{task}: {len(names)} policies on both sides, {LEAST_POLICIES} are needed")
    if min(trials) < 1:
        raise NotEvaluable(f"{task}: the number of trials is not known")
    ours, theirs = (np.array([rates[name] for name in names], dtype=np.float64) for rates in (real, simulated))
    if not all(np.isfinite(r).all() and r.min() >= 0 and r.max() <= 1 for r in (ours, theirs)):
        raise NotEvaluable(f"{task}: success rates lie in 0..1")
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        raise NotEvaluable(f"{task}: all policies have one rate on a side, so nothing can be ranked")
    correlations, violations = perfect(ours, trials, seed)
    return Validity(
        task,
        names,
        float(pearson(ours[None], theirs[None])[0]),
        _range(correlations),
        float(mmrv(ours[None], theirs[None])[0]),
        _range(violations),
        trials,
    )


def pearson(real: Array, simulated: Array) -> Array:
    """Correlation of each row, [n, policies] → [n]; NaN where a side does not vary."""
    x, y = (side - side.mean(axis=1, keepdims=True) for side in (real, simulated))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return found


def mmrv(real: Array, simulated: Array) -> Array:
    """Mean maximum rank violation of each row, [n, policies] → [n]: how far apart rates are that it orders wrongly.

    For each policy the largest |real_i - real_j| over policies j that the simulator orders otherwise; then the mean.
    """
    apart = real[:, :, None] - real[:, None, :]
    otherwise = (apart > 0) != (simulated[:, :, None] - simulated[:, None, :] > 0)
    worst: Array = np.where(otherwise, np.abs(apart), 0.0).max(axis=2).mean(axis=1)
    return worst


def perfect(rates: Array, trials: tuple[int, int], seed: int) -> tuple[Array, Array]:
    """Pearson and MMRV [resamples] of a simulator with the real rates: trials are resampled, policies are fixed."""
    rng = np.random.default_rng(seed)
    size = (RESAMPLES, len(rates))
    real, simulated = (rng.binomial(n, rates, size) / n for n in trials)
    return pearson(real, simulated), mmrv(real, simulated)


def _range(figures: Array) -> tuple[float, float]:
    known = figures[np.isfinite(figures)]
    low, high = np.quantile(known, [TAIL, 1 - TAIL])
    return float(low), float(high)
