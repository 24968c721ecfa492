"""How the action follows the state, channel by channel: what tells absolute joint commands from deltas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validators.expectations.expectation import ACTION, STATE, Subject
from validators.metrics import Lift, Metric, channels, total
from validators.robot.kinematics import Array
from validators.values import Values

LEAST_ROWS = 10
ALIKE = 0.8  # correlation above which an action is taken for the state's own motion, lag included


@dataclass(frozen=True)
class Pair:
    """A channel that state and action both have, by its label."""

    label: str
    state: Lift
    action: Lift

    def products(self) -> tuple[Lift, Lift, Lift]:
        """s·s, a·a and s·a, row by row."""
        s, a = self.state, self.action
        return (
            Lift(f"({s.name})²", s.column * s.column, (s,)),
            Lift(f"({a.name})²", a.column * a.column, (a,)),
            Lift(f"{s.name}·{a.name}", s.column * a.column, (s, a)),
        )

    def metrics(self) -> tuple[Metric, ...]:
        """What the moments are made of."""
        return tuple(total(lift) for lift in (self.state, self.action, *self.products()))


def pairs(subject: Subject) -> list[Pair]:
    """Channels of the same label in state and action; none where either column is absent or its channels have no names.

    Vectors of the same width without names are paired in order.
    """
    features = subject.stream.features
    if not all(name in features and features[name].width for name in (STATE, ACTION)):
        return []
    state, action = features[STATE], features[ACTION]
    ours, theirs = channels(subject.stream, state), channels(subject.stream, action)
    if not state.names or not action.names:
        same = state.width == action.width
        return [Pair(str(i), s, a) for i, (s, a) in enumerate(zip(ours, theirs, strict=True))] if same else []
    told = dict(zip(action.names, theirs, strict=True))
    return [Pair(n, lift, told[n]) for n, lift in zip(state.names, ours, strict=True) if n in told]


@dataclass(frozen=True)
class Following:
    """Of each episode: slope of action by state about their means, and correlation; NaN where nothing moves. Variances
    and covariance too, so that episodes can be pooled."""

    slope: Array
    correlation: Array
    scatter: Array  # [3, episodes]: Σ(s-s̄)², Σ(a-ā)², Σ(s-s̄)(a-ā)

    def pooled(self) -> tuple[float, float]:
        """Slope and correlation over all episodes about each episode's own means."""
        ss, aa, sa = np.nansum(self.scatter, axis=1)
        return (float(sa / ss), float(sa / np.sqrt(ss * aa))) if ss > 0 and aa > 0 else (np.nan, np.nan)


def following(pair: Pair, values: Values) -> Following:
    """The moments of one pair."""
    rows = values.metrics["rows"].cast(float).to_numpy() if "rows" in values.metrics.columns else np.zeros(0)
    s, a, ss, aa, sa = (values[m] for m in pair.metrics())
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = np.stack([ss - s * s / rows, aa - a * a / rows, sa - s * a / rows])
        moves = (rows >= LEAST_ROWS) & (scatter[0] > 1e-6 * ss) & (scatter[1] > 1e-6 * aa)
        scatter = np.where(moves, scatter, np.nan)
        return Following(scatter[2] / scatter[0], scatter[2] / np.sqrt(scatter[0] * scatter[1]), scatter)
