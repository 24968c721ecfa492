"""`row_condition`: which rows an expectation is about, in Great Expectations' own condition syntax.

Two spellings: text, as `col("speed") > 0.5` or `col("speed").notnull()` with condition_parser "great_expectations", and
documents, as Great Expectations writes its Condition objects. Text of pandas or Spark is a program and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, or_
from typing import Any, TypeAlias

import polars as pl

from validators.findings import NotEvaluable
from validators.metrics.literals import literal, literals

Condition: TypeAlias = str | Mapping[str, Any] | None

MAX_CONDITIONS = 100
PARSERS = (None, "great_expectations", "great_expectations__experimental__")
_TEXT = re.compile(
    r"""\s*col\("(?P<column>[^"]+)"\)\s*(?:
        (?P<notnull>\.notnull\(\))
        |(?P<op>==|!=|>=|<=|>|<)\s*(?:
            (?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
            |"(?P<double>[^"]*)"|'(?P<single>[^']*)'
            |date\((?:"(?P<date_double>[^"]*)"|'(?P<date_single>[^']*)')\)))\s*""",
    re.VERBOSE,
)


def condition(
    given: Condition, parser: str | None, schema: Mapping[str, pl.DataType], column: Callable[[str], pl.Expr]
) -> pl.Expr:
    """True on the rows that meet it, never null. Raises `NotEvaluable`."""
    if isinstance(given, str):
        given = _parsed(given, parser)
    if not isinstance(given, Mapping):
        raise NotEvaluable(f"row_condition {given!r}: text or a condition was expected")
    return _expr(given, schema, column, 0)


def _parsed(text: str, parser: str | None) -> dict[str, Any]:
    if parser not in PARSERS:
        raise NotEvaluable(
            f"condition_parser {parser!r} is refused, because its row_condition is a program of that library; "
            'write it for "great_expectations", as col("speed") > 0.5'
        )
    found = _TEXT.fullmatch(text)
    if found is None:
        raise NotEvaluable(f'row_condition {text!r} cannot be parsed; write it as col("speed") > 0.5')
    parts = {k: v for k, v in found.groupdict().items() if v is not None}
    name = {"name": parts["column"]}
    if "notnull" in parts:
        return {"type": "nullity", "column": name, "is_null": False}
    if "number" in parts:
        number = parts["number"]
        parameter: object = int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
    else:
        quoted = ("double", "single", "date_double", "date_single")
        parameter = next(parts[k] for k in quoted if k in parts)
    return {"type": "comparison", "column": name, "operator": parts["op"], "parameter": parameter}


def _expr(
    given: Mapping[str, Any], schema: Mapping[str, pl.DataType], column: Callable[[str], pl.Expr], depth: int
) -> pl.Expr:
    kind = given.get("type")
    if kind in ("and", "or"):
        inner = given.get("conditions")
        if not isinstance(inner, list | tuple) or not 0 < len(inner) <= MAX_CONDITIONS or depth > 1:
            raise NotEvaluable(f"row_condition: {kind} wants 1 to {MAX_CONDITIONS} conditions, at most two levels deep")
        parts = [_expr(one, schema, column, depth + 1) for one in inner]
        return reduce(and_ if kind == "and" else or_, parts)
    if kind not in ("comparison", "nullity"):
        raise NotEvaluable(f"row_condition of type {kind!r} is refused; comparison, nullity, and, or are known")
    named = given.get("column")
    name = named.get("name") if isinstance(named, Mapping) else named
    if not isinstance(name, str):
        raise NotEvaluable("row_condition: a column's name was expected")
    value, dtype = column(name), schema[name]
    if dtype.is_float():
        value = value.fill_nan(None)
    if kind == "nullity":
        missing: pl.Expr = value.is_null()
        return missing if given.get("is_null") else ~missing
    return _compared(value, dtype, given.get("operator"), given.get("parameter"), name)


def _compared(value: pl.Expr, dtype: pl.DataType, operator: Any, parameter: Any, name: str) -> pl.Expr:
    if operator in ("IN", "NOT_IN"):
        found = value.is_in(literals(parameter, dtype)).fill_null(value=False)
        return ~found if operator == "NOT_IN" else found
    other = literal(parameter, dtype, f"row_condition on {name!r}")
    tests = {
        "==": value.eq(other),
        "!=": value.ne_missing(other),
        "<": value.lt(other),
        "<=": value.le(other),
        ">": value.gt(other),
        ">=": value.ge(other),
    }
    if operator not in tests:
        raise NotEvaluable(f"row_condition: operator {operator!r}; known are {', '.join(tests)}, IN and NOT_IN")
    return tests[operator].fill_null(value=False)
