"""Pictures in messages: compressed images, raw arrays as ROS names them, and video streams of a frame a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.pictures import MAX_FRAMES, MAX_PIXELS, Picture
from validators.pictures.frame import picture
from validators.pictures.image import decode, kind

# encoding of sensor_msgs/Image → (PyAV's pixel format, bytes a pixel); a Bayer mosaic is looked at as gray
RAW = {
    "rgb8": ("rgb24", 3),
    "bgr8": ("bgr24", 3),
    "8uc3": ("bgr24", 3),
    "rgba8": ("rgba", 4),
    "bgra8": ("bgra", 4),
    "8uc4": ("bgra", 4),
    "mono8": ("gray", 1),
    "8uc1": ("gray", 1),
    "mono16": ("gray16le", 2),
    "16uc1": ("gray16le", 2),
    "yuv422_yuy2": ("yuyv422", 2),
    "bayer_rggb8": ("gray", 1),
    "bayer_bggr8": ("gray", 1),
    "bayer_gbrg8": ("gray", 1),
    "bayer_grbg8": ("gray", 1),
}
VIDEO = {"h264": "h264", "h265": "hevc", "hevc": "hevc", "vp9": "vp9", "av1": "av1"}


class Message(NamedTuple):
    """One message: `format` an encoding of `RAW` (then `width`, `height` and `step`, bytes a row), of `VIDEO`, or the
    text of a CompressedImage, which is not trusted: the bytes say what they are."""

    time_s: float | None
    data: bytes
    format: str = ""
    width: int = 0
    height: int = 0
    step: int = 0


def pictures(messages: Iterable[Message]) -> Iterator[Picture]:
    """The pictures in order. Raises `UnreadableDataset` (`file-damaged`, `too-large`) without a path."""
    stream: _Stream | None = None
    for number, message in enumerate(messages):
        if number >= MAX_FRAMES:
            raise UnreadableDataset("too-large", f"more than {MAX_FRAMES} pictures")
        name = message.format.strip().lower()
        try:
            if message.width and name in RAW:
                yield raw(message)
            elif name in VIDEO and kind(message.data) is None:
                stream = stream or _Stream(VIDEO[name])
                yield from stream.next(message)
            else:
                yield decode(message.data, message.time_s)
        except UnreadableDataset as error:
            raise UnreadableDataset(error.kind, f"picture {number}: {error.detail}") from error
    if stream:
        yield from stream.rest()


def raw(message: Message) -> Picture:
    """The picture of a raw array; rows may be padded to `step` bytes."""
    av = need("av", "video")
    name, size = RAW[message.format.strip().lower()]
    row, step = message.width * size, message.step or message.width * size
    if not 0 < message.width * message.height <= MAX_PIXELS:
        raise UnreadableDataset("too-large", f"{message.width}×{message.height} pixels, at most {MAX_PIXELS}")
    if step < row or len(message.data) < step * (message.height - 1) + row:
        detail = f"{len(message.data)} bytes for {message.width}×{message.height} {message.format}, rows of {step}"
        raise UnreadableDataset("file-damaged", detail)
    padded = np.zeros(step * message.height, np.uint8)
    given = np.frombuffer(message.data, np.uint8)[: padded.size]
    padded[: given.size] = given
    rows = np.ascontiguousarray(padded.reshape(message.height, step)[:, :row])
    if name == "gray16le":
        array = rows.view("<u2").reshape(message.height, message.width)
    else:
        array = rows.reshape((message.height, message.width) if size == 1 else (message.height, message.width, size))
    return picture(av.VideoFrame.from_ndarray(array, format=name), message.time_s)


class _Stream:
    """A decoder that goes on from message to message; a frame carries the time of the message that it came in."""

    def __init__(self, codec: str) -> None:
        self._av = need("av", "video")
        self._context = self._av.CodecContext.create(codec, "r")
        self._context.options = {"max_pixels": str(MAX_PIXELS)}
        self._times: list[float | None] = []

    def next(self, message: Message) -> Iterator[Picture]:
        packet = self._av.Packet(message.data)
        packet.pts = len(self._times)
        self._times.append(message.time_s)
        yield from self._decoded(packet)

    def rest(self) -> Iterator[Picture]:
        yield from self._decoded(None)

    def _decoded(self, packet: Any) -> Iterator[Picture]:
        try:
            frames = self._context.decode(packet)
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise UnreadableDataset("file-damaged", f"no readable video stream ({error})") from error
        for frame in frames:
            known = frame.pts is not None and 0 <= frame.pts < len(self._times)
            yield picture(frame, self._times[frame.pts] if known else None)
