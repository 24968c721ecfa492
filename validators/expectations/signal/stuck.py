"""Channels that say nothing: stuck while they are told to move, or pressed against an end of their range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.expectations.signal.scale import Channel, judged, sample, scales
from validators.findings import Finding, Judgement, NotEvaluable, Severity
from validators.metrics import Lift, Metric, count, greatest, least, previous
from validators.stream import EPISODE, START
from validators.values import Values

BUSY = 0.9  # share of rows on which a channel without a command must change for a long rest to be strange
GRIPPED = 0.5  # share of its range that the command of a hand or gripper must move while it never does
TOUCHES = 3  # times that an end must be reached in an episode to be an end of the range and no pose
SUSPECT = 0.8  # of the limit: a sampled share above this is counted exactly


def commands(subject: Subject) -> Mapping[str, Channel]:
    """Label of a channel of observation.state → the channel of the action of that name, else at that place."""
    features = subject.stream.features
    state, action = features.get(STATE), features.get(ACTION)
    if state is None or action is None or not state.width or not action.width:
        return {}
    own, told = judged(subject, STATE), judged(subject, ACTION)
    if state.names and action.names:
        by_name = {action.label(c.position): c for c in told}
        return {c.label: by_name[name] for c in own if (name := state.label(c.position)) in by_name}
    return {c.label: d for c, d in zip(own, told, strict=True)} if state.width == action.width else {}


def _changed(channel: Channel) -> Lift:
    """1 where the value is another than the row before's; the first row of an episode counts as another."""
    before = previous(channel.lift)
    other = (pl.col(START) | channel.lift.column.ne_missing(before.column)).cast(pl.Int64)
    return Lift(f"{channel.lift.name} changed", other, (channel.lift, before))


def _held(channel: Channel, rows: int) -> Lift:
    """True at the last of `rows` equal numbers."""
    changed = _changed(channel)
    so_far = Lift(f"Σ{changed.name}", changed.column.cum_sum(), (changed,))
    before = previous(so_far, rows - 1)
    same = (so_far.column == before.column) & channel.lift.column.is_finite()
    return Lift(f"{channel.lift.name} held for {rows}", same.fill_null(value=False), (so_far, before))


