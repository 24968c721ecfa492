"""Paired differences with bounds: of means (Student's t) and of success rates (Tango's score interval)."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from validators.statistics.agreement import Array


def mean_interval(differences: Array, confidence: float) -> tuple[float, float]:
    """Two-sided bounds of the mean of n ≥ 2 independent paired differences."""
    from scipy.special import stdtrit  # a third of a second to import, and few recordings come here

    number = len(differences)
    middle, error = float(differences.mean()), float(differences.std(ddof=1)) / sqrt(number)
    reach = float(stdtrit(number - 1, (1 + confidence) / 2)) * error
    return middle - reach, middle + reach


def rate_interval(only_first: int, only_second: int, pairs: int, confidence: float) -> tuple[float, float]:
    """Two-sided bounds of rate(first) - rate(second) from the pairs where one alone succeeded (Tango 1998)."""
    from scipy.special import ndtri

    z = float(ndtri((1 + confidence) / 2))
    middle = (only_first - only_second) / pairs

    def score(delta: float) -> float:
        """Tango's z at that difference: falls as it grows."""
        a = 2 * pairs
        b = -only_first - only_second + (2 * pairs - only_first + only_second) * delta
        c = -only_second * delta * (1 - delta)
        q = (sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = pairs * (2 * q + delta * (1 - delta))
        apart = only_first - only_second - pairs * delta
        return apart / sqrt(variance) if variance > 0 else float(np.sign(apart)) * np.inf

    low = _crossing(lambda d: score(d) - z, -1.0, middle)
    return low, _crossing(lambda d: score(d) + z, middle, 1.0)


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
