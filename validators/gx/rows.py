"""What Great Expectations asks of rows that are not as expected: how many, which values, where; from one `Counts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl

from validators.metrics.counts import Counts
from validators.metrics.measures import Part, Seen

MAX_LISTED = 200  # unexpected rows in a result, unless it is complete
MAX_COMPLETE = 100_000


@dataclass(frozen=True)
class Answer:
    """Parts of the pass, and how they become the value that Great Expectations expects."""

    parts: tuple[Part, ...]
    finish: Callable[[Seen], Any]


Kwargs: TypeAlias = Mapping[str, Any]


def _unexpected_count(found: Counts, _: Kwargs) -> Answer:
    return Answer(found.parts, found.unexpected)


def _judged_count(found: Counts, _: Kwargs) -> Answer:
    return Answer(found.parts, lambda seen: int(seen.pooled(found.judged) or 0))


def _limited(rows: pl.LazyFrame, kwargs: Kwargs) -> pl.LazyFrame:
    form = kwargs.get("result_format") or {}
    if form.get("result_format") == "COMPLETE":
        return rows.head(MAX_COMPLETE)
    return rows.head(min(form.get("partial_unexpected_count", 20), MAX_LISTED))


def _listing(found: Counts, make: Callable[[Seen], Any]) -> Answer:
    """Rows are looked for again only where there are any."""
    return Answer(found.parts, lambda seen: make(seen) if found.unexpected(seen) else [])


def _unexpected_values(found: Counts, kwargs: Kwargs) -> Answer:
    def values(seen: Seen) -> list[Any]:
        shown = [found.domain.column(n).expr.alias(n) for n in found.domain.names]
        table = _limited(found.failing(seen), kwargs).select(shown).collect(engine="streaming")
        if len(found.domain.names) == 1:
            return table.to_series().to_list()
        if (
            "column_list" in kwargs
            or len(found.domain.names) > 2
            or found.name.startswith(("multi", "compound", "select"))
        ):
            return table.to_dicts()
        return table.rows()

    return _listing(found, values)


def _unexpected_index_list(found: Counts, kwargs: Kwargs) -> Answer:
    """Positions of rows in the table; with `unexpected_index_column_names` those columns beside the values."""
    named = (kwargs.get("result_format") or {}).get("unexpected_index_column_names")

    def indices(seen: Seen) -> list[Any]:
        rows = _limited(found.failing(_Numbered(seen)), kwargs)
        if not named:
            return rows.select(_ROW).collect(engine="streaming").to_series().to_list()
        return rows.select(*found.domain.names, *named).collect(engine="streaming").to_dicts()

    return _listing(found, indices)


_ROW = "__position__"


@dataclass(frozen=True)
class _Numbered:
    """The rows again, numbered."""

    seen: Seen

    def each(self, part: Part) -> pl.Series:
        return self.seen.each(part)

    def pooled(self, part: Part) -> Any:
        return self.seen.pooled(part)

    def look(self, lifts: Any) -> pl.LazyFrame:
        return self.seen.look(lifts).with_row_index(_ROW)


def _unexpected_rows(found: Counts, kwargs: Kwargs) -> Answer:
    shown = [column.expr.alias(name) for name, column in found.domain.columns.items()]

    def rows(seen: Seen) -> pd.DataFrame:
        return _limited(found.failing(seen), kwargs).select(shown).collect(engine="streaming").to_pandas()

    return Answer(found.parts, rows)


def _unexpected_value_counts(found: Counts, _: Kwargs) -> Answer:
    def tally(seen: Seen) -> pd.Series[int]:
        (name,) = found.domain.names
        shown = found.failing(seen).select(value=found.domain.column(name).expr)
        return as_pandas_counts(shown.group_by("value").agg(count=pl.len()).sort("value").collect(engine="streaming"))

    return Answer(found.parts, tally)


OF_ROWS: dict[str, Callable[[Counts, Kwargs], Answer]] = {
    "unexpected_count": _unexpected_count,
    "unexpected_values": _unexpected_values,
    "unexpected_index_list": _unexpected_index_list,
    "unexpected_index_query": lambda _, __: Answer((), lambda _: None),
    "unexpected_rows": _unexpected_rows,
    "unexpected_value_counts": _unexpected_value_counts,
    "filtered_row_count": _judged_count,
}


def as_pandas_counts(table: pl.DataFrame) -> pd.Series[int]:
    """A tally as pandas has it: values as the index, counts beside them."""
    index = pd.Index(table["value"].to_list(), name="value")
    return pd.Series(table["count"].to_numpy().astype(np.int64), index=index, name="count")
