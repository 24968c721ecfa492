"""Tests of one row, by Great Expectations' metric names: those of a value here, those of several in `records`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import and_, or_
from typing import Any

import polars as pl

from validators.findings import NotEvaluable
from validators.metrics import Lift
from validators.metrics import texts as text
from validators.metrics.condition import Build, Condition, Kwargs, RowTest
from validators.metrics.domain import Domain
from validators.metrics.literals import literal, literals
from validators.metrics.records import RECORDS

CONDITIONS: dict[str, Condition] = {**RECORDS}


def _register(name: str, **extra: Any) -> Callable[[Build], Build]:
    def keep(build: Build) -> Build:
        CONDITIONS[name] = Condition(build, **extra)
        return build

    return keep


def _one(test: Callable[[pl.Expr, pl.DataType, Kwargs], pl.Expr]) -> Build:
    """A test of one value."""

    def build(domain: Domain, kwargs: Kwargs, _: Any) -> RowTest:
        (value,) = domain.values()
        return RowTest(test(value.column, domain.dtype(domain.names[0]), kwargs), (value,))

    return build


def between(value: pl.Expr, low: pl.Expr | None, high: pl.Expr | None, kwargs: Kwargs) -> pl.Expr:
    """min_value <= x <= max_value, either end open where `strict_min` or `strict_max` says so."""
    tests = []
    if low is not None:
        tests.append(value > low if kwargs.get("strict_min") else value >= low)
    if high is not None:
        tests.append(value < high if kwargs.get("strict_max") else value <= high)
    return reduce(and_, tests)


def _bounds(kwargs: Kwargs, dtype: pl.DataType, what: str) -> tuple[pl.Expr | None, pl.Expr | None]:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is None and high is None:
        raise NotEvaluable("min_value or max_value is needed")
    if low is not None and high is not None and type(low) is type(high) and low > high:
        raise NotEvaluable(f"min_value {low!r} is greater than max_value {high!r}")
    ends = [None if end is None else literal(end, dtype, what) for end in (low, high)]
    return ends[0], ends[1]


@_register("column_values.between")
@_one
def _between(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
    return between(value, *_bounds(kwargs, dtype, "bounds"), kwargs)


@_register("column_values.in_set")
@_one
def _in_set(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
    wanted = kwargs.get("value_set")
    return value.is_not_null() if wanted is None else value.is_in(literals(wanted, dtype).implode())


@_register("column_values.not_in_set")
@_one
def _not_in_set(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
    wanted = kwargs.get("value_set")
    return value.is_not_null() if wanted is None else ~value.is_in(literals(wanted, dtype).implode())


def _null(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    (value,) = domain.values()
    rows = domain.rows()
    return RowTest(value.column.is_null() if rows is None else value.column.is_null() & rows, (value,))


CONDITIONS["column_values.null"] = Condition(_null, arity="rows")


def _nonnull(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    (value,) = domain.values()
    return RowTest(value.column.is_not_null(), (value,))


CONDITIONS["column_values.nonnull"] = Condition(_nonnull, arity="rows")


def _length(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return pl.when(value).then(4).when(~value).then(5)
    if dtype.is_float() or dtype.is_temporal():
        raise NotEvaluable(f"a column of {dtype} has no length: it depends on how values are printed")
    return value.cast(pl.String).str.len_chars().cast(pl.Int64)


@_register("column_values.value_length.between")
@_one
def _length_between(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
    return between(_length(value, dtype), *_bounds(kwargs, pl.Int64(), "bounds of a length"), kwargs)


@_register("column_values.value_length.equals")
@_one
def _length_equals(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
    return _length(value, dtype) == literal(kwargs["value"], pl.Int64(), "value")


def _texts(name: str, test: Callable[[pl.Expr, Kwargs], pl.Expr]) -> None:
    """A test of text; numbers are tested as they are written, where that is beyond doubt (integers)."""

    def of_text(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
        return test(text.written(value, dtype), kwargs)

    CONDITIONS[name] = Condition(_one(of_text))


def _any(tests: list[pl.Expr]) -> pl.Expr:
    return reduce(or_, tests)


def _listed(value: pl.Expr, patterns: Any, match: Callable[[pl.Expr, str], pl.Expr], how: str) -> pl.Expr:
    if not patterns:
        raise NotEvaluable("the list of patterns is empty")
    if how not in ("any", "all"):
        raise NotEvaluable(f"match_on {how!r}: any and all are known")
    return reduce(or_ if how == "any" else and_, [match(value, p) for p in patterns])


_texts("column_values.match_regex", lambda v, k: text.matches(v, k["regex"]))
_texts("column_values.not_match_regex", lambda v, k: ~text.matches(v, k["regex"]))
_texts(
    "column_values.match_regex_list", lambda v, k: _listed(v, k["regex_list"], text.matches, k.get("match_on") or "any")
)
_texts("column_values.not_match_regex_list", lambda v, k: ~_listed(v, k["regex_list"], text.matches, "any"))
_texts("column_values.match_like_pattern", lambda v, k: text.like(v, k["like_pattern"], k.get("escape")))
_texts("column_values.not_match_like_pattern", lambda v, k: ~text.like(v, k["like_pattern"], k.get("escape")))


def _like(kwargs: Kwargs) -> Callable[[pl.Expr, str], pl.Expr]:
    return lambda value, pattern: text.like(value, pattern, kwargs.get("escape"))


_texts(
    "column_values.match_like_pattern_list",
    lambda v, k: _listed(v, k["like_pattern_list"], _like(k), k.get("match_on") or "any"),
)
_texts(
    "column_values.not_match_like_pattern_list",
    lambda v, k: ~_listed(v, k["like_pattern_list"], _like(k), "any"),
)


def _strings(name: str, test: Callable[[Kwargs], Callable[[str], bool]]) -> None:
    """A test in Python of each distinct text; other columns are refused, as Great Expectations refuses them."""

    def of_string(value: pl.Expr, dtype: pl.DataType, kwargs: Kwargs) -> pl.Expr:
        if dtype not in (pl.String, pl.Categorical):
            raise NotEvaluable(f"{name} wants text, the column is {dtype}")
        return text.by_python(value.cast(pl.String), test(kwargs))

    CONDITIONS[name] = Condition(_one(of_string))


_strings("column_values.match_strftime_format", lambda k: text.strftime(k["strftime_format"]))
_strings("column_values.json_parseable", lambda _: text.json_parseable)
_strings("column_values.match_json_schema", lambda k: text.json_schema(k["json_schema"]))
_strings("column_values.dateutil_parseable", lambda _: text.dateutil_parseable())


def owned(domain: Domain, value: Lift) -> Lift:
    """The group of the value before."""
    group = pl.when(value.column.is_not_null()).then(pl.col(domain.group or ""))
    return Lift(f"{value.name} group before", group.forward_fill().shift(), (value,))


def _ordered(rising: bool) -> Build:
    """Against the value before, missing ones passed over; the first of a sequence, and of a group, has none before."""

    def build(domain: Domain, kwargs: Kwargs, _: Any) -> RowTest:
        (value,) = domain.values()
        before = Lift(f"{value.name} before", value.column.forward_fill().shift(), (value,))
        x, last = value.column, before.column
        if domain.dtype(domain.names[0]) == pl.String:
            raise NotEvaluable("text has no order in time; the column must hold numbers or times")
        ahead, behind = (x, last) if rising else (last, x)
        in_order = ahead > behind if kwargs.get("strictly") else ahead >= behind
        first = last.is_null()
        lifts: tuple[Lift, ...] = (value, before)
        if domain.group is not None:
            owner = owned(domain, value)
            first, lifts = first | (owner.column != pl.col(domain.group)), (*lifts, owner)
        return RowTest((in_order | first) & x.is_not_null(), lifts)

    return build


CONDITIONS["column_values.increasing"] = Condition(_ordered(rising=True))
CONDITIONS["column_values.decreasing"] = Condition(_ordered(rising=False))


def _unique(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    (value,) = domain.values()
    return RowTest(~value.column.is_duplicated() & value.column.is_not_null(), (value,))


CONDITIONS["column_values.unique"] = Condition(_unique, whole=True)


def _z_score(domain: Domain, kwargs: Kwargs, seen: Any) -> RowTest:
    (value,) = domain.values()
    mean, deviation = seen
    if not deviation or not math.isfinite(deviation):
        return RowTest(value.column.is_not_null(), (value,))
    z = (value.column - mean) / deviation
    threshold = kwargs["threshold"]
    return RowTest(z.abs() < abs(threshold) if kwargs.get("double_sided", True) else z < threshold, (value,))


CONDITIONS["column_values.z_score.under_threshold"] = Condition(_z_score, statistic="column.mean_and_deviation")


def _not_outlier(domain: Domain, kwargs: Kwargs, seen: Any) -> RowTest:
    (value,) = domain.values()
    x, (low, high, spread), method = value.column, seen, kwargs.get("method") or "iqr"
    if any(statistic is None or not math.isfinite(statistic) for statistic in (low, high, spread)):
        return RowTest(x.is_not_null(), (value,))
    reach = spread * (1.5 if kwargs.get("multiplier") is None else kwargs["multiplier"])
    if method == "iqr":
        met = (x >= low - reach) & (x <= high + reach)
    else:
        met = (x - low).abs() < reach if reach > 0 else x == low
    return RowTest(met, (value,))


CONDITIONS["column_values.not_outliers"] = Condition(_not_outlier, statistic="column.outlier_statistics")
