"""Many expectations, one read: metrics deduplicated by name, lifts in layers, then one streaming aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from validators.expectations.expectation import Needs
from validators.stream import EPISODE, ROW, Stream
from validators.values import Values, layered

SAMPLED_ROWS = 64  # of each episode, on average, for what is fitted over rows


def read(stream: Stream, episodes: int, needs: Sequence[Needs]) -> Values:
    """One pass over one stream for all needs together. Raises Polars' errors where data pages are damaged."""
    return read_all({"": stream}, episodes, {"": needs})[""]


def read_all(streams: Mapping[str, Stream], episodes: int, needs: Mapping[str, Sequence[Needs]]) -> dict[str, Values]:
    """One pass over each stream, all at once; `episodes` is how many the recording has."""
    plans = {name: _plan(stream, needs[name]) for name, stream in streams.items()}
    tables = iter(pl.collect_all([f for frames in plans.values() for f in frames], engine="streaming"))
    order = pl.DataFrame({EPISODE: pl.arange(episodes, dtype=pl.Int32, eager=True)})
    found = {}
    for name, frames in plans.items():
        aggregated, *sampled = (next(tables) for _ in frames)
        metrics = order.join(aggregated, on=EPISODE, how="left", maintain_order="left")
        found[name] = Values(streams[name], metrics, sampled[0] if sampled else None)
    return found


def _plan(stream: Stream, needs: Sequence[Needs]) -> list[pl.LazyFrame]:
    """The aggregation, one row an episode, and the sampled rows where some are wanted."""
    metrics = list(dict.fromkeys(m for need in needs for m in need.metrics))
    sample = list(dict.fromkeys(lift for need in needs for lift in need.sample))
    base = stream.frames()
    lifted = layered(base, [lift for m in metrics for lift in m.needs])
    frames = [lifted.group_by(EPISODE).agg(pl.len().alias("rows"), *(m.expr.alias(m.name) for m in metrics))]
    if sample:
        step = max(1, stream.rows // (SAMPLED_ROWS * max(1, len(stream.lengths))))
        thinned = layered(base.filter(pl.col(ROW) % step == 0), sample)
        frames.append(thinned.select(pl.col(EPISODE).alias("position"), *(lift.name for lift in sample)))
    return frames
