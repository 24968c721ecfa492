"""How far a column's distribution lies from an expected one: the Kullback-Leibler divergence of Great Expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validators.findings import NotEvaluable
from validators.metrics import Metric
from validators.metrics.domain import Domain
from validators.metrics.literals import literals
from validators.metrics.measures import Kwargs, Measure, Part, Seen, numbers, present, value_counts

MAX_BINS = 1000
_SUM = 1e-3  # how far weights may add up beside 1


def histogram(domain: Domain, kwargs: Kwargs) -> Measure:
    """Values in each bin: closed below, open above, the last closed; as numpy counts them."""
    below, edges = _below(domain, kwargs["bins"])

    def finish(seen: Seen) -> list[int]:
        cumulative = [seen.pooled(p) or 0 for p in below]
        return [b - a for a, b in pairwise(cumulative)][: len(edges) - 1]

    return Measure(below, finish)


def _below(domain: Domain, bins: Sequence[float]) -> tuple[tuple[Part, ...], Sequence[float]]:
    """Values below each edge, and not above the last one."""
    numbers(domain)
    edges = [float(b) for b in bins]
    if not 2 <= len(edges) <= MAX_BINS + 1 or any(b <= a for a, b in pairwise(edges)):
        raise NotEvaluable(f"bins: 2 to {MAX_BINS + 1} rising edges were expected")
    (value,) = domain.values()
    tests = [value.column < edge for edge in edges[:-1]] + [value.column <= edges[-1]]
    names = [f"count({value.name} < {edge!r})" for edge in edges[:-1]] + [f"count({value.name} <= {edges[-1]!r})"]
    return tuple(Part(Metric(n, t.sum(), (value,)), "sum") for n, t in zip(names, tests, strict=True)), edges


def divergence(domain: Domain, kwargs: Kwargs) -> Measure:
    """Of `partition_object`: {values, weights} or {bins, weights, tail_weights}; None where it is infinite."""
    partition = kwargs.get("partition_object")
    if not isinstance(partition, Mapping):
        raise NotEvaluable("partition_object is needed: without one a column is compared with itself and always passes")
    weights = np.asarray(partition.get("weights", ()), dtype=np.float64)
    tails = np.asarray(partition.get("tail_weights", ()), dtype=np.float64)
    everything = np.concatenate([weights, tails])
    if not weights.size or not (np.isfinite(everything).all() and (everything >= 0).all()):
        raise NotEvaluable("partition_object: weights that are finite and not negative were expected")
    if abs(everything.sum() - 1) > _SUM:
        raise NotEvaluable(f"partition_object: weights add up to {everything.sum():g}, not 1")
    tail, internal = kwargs.get("tail_weight_holdout") or 0, kwargs.get("internal_weight_holdout") or 0
    if tails.size and tail:
        raise NotEvaluable("tail_weight_holdout must be 0 beside tail_weights")
    if "values" in partition:
        return _categorical(domain, list(partition["values"]), weights, tail, internal)
    return _continuous(domain, partition.get("bins", ()), weights, tails, tail, internal)


def _categorical(
    domain: Domain, wanted: list[Any], weights: NDArray[np.float64], tail: float, internal: float
) -> Measure:
    if len(wanted) != weights.size or internal:
        raise NotEvaluable("partition_object: as many values as weights, and no internal_weight_holdout, were expected")
    counts, n = value_counts(domain, {}), present(domain)
    dtype = domain.dtype(domain.names[0])

    def finish(seen: Seen) -> float | None:
        table, rows = counts.finish(seen), seen.pooled(n)
        observed = dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))
        keys = [fit[0] if len(fit := literals([w], dtype)) else (None, w) for w in wanted]
        strangers = [k for k in observed if k not in set(keys)]
        expected = list(weights * (1 - tail if strangers else 1)) + [tail / max(1, len(strangers))] * len(strangers)
        return _entropy(
            np.array([observed.get(k, 0) / rows if rows else np.nan for k in [*keys, *strangers]]), np.array(expected)
        )

    return Measure((*counts.parts, n), finish)


def _continuous(
    domain: Domain, bins: Any, weights: NDArray[np.float64], tails: NDArray[np.float64], tail: float, internal: float
) -> Measure:
    if not isinstance(bins, list | tuple) or len(bins) != weights.size + 1:
        raise NotEvaluable("partition_object: bins with one edge more than weights were expected")
    counted, (below, edges), n = histogram(domain, {"bins": bins}), _below(domain, bins), present(domain)
    open_below, open_above = np.isneginf(edges[0]), np.isposinf(edges[-1])
    if tails.size and (open_below or open_above or tails.size != 2):
        raise NotEvaluable("partition_object: two tail_weights, and none where an end is infinite, were expected")
    if open_below and open_above and tail:
        raise NotEvaluable("tail_weight_holdout is of no use where both ends are infinite")
    expected = weights * (1 - tail - internal)
    empty = expected == 0
    if internal and empty.any():
        expected[empty] = internal / empty.sum()
    share = 1.0 if open_below or open_above else 0.5
    ends = tails if tails.size else np.array([tail * share, tail * share])

    def finish(seen: Seen) -> float | None:
        rows, inside = seen.pooled(n), counted.finish(seen)
        if not rows:
            return None
        under, over = seen.pooled(below[0]) or 0, rows - (seen.pooled(below[-1]) or 0)
        p, q = list(inside), list(expected)
        if not open_below:
            p, q = [under, *p], [ends[0], *q]
        if not open_above:
            p, q = [*p, over], [*q, ends[1]]
        return _entropy(np.array(p) / rows, np.array(q))

    return Measure((*below, n), finish)


def _entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float | None:
    """Of p against q, both brought to 1; None where it is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = p / p.sum(), q / q.sum()
        terms = np.where(p > 0, p * np.log(p / q), np.where(np.isnan(p), np.nan, 0.0))
    value = float(terms.sum())
    return value if np.isfinite(value) else None
