"""Statistics of channels as LeRobot keeps them: min, max, mean, std, count and quantiles of each feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

QUANTILES: Mapping[str, float] = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
MOMENTS = ("min", "max", "mean", "std")
Channels: TypeAlias = NDArray[np.float64]  # one number a channel; "count" has one number
Statistics: TypeAlias = Mapping[str, Mapping[str, Channels]]  # feature → statistic → channels


@dataclass(frozen=True)
class Declared:
    """What the metadata says: of all rows together, and of each episode by its index; either may be empty.

    `skipped` are features whose statistics are of another shape than a vector (pictures: 3, 1, 1).
    """

    whole: Statistics = field(default_factory=dict)
    episodes: Mapping[int, Statistics] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def of(values: NDArray[np.floating], quantiles: bool = True) -> dict[str, Channels]:
    """Statistics of rows [rows, channels], all finite, at least one row; quantiles are linear between rows.

    LeRobot estimates quantiles by a histogram of 5000 bins, so its own lie within range / 5000 of these.
    """
    wide = values.astype(np.float64, copy=False)
    found = {"min": wide.min(axis=0), "max": wide.max(axis=0), "mean": wide.mean(axis=0), "std": wide.std(axis=0)}
    found["count"] = np.array([len(wide)], dtype=np.float64)
    if quantiles:
        found |= dict(zip(QUANTILES, np.quantile(wide, list(QUANTILES.values()), axis=0), strict=True))
    return found
