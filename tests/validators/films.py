"""Films that tests encode themselves: an arm swings over a table, as a camera with noise would see it."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from validators.pictures.priority import kept_priority

WIDTH, HEIGHT = 160, 120
LOSSLESS, H264, AV1 = ("ffv1", {}), ("libx264", {"crf": "23", "preset": "veryfast"}), ("libsvtav1", {"crf": "30", "preset": "12", "g": "2"})  # fmt: skip


def table() -> NDArray[np.float64]:
    """Luma of the table alone, with edges."""
    levels = np.random.default_rng(7).integers(60, 180, (HEIGHT // 8, WIDTH // 8))
    return levels.repeat(8, 0).repeat(8, 1).astype(np.float64)


def scene(phase: float, rng: np.random.Generator, noise: float = 2.0) -> NDArray[np.uint8]:
    """Luma of one picture: the table, and a bright bar whose place is told by `phase` in -1..1."""
    picture = table()
    left = (phase + 1) / 2 * (WIDTH - 25)
    cover = np.clip(np.minimum(np.arange(WIDTH) + 1 - left, left + 24 - np.arange(WIDTH)), 0, 1)  # of each column
    picture[30:90] += cover * (220 - picture[30:90])
    picture += rng.normal(0, noise, picture.shape) if noise else 0
    return np.clip(picture, 16, 235).astype(np.uint8)


def swing(frames: int, fps: float, hz: float = 0.4) -> NDArray[np.float64]:
    """Where the arm is in each frame, -1..1."""
    return np.sin(2 * np.pi * hz * np.arange(frames) / fps)


def shot(phases: Iterable[float], noise: float = 2.0, seed: int = 0) -> list[NDArray[np.uint8]]:
    """A picture of each phase."""
    rng = np.random.default_rng(seed)
    return [scene(phase, rng, noise) for phase in phases]


def repeated(pictures: list[NDArray[np.uint8]], where: Iterable[int]) -> list[NDArray[np.uint8]]:
    """The film in which those pictures show again the one before."""
    found = list(pictures)
    for i in sorted(where):
        found[i] = found[i - 1]
    return found


def write(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    fps: int = 30,
    codec: tuple[str, dict[str, str]] = LOSSLESS,
    container: str | None = None,
) -> Path:
    """Encodes gray pictures [height, width] as yuv420p."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name, options = codec
    with av.open(str(path), "w", format=container or ("matroska" if name == "ffv1" else "mp4")) as output:
        stream = None
        for i, luma in enumerate(pictures):
            if stream is None:
                stream = output.add_stream(name, rate=fps, options=dict(options))
                stream.height, stream.width = luma.shape
                stream.pix_fmt = "yuv420p"
                with kept_priority():
                    stream.codec_context.open()
            chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            for packet in stream.encode(frame):
                output.mux(packet)
        assert stream is not None
        for packet in stream.encode():
            output.mux(packet)
    return path


def png(picture: NDArray[np.uint8], codec: str = "png") -> bytes:
    """The bytes of an image file; [height, width] is gray, [height, width, 3] RGB."""
    form = "gray" if picture.ndim == 2 else "rgb24"
    frame = av.VideoFrame.from_ndarray(picture, format=form)
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = frame.width, frame.height, Fraction(1, 1)
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else form
    packets = [*context.encode(frame.reformat(format=context.pix_fmt)), *context.encode()]
    return b"".join(bytes(p) for p in packets)


def edited(
    picture: NDArray[np.uint8], change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.uint8]:
    """The picture after a change of its levels."""
    return np.clip(change(picture.astype(np.float64)), 0, 255).astype(np.uint8)
