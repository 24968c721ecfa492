"""Pictures: decoded frames of a camera, from video, image files or messages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """One decoded frame. `time_s` since the recording's origin, None where unknown; `luma` uint8 [height, width]."""

    time_s: float | None
    luma: NDArray[np.uint8]
