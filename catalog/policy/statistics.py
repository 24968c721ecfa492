"""Bounds that hold for n fixed before the first trial: one-sided, exact, and sharing one error budget per line.

A number that cannot be bounded is None, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv

SPENT = 0.8  # an attempt may use four fifths of what is left of the budget


def attempt_alpha(k: int, alpha: float = 0.05) -> float:
    """The error that attempt k of a line may use: 0.8·α·0.2^(k−1); the sum over all k stays below α."""
    if k < 1 or not 0 < alpha < 1:
        raise ValueError(f"attempt {k} at alpha {alpha}")
    return float(SPENT * alpha * (1 - SPENT) ** (k - 1))


def success_lower_bound(successes: int, n: int, alpha: float) -> float:
    """The one-sided Clopper–Pearson lower bound of a success rate at confidence 1 − alpha (Clopper, Pearson 1934)."""
    if not 0 <= successes <= n or n < 1 or not 0 < alpha < 1:
        raise ValueError(f"{successes} of {n} at alpha {alpha}")
    return 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, alpha))


def rate_upper_bound(misses: float, n: float, alpha: float) -> float:
    """The one-sided Clopper–Pearson upper bound of a miss rate; n and misses may be effective, not whole, numbers."""
    if not 0 <= misses <= n or n <= 0 or not 0 < alpha < 1:
        raise ValueError(f"{misses} of {n} at alpha {alpha}")
    return 1.0 if misses >= n else float(betaincinv(misses + 1, n - misses, 1 - alpha))


def forged_share_found(n_replayed: int, confidence: float = 0.95) -> float:
    """The smallest share of forged trials of which a replay of n sampled trials finds at least one."""
    if n_replayed < 0 or not 0 < confidence < 1:
        raise ValueError(f"{n_replayed} replayed at confidence {confidence}")
    return 1.0 if n_replayed == 0 else float(1 - (1 - confidence) ** (1 / n_replayed))


@dataclass(frozen=True)
class LatencyBound:
    """What blocks of latencies prove about one quantile.

    `n` and `misses` (over the limit) are counted; `dispersion` is max(1, variance/mean of misses over blocks) and
    divides both into `effective_n` and effective misses. `allowed` is the most misses at which the limit still holds
    at confidence 1 − alpha, None when not even zero would do. `upper_ms` is the upper bound of the quantile, an order
    statistic: it is within the limit exactly when misses ≤ allowed.
    """

    n: int
    misses: int
    dispersion: float
    effective_n: float
    allowed: int | None
    upper_ms: float | None
    dependence: Literal["tested", "not testable"]


def latency_bound(
    blocks: Sequence[Sequence[float]], limit_ms: float, quantile: float, alpha: float
) -> LatencyBound | None:
    """Bound a quantile of dependent latencies (milliseconds) from separated blocks; None with fewer than two blocks."""
    if not 0 < quantile < 1 or not math.isfinite(limit_ms):
        raise ValueError(f"quantile {quantile} with limit {limit_ms} ms")
    if len(blocks) < 2 or not all(len(block) for block in blocks):
        return None
    times = np.sort(np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks]))
    if not np.isfinite(times).all():
        raise ValueError("a latency is not finite")
    per_block = np.array([np.count_nonzero(np.asarray(block) > limit_ms) for block in blocks])
    n, misses = len(times), int(per_block.sum())
    dispersion = max(1.0, float(per_block.var(ddof=1) / per_block.mean())) if misses else 1.0
    allowed = _allowed(n, dispersion, 1 - quantile, alpha)
    return LatencyBound(
        n=n,
        misses=misses,
        dispersion=dispersion,
        effective_n=n / dispersion,
        allowed=allowed,
        upper_ms=None if allowed is None else float(times[n - 1 - allowed]),
        dependence="tested" if misses else "not testable",
    )


def _allowed(n: int, dispersion: float, rate: float, alpha: float) -> int | None:
    """The most misses whose upper bound is within the rate, by bisection (the bound rises with the misses)."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if rate_upper_bound(middle / dispersion, n / dispersion, alpha) <= rate:
            low = middle
        else:
            high = middle
    return None if low < 0 else low
