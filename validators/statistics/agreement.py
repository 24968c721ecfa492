"""Do annotators agree? Overlap of boxes, Cohen's kappa, Krippendorff's alpha, and bounds by resampling images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Level: TypeAlias = Literal["nominal", "interval"]

RESAMPLED = 400
SEED = 20_240_229  # fixed, so that a verdict can be repeated
CONFIDENCE = 0.95
MAX_PAIRS = 4_000_000  # boxes times boxes of one image


def iou(first: Array, second: Array) -> Array:
    """Intersection over union of boxes [n, 4] and [m, 4] as x, y, w, h; float64[n, m], 0 where one has no area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared: Array = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = [np.prod(np.maximum(b[:, 2:], 0.0), axis=1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    found: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def matched(first: Array, second: Array, least: float) -> tuple[Codes, Codes, Array]:
    """One-to-one pairs with the largest sum of IoU among those of at least `least`: (index, index, IoU)."""
    from scipy.optimize import linear_sum_assignment  # a third of a second to import, and few recordings come here

    overlap = iou(first, second)
    kept = np.where(overlap >= least, overlap, 0.0)
    rows, columns = linear_sum_assignment(kept, maximize=True)
    good = kept[rows, columns] > 0
    return rows[good], columns[good], kept[rows, columns][good]


def cohens_kappa(table: Array) -> float:
    """(p_o - p_e) / (1 - p_e) of a square table of counts; NaN where both always chose the same one class.

    Source: Cohen, A coefficient of agreement for nominal scales, 1960.
    """
    total = table.sum()
    if total <= 0:
        return float("nan")
    observed = np.trace(table) / total
    expected = float((table.sum(axis=0) * table.sum(axis=1)).sum() / total**2)
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")


def kappa_of(first: Codes, second: Codes, classes: int, weights: Array | None = None) -> float:
    """Kappa of two raters' classes of the same units, each unit counted `weights` times."""
    counts = np.bincount(first * classes + second, weights=weights, minlength=classes * classes)
    return cohens_kappa(counts.astype(np.float64).reshape(classes, classes))


class Alpha:
    """Krippendorff's alpha: 1 - D_o / D_e, for any number of raters and with missing values.

    `values` are ratings (codes when nominal) of units numbered by `units`; a unit with one rating counts for nothing.
    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """

    def __init__(self, values: Array, units: Codes, level: Level) -> None:
        _, units = np.unique(units, return_inverse=True)
        several = np.bincount(units)[units] > 1
        self._values, self.level = values[several], level
        self.kept, self._units = np.unique(units[several], return_inverse=True)  # of the units, in order
        self._ratings = np.bincount(self._units, minlength=len(self.kept)).astype(np.float64)
        self._apart = self._disagreement() / np.maximum(self._ratings - 1, 1)

    def _disagreement(self) -> Array:
        """Of each unit: the sum over ordered pairs of ratings of their distance."""
        number = len(self.kept)
        if self.level == "interval":
            centred = self._values - (self._values.mean() if len(self._values) else 0.0)
            total = np.bincount(self._units, centred, minlength=number)
            squares = np.bincount(self._units, centred**2, minlength=number)
            apart: Array = 2 * (self._ratings * squares - total**2)
            return np.maximum(apart, 0.0)
        codes = np.unique(self._values, return_inverse=True)[1]
        cells, counts = np.unique(self._units * (codes.max(initial=0) + 1) + codes, return_counts=True)
        same = np.bincount(cells // (codes.max(initial=0) + 1), counts.astype(np.float64) ** 2, minlength=number)
        different: Array = self._ratings**2 - same
        return different

    def value(self, weights: Array | None = None) -> float:
        """Alpha with each kept unit counted `weights` times; NaN where all ratings are equal, or none is left."""
        weights = np.ones(len(self.kept)) if weights is None else weights
        number = float((weights * self._ratings).sum())
        if number <= 1:
            return float("nan")
        own = weights[self._units]
        if self.level == "interval":
            centred = self._values - np.average(self._values, weights=own)
            expected = 2 * float((own * centred**2).sum()) / (number - 1)
        else:
            totals = np.bincount(np.unique(self._values, return_inverse=True)[1], own)
            expected = float(number**2 - (totals**2).sum()) / (number * (number - 1))
        return 1 - float((weights * self._apart).sum()) / number / expected if expected > 0 else float("nan")


def bounds(statistic: Callable[[Array], float], clusters: Codes) -> tuple[float, float]:
    """The middle 95 % of a statistic when clusters (images) are drawn anew; it is given how often each unit counts.

    `clusters` [units]: the image of each unit, because marks of one image are not independent. NaN with one cluster.
    """
    number = len(np.unique(clusters))
    if number < 2:
        return float("nan"), float("nan")
    codes = np.unique(clusters, return_inverse=True)[1]
    draw = np.random.default_rng(SEED)
    found = np.array(
        [
            statistic(np.bincount(draw.integers(0, number, number), minlength=number).astype(np.float64)[codes])
            for _ in range(RESAMPLED)
        ]
    )
    found = found[np.isfinite(found)]
    if not found.size:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