@dataclass(frozen=True)
class ExpectNoStuckChannels(Expectation):
    """Stuck channel: `rows` equal values in a row where the channel should change.

    It should where its own command (the channel of `action` of that name, or at that place) moves by more than `moved`
    times its range in the recording across the run. A hand or gripper, which what it holds may block, is stuck when it
    never changes in an episode in which its command moves by half that range. A channel without a command should change
    where it does on 90 % of the rows of the recording or more. Idle joints and resting hands are so never stuck.
    Unit: rows. Default: 30 rows, 10 %. Source: "80 % unchanged" flags all six good Unitree G1 episodes for their idle
    fingers. Resolves: a run of `rows` rows; a channel without a command that never changes at all is not told from an
    idle one, which is said. Known false alarms: a joint blocked by an obstacle; noise-free simulated sensors at rest.
    """

    type: ClassVar[str] = "expect_no_stuck_channels"
    check: ClassVar[str] = "stuck"
    column: str = "*"
    rows: int = 30
    moved: float = 0.1

    def __post_init__(self) -> None:
        if not 2 <= self.rows <= 1_000_000 or not 0 < self.moved < 1:
            raise ValueError("rows must be at least 2, moved between 0 and 1")

    def _judged(self, subject: Subject) -> list[tuple[Channel, Channel | None]]:
        told = commands(subject)
        return [(c, told.get(c.label)) for c in judged(subject, self.column) if c.feature.name != ACTION]

    def _travel(self, channel: Channel, command: Channel) -> Lift:
        held, before = _held(channel, self.rows), previous(command.lift, self.rows - 1)
        far = pl.when(held.column).then((command.lift.column - before.column).abs())
        return Lift(f"{command.lift.name} moved while {held.name}", far, (held, command.lift, before))

    def _metric(self, channel: Channel, command: Channel | None) -> Metric:
        if command and channel.grips:
            still = channel.lift.column.max() == channel.lift.column.min()
            travel = command.lift.column.max() - command.lift.column.min()
            return Metric(
                f"{command.lift.name} while {channel.lift.name} is one",
                pl.when(still).then(travel),
                (channel.lift, command.lift),
            )
        if command:
            return greatest(self._travel(channel, command))
        held = _held(channel, self.rows)
        return count(held.name, held.column, held)

    def _busy(self, channel: Channel) -> Metric:
        changed = _changed(channel)
        return Metric(f"mean({changed.name})", changed.column.mean(), (changed,))

    def needs(self, subject: Subject) -> Needs:
        wanted: list[Metric] = []
        for channel, command in self._judged(subject):
            wanted.append(self._metric(channel, command))
            wanted += [least(command.lift), greatest(command.lift)] if command else [self._busy(channel)]
        return Needs(tuple(wanted))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        judged_now = self._judged(subject)
        findings: list[Finding] = []
        idle = 0
        for channel, command in judged_now:
            hits = values[self._metric(channel, command)]
            if command:
                limit = self._limit(values, channel, command)
                failing = np.flatnonzero(hits > limit).tolist() if limit > 0 else []
                idle += limit <= 0
            else:
                busy = values[self._busy(channel)]
                usual = np.nanmedian(busy) if np.isfinite(busy).any() else 0.0
                failing = np.flatnonzero(hits > 0).tolist() if usual >= BUSY else []
                limit = 0.0
                idle += bool(usual < BUSY)
            findings += self._findings(subject, values, channel, command, failing, limit)
        if judged_now and idle == len(judged_now):
            raise NotEvaluable("no command moves, and no channel without one changes on 90 % of its rows")
        note = f"{len(judged_now) - idle} of {len(judged_now)} channels judged; the others rest, idle or stuck"
        return Judgement(tuple(findings), note if idle else "")

    def _limit(self, values: Values, channel: Channel, command: Channel) -> float:
        low, high = values[least(command.lift)], values[greatest(command.lift)]
        if not np.isfinite(low).any():
            return 0.0
        share = GRIPPED if channel.grips else self.moved
        return float(share * (np.nanmax(high) - np.nanmin(low)))

    def _findings(
        self,
        subject: Subject,
        values: Values,
        channel: Channel,
        command: Channel | None,
        failing: list[int],
        limit: float,
    ) -> list[Finding]:
        held = _held(channel, self.rows)
        told = command is not None and not channel.grips
        wanted = [held, *([self._travel(channel, command)] if command and not channel.grips else [])]
        found = []
        for position, frame in values.rows(failing, wanted).items() if failing else ():
            hit = frame[wanted[-1].name].to_numpy() > limit if told else frame[held.name].to_numpy()
            runs = _runs(frame[held.name].to_numpy(), hit, self.rows)
            if not runs:
                continue
            first, last = max(runs, key=lambda run: run[1] - run[0])
            time = frame["t"] if "t" in frame.columns else None
            why = "while its command moves" if command else "though it changes on nearly every row elsewhere"
            more = f" ({len(runs)} such runs)" if len(runs) > 1 else ""
            found.append(
                Finding(
                    self.check,
                    channel.label,
                    f"{last - first + 1} equal values {why}{more}",
                    episode=subject.recording.episodes[position].index,
                    start_s=None if time is None else float(time[first]),
                    end_s=None if time is None else float(time[last]),
                    value=float(last - first + 1),
                    limit=float(self.rows),
                    unit="rows",
                    resolves=f"{self.rows} rows",
                )
            )
        return found


def _runs(held: NDArray[np.bool_], hit: NDArray[np.bool_], rows: int) -> list[tuple[int, int]]:
    """First and last row of each run of equal values in which a hit lies."""
    ends = np.flatnonzero(held & ~np.append(held[1:], np.array([False])))
    begins = np.flatnonzero(held & ~np.insert(held[:-1], 0, values=False))
    return [(int(b) - rows + 1, int(e)) for b, e in zip(begins, ends, strict=True) if hit[b : e + 1].any()]


