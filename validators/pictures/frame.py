"""A frame of PyAV as a picture: its visible bytes, without the padding of its rows, and its luma."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.pictures import MAX_PIXELS, Picture

_LUMA_FIRST = re.compile(r"(?:yuvj?|yuva)\d{3}p(?:\d+(?:le|be))?|gray(?:\d+(?:le|be))?|nv(?:12|16|21|24|42)")
_PACKED = {"rgb24": 3, "bgr24": 3, "rgba": 4, "bgra": 4}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def picture(frame: Any, time_s: float | None) -> Picture:
    """The frame's planes as they are; formats that are neither planar YUV nor packed RGB go through `rgb24` first.

    Samples of more than 8 bits are compared whole and measured by their upper 8 bits.
    """
    if frame.width * frame.height > MAX_PIXELS:
        raise UnreadableDataset("too-large", f"{frame.width}×{frame.height} pixels, at most {MAX_PIXELS} are decoded")
    name = frame.format.name
    if name in _PACKED:
        return _packed(frame, name, time_s)
    if not _LUMA_FIRST.fullmatch(name):
        return _packed(frame.reformat(format="rgb24"), "rgb24", time_s)
    bits = frame.format.components[0].bits
    size = 1 if bits <= 8 else 2
    interleaved = name.startswith("nv")
    planes = tuple(
        _visible(plane, plane.width * size * (2 if interleaved and i else 1)) for i, plane in enumerate(frame.planes)
    )
    luma = _eight_bits(planes[0], frame.width * frame.height, bits, name).reshape(frame.height, frame.width)
    full = name.startswith(("yuvj", "gray")) or int(frame.color_range) == _FULL_RANGE
    black, white = (0, 255) if full else (16, 235)
    return Picture(time_s, luma, planes, name, black, white, frame)


def _eight_bits(plane: bytes, pixels: int, bits: int, name: str) -> NDArray[np.uint8]:
    if bits <= 8:
        return np.frombuffer(plane, np.uint8, count=pixels)
    words = np.frombuffer(plane, ">u2" if name.endswith("be") else "<u2", count=pixels)
    return (words >> (bits - 8)).astype(np.uint8)


def _packed(frame: Any, name: str, time_s: float | None) -> Picture:
    planes = (_visible(frame.planes[0], frame.width * _PACKED[name]),)
    gray = frame.reformat(format="gray").planes[0]
    luma = np.frombuffer(_visible(gray, frame.width), np.uint8).reshape(frame.height, frame.width)
    return Picture(time_s, luma, planes, name, frame=frame)


def _visible(plane: Any, row: int) -> bytes:
    """The plane's bytes without what pads each row to `line_size`."""
    if plane.line_size == row:
        return bytes(memoryview(plane)[: row * plane.height])
    rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]
    return rows.reshape(plane.height, plane.line_size)[:, :row].tobytes()
