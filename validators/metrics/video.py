"""Frames of a video, compared bit by bit with the one before; needs PyAV, the extra `video`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from validators.errors import MissingExtra, UnreadableDataset

MAX_PIXELS = 1 << 26
MAX_FRAMES = 20_000_000


@dataclass(frozen=True)
class Frames:
    """`repeated[i]` is true where decoded frame i equals frame i-1 in every byte of every plane."""

    repeated: NDArray[np.bool_]


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise MissingExtra("extra-missing", "PyAV is not installed: pip install 'assay-catalog[video]'") from error
    module: ModuleType = av
    return module


def available() -> None:
    """Raises `MissingExtra` when videos cannot be decoded."""
    _av()


def decode(path: Path) -> Frames:
    """Decodes the first video stream whole. Raises `UnreadableDataset` (`file-damaged`, `too-large`)."""
    av = _av()
    repeated: list[bool] = []
    before: list[bytes] | None = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UnreadableDataset("file-damaged", "holds no video stream", path=path)
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.width * stream.height > MAX_PIXELS:
                raise UnreadableDataset("too-large", f"{stream.width}×{stream.height} pixels", path=path)
            for frame in container.decode(stream):
                planes = [bytes(plane) for plane in frame.planes]
                repeated.append(planes == before)
                before = planes
                if len(repeated) > MAX_FRAMES:
                    raise UnreadableDataset("too-large", f"more than {MAX_FRAMES} frames", path=path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableDataset("file-damaged", f"no readable video ({error}); copy it again", path=path) from error
    return Frames(np.array(repeated, dtype=np.bool_))
