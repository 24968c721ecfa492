"""Following: how far the state lags behind the action, and how far it stays off it once the lag is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, tau
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.expectations.signal.scale import Channel, judged
from validators.expectations.signal.stuck import commands
from validators.expectations.timing.period import period
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, greatest, least, previous
from validators.stream import FRAME
from validators.values import Values

LONGEST_S = 0.6  # the longest lag that is looked for
EPISODES = 200  # evenly chosen; the lag belongs to the set-up, not to the episode
ROWS = 20_000  # of each
TOGETHER = 50  # episodes in one read
MOVES = 0.05  # of the widest command: a channel that moves less tells nothing of the lag
ALIKE = 0.8  # correlation of a state with the action it follows
GAIN = (0.5, 2.0)  # slope of that state over that action
DEGREES = {
    "deg": 1.0,
    "degree": 1.0,
    "degrees": 1.0,
    "°": 1.0,
    "rad": 360 / tau,
    "radian": 360 / tau,
    "radians": 360 / tau,
}


@dataclass(frozen=True)
class Lag:
    """Of one episode: `rows` by which the state lags (NaN where none is found), and the share of moving channels that
    follow their command: absolute targets, not steps or velocities."""

    position: int
    rows: float
    following: float


def lag(state: NDArray[np.float64], action: NDArray[np.float64], longest: int) -> tuple[float, float]:
    """Rows of lag, and the share of moving channels that follow; `state` and `action` [rows, channels], one unit each.

    Least squares over lags: J(k) = Σ over moving channels of var(s[i] - a[i-k]), k = 0 … `longest`, with the parabola
    through the least J and its neighbours. NaN where nothing moves or the least J lies at the longest lag.
    """
    rows = len(state)
    if rows < 4 * (longest + 2):
        return np.nan, np.nan
    travel = np.ptp(action, axis=0)
    moving = travel > MOVES * travel.max() if travel.size and travel.max() > 0 else np.zeros(len(travel), dtype=bool)
    if not moving.any():
        return np.nan, np.nan
    s, a = state[longest : rows - 1, moving], action[:, moving]
    shifted = [a[longest - k : rows - 1 - k] for k in range(-1, longest + 1)]  # -1, so that a part of a row is found
    cost = np.array([(s - told).var(axis=0).sum() for told in shifted])
    best = int(np.argmin(cost))
    following = float(_follows(s, shifted[best]).mean())
    if best == longest + 1:
        return np.nan, following
    if best == 0:
        return 0.0, following
    before, least_, after = cost[best - 1 : best + 2]
    bend = before - 2 * least_ + after
    part = float(0.5 * (before - after) / bend) if bend > 0 else 0.0
    return max(0.0, best - 1 + part), following


def _follows(state: NDArray[np.float64], action: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of each channel, whether the state is the action some time later: alike, of one scale, about one place."""
    s, a = state - state.mean(axis=0), action - action.mean(axis=0)
    vs, va, both = (s**2).mean(axis=0), (a**2).mean(axis=0), (s * a).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike, gain = both / np.sqrt(vs * va), both / va
    near = np.abs(state.mean(axis=0) - action.mean(axis=0)) <= np.ptp(action, axis=0)
    found: NDArray[np.bool_] = (alike > ALIKE) & (gain > GAIN[0]) & (gain < GAIN[1]) & near
    return found


def pairs(subject: Subject) -> list[tuple[Channel, Channel]]:
    """State and action of each joint, hands and grippers left out. `NotEvaluable` where they do not belong together."""
    subject.feature(STATE), subject.feature(ACTION)
    told = commands(subject)
    if not told:
        raise NotEvaluable(f"{STATE} and {ACTION} have no channels in common, by name or number")
    found = [(c, told[c.label]) for c in judged(subject, STATE) if c.label in told and not c.grips]
    if not found:
        raise NotEvaluable("every common channel is one of a hand or gripper")
    return found


def lags(subject: Subject, values: Values) -> list[Lag]:
    """Of up to 200 episodes, evenly chosen. `NotEvaluable` where actions are no absolute joint targets or rest."""
    both = pairs(subject)
    longest = max(2, ceil(LONGEST_S / period(subject, values, infer=True).seconds))
    lifts = [c.lift for pair in both for c in pair]
    number = len(subject.recording.episodes)
    chosen = sorted({int(i) for i in np.linspace(0, number - 1, min(number, EPISODES)).round()})
    found = []
    for some in (chosen[i : i + TOGETHER] for i in range(0, len(chosen), TOGETHER)):
        for position, frame in values.rows(some, lifts, first=ROWS).items():
            rows = frame.select(lift.name for lift in lifts).to_numpy().astype(np.float64)
            rows = rows[np.isfinite(rows).all(axis=1)]
            found.append(Lag(position, *lag(rows[:, 0::2], rows[:, 1::2], longest)))
    known = [one.following for one in found if np.isfinite(one.following)]
    if not known:
        raise NotEvaluable("no command moves, or every episode is too short to show a lag")
    if np.median(known) < 0.5:
        raise NotEvaluable(
            f"the actions are no absolute joint targets: the state follows in {np.median(known):.0%} of the channels"
        )
    if not any(np.isfinite(one.rows) for one in found):
        raise NotEvaluable(f"no lag up to {LONGEST_S} s fits")
    return found


