"""Clocks: does time stand, run back, or was it made from the index? Did the recorder lose anything, or end early?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.period import LEAST_STEPS, Period, period, step
from validators.expectations.timing import off_beat, says_clock
from validators.findings import Finding, Judgement, NotEvaluable, Severity
from validators.metrics import Metric, clock, count, greatest, least
from validators.values import Values

EXACT_S = 1e-6  # what no measured clock keeps to for a whole episode
FLOAT32 = 2.0**-23  # relative step of float32, in which LeRobot writes its clock
LEAST_ROWS, LEAST_S = 5, 1.0


class _Steps(Expectation):
    """Steps of the clock that must not occur."""

    wording: ClassVar[str]

    @abstractmethod
    def bad(self, dt: pl.Expr) -> pl.Expr:
        """True on such a step."""

    def _metric(self, subject: Subject) -> Metric:
        dt = step(subject)
        return count(f"dt {self.check}", self.bad(dt.column), dt)

    def needs(self, subject: Subject) -> Needs:
        return Needs((self._metric(subject),))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        rows, dt = values[self._metric(subject)], step(subject)
        failing = np.flatnonzero(rows > 0).tolist()
        found = values.rows(failing, [dt]).items() if failing else ()
        findings = tuple(self._finding(subject, position, frame) for position, frame in found)
        return Judgement(findings, says_clock(subject), {"rows": float(np.nansum(rows))})

    def _finding(self, subject: Subject, position: int, frame: pl.DataFrame) -> Finding:
        dt = step(subject)
        bad = frame.filter(self.bad(dt.column))
        times, steps = bad["t"].to_numpy(), bad[dt.name].to_numpy()
        finite = np.isfinite(times)
        return Finding(
            self.check,
            subject.clock,
            f"{bad.height} of {max(1, frame.height - 1)} steps {self.wording}",
            episode=subject.recording.episodes[position].index,
            start_s=float(times[finite].min()) if finite.any() else None,
            end_s=float(times[finite].max()) if finite.any() else None,
            value=float(np.nanmin(steps)) * 1e3 if np.isfinite(steps).any() else None,
            limit=0.0,
            unit="ms",
            resolves="one row",
            severity=self.severity(subject),
        )

    def severity(self, subject: Subject) -> Severity:
        """At most, of a finding."""
        return "blocking"


@dataclass(frozen=True)
class ExpectTimeNotToRunBack(_Steps):
    """Time runs back: no dt = t[i] - t[i-1] within an episode is below zero or no number; equal stamps are apart.

    Unit: ms. Default: none. Source: a sequence is ordered by its clock. Resolves: one row.
    Known false alarms: one topic with several publishers whose own stamps interleave; judge it by log time.
    """

    type: ClassVar[str] = "expect_time_not_to_run_back"
    check: ClassVar[str] = "runs_back"
    wording: ClassVar[str] = "run back or are no number"

    def bad(self, dt: pl.Expr) -> pl.Expr:
        return ((dt < 0) | dt.is_nan()).fill_null(value=False)


@dataclass(frozen=True)
class ExpectNoDuplicateTimes(_Steps):
    """Duplicate times: no dt = t[i] - t[i-1] within an episode is zero. In one of several streams it only warns.

    Unit: ms. Default: none. Source: one sensor measures once at a time; a message sent twice is no second sample.
    Resolves: one row, at the resolution of the clock. Known false alarms: topics that publish several objects with one
    stamp; float32 clocks past 2^24/fps rows repeat and are found rightly.
    """

    type: ClassVar[str] = "expect_no_duplicate_times"
    check: ClassVar[str] = "duplicate_times"
    wording: ClassVar[str] = "are zero: the stamp repeats"

    def bad(self, dt: pl.Expr) -> pl.Expr:
        return (dt == 0).fill_null(value=False)

    def severity(self, subject: Subject) -> Severity:
        return "blocking" if len(subject.recording.streams) == 1 else "warning"


@dataclass(frozen=True)
class ExpectMeasuredClock(Expectation):
    """Synthetic clock: some |dt - period| within the recording is above max(1 µs, float32 rounding of t).

    A clock that keeps to that was made from the index: no gap, rate or jitter can show in it. In LeRobot data it is as
    its writer makes it (timestamp = frame_index / fps), so there it is said and no finding.
    Unit: µs. Default: 1 µs. Source: LeRobot's writer; no sensor keeps to a microsecond. Resolves: 1 µs.
    Known false alarms: lockstep simulation, whose clock is exact by design, and which should be declared as such.
    """

    type: ClassVar[str] = "expect_measured_clock"
    check: ClassVar[str] = "synthetic_clock"

    def needs(self, subject: Subject) -> Needs:
        _ = subject.clock
        own = Period(1 / subject.stream.fps, declared=True) if subject.stream.fps else None
        return Needs((greatest(clock(subject.stream)), *([off_beat(subject, own)] if own else [])))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        stream = subject.stream
        if stream.rows < LEAST_STEPS:
            raise NotEvaluable(f"{stream.rows} rows are too few to tell")
        own = period(subject, values, infer=True)
        error = off_beat(subject, own)
        off = values[error] if own.declared else values.again([error])[error]
        last = np.abs(values[greatest(clock(stream))])
        single = stream.features[subject.clock].dtype == "float32"
        allowed = np.maximum(EXACT_S, last * (2 * FLOAT32 if single else 0.0))
        known = np.isfinite(off)
        if not known.any():
            raise NotEvaluable("no episode has two rows")
        worst = float(off[known].max())
        if not bool(np.all(off[known] <= allowed[known])):
            return Judgement((), says_clock(subject), {"worst_us": worst * 1e6})
        text = f"synthetic: every step is {own.seconds * 1e3:.6g} ms within {worst * 1e6:.2g} µs"
        if "lerobot" in subject.recording.format.lower():
            note = f"{says_clock(subject)}; {text}: made from the index, as LeRobot's writer does"
            return Judgement((), note, {"worst_us": worst * 1e6})
        finding = Finding(
            self.check,
            subject.clock,
            f"{text}: made from the index, or by a simulator in lockstep; it measures nothing",
            episodes=tuple(e.index for e, k in zip(subject.recording.episodes, known, strict=True) if k),
            value=worst * 1e6,
            limit=float(allowed[known].max()) * 1e6,
            unit="µs",
            resolves="1 µs",
        )
        return Judgement((finding,), says_clock(subject), {"worst_us": worst * 1e6})


@dataclass(frozen=True)
class ExpectNoRecorderDropouts(Expectation):
    """Recorder dropouts: times that the recorder itself says it could not write, each at most `limit_ms`.

    Unit: ms. Default: 10 ms, two periods of an inertial sensor at 200 Hz. Source: PX4 ULog's dropout messages.
    Resolves: 1 ms, the unit in which the recorder tells it; formats without such a record are not evaluable.
    Known false alarms: none; a dropout while nothing of interest happened is for the reader to judge.
    """

    type: ClassVar[str] = "expect_no_recorder_dropouts"
    check: ClassVar[str] = "recorder_dropout"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    limit_ms: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.limit_ms < 1e9:
            raise ValueError("limit_ms must be at least 0")

    def needs(self, subject: Subject) -> Needs:
        recording = subject.recording
        if not recording.facts.dropouts and "ulog" not in recording.format.lower():
            raise NotEvaluable("the format has no record of what its recorder lost")
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        lost = subject.recording.facts.dropouts
        findings = tuple(
            Finding(
                self.check,
                "recorder",
                f"the recorder lost {drop.duration_s * 1e3:.0f} ms of all streams",
                episode=drop.episode,
                start_s=drop.start_s,
                end_s=drop.start_s + drop.duration_s,
                value=drop.duration_s * 1e3,
                limit=self.limit_ms,
                unit="ms",
                resolves="1 ms",
            )
            for drop in lost
            if drop.duration_s * 1e3 > self.limit_ms
        )
        total = sum(drop.duration_s for drop in lost) * 1e3
        return Judgement(findings, f"dropouts: {len(lost)}, {total:.0f} ms in all", {"dropouts": len(lost)})


@dataclass(frozen=True)
class ExpectEpisodesLongEnough(Expectation):
    """Short episode: at least max(5 rows of the main stream, `seconds` of its clock or of all streams together).

    Unit: s. Default: 1.0 s. Source: a convention; fewer give no window to train on. Resolves: one row.
    Known false alarms: event snippets that are short on purpose; episodes without a span of time are passed over.
    """

    type: ClassVar[str] = "expect_episodes_long_enough"
    check: ClassVar[str] = "short_episode"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    seconds: float = LEAST_S

    def __post_init__(self) -> None:
        if not 0 < self.seconds < 1e6:
            raise ValueError("seconds must be above 0")

    def needs(self, subject: Subject) -> Needs:
        if not subject.recording.streams:
            raise NotEvaluable("the recording has no stream of rows")
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        main = subject.recording.main
        findings = []
        for position, episode in enumerate(subject.recording.episodes):
            rows = main.length(position) if main else None
            known = episode.start_s is not None and episode.end_s is not None
            span = (episode.end_s or 0.0) - (episode.start_s or 0.0) if known else None
            if span is not None and rows and rows > 1:
                span *= rows / (rows - 1)  # the last row lasts a period, too
            few, brief = rows is not None and rows < LEAST_ROWS, span is not None and span < self.seconds
            if few or brief:
                said = ([] if rows is None else [f"{rows} rows"]) + ([] if span is None else [f"{span:.3g} s"])
                finding = Finding(
                    self.check,
                    main.name if main else "",
                    f"{', '.join(said)}; at least {LEAST_ROWS} rows and {self.seconds:g} s are wanted",
                    episode=episode.index,
                    start_s=episode.start_s,
                    end_s=episode.end_s,
                    value=span,
                    limit=self.seconds,
                    unit="s",
                    resolves="one row",
                )
                findings.append(finding)
        return Judgement(tuple(findings))


@dataclass(frozen=True)
class ExpectStreamToCoverEpisode(Expectation):
    """Coverage: a periodic stream begins and ends at most max(`seconds`, 5 periods) inside its episode's span.

    Unit: s. Default: 2.0 s. Source: a sensor that came late or died early leaves an episode that looks whole.
    Resolves: the limit itself. Streams of events, and clocks that share no time with the episode's, are not evaluable.
    Known false alarms: sensors that are switched on for a part of the episode on purpose.
    """

    type: ClassVar[str] = "expect_stream_to_cover_episode"
    check: ClassVar[str] = "coverage"
    seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.seconds < 1e6:
            raise ValueError("seconds must be above 0")

    def needs(self, subject: Subject) -> Needs:
        _ = subject.clock
        if len(subject.recording.streams) < 2:
            raise NotEvaluable("the recording has one stream, which is its episode")
        t = clock(subject.stream)
        return Needs((least(t), greatest(t)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        own, t = period(subject, values, infer=True), clock(subject.stream)
        limit = max(self.seconds, 5 * own.seconds)
        spans = list(self._spans(subject, values[least(t)], values[greatest(t)]))
        if not spans:
            raise NotEvaluable("the stream's clock shares no time with its episode")
        findings = []
        for index, first, last, start, end in spans:
            for missing, begin, stop, what in ((first - start, start, first, "late"), (end - last, last, end, "early")):
                if missing > limit:
                    did = f"begins {missing:.3g} s late" if what == "late" else f"ends {missing:.3g} s early"
                    findings.append(
                        Finding(
                            self.check,
                            subject.clock,
                            f"the stream {did}, of {end - start:.3g} s",
                            episode=index,
                            start_s=begin,
                            end_s=stop,
                            value=missing,
                            limit=limit,
                            unit="s",
                            resolves=f"{limit:.3g} s",
                        )
                    )
        return Judgement(tuple(findings))

    def _spans(
        self, subject: Subject, first: np.ndarray, last: np.ndarray
    ) -> Iterator[tuple[int, float, float, float, float]]:
        """Episode, the stream's first and last stamp, the episode's; where the two have time in common."""
        for episode, a, b in zip(subject.recording.episodes, first, last, strict=True):
            start, end = episode.start_s, episode.end_s
            if start is not None and end is not None and a <= end and b >= start:
                yield episode.index, float(a), float(b), start, end
