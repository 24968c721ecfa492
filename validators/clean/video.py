"""Cuts clips out of a video, exact to the frame: copied whole, by packets between keyframes, or else encoded again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from validators.errors import UncleanableDataset
from validators.extras import need
from validators.pictures.camera import Clip
from validators.pictures.priority import kept_priority

# LeRobot's own setting: a keyframe every other frame, so that a random frame decodes fast. The quality is chosen so
# that what is lost by the second encoding is less than what the first one lost.
ENCODERS = {
    "h264": ("libx264", {"crf": "16", "g": "2"}),
    "hevc": ("libx265", {"crf": "16", "g": "2", "x265-params": "open-gop=0:log-level=error"}),
    "av1": ("libsvtav1", {"crf": "18", "g": "2", "preset": "8"}),
    "vp9": ("libvpx-vp9", {"crf": "18", "b": "0", "g": "2"}),
    "mpeg4": ("mpeg4", {"q": "2", "g": "2"}),
}


@dataclass(frozen=True)
class Cut:
    """What was done, and where each clip lies in the new file (s)."""

    how: Literal["copied", "cut", "encoded"]
    ranges: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Packets:
    """Of each packet in decoding order, in ticks of `base` s: when it is shown, and whether it is a keyframe."""

    pts: NDArray[np.int64]
    key: NDArray[np.bool_]
    base: Fraction
    end: int


def cut(source: Path, target: Path, clips: Sequence[Clip], fps: float, *, whole: bool) -> Cut:
    """Writes the clips, in order of time, to a new file; `whole` when nothing else is in the old one.

    Raises `UncleanableDataset` (`video-uncuttable`), `MissingExtra`.
    """
    if whole and all(c.end_s is not None for c in clips):
        shutil.copyfile(source, target)
        return Cut("copied", tuple((c.start_s, c.end_s or 0.0) for c in clips))
    av = need("av", "video")
    try:
        packets = _packets(av, source)
        shown = np.sort(packets.pts)
        spans = [_frames(shown, packets.base, clip, fps) for clip in clips]
        if any(a >= b for a, b in spans) or any(one[1] > two[0] for one, two in pairwise(spans)):
            detail = "the time ranges of the kept episodes hold no frame, or overlap; drop those episodes too"
            raise UncleanableDataset("video-uncuttable", detail, path=source)
        count = sum(b - a for a, b in spans)
        if runs := _runs(packets, shown, spans):
            _remux(av, source, target, runs)
            if _shown(av, target) == count:
                return Cut("cut", tuple(_range(packets, shown, runs, a, b) for a, b in spans))
        ranges = _encode(av, source, target, [shown[a:b] for a, b in spans], fps)
        if (written := _shown(av, target)) != count:
            detail = f"{written} frames were written, {count} were to be"
            raise UncleanableDataset("video-uncuttable", detail, path=source)
        return Cut("encoded", ranges)
    except (av.error.FFmpegError, ValueError) as error:
        raise UncleanableDataset("video-uncuttable", f"no readable video ({error})", path=source) from error


def _stream(container: Any) -> Any:
    if not container.streams.video:
        raise ValueError("holds no video")
    return container.streams.video[0]


def _packets(av: Any, source: Path) -> _Packets:
    with av.open(str(source)) as container:
        stream = _stream(container)
        found = [(p.pts, p.is_keyframe, p.duration or 0) for p in container.demux(stream) if p.pts is not None]
        if not found:
            raise ValueError("holds no frames")
        last = max(found)
        pts = np.array([p for p, _, _ in found], dtype=np.int64)
        return _Packets(pts, np.array([k for _, k, _ in found]), stream.time_base, last[0] + last[2])


def _frames(shown: NDArray[np.int64], base: Fraction, clip: Clip, fps: float) -> tuple[int, int]:
    """First frame of a clip, and the one after its last, in order of presentation."""
    half = 0.5 / fps
    times = shown * float(base)
    first = int(np.searchsorted(times, clip.start_s - half))
    end = len(shown) if clip.end_s is None else int(np.searchsorted(times, clip.end_s - half))
    return first, end


def _tick(packets: _Packets, shown: NDArray[np.int64], frame: int) -> int:
    return int(shown[frame]) if frame < len(shown) else packets.end


@dataclass(frozen=True)
class _Run:
    """Frames `first` to `end` (shown) that stay together, packets `head` to `tail`, and the ticks that they move by."""

    first: int
    end: int
    head: int
    tail: int
    shift: int


def _runs(packets: _Packets, shown: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> list[_Run]:
    """The neighbours among the clips joined; none where one cannot stand alone.

    A run can when its packets are neighbours in decoding order and the first is a keyframe that is shown first: no
    picture before it is needed, and none that is left out lies between.
    """
    joined: list[list[int]] = []
    for a, b in spans:
        if joined and joined[-1][1] == a:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    runs, at = [], 0
    for a, b in joined:
        inside = np.flatnonzero((packets.pts >= shown[a]) & (packets.pts <= shown[b - 1]))
        head, last = int(inside[0]), int(inside[-1])
        if last - head + 1 != b - a or not packets.key[head] or packets.pts[head] != shown[a]:
            return []
        runs.append(_Run(a, b, head, last + 1, at - int(shown[a])))
        at += _tick(packets, shown, b) - int(shown[a])
    return runs


def _range(
    packets: _Packets, shown: NDArray[np.int64], runs: Sequence[_Run], first: int, end: int
) -> tuple[float, float]:
    """Where frames `first` to `end` lie after their run has moved, s."""
    shift = next(r.shift for r in runs if r.first <= first < r.end)
    return float((int(shown[first]) + shift) * packets.base), float((_tick(packets, shown, end) + shift) * packets.base)


def _remux(av: Any, source: Path, target: Path, runs: Sequence[_Run]) -> None:
    """Copies the packets of the runs, moved in time; nothing is decoded."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = _stream(old)
        made = new.add_stream_from_template(stream, opaque=True)
        made.time_base = stream.time_base
        number, waiting = 0, list(runs)
        for packet in old.demux(stream):
            if packet.pts is None or not waiting:
                continue
            run = waiting[0]
            if run.head <= number < run.tail:
                packet.pts += run.shift
                packet.dts = None if packet.dts is None else packet.dts + run.shift
                packet.stream = made
                new.mux(packet)
            number += 1
            if number == run.tail:
                waiting.pop(0)


def _encode(
    av: Any, source: Path, target: Path, kept: Sequence[NDArray[np.int64]], fps: float
) -> tuple[tuple[float, float], ...]:
    """Decodes once and encodes the kept frames on the grid of `fps`, with the codec and pixel format of the source."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder talks on standard error otherwise
    wanted = {int(p) for part in kept for p in part}
    rate = Fraction(fps).limit_denominator(100_000)
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = _stream(old)
        stream.thread_type = "AUTO"
        codec = stream.codec.canonical_name
        if codec not in ENCODERS:
            raise UncleanableDataset("video-uncuttable", f"{codec} can be read and not written", path=source)
        name, options = ENCODERS[codec]
        made = new.add_stream(name, rate=rate, options=options)
        made.width, made.height, made.pix_fmt = stream.width, stream.height, stream.pix_fmt
        with kept_priority():
            made.codec_context.open()
        number = 0
        for frame in old.decode(stream):
            if frame.pts in wanted:
                frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, 0
                new.mux(made.encode(frame))
                number += 1
        new.mux(made.encode(None))
    ends = np.cumsum([0, *(len(part) for part in kept)])
    return tuple((float(a / rate), float(b / rate)) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def _shown(av: Any, path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for p in container.demux(_stream(container)) if p.pts is not None)
