"""The piece of a signal around a finding, as people look at it: which channel, when, with the span that is meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.findings import Finding
from validators.recording import Recording
from validators.stream import Stream

AROUND = 1.0  # of the span, on each side
LEAST_S = 0.5  # on each side
MAX_POINTS = 4000


@dataclass(frozen=True)
class Excerpt:
    """`time_s` and `values` float64 [points]; the finding spans `start_s`..`end_s`; `label` names the curve."""

    label: str
    time_s: NDArray[np.float64]
    values: NDArray[np.float64]
    start_s: float
    end_s: float


def excerpt(recording: Recording, finding: Finding) -> Excerpt | None:
    """The signal that the finding is about, around its time span; None where it names no episode, span or channel.

    A finding about a clock shows the time from row to row, ms.
    """
    if not finding.affected or finding.start_s is None or finding.end_s is None:
        return None
    named = _channel(recording, finding.stream)
    positions = [i for i, e in enumerate(recording.episodes) if e.index == finding.affected[0]]
    if named is None or not positions:
        return None
    stream, label, column = named
    if stream.clock is None:
        return None
    side = max(AROUND * (finding.end_s - finding.start_s), LEAST_S)
    frame = stream.frames(positions).select(stream.seconds().alias("t"), column.cast(pl.Float64).alias("v"))
    if label == stream.clock.column:
        frame = frame.with_columns(v=pl.col("t").diff() * 1e3)
        label = "time from row to row, ms"
    rows = frame.filter(pl.col("t").is_between(finding.start_s - side, finding.end_s + side)).collect()
    rows = rows.gather_every(max(1, rows.height // MAX_POINTS)).drop_nulls()
    time, values = rows["t"].to_numpy(), rows["v"].to_numpy()
    good = np.isfinite(time) & np.isfinite(values)
    if good.sum() < 2:
        return None
    return Excerpt(label, time[good], values[good], finding.start_s, finding.end_s)


def _channel(recording: Recording, named: str) -> tuple[Stream, str, pl.Expr] | None:
    """The stream, the label and the column that a finding's `stream` names, by column, by channel or by label."""
    stream, name = recording.main, named
    for candidate in recording.streams.values():
        if named.startswith(f"{candidate.name}: "):
            stream, name = candidate, named.removeprefix(f"{candidate.name}: ")
    if stream is None:
        return None
    for feature in stream.features.values():
        if not feature.width or not name.startswith(feature.name):
            continue
        for channel, (column, expr) in enumerate(stream.unpacked(feature).items()):
            if name in (column, f"{feature.name}.{feature.label(channel)}") or name == feature.name:
                return stream, name if name != feature.name else column, expr
    return None
