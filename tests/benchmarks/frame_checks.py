"""All frame checks together, against PyAV alone decoding the same files with the same threads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.benchmarks.figure import Figure, compare
from validators import readers
from validators.expectations import SHIPPED
from validators.expectations.pictures.expectation import OfPictures
from validators.result import SuiteResult
from validators.run import run
from validators.suites import Suite, parse

G1 = Path(__file__).resolve().parents[3] / "shared" / "data" / "lerobot_v21_unitree_g1" / "videos"
VIDEOS, FRAMES, FPS, WIDTH, HEIGHT = 4, 300, 30, 640, 480
RUNS = 5
NOISE = 5  # levels


def figures(folder: Path) -> Iterator[Figure]:
    """H.264 encoded here, and the AV1 of the G1 where it lies beside the checkout."""
    yield figure("H.264, 640×480", encoded(folder / "h264"))
    if G1.is_dir():
        yield figure("AV1, the G1's 640×480", G1)


def figure(name: str, videos: Path) -> Figure:
    """Opening the folder included."""
    suite = frame_suite()
    paths = sorted(videos.rglob("*.mp4"))
    result = checked(videos, suite)
    (frames,) = (o.observed["frames"] for o in result.outcomes if o.check == "effective_frame_rate")
    if frames != decoded(paths):
        raise RuntimeError("the checks and PyAV alone do not decode the same frames")
    note = (
        f"{len(paths)} videos, {frames} frames, {len(suite.entries)} checks; the speed is 1 / ratio of decoding alone"
    )
    work, alone = (lambda: checked(videos, suite)), (lambda: decoded(paths))
    return compare(f"frame checks on {name}", work, "PyAV decoding alone", alone, runs=RUNS, note=note)


def frame_suite() -> Suite:
    """Every check that looks at pictures."""
    listed = [{"type": e.type, "kwargs": {}, "meta": {"required": False}} for e in SHIPPED if issubclass(e, OfPictures)]
    return parse(json.dumps({"name": "frames@1", "expectations": listed}))


def checked(videos: Path, suite: Suite) -> SuiteResult:
    """Opened anew, so that nothing is known from before."""
    return run(readers.open(videos), suite)


def decoded(paths: list[Path]) -> int:
    """How many frames PyAV decodes; one thread a video, as many at once as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(_decoded, paths))


def _decoded(path: Path) -> int:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def encoded(folder: Path) -> Path:
    """Films of a textured scene that pans behind a noisy sensor, as H.264 at the encoder's own defaults: 10 kB a frame,
    as the G1's own pictures give."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 210, (HEIGHT // 16, WIDTH // 16)).repeat(16, 0).repeat(16, 1)
    texture = coarse + rng.integers(-20, 20, coarse.shape)
    for number in range(VIDEOS):
        with av.open(str(folder / f"{number}.mp4"), "w") as output:
            stream = output.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for i in range(FRAMES):
                luma = np.roll(texture, int(40 * np.sin(i / 20 + number)), axis=1) + rng.normal(0, NOISE, texture.shape)
                planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
                planes[:HEIGHT] = np.clip(luma, 16, 235)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
    return folder
