"""Which rows a core metric is about, and what its columns are there: the rules of Great Expectations, said once.

The domain are the rows that meet `row_condition`. NaN is missing, as null is: Great Expectations on pandas cannot tell
them apart, so the core expectations do not either (our own `expect_signals_to_be_finite` does). A missing value, and a
row outside the domain, is null in `Domain.value`, and every test of a value carries the null on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_
from typing import Literal, TypeAlias

import polars as pl

from validators.documents import canonical
from validators.findings import NotEvaluable
from validators.metrics import Lift
from validators.metrics.rows import Condition, condition

Ignore: TypeAlias = Literal["all", "any", "never"]
_IGNORE: Mapping[str, Ignore] = {
    "both_values_are_missing": "all",
    "either_value_is_missing": "any",
    "neither": "never",
    "all_values_are_missing": "all",
    "any_value_is_missing": "any",
    "never": "never",
}


@dataclass(frozen=True)
class Column:
    """A column of numbers, text, dates or truth values: the expression that gives it, and its type."""

    expr: pl.Expr
    dtype: pl.DataType


Columns: TypeAlias = Mapping[str, Column]


def columns_of(schema: Mapping[str, pl.DataType]) -> Columns:
    """A table's own columns."""
    return {name: Column(pl.col(name), dtype) for name, dtype in schema.items()}


@dataclass(frozen=True)
class Domain:
    """Columns over rows. `ignore` says which rows of several columns are passed over; `group` keeps sequences apart."""

    columns: Columns = field(repr=False)
    names: tuple[str, ...] = ()
    row_condition: Condition = None
    condition_parser: str | None = None
    ignore: Ignore = "all"
    group: str | None = None

    @property
    def key(self) -> str:
        """What makes its lifts the same: columns do not, they are named themselves."""
        return f" where {canonical(self.row_condition)}" if self.row_condition else ""

    def rows(self) -> pl.Expr | None:
        """True on rows of the domain, None where all are. Raises `NotEvaluable`."""
        if not self.row_condition:
            return None
        return condition(self.row_condition, self.condition_parser, {n: c.dtype for n, c in self.columns.items()},
                         lambda name: self.column(name).expr)  # fmt: skip

    def column(self, name: str) -> Column:
        """The column of that name, or `NotEvaluable`."""
        found = self.columns.get(name)
        if found is None:
            raise NotEvaluable(f"there is no column {name!r}")
        if found.dtype.is_nested():
            raise NotEvaluable(f"column {name!r} is a vector; name one channel, as {name}[0]")
        return found

    def dtype(self, name: str) -> pl.DataType:
        """The column's type."""
        return self.column(name).dtype

    def value(self, name: str) -> Lift:
        """The column, null where it is missing or its row is outside the domain."""
        column, rows = self.column(name), self.rows()
        expr = column.expr.fill_nan(None) if column.dtype.is_float() else column.expr
        return Lift(f"{name} in domain{self.key}", expr if rows is None else pl.when(rows).then(expr))

    def values(self) -> tuple[Lift, ...]:
        """All its columns."""
        return tuple(self.value(name) for name in self.names)

    def size(self) -> pl.Expr:
        """Rows of the domain."""
        rows = self.rows()
        return pl.len() if rows is None else rows.sum()

    def considered(self) -> pl.Expr:
        """True on rows of several columns that are judged, by `ignore`."""
        rows = self.rows()
        inside = pl.lit(value=True) if rows is None else rows
        there = [lift.column.is_not_null() for lift in self.values()]
        if self.ignore == "never":
            return inside
        return inside & reduce(or_ if self.ignore == "all" else and_, there)


def ignore(word: str | None) -> Ignore:
    """Great Expectations' `ignore_row_if`, of pairs and of more columns, in one word."""
    if word is None:
        return "all"
    if word not in _IGNORE:
        raise NotEvaluable(f"ignore_row_if {word!r}: known are {', '.join(_IGNORE)}")
    return _IGNORE[word]
