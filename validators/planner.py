"""Many expectations, one read: metrics deduplicated by name, lifts in layers, then one streaming aggregation."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from validators.expectations.expectation import Needs
from validators.recording import FILE, ROW, Recording
from validators.values import Values, layered

SAMPLED_ROWS = 64  # of each episode, on average, for what is fitted over rows


def read(recording: Recording, needs: Sequence[Needs]) -> Values:
    """One pass over the frames for all needs together. Raises Polars' errors where data pages are damaged."""
    metrics = list(dict.fromkeys(m for need in needs for m in need.metrics))
    sample = list(dict.fromkeys(lift for need in needs for lift in need.sample))
    base = recording.frames()
    lifted = layered(base, [lift for m in metrics for lift in m.needs])
    frames = [lifted.group_by(FILE).agg(pl.len().alias("rows"), *(m.expr.alias(m.name) for m in metrics))]
    if sample:
        step = max(1, recording.rows // (SAMPLED_ROWS * len(recording.episodes)))
        thinned = layered(base.filter(pl.col(ROW) % step == 0), sample)
        frames.append(thinned.select(FILE, *(lift.name for lift in sample)))
    aggregated, *sampled = pl.collect_all(frames, engine="streaming")
    order = pl.DataFrame({FILE: [str(recording.root / e.path) for e in recording.episodes]})
    ordered = order.join(aggregated, on=FILE, how="left", maintain_order="left")
    position = order.with_row_index("position")
    kept = sampled[0].join(position, on=FILE, how="left", maintain_order="left").drop(FILE) if sampled else None
    return Values(recording, ordered, kept)
