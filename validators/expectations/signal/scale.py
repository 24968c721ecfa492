"""The scale of a channel: its range, its steps and its smallest step, robust, over the whole recording.

One scale for all episodes, so that a channel that rests in one of them is held against how it moves in the others.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import Subject
from validators.findings import NotEvaluable
from validators.metrics import Lift, channels, previous, since_previous
from validators.stream import FRAME, Feature
from validators.values import Values

BOOKKEEPING = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index"})
GRIPS = ("hand", "grip", "finger", "jaw", "thumb")
ROTATIONS = ("quat", "orientation", "rotation")  # q and -q are one rotation, so their sign may flip
IDLE = 0.1  # a channel counts as wide as a tenth of the widest one of its vector
FEW = 16  # distinct values; a channel with no more is discrete


@dataclass(frozen=True)
class Channel:
    """One channel of a numeric feature: `label` for findings, `lift` its value."""

    label: str
    feature: Feature
    position: int
    lift: Lift

    @property
    def grips(self) -> bool:
        """Whether its name is that of a hand or gripper, which rests, snaps and is blocked by what it holds."""
        return any(word in self.label.lower() for word in GRIPS)

    @property
    def rotates(self) -> bool:
        """Whether it is a component of a quaternion, by its name."""
        name = self.label.lower()
        return any(word in name for word in ROTATIONS) or (self.feature.name == "q" and self.feature.width == 4)


@dataclass(frozen=True)
class Scale:
    """In the channel's unit. `width`: 1st to 99th percentile, at least a tenth of the widest of its vector's.

    `own`: without that floor. `quantum`: least change above zero. `discrete`: at most 16 distinct values.
    """

    width: float
    own: float
    quantum: float
    discrete: bool


def judged(subject: Subject, column: str) -> list[Channel]:
    """The channels of all float features whose name fits the glob; an integer one must be named. Never the clock."""
    stream = subject.stream
    own = {stream.clock.column} if stream.clock else set()
    found = []
    for feature in stream.features.values():
        wanted = feature.width and feature.name not in BOOKKEEPING | own and fnmatch.fnmatchcase(feature.name, column)
        if wanted and feature.name in stream.columns and (feature.dtype.startswith("float") or feature.name == column):
            for i, lift in enumerate(channels(stream, feature)):
                label = feature.full_name(i)
                found.append(Channel(label, feature, i, lift))
    if not found:
        raise NotEvaluable(f"no numeric column fits {column!r}")
    return found


def changes(channel: Channel) -> tuple[Lift, Lift, Lift]:
    """x[i] - x[i-1], x[i-1] - x[i-2], x[i-2] - x[i-3]; null where they reach out of the episode.

    All shifts are of the value itself, one layer: differences of differences would make Polars buffer at each.
    """
    x = channel.lift
    one, two, three = (previous(x, rows) for rows in (1, 2, 3))
    before = Lift(f"Δ{x.name}@-1", pl.when(pl.col(FRAME) > 1).then(one.column - two.column), (one, two))
    earlier = Lift(f"Δ{x.name}@-2", pl.when(pl.col(FRAME) > 2).then(two.column - three.column), (two, three))
    return since_previous(x), before, earlier


def sample(values: Values, over: Sequence[Channel]) -> pl.DataFrame:
    """`EPISODE`, and of each channel sampled values, their Δ and the Δ before: one read for all that ask for it."""
    return values.sample([lift for c in over for lift in (c.lift, *changes(c)[:2])])


def finite(column: pl.Series) -> NDArray[np.float64]:
    """What is neither null nor NaN nor infinite."""
    found = column.drop_nulls().cast(pl.Float64).to_numpy()
    return np.asarray(found[np.isfinite(found)], dtype=np.float64)


def scales(values: Values, over: Sequence[Channel]) -> dict[str, Scale]:
    """Label → scale of each channel that changes at all; the others are left out."""
    found = sample(values, over)
    own: dict[str, float] = {}
    rest: dict[str, tuple[float, bool]] = {}
    for channel in over:
        x, step = finite(found[channel.lift.name]), np.abs(finite(found[changes(channel)[0].name]))
        if x.size and x.max() > x.min():
            own[channel.label] = _width(x)
            nonzero = step[step > 0]
            discrete = np.unique(x[: 1 << 12]).size <= FEW and np.unique(x).size <= FEW
            rest[channel.label] = (float(nonzero.min()) if nonzero.size else 0.0, bool(discrete))
    widest: dict[str, float] = {}
    for channel in over:
        name = channel.feature.name
        widest[name] = max(widest.get(name, 0.0), own.get(channel.label, 0.0))
    return {
        c.label: Scale(max(own[c.label], IDLE * widest[c.feature.name]), own[c.label], *rest[c.label])
        for c in over
        if c.label in own
    }


def _width(x: NDArray[np.float64]) -> float:
    low, high = np.quantile(x, [0.01, 0.99])
    return float(high - low) if high > low else float(x.max() - x.min())
