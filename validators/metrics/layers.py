"""Lifts in layers: a column that needs another is made after it, and each layer is one `with_columns`."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from validators.metrics import Lift


def layered(frame: pl.LazyFrame, lifts: Iterable[Lift]) -> pl.LazyFrame:
    """The frame with the lifts and all they need, each layer in one `with_columns`."""
    depth: dict[Lift, int] = {}

    def place(lift: Lift) -> int:
        if lift not in depth:
            depth[lift] = 1 + max((place(n) for n in lift.needs), default=-1)
        return depth[lift]

    for lift in lifts:
        place(lift)
    for layer in sorted(set(depth.values())):
        frame = frame.with_columns(lift.expr.alias(lift.name) for lift, at in depth.items() if at == layer)
    return frame
