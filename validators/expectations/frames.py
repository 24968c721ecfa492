"""Frames: what the cameras really delivered, decoded, whatever the container declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from validators.errors import MissingExtra, UnreadableDataset
from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import channels
from validators.metrics.video import available, decode
from validators.pictures.camera import VideoCamera
from validators.values import Values

JOIN_S = 0.3  # repeats closer than this belong to one span
LEAST_REPEATS = 3  # a span of fewer says nothing
MOVING = 0.01  # state must change by this much, in its own unit, for a repeat to be no still scene


@dataclass(frozen=True)
class ExpectEffectiveFrameRate(Expectation):
    """Effective frame rate: frames that differ from the one before, per second, in spans of bit-identical frames.

    Repeats at most 0.3 s apart make a span, at least 3 of them; rate = fps * (frames - repeats) / frames, found when it
    is below (1 - tolerance) * fps and observation.state moves in the span. Unit: Hz. Default: 10 %. Source: the real
    Unitree G1, whose camera delivers half its declared rate in bursts. Resolves: 3 such repeats.
    Known false alarms: a still scene under AV1 may repeat legitimately, so spans where no joint moves are passed over.
    Only videos that are present are judged; a missing one is a matter of counts. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_effective_frame_rate"
    check: ClassVar[str] = "effective_frame_rate"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    decodes: ClassVar[bool] = True
    tolerance: float = 0.10

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def needs(self, subject: Subject) -> Needs:
        if not subject.recording.cameras:
            raise NotEvaluable("no video is declared")
        if not self._videos(subject):
            raise NotEvaluable("none of the declared videos is here")
        _ = subject.fps
        try:
            available()
        except MissingExtra as error:
            raise NotEvaluable(error.detail) from error
        return Needs()

    def _videos(self, subject: Subject) -> list[tuple[int, str, str]]:
        cameras = sorted((n, c) for n, c in subject.recording.cameras.items() if isinstance(c, VideoCamera))
        episodes = enumerate(subject.recording.episodes)
        return [(i, n, c.clips[e.index].path) for i, e in episodes for n, c in cameras if e.index in c.clips]

    def judge(self, subject: Subject, values: Values) -> Judgement:
        videos = self._videos(subject)
        findings: list[Finding] = []
        seen = repeats = 0
        for number, (position, camera, path) in enumerate(videos):
            if subject.progress:
                subject.progress("decoding videos", number, len(videos))
            episode = subject.recording.episodes[position]
            try:
                repeated = decode(subject.recording.files.local(path)).repeated
            except UnreadableDataset as error:
                findings.append(Finding("readable", path, error.detail, episode=episode.index))
                continue
            seen += repeated.size
            repeats += int(repeated.sum())
            findings += self._slow(subject, values, position, camera, repeated)
        if subject.progress:
            subject.progress("decoding videos", len(videos), len(videos))
        note = f"{len(videos)} videos decoded, {repeats} of {seen} frames are bit-identical to the one before"
        return Judgement(tuple(findings), note, {"frames": seen, "repeated": repeats})

    def _slow(
        self, subject: Subject, values: Values, position: int, camera: str, repeated: NDArray[np.bool_]
    ) -> Iterator[Finding]:
        fps, episode = subject.fps, subject.recording.episodes[position]
        start = episode.start_s or 0.0
        for first, last in spans(repeated, fps):
            frames, same = last - first + 1, int(repeated[first : last + 1].sum())
            rate = fps * (frames - same) / frames
            if rate < (1 - self.tolerance) * fps and _moves(subject, values, position, first, last):
                yield Finding(
                    self.check,
                    camera,
                    f"{same} of {frames} frames repeat the one before ({int(repeated.sum())} of all {repeated.size})",
                    episode=episode.index,
                    start_s=start + first / fps,
                    end_s=start + last / fps,
                    value=rate,
                    limit=(1 - self.tolerance) * fps,
                    unit="Hz",
                    resolves=f"{LEAST_REPEATS} repeats at most {JOIN_S:g} s apart",
                )


def spans(repeated: NDArray[np.bool_], fps: float) -> list[tuple[int, int]]:
    """First and last frame of each span of repeats: neighbours at most `JOIN_S` apart, `LEAST_REPEATS` or more."""
    at = np.flatnonzero(repeated)
    parts = np.split(at, np.flatnonzero(np.diff(at) > JOIN_S * fps) + 1)
    return [(int(p[0]) - 1, int(p[-1])) for p in parts if p.size >= LEAST_REPEATS]


def _moves(subject: Subject, values: Values, position: int, first: int, last: int) -> bool:
    """Whether any channel of the state changes in those rows; without a state nothing speaks for a still scene."""
    feature = subject.recording.features.get(STATE)
    if feature is None or not feature.width:
        return True
    lifts = channels(subject.stream, feature)
    rows = values.rows([position], lifts)[position].select(lift.name for lift in lifts).slice(first, last - first + 1)
    state = rows.to_numpy()
    return bool(state.size) and bool(np.nanmax(np.nanmax(state, axis=0) - np.nanmin(state, axis=0)) > MOVING)
