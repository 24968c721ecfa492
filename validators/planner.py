"""Many expectations, one read: metrics deduplicated by name, lifts in layers, then one streaming aggregation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import polars as pl

from validators.expectations.expectation import Needs
from validators.metrics.layers import layered
from validators.stream import EPISODE, FRAME, Stream
from validators.values import Values


class Read(Protocol):
    """How an engine reads all streams of a recording for the needs of each."""

    def __call__(
        self, streams: Mapping[str, Stream], episodes: int, needs: Mapping[str, Sequence[Needs]]
    ) -> dict[str, Values]:
        """One pass; raises Polars' errors where data pages are damaged."""


SAMPLED_ROWS = 64  # of each episode, on average, for what is fitted over rows


def read(stream: Stream, episodes: int, needs: Sequence[Needs]) -> Values:
    """One pass over one stream for all needs together. Raises Polars' errors where data pages are damaged."""
    return read_all({"": stream}, episodes, {"": needs})[""]


def read_all(streams: Mapping[str, Stream], episodes: int, needs: Mapping[str, Sequence[Needs]]) -> dict[str, Values]:
    """One pass over each stream of which something is needed, all at once; `episodes` is how many the recording has."""
    plans = {
        name: plan(stream, needs[name], sampling(stream)) if any(n.metrics or n.sample for n in needs[name]) else []
        for name, stream in streams.items()
    }
    tables = iter(pl.collect_all([f for frames in plans.values() for f in frames], engine="streaming"))
    return {name: gathered(streams[name], episodes, [next(tables) for _ in frames]) for name, frames in plans.items()}


def gathered(stream: Stream, episodes: int, tables: Sequence[pl.DataFrame]) -> Values:
    """What the frames of `plan` gave, in the order of the episodes."""
    order = pl.DataFrame({EPISODE: pl.arange(episodes, dtype=pl.Int32, eager=True)})
    if not tables:
        return Values(stream, order)
    aggregated, *sampled = tables
    metrics = order.join(aggregated, on=EPISODE, how="left", maintain_order="left")
    return Values(stream, metrics, sampled[0].sort("position", maintain_order=True) if sampled else None)


def sampling(stream: Stream) -> int:
    """Every how many rows of an episode one is kept."""
    return max(1, stream.rows // (SAMPLED_ROWS * max(1, len(stream.lengths))))


def plan(
    stream: Stream, needs: Sequence[Needs], every: int, positions: Collection[int] | None = None
) -> list[pl.LazyFrame]:
    """The aggregation, one row an episode, and the sampled rows where some are wanted; of some episodes or all."""
    metrics = list(dict.fromkeys(m for need in needs for m in need.metrics))
    sample = list(dict.fromkeys(lift for need in needs for lift in need.sample))
    base = stream.frames(positions)
    lifted = layered(base, [lift for m in metrics for lift in m.needs])
    frames = [
        _aggregated(lifted, [pl.len().alias("rows"), *(m.expr.alias(m.name) for m in metrics)], stream, positions)
    ]
    if sample:
        thinned = layered(base.filter(pl.col(FRAME) % every == 0), sample)
        frames.append(thinned.select(pl.col(EPISODE).alias("position"), *(lift.name for lift in sample)))
    return frames


def _aggregated(
    lifted: pl.LazyFrame, asked: Sequence[pl.Expr], stream: Stream, positions: Collection[int] | None
) -> pl.LazyFrame:
    """One row an episode; of a single one without grouping. Groups that are known to follow each other cost half."""
    here = [i for i in stream.lengths if positions is None or i in positions]
    if len(here) != 1:
        ordered = lifted.with_columns(pl.col(EPISODE).set_sorted()) if stream.in_order else lifted
        return ordered.group_by(EPISODE).agg(asked)
    return lifted.select(pl.lit(here[0], dtype=pl.Int32).alias(EPISODE), *asked)
