"""What a test of one row is.

A test of one column is null where the value is missing. `statistic` names what has to be known of the column before
(z-scores need its mean), `whole` says that the test looks at all rows at once and does not stream (duplicates).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from validators.metrics import Lift
from validators.metrics.domain import Domain

Kwargs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class RowTest:
    """True on rows that are as expected, false or null on others; over the lifts."""

    met: pl.Expr
    lifts: tuple[Lift, ...]


Build: TypeAlias = Callable[[Domain, Kwargs, Any], RowTest]


@dataclass(frozen=True)
class Condition:
    """A metric of rows: its test, and what that needs."""

    build: Build
    statistic: str | None = None
    whole: bool = False
    arity: str = "column"  # or "pair", "record"
