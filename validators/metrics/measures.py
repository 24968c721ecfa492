"""Measures of a column or table, by Great Expectations' metric names.

A measure is made of parts that are added up, or of which the least or greatest counts, so that one streaming pass over
groups of rows serves them all; `finish` makes the number. What cannot be added up (quantiles, distinct values) looks at
its one column a second time, through `Seen.look`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import polars as pl

from validators.findings import NotEvaluable
from validators.metrics import Lift, Metric
from validators.metrics.domain import Domain

Pool: TypeAlias = Literal["sum", "min", "max"]


@dataclass(frozen=True)
class Part:
    """A number of each group, and how groups come together."""

    metric: Metric
    pool: Pool


class Seen(Protocol):
    """What a pass over the rows gave."""

    def each(self, part: Part) -> pl.Series:
        """The part of each group."""

    def pooled(self, part: Part) -> Any:
        """The part over all groups, None where no group has it."""

    def look(self, lifts: tuple[Lift, ...]) -> pl.LazyFrame:
        """The rows again, with the lifts."""


Finish: TypeAlias = Callable[[Seen], Any]


@dataclass(frozen=True)
class Measure:
    """Parts of the pass, and the number they make."""

    parts: tuple[Part, ...]
    finish: Finish


Kwargs: TypeAlias = Mapping[str, Any]


def size(domain: Domain) -> Part:
    """Rows of the domain."""
    return Part(Metric(f"rows in domain{domain.key}", domain.size()), "sum")


def present(domain: Domain) -> Part:
    """Values that are not missing."""
    (value,) = domain.values()
    return Part(Metric(f"count({value.name})", value.column.count(), (value,)), "sum")


def total(domain: Domain) -> Part:
    """Their sum."""
    (value,) = domain.values()
    return Part(Metric(f"sum({value.name})", value.column.sum(), (value,)), "sum")


def end(domain: Domain, pool: Literal["min", "max"]) -> Part:
    """The least or greatest of them."""
    (value,) = domain.values()
    expr = value.column.min() if pool == "min" else value.column.max()
    return Part(Metric(f"{pool}({value.name})", expr, (value,)), pool)


def numbers(domain: Domain) -> None:
    """Refuses a column that is not of numbers (or truth values)."""
    dtype = domain.dtype(domain.names[0])
    if not dtype.is_numeric() and dtype != pl.Boolean:
        raise NotEvaluable(f"column {domain.names[0]!r} holds {dtype}, no numbers")


def single(part: Part) -> Measure:
    """A measure that is its only part."""
    return Measure((part,), lambda seen: seen.pooled(part))


def row_count(domain: Domain, _: Kwargs) -> Measure:
    return single(size(domain))


def least(domain: Domain, _: Kwargs) -> Measure:
    return single(end(domain, "min"))


def greatest(domain: Domain, _: Kwargs) -> Measure:
    return single(end(domain, "max"))


def summed(domain: Domain, _: Kwargs) -> Measure:
    numbers(domain)
    return single(total(domain))


def non_null_count(domain: Domain, _: Kwargs) -> Measure:
    return single(present(domain))


def mean(domain: Domain, _: Kwargs) -> Measure:
    """The sum by the count; integers are added as floats, which do not wrap."""
    numbers(domain)
    n, sums = present(domain), total(domain)
    if domain.dtype(domain.names[0]).is_integer():
        (value,) = domain.values()
        exact = value.column.cast(pl.Float64).sum()
        sums = Part(Metric(f"float sum({value.name})", exact, (value,)), "sum")
    return Measure((n, sums), lambda seen: seen.pooled(sums) / count if (count := seen.pooled(n)) else None)


def mean_and_deviation(domain: Domain, _: Kwargs) -> Measure:
    """The mean, and the standard deviation with n - 1; None where there are too few values.

    Squares are taken against each group's own mean first, so that large values of small spread lose no digits.
    """
    numbers(domain)
    (value,) = domain.values()
    x, n = value.column.cast(pl.Float64), present(domain)
    averages = Part(Metric(f"mean({value.name})", x.mean(), (value,)), "max")
    squares = Part(Metric(f"variance({value.name})", x.var(ddof=0), (value,)), "max")

    def finish(seen: Seen) -> tuple[float | None, float | None]:
        rows, means, variances = (seen.each(p).cast(pl.Float64).to_numpy() for p in (n, averages, squares))
        kept = rows > 0
        rows, means, variances = rows[kept], means[kept], variances[kept]
        if not rows.sum():
            return None, None
        average = float((rows * means).sum() / rows.sum())
        total_squares = float((rows * (variances + (means - average) ** 2)).sum())
        return average, (total_squares / (rows.sum() - 1)) ** 0.5 if rows.sum() > 1 else None

    return Measure((n, averages, squares), finish)


def deviation(domain: Domain, kwargs: Kwargs) -> Measure:
    both = mean_and_deviation(domain, kwargs)
    return Measure(both.parts, lambda seen: both.finish(seen)[1])


def distinct_count(domain: Domain, _: Kwargs) -> Measure:
    (value,) = domain.values()
    return Measure((), lambda seen: _one(seen.look((value,)).select(value.column.drop_nulls().n_unique())))


def _one(frame: pl.LazyFrame) -> Any:
    return frame.collect(engine="streaming").item()


def distinct_values(domain: Domain, _: Kwargs) -> Measure:
    (value,) = domain.values()

    def finish(seen: Seen) -> pl.Series:
        return seen.look((value,)).select(value.column.drop_nulls().unique()).collect(engine="streaming").to_series()

    return Measure((), finish)


def value_counts(domain: Domain, _: Kwargs) -> Measure:
    """A table `value`, `count`, by value; missing ones are not counted."""
    (value,) = domain.values()

    def finish(seen: Seen) -> pl.DataFrame:
        rows = seen.look((value,)).select(value=value.column).drop_nulls()
        return rows.group_by("value").agg(count=pl.len()).sort("value").collect(engine="streaming")

    return Measure((), finish)


def most_common(domain: Domain, kwargs: Kwargs) -> Measure:
    """The values that occur most often, all of them where several do, by value."""
    counts = value_counts(domain, kwargs)

    def finish(seen: Seen) -> list[Any]:
        table: pl.DataFrame = counts.finish(seen)
        return table.filter(pl.col("count") == pl.col("count").max())["value"].to_list()

    return Measure(counts.parts, finish)


_INTERPOLATIONS = ("nearest", "linear", "lower", "higher", "midpoint")


def quantiles(domain: Domain, kwargs: Kwargs) -> Measure:
    """A value for each of `quantiles`, as pandas takes them: "nearest" of an even number of choices unless told."""
    numbers(domain)
    how = kwargs.get("allow_relative_error") or "nearest"
    if how not in _INTERPOLATIONS:
        raise NotEvaluable(f"allow_relative_error {how!r}: false, {', '.join(_INTERPOLATIONS)} are known")
    wanted = tuple(kwargs["quantiles"])
    if any(not 0 <= q <= 1 for q in wanted):
        raise NotEvaluable("quantiles lie between 0 and 1")
    (value,) = domain.values()
    n = present(domain)

    def finish(seen: Seen) -> list[float | None]:
        count = seen.pooled(n)
        if not count:
            return [None for _ in wanted]
        places = sorted({place for q in wanted for place, _ in _places(q, count, how)})
        sought = seen.look((value,)).select(x=value.column).drop_nulls().sort("x")
        found = sought.select(pl.col("x").gather(places)).collect(engine="streaming").to_series()
        at = dict(zip(places, found.to_list(), strict=True))
        return [_mixed([(at[place], share) for place, share in _places(q, count, how)]) for q in wanted]

    return Measure((n,), finish)


def _mixed(parts: list[tuple[Any, float]]) -> Any:
    return parts[0][0] if len(parts) == 1 else sum(x * share for x, share in parts)


def _places(q: float, count: int, how: str) -> list[tuple[int, float]]:
    """Positions in the sorted column, and the share of each in the quantile."""
    exact = q * (count - 1)
    low = int(exact)
    share = exact - low
    high = min(low + 1, count - 1)
    if how == "nearest":
        return [(round(exact), 1.0)]
    if share == 0 or how == "lower":
        return [(low, 1.0)]
    if how == "higher":
        return [(high, 1.0)]
    share = 0.5 if how == "midpoint" else share
    return [(low, 1 - share), (high, share)]


def median(domain: Domain, _: Kwargs) -> Measure:
    middle = quantiles(domain, {"quantiles": (0.5,), "allow_relative_error": "linear"})
    return Measure(middle.parts, lambda seen: middle.finish(seen)[0])


def outlier_statistics(domain: Domain, kwargs: Kwargs) -> Measure:
    """(lower reference, upper reference, spread) of the method: the quartiles, or the mean twice and the deviation."""
    method = kwargs.get("method") or "iqr"
    if method == "std":
        both = mean_and_deviation(domain, kwargs)

        def symmetric(seen: Seen) -> tuple[Any, Any, Any]:
            average, spread = both.finish(seen)
            return average, average, spread

        return Measure(both.parts, symmetric)
    if method != "iqr":
        raise NotEvaluable(f"method {method!r}: iqr and std are known")
    quartiles = quantiles(domain, {"quantiles": (0.25, 0.75), "allow_relative_error": "linear"})

    def finish(seen: Seen) -> tuple[Any, Any, Any]:
        low, high = quartiles.finish(seen)
        return low, high, None if low is None else high - low

    return Measure(quartiles.parts, finish)


def non_null_proportion(domain: Domain, _: Kwargs) -> Measure:
    rows, there = size(domain), present(domain)
    return Measure((rows, there), lambda seen: seen.pooled(there) / n if (n := seen.pooled(rows)) else 0)


def unique_proportion(domain: Domain, kwargs: Kwargs) -> Measure:
    distinct, there = distinct_count(domain, kwargs), present(domain)
    return Measure((there,), lambda seen: distinct.finish(seen) / n if (n := seen.pooled(there)) else 0)


Make: TypeAlias = Callable[[Domain, Kwargs], Measure]
MEASURES: dict[str, Make] = {
    "table.row_count": row_count,
    "column.min": least,
    "column.max": greatest,
    "column.sum": summed,
    "column.mean": mean,
    "column.standard_deviation": deviation,
    "column.mean_and_deviation": mean_and_deviation,
    "column.median": median,
    "column.quantile_values": quantiles,
    "column.non_null_count": non_null_count,
    "column.non_null_proportion": non_null_proportion,
    "column.unique_proportion": unique_proportion,
    "column.distinct_values": distinct_values,
    "column.distinct_values.count": distinct_count,
    "column.value_counts": value_counts,
    "column.most_common_value": most_common,
    "column.outlier_statistics": outlier_statistics,
}
