"""Sketches: the quantiles of every channel in each session or episode, from an even sample of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validators.findings import finite
from validators.metrics import Lift, Metric, channels, greatest, least
from validators.origin import session_of
from validators.profile import BINS, Session, Sketch, Unit
from validators.recording import Recording
from validators.stream import Stream
from validators.values import Values

LEAST_ROWS = BINS  # finite sampled rows below which a channel has no quantiles
INDEX = ("index", "frame_index", "episode_index", "task_index")  # columns that count, and measure nothing


def unit_of(recording: Recording) -> Unit:
    """The session where every episode names its rig and day and these differ, else the episode."""
    named = [session_of(episode) for episode in recording.episodes]
    return "session" if None not in named and len(set(named)) > 1 else "episode"


def measured(stream: Stream) -> dict[str, Lift]:
    """Channel, by feature and label, → its values; neither the clock nor columns that count."""
    found = {}
    for feature in stream.features.values():
        if (
            feature.width
            and feature.name not in INDEX
            and (stream.clock is None or feature.name != stream.clock.column)
        ):
            for i, lift in enumerate(channels(stream, feature)):
                label = f"{feature.name}.{feature.label(i)}" if feature.names else feature.channels()[i]
                found[label] = lift
    return found


def extents(stream: Stream) -> tuple[Metric, ...]:
    """Least and greatest of every measured channel."""
    return tuple(m for lift in measured(stream).values() for m in (least(lift), greatest(lift)))


def sessions(recording: Recording, stream: Stream, values: Values, unit: Unit) -> tuple[Session, ...]:
    """The sketches of every unit of the recording that has rows in the stream."""
    groups: dict[str, list[int]] = {}
    for position, episode in enumerate(recording.episodes):
        name = session_of(episode) if unit == "session" else f"episode {episode.index}"
        groups.setdefault(name or f"episode {episode.index}", []).append(position)
    lifts = measured(stream)
    assert values.sampled is not None
    rows = values.sampled["position"].to_numpy()
    sampled = {label: values.sampled[lift.name].to_numpy() for label, lift in lifts.items()}
    extents = {label: (values[least(lift)], values[greatest(lift)]) for label, lift in lifts.items()}
    found = []
    for name, positions in groups.items():
        chosen = np.isin(rows, positions)
        sketches = {}
        for label in lifts:
            column = sampled[label][chosen].astype(np.float64)
            column = column[np.isfinite(column)]
            if column.size >= LEAST_ROWS:
                low, high = (side[positions] for side in extents[label])
                sketches[label] = _sketch(column, float(np.nanmin(low)), float(np.nanmax(high)))
        if sketches:
            found.append(Session(name, tuple(recording.episodes[i].index for i in positions), sketches))
    return tuple(found)


def _sketch(rows: np.ndarray, low: float, high: float) -> Sketch:
    levels = (np.arange(BINS) + 0.5) / BINS
    quantiles: Sequence[float] = finite(np.quantile(rows, levels).tolist())
    return Sketch(rows.size, finite(low), finite(high), tuple(quantiles))
