"""Each metric once: a name, the Polars expression that aggregates it over one episode, and the columns lifted for it.

`diff` and `shift` live in lifts (`with_columns`), never in the fused aggregate: there they would make Polars buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from validators.stream import START, Feature, Stream


@dataclass(frozen=True)
class Lift:
    """A helper column, computed row by row (or against rows before) ahead of the aggregation; equal names are equal."""

    name: str
    expr: pl.Expr = field(compare=False, repr=False)
    needs: tuple[Lift, ...] = ()

    @property
    def column(self) -> pl.Expr:
        """The lifted column."""
        return pl.col(self.name)


@dataclass(frozen=True)
class Metric:
    """One number an episode; equal names are equal."""

    name: str
    expr: pl.Expr = field(compare=False, repr=False)
    needs: tuple[Lift, ...] = ()


def clock(stream: Stream) -> Lift:
    """The stream's clock, float64 s since the recording's origin."""
    return Lift("t", stream.seconds())


def channels(stream: Stream, feature: Feature) -> tuple[Lift, ...]:
    """Each channel of a vector, as float64 in its own unit."""
    unpacked = stream.unpacked(feature).items()
    return tuple(Lift(f"{name} value", column.cast(pl.Float64)) for name, column in unpacked)


def previous(lift: Lift, rows: int = 1) -> Lift:
    """The lifted column some rows earlier; across the start of an episode it is another episode's, so mask it."""
    return Lift(f"{lift.name}@-{rows}", lift.column.shift(rows), (lift,))


def since_previous(lift: Lift) -> Lift:
    """Difference to the row before, null at the first row of an episode."""
    before = previous(lift)
    return Lift(f"Δ{lift.name}", pl.when(~pl.col(START)).then(lift.column - before.column), (lift, before))


def least(lift: Lift) -> Metric:
    """Least value in the episode; NaN is passed over."""
    return Metric(f"min({lift.name})", lift.column.min(), (lift,))


def greatest(lift: Lift) -> Metric:
    """Greatest value in the episode; NaN is passed over."""
    return Metric(f"max({lift.name})", lift.column.max(), (lift,))


def count(name: str, condition: pl.Expr, *needs: Lift) -> Metric:
    """Rows of the episode where the condition holds; null counts as not."""
    return Metric(f"count({name})", condition.sum(), needs)


def total(lift: Lift) -> Metric:
    """Sum over the episode, null passed over."""
    return Metric(f"sum({lift.name})", lift.column.sum(), (lift,))
