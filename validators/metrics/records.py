"""Tests of one row that look at several columns, by Great Expectations' metric names: pairs and records."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_, or_
from typing import Any

import polars as pl

from validators.findings import NotEvaluable
from validators.metrics.condition import Build, Condition, Kwargs, RowTest
from validators.metrics.domain import Domain
from validators.metrics.literals import literals

RECORDS: dict[str, Condition] = {}


def _comparable(domain: Domain) -> tuple[pl.Expr, ...]:
    """The columns of a pair or record; kinds that do not compare are refused."""
    kinds = {_kind(domain.dtype(n)) for n in domain.names}
    if len(kinds) > 1:
        raise NotEvaluable(
            f"columns {', '.join(domain.names)} hold {' and '.join(sorted(kinds))}, which do not compare"
        )
    return tuple(v.column for v in domain.values())


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "numbers"
    return "times" if dtype.is_temporal() else "text"


def _pair(test: Callable[[pl.Expr, pl.Expr, Kwargs], pl.Expr]) -> Build:
    def build(domain: Domain, kwargs: Kwargs, _: Any) -> RowTest:
        a, b = _comparable(domain)
        return RowTest(test(a, b, kwargs), domain.values())

    return build


RECORDS["column_pair_values.equal"] = Condition(_pair(lambda a, b, _: a == b), arity="pair")
RECORDS["column_pair_values.a_greater_than_b"] = Condition(
    _pair(lambda a, b, k: a >= b if k.get("or_equal") else a > b), arity="pair"
)


def _pair_in_set(domain: Domain, kwargs: Kwargs, _: Any) -> RowTest:
    pairs = kwargs.get("value_pairs_set")
    lifts = domain.values()
    if pairs is None:
        return RowTest(pl.lit(value=True), lifts)
    tests = []
    for pair in pairs:
        if len(pair) != 2:
            raise NotEvaluable(f"value_pairs_set: {pair!r} is no pair")
        tests.append(
            reduce(
                and_, [_equals(v.column, w, domain.dtype(n)) for v, w, n in zip(lifts, pair, domain.names, strict=True)]
            )
        )
    return RowTest(reduce(or_, tests) if tests else pl.lit(value=False), lifts)


def _equals(value: pl.Expr, wanted: Any, dtype: pl.DataType) -> pl.Expr:
    if wanted is None:
        return value.is_null()
    fit = literals([wanted], dtype)
    return value.eq_missing(pl.lit(fit[0], dtype=dtype)) if len(fit) else pl.lit(value=False)


RECORDS["column_pair_values.in_set"] = Condition(_pair_in_set, arity="pair")


def _compound(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    """Duplicates among the rows that are considered; null equals null."""
    lifts = domain.values()
    considered = domain.considered()
    key = pl.struct(considered.alias("considered"), *(v.column for v in lifts))
    return RowTest(~key.is_duplicated(), lifts)


RECORDS["compound_columns.unique"] = Condition(_compound, whole=True, arity="record")


def _sum_equal(domain: Domain, kwargs: Kwargs, _: Any) -> RowTest:
    lifts = domain.values()
    if {_kind(domain.dtype(n)) for n in domain.names} != {"numbers"}:
        raise NotEvaluable("a sum wants columns of numbers")
    return RowTest(reduce(lambda a, b: a + b, [v.column for v in lifts]) == kwargs["sum_total"], lifts)


RECORDS["multicolumn_sum.equal"] = Condition(_sum_equal, arity="record")


def _values_equal(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    first, *others = _comparable(domain)
    return RowTest(reduce(and_, [first.eq_missing(o) for o in others]), domain.values())


RECORDS["multicolumn_values.equal"] = Condition(_values_equal, arity="record")


def _within_record(domain: Domain, _: Kwargs, __: Any) -> RowTest:
    columns = _comparable(domain)
    tests = [a.ne_missing(b) for i, a in enumerate(columns) for b in columns[i + 1 :]]
    return RowTest(reduce(and_, tests), domain.values())


RECORDS["select_column_values.unique.within_record"] = Condition(_within_record, arity="record")
