"""Frames: does a new picture come as often as declared, and does it stop coming while the robot moves?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from validators.expectations.expectation import Subject
from validators.expectations.pictures.expectation import OfPictures, Seen
from validators.findings import Finding, Judgement, NotEvaluable

JOIN_S = 0.3  # repeats closer than this belong to one span
LEAST_REPEATS = 3  # a span of fewer says nothing
MOVING = 0.02  # of a joint's range in the episode: less is a still scene, which repeats rightly
CHANGING = 4.0  # grey levels, in a cell: less is a scene in which little happens
NEAR = 0.1  # of the usual change around: less is nearly the same picture
CLEAR = 5.0  # times the change of a repeat: less is a still scene with noise
SEES = 1.0  # grey levels, in a cell, at the median: less is a camera before which nothing moves
STILL, ENCODED = 0.3, 0.05  # grey levels, in a cell, or of the usual change: less is the same picture, encoded again


class _Rate(OfPictures):
    """Spans in which pictures come less often than declared."""

    tolerance: float
    wording: ClassVar[str]

    def repeats(self, seen: Seen, fps: float) -> NDArray[np.bool_]:
        """Which frames count as the one before."""
        raise NotImplementedError

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        findings: list[Finding] = []
        frames = repeated = 0
        rated = [(s, s.fps) for s in seen if s.fps is not None]
        if not rated:
            raise NotEvaluable("no rate is declared for any camera, and its pictures carry no times")
        for one, fps in rated:
            same = self.repeats(one, fps)
            frames += same.size
            repeated += int(same.sum())
            findings += self._slow(one, fps, same)
        note = f"{len(rated)} videos decoded, {repeated} of {frames} frames are {self.wording} the one before"
        return Judgement(tuple(findings), note, {"frames": frames, "repeated": repeated})

    def _slow(self, seen: Seen, fps: float, same: NDArray[np.bool_]) -> Iterator[Finding]:
        limit = (1 - self.tolerance) * fps
        for first, last in spans(same, fps):
            frames, again = last - first + 1, int(same[first : last + 1].sum())
            rate = fps * (frames - again) / frames
            if rate < limit and _alive(seen, same, first, last):
                message = f"{again} of {frames} frames are {self.wording} the one before"
                yield Finding(
                    self.check,
                    seen.camera.name,
                    f"{message} ({int(same.sum())} of all {same.size})",
                    episode=seen.episode.index,
                    start_s=seen.time(first),
                    end_s=seen.time(last),
                    value=rate,
                    limit=limit,
                    unit="Hz",
                    resolves=f"{LEAST_REPEATS} repeats at most {JOIN_S:g} s apart",
                )


@dataclass(frozen=True)
class ExpectEffectiveFrameRate(_Rate):
    """Effective frame rate: frames that differ from the one before, per second, in spans of bit-identical frames.

    Repeats at most 0.3 s apart make a span, at least 3 that stand apart; rate = fps * (frames - repeats) / frames;
    found when it is below (1 - tolerance) * fps, the new frames change clearly (by a median of 4 grey levels in
    some cell of a 12×16 thumbnail), and a joint of observation.state, where there is one, goes by 2 % of its range.
    Unit: Hz. Default: 10 %. Source: the real Unitree G1, whose camera delivers half its declared rate. Resolves: 3
    such repeats. Repeats that were encoded anew are another check. Known false alarms: a simulated scene that is
    drawn at a lower rate on purpose; slow motion in small AV1 videos (160×120). A still scene and a pause repeat
    rightly and are passed over. Only pictures that are here are judged. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_effective_frame_rate"
    check: ClassVar[str] = "effective_frame_rate"
    telling: ClassVar[bool] = True
    wording: ClassVar[str] = "bit-identical to"
    tolerance: float = 0.10

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def repeats(self, seen: Seen, fps: float) -> NDArray[np.bool_]:
        return seen.measures.repeated


@dataclass(frozen=True)
class ExpectNoNearDuplicateFrames(_Rate):
    """Near duplicates: frames that hardly differ from the one before, while those around them differ much.

    d is the greatest change of a cell of a 12×16 thumbnail, grey levels; a frame is a near duplicate when d is
    below 0.1 of the upper quartile of d within 0.3 s of it, and that quartile is at least 4 levels. Spans and rate
    as for the effective frame rate, bit-identical frames included. Unit: Hz. Default: 10 %. Source: lossy codecs
    encode a repeated frame anew, at the latest at the next key frame; of the G1's repeats about half are found bit
    by bit, the rest by this. Resolves: 3 repeats at most 0.3 s apart, in pictures that change by 4 grey levels in
    some cell. Known false alarms: a robot that moves in steps slower than the camera's rate. Needs the extra
    `video`.
    """

    type: ClassVar[str] = "expect_no_near_duplicate_frames"
    check: ClassVar[str] = "near_duplicate_frames"
    wording: ClassVar[str] = "nearly the same as"
    tolerance: float = 0.10

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def repeats(self, seen: Seen, fps: float) -> NDArray[np.bool_]:
        return near(seen.measures.distance, fps)


