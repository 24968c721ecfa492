"""Measures of one table: one streaming pass for the parts of all of them, then each is finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from validators.metrics import Lift
from validators.metrics.layers import layered
from validators.metrics.measures import Part


@dataclass(frozen=True)
class Pass:
    """What one pass over a table gave."""

    frame: pl.LazyFrame
    values: pl.DataFrame

    def each(self, part: Part) -> pl.Series:
        """The part, of the one group that a table is."""
        return self.values[part.metric.name]

    def pooled(self, part: Part) -> Any:
        """The part."""
        return self.values[part.metric.name].item()

    def look(self, lifts: tuple[Lift, ...]) -> pl.LazyFrame:
        """The rows again, with the lifts."""
        return layered(self.frame, lifts)


def once(frame: pl.LazyFrame, parts: Sequence[Part]) -> Pass:
    """One pass over the table for all parts."""
    metrics = list(dict.fromkeys(p.metric for p in parts))
    lifted = layered(frame, [lift for m in metrics for lift in m.needs])
    asked = lifted.select(pl.len().alias(""), *(m.expr.alias(m.name) for m in metrics))
    return Pass(frame, asked.collect(engine="streaming"))
