"""Pictures: decoded frames of a camera, from video, image files or messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 26  # of one picture
MAX_FRAMES = 4_000_000  # of one episode: 37 hours at 30 Hz


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded frame. `time_s` since the recording's origin, None where unknown; `luma` uint8 [height, width].

    `planes` hold every visible byte, in order. Luma `black` is no light and `white` is full (16 and 235 in
    most video, 0 and 255 elsewhere). `frame` is PyAV's own, for who shows the picture.
    """

    time_s: float | None
    luma: NDArray[np.uint8]
    planes: tuple[bytes, ...] = field(repr=False)
    pixel_format: str = "gray"
    black: int = 0
    white: int = 255
    frame: Any = field(default=None, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.luma.shape[0])


@dataclass(frozen=True)
class Probe:
    """What a file says of its pictures, nothing decoded. `fps` Hz, `frames` a count; None where it does not say."""

    codec: str
    pixel_format: str | None
    width: int
    height: int
    fps: float | None = None
    frames: int | None = None
