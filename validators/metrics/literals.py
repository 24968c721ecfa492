"""Values of a suite beside values of a column: of the column's type, exactly, or refused.

JSON knows text, numbers and truth; a date is ISO text. An integer stays one, whatever its size, beside integers.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from typing import Any

import polars as pl

from validators.findings import NotEvaluable


def literal(value: Any, dtype: pl.DataType, what: str) -> pl.Expr:
    """A bound, comparable with the column. Raises `NotEvaluable` when the two cannot be compared."""
    if isinstance(value, bool):
        fits = dtype == pl.Boolean or dtype.is_numeric()
        value = value if dtype == pl.Boolean else int(value)
    elif isinstance(value, int | float):
        fits = dtype.is_numeric() or dtype == pl.Boolean
    elif isinstance(value, str) and dtype.is_temporal():
        return pl.lit(_moment(value, dtype, what))
    elif isinstance(value, str):
        fits = dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum)
    else:
        fits = isinstance(value, datetime.date) and dtype.is_temporal()
    if not fits:
        raise NotEvaluable(f"{what}: {value!r} cannot be compared with a column of {dtype}")
    if isinstance(value, datetime.date):
        return pl.lit(_as(value, dtype))
    if isinstance(value, int) and dtype.is_integer():
        return pl.lit(value) if -(2**63) <= value < 2**63 else pl.lit(float(value))
    return pl.lit(value)


def literals(values: Iterable[Any], dtype: pl.DataType) -> pl.Series:
    """The values that a column of the type can hold, of that type; others equal none of its values."""
    kept = [fit for value in values if (fit := _fit(value, dtype)) is not None]
    return pl.Series(kept, dtype=dtype, strict=False)


def _fit(value: Any, dtype: pl.DataType) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    number = isinstance(value, int | float)
    if dtype.is_integer():
        whole = isinstance(value, int) or (number and value.is_integer())
        return int(value) if whole and -(2**63) <= value < 2**64 else None
    if dtype.is_temporal():
        return _day(value, dtype)
    if dtype.is_float():
        fits, made = number, float(value) if number else None
    elif dtype == pl.Boolean:
        fits, made = number and value in (0, 1), bool(value)
    else:
        fits, made = isinstance(value, str), value
    return made if fits else None


def _day(value: Any, dtype: pl.DataType) -> Any:
    if isinstance(value, datetime.date):
        return _as(value, dtype)
    try:
        return _moment(value, dtype, "value_set") if isinstance(value, str) else None
    except NotEvaluable:
        return None


def _moment(text: str, dtype: pl.DataType, what: str) -> Any:
    try:
        return _as(datetime.datetime.fromisoformat(text), dtype)
    except ValueError as error:
        raise NotEvaluable(f"{what}: {text!r} is no ISO date or time") from error


def _as(value: datetime.date, dtype: pl.DataType) -> Any:
    """The moment as the column holds it: a day, or a time with or without its zone (UTC when it names none)."""
    if dtype == pl.Date:
        return value.date() if isinstance(value, datetime.datetime) else value
    if not isinstance(dtype, pl.Datetime):
        raise NotEvaluable(f"a column of {dtype} is not compared with dates")
    moment = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())
    if dtype.time_zone is None:
        return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
