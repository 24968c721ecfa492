"""Video files, decoded whole or over a range of time, and probed without decoding. Needs PyAV, the extra `video`.

Only containers are opened, never playlists: a file that names others could make the decoder read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.pictures import MAX_FRAMES, MAX_PIXELS, Picture, Probe
from validators.pictures.frame import picture

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".mpg", ".mpeg")
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,ivf,h264,hevc,obu"
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
_ALIASES = {
    "avc1": "h264",
    "avc": "h264",
    "h265": "hevc",
    "hev1": "hevc",
    "hvc1": "hevc",
    "av01": "av1",
    "jpeg": "mjpeg",
}
LAST_S = 0.5
_BEFORE_S = 10.0  # how much earlier to look where a seek came out late


def available() -> None:
    """Raises `MissingExtra` when pictures cannot be decoded."""
    need("av", "video")


def codec_name(name: str) -> str:
    """The codec's own name for what people and encoders call it: av1 for libsvtav1, h264 for avc1."""
    av, plain = need("av", "video"), name.lower().removeprefix("video/")
    try:
        return str(av.Codec(plain, "w").canonical_name)
    except (av.error.FFmpegError, ValueError):
        return _ALIASES.get(plain, plain)


def probe(path: Path) -> Probe:
    """Codec, size, rate and count of the first video stream. Raises `UnreadableDataset` (`file-damaged`, `too-large`).

    Where the container keeps no count, its packets are counted.
    """
    with _opened(path, threads=1) as (container, stream):
        context = stream.codec_context
        frames = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
        rate = float(stream.average_rate) if stream.average_rate else None
        codec = context.codec.canonical_name
        return Probe(codec, context.pix_fmt, context.width, context.height, rate, frames)


def packets(path: Path) -> list[tuple[float, int, bool]]:
    """(time in s since the first, bytes, key frame) of each packet in order of presentation; nothing is decoded.

    Raises `UnreadableDataset` (`file-damaged`, also where a packet carries no time; `too-large`).
    """
    found: list[tuple[int, int, bool]] = []
    with _opened(path, threads=1) as (container, stream):
        for packet in container.demux(stream):
            if packet.size:
                if packet.pts is None:
                    raise UnreadableDataset("file-damaged", f"packet {len(found)} carries no time")
                found.append((packet.pts, packet.size, bool(packet.is_keyframe)))
                _few(len(found))
        base = float(stream.time_base)
    found.sort()
    return [((pts - found[0][0]) * base, size, key) for pts, size, key in found]


def pictures(path: Path, threads: int = 0, origin_s: float = 0.0) -> Iterator[Picture]:
    """Every frame of the first video stream; times are the container's since its start, plus `origin_s`.

    `threads` 0 is as many as the machine has. Raises `UnreadableDataset` after what could be decoded: `file-damaged`
    (also when fewer frames are there than the container lists, or the decoder marks some as damaged), `too-large`.
    """
    with _opened(path, threads) as (container, stream):
        start = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
        packets = seen = damaged = 0
        last = start
        for packet in container.demux(stream):
            packets += bool(packet.size)
            for frame in packet.decode():
                seen += 1
                damaged += bool(frame.is_corrupt)
                _few(seen)
                last = last if frame.time is None else max(last, frame.time)
                yield picture(frame, None if frame.time is None else frame.time - start + origin_s)
        if stream.frames > packets:
            raise UnreadableDataset("file-damaged", f"lists {stream.frames} frames, {packets} are there: it is cut")
        _long_enough(container, stream, last - start)
        _sound(damaged, seen)


def between(
    path: Path, from_s: float, to_s: float, fps: float, threads: int = 0, origin_s: float = 0.0
) -> Iterator[Picture]:
    """The frames of [from_s, to_s) of the container's time, exact to half a period of `fps`; `from_s` is `origin_s`.

    Decoding starts at the last key frame before. Raises as `pictures` does.
    """
    half = 0.5 / fps
    with _opened(path, threads) as (container, stream):
        seen = damaged = 0
        for frame in _from(container, stream, from_s - half):
            if frame.time is None or frame.time < from_s - half:
                continue
            if frame.time >= to_s - half:
                break
            seen += 1
            damaged += bool(frame.is_corrupt)
            _few(seen)
            yield picture(frame, frame.time - from_s + origin_s)
        _sound(damaged, seen)


def _from(container: Any, stream: Any, at_s: float) -> Iterator[Any]:
    """Frames from a key frame at or before `at_s`; a seek that comes out late is tried again from earlier."""
    for before in (at_s, at_s - _BEFORE_S, 0.0):
        container.seek(max(0, int(before / stream.time_base)), stream=stream, backward=True, any_frame=False)
        frames = container.decode(stream)
        first = next(frames, None)
        if first is None:
            continue
        if before <= 0 or first.time is None or first.time <= at_s:
            yield first
            yield from frames
            return
        stream.codec_context.flush_buffers()


def _few(seen: int) -> None:
    if seen > MAX_FRAMES:
        raise UnreadableDataset("too-large", f"more than {MAX_FRAMES} frames")


def _long_enough(container: Any, stream: Any, last_s: float) -> None:
    """A container without a count may tell its duration; one with other streams tells the longest of them.

    Half a second is allowed for, because the last frame of a video of variable rate may stand that long.
    """
    if stream.frames or len(container.streams) > 1 or not container.duration or not stream.average_rate:
        return
    declared = container.duration / 1e6
    if declared - last_s > max(LAST_S, 3 / float(stream.average_rate)):
        raise UnreadableDataset("file-damaged", f"lasts {declared:.3g} s, {last_s:.3g} s are there: it is cut")


def _sound(damaged: int, seen: int) -> None:
    if damaged:
        raise UnreadableDataset("file-damaged", f"{damaged} of {seen} frames are damaged; copy it again")


@contextmanager
def _opened(path: Path, threads: int) -> Iterator[tuple[Any, Any]]:
    av = need("av", "video")
    try:
        with av.open(f"file:{path}", container_options=_OPTIONS) as container:
            stream = _stream(container)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = threads
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container, stream
    except UnreadableDataset as error:
        raise error if error.path else UnreadableDataset(error.kind, error.detail, path=path) from error
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise UnreadableDataset("file-damaged", f"no readable video ({error}); copy it again", path=path) from error


def _stream(container: Any) -> Any:
    if not container.streams.video:
        raise UnreadableDataset("file-damaged", "holds no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UnreadableDataset("file-damaged", "its codec is unknown or its header damaged; copy it again")
    if stream.width * stream.height > MAX_PIXELS:
        raise UnreadableDataset("too-large", f"{stream.width}×{stream.height} pixels, at most {MAX_PIXELS} are decoded")
    return stream