@dataclass(frozen=True)
class ExpectNoFrozenFrames(OfPictures):
    """Frozen frames: `frames` or more consecutive pictures are the same while a joint goes by `moved` of its range.

    The same: bit-identical, or changed by at most 0.3 grey levels, or a twentieth of the episode's median change,
    in every cell of a 12×16 thumbnail. The camera must see the robot: outside the run the pictures change by at
    least 1 level at the median, or there is no outside. Unit: frames. Default: 5 frames, 5 % of the joint's range
    in the episode. Source: a driver that publishes its last buffer again after a lost link. Resolves: a run of
    `frames` frames. Not evaluable without observation.state: nothing else speaks against a still scene.
    Known false alarms: a joint that this camera cannot see. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_no_frozen_frames"
    check: ClassVar[str] = "frozen_frames"
    frames: int = 5
    moved: float = 0.05

    def __post_init__(self) -> None:
        if not 2 <= self.frames <= 10_000 or not 0 < self.moved < 1:
            raise ValueError("frames must be 2 to 10000, moved between 0 and 1")

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        told = [s for s in seen if s.state is not None]
        if not told:
            raise NotEvaluable("no observation.state says whether the robot moved, and a still scene repeats rightly")
        findings = [finding for one in told for finding in self._frozen(one)]
        return Judgement(tuple(findings), f"{len(told)} of {len(seen)} videos have a state beside them")

    def _frozen(self, seen: Seen) -> Iterator[Finding]:
        distance = seen.measures.distance
        usual = np.median(distance[np.isfinite(distance)]) if distance.size > 1 else 0.0
        same = seen.measures.repeated | (distance <= max(STILL, ENCODED * float(usual)))
        for first, last in runs(same, self.frames):
            outside = np.delete(distance, slice(first, last + 1))
            outside = outside[np.isfinite(outside)]
            sees = last - first + 1 >= 0.9 * len(distance) or (outside.size and np.median(outside) >= SEES)
            if sees and seen.moves(first, last, self.moved):
                yield Finding(
                    self.check,
                    seen.camera.name,
                    f"{last - first + 1} pictures are the same while the robot moves",
                    episode=seen.episode.index,
                    start_s=seen.time(first),
                    end_s=seen.time(last),
                    value=float(last - first + 1),
                    limit=float(self.frames),
                    unit="frames",
                    resolves=f"{self.frames} frames",
                )


def spans(repeated: NDArray[np.bool_], fps: float) -> list[tuple[int, int]]:
    """First and last frame of each span of repeats: at most `JOIN_S` apart, `LEAST_REPEATS` of them not adjacent.

    A pause is one long run of repeats, and no span.
    """
    at = np.flatnonzero(repeated)
    parts = np.split(at, np.flatnonzero(np.diff(at) > JOIN_S * fps) + 1)
    return [(int(p[0]) - 1, int(p[-1])) for p in parts if p.size and 1 + (np.diff(p) > 1).sum() >= LEAST_REPEATS]


def runs(same: NDArray[np.bool_], least: int) -> list[tuple[int, int]]:
    """First and last of each run of `least` or more equal frames; `same[i]` says that i equals i - 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    pairs = [(int(begin) - 1, int(end) - 1) for begin, end in edges.reshape(-1, 2)]
    return [(max(0, first), last) for first, last in pairs if last - first + 1 >= least]


def near(distance: NDArray[np.float32], fps: float) -> NDArray[np.bool_]:
    """Frames whose change is below a tenth of the upper quartile around them, where that is 2 levels or more."""
    reach = max(2, round(JOIN_S * fps))
    if distance.size < 2 * reach + 1:
        return np.zeros(distance.size, dtype=np.bool_)
    padded = np.pad(np.nan_to_num(distance, nan=0.0), reach, mode="edge")
    usual = np.quantile(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), 0.75, axis=1)
    return (distance < NEAR * usual) & (usual >= CHANGING)  # NaN is below nothing


def _alive(seen: Seen, same: NDArray[np.bool_], first: int, last: int) -> bool:
    """Whether the scene goes on in the span: a repeat is made up for by the next frame, and a joint, if known, moves.

    After a pause a robot starts from rest, so the next frame changes little; after a repeat it changes twice.
    """
    distance, again = seen.measures.distance[first : last + 2], same[first : last + 2]
    new = distance[1:][~again[1:]]
    after = distance[1:][~again[1:] & again[:-1]]
    if not after.size or not np.isfinite(new).all():
        return False
    usual, made_up = float(np.median(new)), float(np.median(after))
    least = max(CHANGING, CLEAR * float(np.median(distance[again])))
    return made_up >= max(least, usual / 2) and seen.moves(first, last, MOVING) is not False
