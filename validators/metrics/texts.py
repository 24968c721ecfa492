"""Tests of text: patterns in Rust where it agrees with Python, else in Python, once for each distinct text."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from typing import Any

import polars as pl

from validators.extras import need
from validators.findings import NotEvaluable

MAX_PATTERN = 10_000  # characters
_DIFFERENT = re.compile(r"\(\?(?!:|P<|i\)|s\))|\\[0-9ZzAbBGpPwWdDsS]|[*+?}]\+|\$(?!$)|&&|--|~~|\[\[|\(\?P=")


def written(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The value as text; refused where that depends on the printer."""
    if dtype.is_integer() or dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum):
        return value.cast(pl.String)
    raise NotEvaluable(f"a column of {dtype} is no text, and how it is printed says nothing of the data")


def matches(value: pl.Expr, pattern: str) -> pl.Expr:
    """The pattern is found anywhere, as Python's `re.search` finds it."""
    if len(pattern) > MAX_PATTERN:
        raise NotEvaluable(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN}")
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotEvaluable(f"pattern {pattern!r} is no regular expression: {error}") from error
    if not _DIFFERENT.search(pattern) and _rust(pattern):
        return value.str.contains(_ended(pattern))
    return by_python(value, lambda one: compiled.search(one) is not None)


def _ended(pattern: str) -> str:
    """Python's final `$` also matches before a last line feed; Rust's does not."""
    if not pattern.endswith("$") or pattern.endswith(r"\$"):
        return pattern
    return pattern[:-1] + r"(?:\n?\z)"


def _rust(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(_ended(pattern))
    except pl.exceptions.ComputeError:
        return False
    return True


def like(value: pl.Expr, pattern: str, escape: str | None) -> pl.Expr:
    """SQL's LIKE: `%` is any text, `_` any character, `escape` takes the next one as it is."""
    if escape is not None and len(escape) != 1:
        raise NotEvaluable(f"escape {escape!r} is not one character")
    parts, literal = [], False
    for character in pattern:
        if escape is not None and character == escape and not literal:
            literal = True
            continue
        parts.append(re.escape(character) if literal or character not in "%_" else {"%": ".*", "_": "."}[character])
        literal = False
    return value.str.contains(r"(?s)\A" + "".join(parts) + r"\z")


def by_python(value: pl.Expr, test: Callable[[str], bool]) -> pl.Expr:
    """A test of each distinct text of a batch; null stays null."""

    def tested(batch: pl.Series) -> pl.Series:
        distinct = batch.drop_nulls().unique()
        good = pl.Series([one for one in distinct if test(one)], dtype=pl.String)
        return batch.is_in(good.implode())

    return value.map_batches(tested, return_dtype=pl.Boolean, is_elementwise=True)


def strftime(form: str) -> Callable[[str], bool]:
    """Whether `datetime.strptime` reads the text in that form."""

    def test(one: str) -> bool:
        try:
            datetime.datetime.strptime(one, form)  # noqa: DTZ007 - only whether it parses is asked
        except ValueError:
            return False
        return True

    try:
        datetime.datetime.strptime(datetime.datetime(2000, 1, 1).strftime(form), form)  # noqa: DTZ001, DTZ007
    except ValueError as error:
        raise NotEvaluable(f"strftime_format {form!r} is no form that can be read back: {error}") from error
    return test


def json_parseable(one: str) -> bool:
    """Whether Python's `json` reads the text."""
    try:
        json.loads(one)
    except (ValueError, RecursionError):
        return False
    return True


def json_schema(schema: Any) -> Callable[[str], bool]:
    """Whether the text is JSON that the schema accepts; references to other hosts are not followed."""
    jsonschema = need("jsonschema", "gx")
    kind = jsonschema.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise NotEvaluable(f"json_schema is no JSON schema: {error.message}") from error
    validator = kind(schema)

    def test(one: str) -> bool:
        try:
            document = json.loads(one)
        except (ValueError, RecursionError):
            return False
        return bool(validator.is_valid(document))

    return test


def dateutil_parseable() -> Callable[[str], bool]:
    """Whether `dateutil` reads the text as a date."""
    parser = need("dateutil.parser", "gx")

    def test(one: str) -> bool:
        try:
            parser.parse(one)
        except (ValueError, OverflowError):
            return False
        return True

    return test
