"""Coverage: what the recorder lost, episodes that are too short, streams that came late or ended early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.timing.period import period
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import clock, greatest, least
from validators.values import Values

LEAST_ROWS, LEAST_S = 5, 1.0


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
