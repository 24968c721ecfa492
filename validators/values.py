"""What one read of the frames gave: a number for each metric and episode, sampled rows, and the rows of what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.metrics import Lift, Metric, clock
from validators.recording import FILE, Recording


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


@dataclass(frozen=True)
class Values:
    """What was read: metrics with one number an episode, in the recording's order, and the sampled rows."""

    recording: Recording
    metrics: pl.DataFrame
    sampled: pl.DataFrame | None

    def __getitem__(self, metric: Metric) -> NDArray[np.float64]:
        """float64[episodes], NaN where the metric is null."""
        return self.metrics[metric.name].cast(pl.Float64).to_numpy().astype(np.float64, copy=False)

    def rows(self, positions: Sequence[int], lifts: Sequence[Lift]) -> dict[int, pl.DataFrame]:
        """All rows of some episodes with the clock `t` and the lifts: fetched only for what failed."""
        wanted = [clock(self.recording), *lifts]
        frame = layered(self.recording.frames(positions), wanted)
        read = frame.select(FILE, *dict.fromkeys(lift.name for lift in wanted)).collect(engine="streaming")
        parts = read.partition_by(FILE, as_dict=True, include_key=False)
        return {i: parts[(str(self.recording.root / self.recording.episodes[i].path),)] for i in positions}