@dataclass(frozen=True)
class ExpectNoSaturation(Expectation):
    """Saturation: share of an episode's rows at the channel's least and greatest value of the recording.

    Found above `warn` (a warning) and above `fail`. The end counts as a rail where it is reached and left at least 3
    times in the episode; the channel takes more than 16 values; and it is no hand, gripper or command (normalised
    grippers rest at 0 and 1). With `low` or `high` given the rails are known, and every row at or beyond counts.
    Unit: share. Default: warn 0.5, fail 0.99. Source: a convention of data set linters. Resolves: one row in the share.
    Known false alarms: signals that rest at zero and never go below (speeds, pressures): give `low` and `high`.
    """

    type: ClassVar[str] = "expect_no_saturation"
    check: ClassVar[str] = "saturation"
    column: str = "*"
    warn: float = 0.5
    fail: float = 0.99
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.warn <= self.fail <= 1:
            raise ValueError("warn and fail must be above 0, at most 1 and in that order")

    def _known(self) -> bool:
        return self.low is not None or self.high is not None

    def needs(self, subject: Subject) -> Needs:
        return Needs(tuple(m for c in judged(subject, self.column) for m in (least(c.lift), greatest(c.lift))))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = judged(subject, self.column)
        scale = scales(values, over)
        kept = [
            c
            for c in over
            if c.label in scale
            and (self._known() or not (scale[c.label].discrete or c.grips or c.feature.name == ACTION))
        ]
        if not kept:
            raise NotEvaluable("every channel is constant, discrete, a command or a gripper, whose ends are no rails")
        rows = sample(values, over)
        findings = [f for c in kept for f in self._findings(subject, values, c, rows)]
        return Judgement(tuple(findings), f"{len(kept)} of {len(over)} channels judged")

    def _findings(self, subject: Subject, values: Values, channel: Channel, rows: pl.DataFrame) -> list[Finding]:
        low, high = self._rails(values, channel)
        at = (channel.lift.column <= low) | (channel.lift.column >= high) & channel.lift.column.is_not_nan()
        shares = rows.group_by(EPISODE).agg(at.mean().alias("share"))
        suspects = shares.filter(pl.col("share") > SUSPECT * self.warn)[EPISODE].sort().to_list()
        found = []
        for position, frame in values.rows(suspects, [channel.lift]).items() if suspects else ():
            x = frame[channel.lift.name].fill_null(np.nan).to_numpy()
            on = (x <= low) | (x >= high)
            share = float(on.mean())
            touches = int(np.count_nonzero(np.diff(np.concatenate([[0], on.astype(np.int8)])) == 1))
            if share > self.warn and (self._known() or touches >= TOUCHES):
                rail = low if np.count_nonzero(x <= low) > np.count_nonzero(x >= high) else high
                found.append(self._finding(subject, channel, position, frame, on, (share, rail)))
        return found

    def _rails(self, values: Values, channel: Channel) -> tuple[float, float]:
        if self._known():
            return -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high
        return float(np.nanmin(values[least(channel.lift)])), float(np.nanmax(values[greatest(channel.lift)]))

    def _finding(
        self,
        subject: Subject,
        channel: Channel,
        position: int,
        frame: pl.DataFrame,
        on: NDArray[np.bool_],
        said: tuple[float, float],
    ) -> Finding:
        share, rail = said
        rows = np.flatnonzero(on)
        time = frame["t"] if "t" in frame.columns else None
        severity: Severity = "blocking" if share > self.fail else "warning"
        return Finding(
            self.check,
            channel.label,
            f"{share:.0%} of the rows are at an end of the channel's range, mostly {rail:.6g}",
            episode=subject.recording.episodes[position].index,
            start_s=None if time is None else float(time[int(rows[0])]),
            end_s=None if time is None else float(time[int(rows[-1])]),
            value=share,
            limit=self.fail if severity == "blocking" else self.warn,
            unit="share",
            resolves="one row",
            severity=severity,
        )