@dataclass(frozen=True)
class ExpectLagBelow(Expectation):
    """Teleoperation lag: by how much observation.state follows action, at most `limit_ms`.

    Least squares over lags up to 0.6 s of the channels that move, joints only, with a parabola between rows; the lag
    in rows times the stream's period. Only for absolute joint actions: where fewer than half of the moving channels
    follow (correlation above 0.8, gain 0.5 to 2, means within the command's range) it is not evaluable. At most 200
    episodes are read, evenly chosen. Unit: ms. Default: 300 ms. Source: the real Unitree G1 has 132 to 165 ms.
    Resolves: about a tenth of a period. Known false alarms: slow arms by design (compliance, low gains).
    """

    type: ClassVar[str] = "expect_lag_below"
    check: ClassVar[str] = "teleoperation_lag"
    telling: ClassVar[bool] = True
    limit_ms: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_ms <= LONGEST_S * 1e3:
            raise ValueError(f"limit_ms must be above 0 and at most {LONGEST_S * 1e3:g}")

    def needs(self, subject: Subject) -> Needs:
        pairs(subject)
        _ = subject.clock
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        own, found = period(subject, values, infer=True), lags(subject, values)
        known = [(one.position, one.rows * own.seconds * 1e3) for one in found if np.isfinite(one.rows)]
        each = np.array([ms for _, ms in known])
        findings = tuple(
            Finding(
                self.check,
                STATE,
                f"the state follows the action {ms:.0f} ms late",
                episode=episode.index,
                start_s=episode.start_s,
                end_s=episode.end_s,
                value=ms,
                limit=self.limit_ms,
                unit="ms",
                resolves=f"{own.seconds * 1e2:.2g} ms",
            )
            for position, ms in known
            if ms > self.limit_ms
            for episode in [subject.recording.episodes[position]]
        )
        of = len(subject.recording.episodes)
        least, most = f"{each.min():.0f}", f"{each.max():.0f}"
        lag = least if least == most else f"{least} to {most}"
        note = f"the state lags the action by {lag} ms in {len(known)} of {of} episodes"
        seen = {"least_ms": float(each.min()), "median_ms": float(np.median(each)), "greatest_ms": float(each.max())}
        return Judgement(findings, note, seen)


@dataclass(frozen=True)
class ExpectFollowingErrorBelow(Expectation):
    """Following error: root mean square of s(t) - a(t - lag) over an episode, of each joint, at most `limit_deg`.

    The lag is the median over episodes, as `teleoperation_lag` finds it; the action is interpolated between rows.
    Without that compensation two of six good Unitree G1 episodes are flagged. Only for absolute joint actions. Units
    are declared by the dataset; else all joints are in rad where the median of their greatest |x| is at most 2π, and
    otherwise it is not evaluable. Unit: degrees. Default: 7. Source: a convention of data set linters.
    Resolves: 1 % of the limit where an episode has 100 rows. Known false alarms: arms that sag under a load by design.
    """

    type: ClassVar[str] = "expect_following_error_below"
    check: ClassVar[str] = "following_error"
    limit_deg: float = 7.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_deg <= 180:
            raise ValueError("limit_deg must be above 0 and at most 180")

    def needs(self, subject: Subject) -> Needs:
        _ = subject.clock
        return Needs(tuple(m for c, _ in pairs(subject) for m in (least(c.lift), greatest(c.lift))))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        both = pairs(subject)
        scale, said = _degrees(values, [c for c, _ in both])
        rows = float(np.nanmedian([one.rows for one in lags(subject, values)]))
        metrics = [_error(c, told, rows) for c, told in both]
        found = values.again(metrics)
        findings = []
        worst = 0.0
        for (channel, _), metric, factor in zip(both, metrics, scale, strict=True):
            error = found[metric] * factor
            worst = max([worst, *error[np.isfinite(error)].tolist()])
            for position in np.flatnonzero(error > self.limit_deg).tolist():
                episode = subject.recording.episodes[position]
                findings.append(
                    Finding(
                        self.check,
                        channel.label,
                        f"{error[position]:.1f}° off its command on average, the lag of {rows:.1f} rows taken away",
                        episode=episode.index,
                        start_s=episode.start_s,
                        end_s=episode.end_s,
                        value=float(error[position]),
                        limit=self.limit_deg,
                        unit="deg",
                        resolves=f"{self.limit_deg / 100:.2g}°",
                    )
                )
        return Judgement(tuple(findings), f"lag taken away: {rows:.1f} rows; {said}", {"worst_deg": worst})


def _error(channel: Channel, command: Channel, rows: float) -> Metric:
    """Root mean square of the channel against its command that many rows before, in the channel's unit."""
    whole, part = int(rows), rows - int(rows)
    late, later = previous(command.lift, whole), previous(command.lift, whole + 1)
    told = (1 - part) * late.column + part * later.column
    apart = pl.when(pl.col(FRAME) > whole).then((channel.lift.column - told) ** 2)
    lift = Lift(f"({channel.lift.name} - {command.lift.name}@-{rows:.6g})²", apart, (channel.lift, late, later))
    number = lift.column.filter(lift.column.is_finite())
    return Metric(f"rms({lift.name})", number.mean().sqrt(), (lift,))


def _degrees(values: Values, joints: Sequence[Channel]) -> tuple[list[float], str]:
    """Degrees per unit of each joint, and how it is known."""
    feature = joints[0].feature
    if feature.units:
        own = [DEGREES.get(feature.units[c.position].lower()) for c in joints]
        if any(factor is None for factor in own):
            raise NotEvaluable(f"units {sorted({feature.units[c.position] for c in joints})} are no angles")
        return [factor for factor in own if factor is not None], "units as declared"
    extremes = [np.abs(np.concatenate([values[least(c.lift)], values[greatest(c.lift)]])) for c in joints]
    largest = [float(np.nanmax(x)) for x in extremes if np.isfinite(x).any()]
    if not largest or np.median(largest) > tau:
        raise NotEvaluable("no unit is declared, and the values are no rad; declare units of observation.state")
    return [DEGREES["rad"]] * len(joints), "units inferred: rad"
