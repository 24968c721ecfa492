"""What one read of the frames gave: a number for each metric and episode, sampled rows, and the rows of what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.findings import NotEvaluable
from validators.metrics import Lift, Metric, clock
from validators.metrics.layers import layered
from validators.metrics.measures import Part
from validators.stream import EPISODE, FRAME, Stream

SAMPLE = 1 << 16  # rows of a stream that `sample` keeps at most


@dataclass(frozen=True)
class Values:
    """What was read: metrics with one number an episode, in the recording's order, and the sampled rows."""

    table: Stream | None
    metrics: pl.DataFrame
    sampled: pl.DataFrame | None = None
    kept: dict[tuple[str, ...], pl.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def none(cls, episodes: int) -> Values:
        """Of a recording without a main stream: nothing was read."""
        return cls(None, pl.DataFrame({EPISODE: pl.arange(episodes, dtype=pl.Int32, eager=True)}))

    def __getitem__(self, metric: Metric) -> NDArray[np.float64]:
        """float64[episodes], NaN where the metric is null or the episode has no rows in the stream."""
        return self.metrics[metric.name].cast(pl.Float64).to_numpy().astype(np.float64, copy=False)

    def each(self, part: Part) -> pl.Series:
        """The part of each episode, null where it has no rows in the stream."""
        return self.metrics[part.metric.name]

    def pooled(self, part: Part) -> Any:
        """The part over all episodes, exact; None where there is none."""
        column = self.each(part)
        if column.null_count() == len(column):
            return None
        return column.sum() if part.pool == "sum" else column.min() if part.pool == "min" else column.max()

    def look(self, lifts: tuple[Lift, ...]) -> pl.LazyFrame:
        """All rows again, with the lifts."""
        if self.table is None:
            raise NotEvaluable("the recording has no stream of frames")
        return layered(self.table.frames(), lifts)

    def rows(
        self, positions: Sequence[int], lifts: Sequence[Lift], first: int | None = None
    ) -> dict[int, pl.DataFrame]:
        """Rows of some episodes with the lifts, and the clock `t` where there is one: fetched for what failed.

        All rows of each, or the `first` of them.
        """
        stream = self.table
        if stream is None:
            return {}
        wanted = [*([clock(stream)] if stream.clock else []), *lifts]
        frame = layered(stream.frames(positions), wanted)
        frame = frame if first is None else frame.filter(pl.col(FRAME) < first)
        read = frame.select(EPISODE, *dict.fromkeys(lift.name for lift in wanted)).collect(engine="streaming")
        parts = read.partition_by(EPISODE, as_dict=True, include_key=False)
        return {i: parts[(i,)] for i in positions if (i,) in parts}

    def sample(self, lifts: Sequence[Lift]) -> pl.DataFrame:
        """`EPISODE` and the lifts of every row, or of every n-th where the stream has more than `SAMPLE`; kept.

        Differences are taken before rows are left out, so they are between neighbours. For medians and quantiles,
        which no streaming pass gives; the columns wanted are read once more, memory is that of the sample.
        """
        names = tuple(dict.fromkeys(lift.name for lift in lifts))
        if self.table is None:
            return pl.DataFrame({EPISODE: [], **{name: [] for name in names}})
        if names not in self.kept:
            step = -(-self.table.rows // SAMPLE)
            frame = layered(self.table.frames(), lifts)
            thinned = frame.filter(pl.col(FRAME) % step == 0) if step > 1 else frame
            self.kept[names] = thinned.select(EPISODE, *names).collect(engine="streaming")
        return self.kept[names]

    def again(self, metrics: Sequence[Metric]) -> Values:
        """One more streaming pass, for metrics whose limits the first pass gave."""
        if self.table is None:
            return self
        frame = layered(self.table.frames(), [lift for m in metrics for lift in m.needs])
        found = frame.group_by(EPISODE).agg(m.expr.alias(m.name) for m in metrics).collect(engine="streaming")
        order = self.metrics.select(EPISODE)
        return Values(self.table, order.join(found, on=EPISODE, how="left", maintain_order="left"))


def span_of(rows: pl.DataFrame) -> tuple[float | None, float | None]:
    """Least and greatest finite `t` of rows, s; None without a clock or without any."""
    if "t" not in rows.columns:
        return None, None
    times = rows["t"].to_numpy()
    times = times[np.isfinite(times)]
    return (float(times.min()), float(times.max())) if times.size else (None, None)
