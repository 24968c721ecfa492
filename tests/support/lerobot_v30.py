"""Writes small valid LeRobot v3.0 datasets, real videos included, by the format's documented rules.

Each picture carries a number in black and white blocks, so that a test knows which frame it sees after any encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from validators.pictures.priority import kept_priority

BITS, HEIGHT, WIDTH = 16, 64, 128
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
CODECS = {"h264": "libx264", "av1": "libsvtav1", "hevc": "libx265"}


def picture(number: int) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH, 3] with the number as two rows of eight blocks."""
    bits = np.array([(number >> i) & 1 for i in range(BITS)], dtype=np.uint8).reshape(2, 8)
    gray = np.kron(bits, np.full((HEIGHT // 2, WIDTH // 8), 200, dtype=np.uint8)) + 20
    return np.repeat(gray[:, :, None], 3, axis=2)


def numbers(path: Path) -> list[int]:
    """The number in each picture of a video, in order of presentation."""
    with av.open(str(path)) as container:
        return [_number(f.to_ndarray(format="gray")) for f in container.decode(video=0)]


def times(path: Path) -> list[float]:
    """When each picture of a video is shown, s."""
    with av.open(str(path)) as container:
        return [float(f.pts * f.time_base) for f in container.decode(video=0)]


def _number(gray: np.ndarray) -> int:
    centres = gray[HEIGHT // 4 :: HEIGHT // 2, WIDTH // 16 :: WIDTH // 8]
    return sum(int(v > 120) << i for i, v in enumerate(centres.ravel()))


def video(path: Path, shown: Sequence[int], fps: int, *, codec: str = "h264", keyframes: Sequence[int] = ()) -> None:
    """A video of those pictures; a keyframe at the first and at the given positions only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        options = {"crf": "20", "g": "10000", "sc_threshold": "0", "preset": "9" if codec == "av1" else "fast"}
        if codec == "hevc":
            options["x265-params"] = "open-gop=0:log-level=error"
        stream = container.add_stream(CODECS[codec], rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        with kept_priority():
            stream.codec_context.open()
        for at, number in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, fps)
            if at in keyframes:
                frame.pict_type = av.video.frame.PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass
class Episode:
    """Columns [rows] or [rows, channels]; `task` and further columns of its line in meta/episodes."""

    columns: dict[str, np.ndarray]
    task: str = "swing"

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.columns["timestamp"])


@dataclass
class Layout:
    """How many episodes each data file and each video file holds; where videos have keyframes."""

    data: Sequence[int]
    videos: Sequence[int] = ()
    cameras: Sequence[str] = ()
    codec: str = "h264"
    keyframe_at_episodes: bool = True
    shift: int = 0  # of the numbers in the pictures
    splits: Mapping[str, str] = field(default_factory=dict)


def number_of(episode: int, row: int) -> int:
    """What the picture of a row shows."""
    return episode * 200 + row


def write(root: Path, episodes: Sequence[Episode], fps: int, features: Mapping[str, object], layout: Layout) -> Path:
    """The dataset. `features` are those of the columns; cameras and index columns are added."""
    tasks = list(dict.fromkeys(e.task for e in episodes))
    ends = np.cumsum([e.rows for e in episodes])
    starts = ends - [e.rows for e in episodes]
    lines: list[dict[str, object]] = []
    tables = []
    for index, episode in enumerate(episodes):
        columns = episode.columns | {
            "frame_index": np.arange(episode.rows),
            "episode_index": np.full(episode.rows, index),
            "index": np.arange(starts[index], ends[index]),
            "task_index": np.full(episode.rows, tasks.index(episode.task)),
        }
        tables.append(pl.DataFrame({n: _series(n, v) for n, v in columns.items()}))
        lines.append(
            {
                "episode_index": index,
                "tasks": [episode.task],
                "length": episode.rows,
                "dataset_from_index": int(starts[index]),
                "dataset_to_index": int(ends[index]),
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{f"stats/{f}/{k}": v for f, values in columns.items() for k, v in statistics(values).items()},
            }
        )
    for file, held in enumerate(_groups(layout.data)):
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.concat([tables[i] for i in held]).write_parquet(path)
        for i in held:
            lines[i] |= {"data/chunk_index": 0, "data/file_index": file}
    for camera in layout.cameras:
        for file, held in enumerate(_groups(layout.videos)):
            shown = [layout.shift + number_of(i, row) for i in held for row in range(episodes[i].rows)]
            first = np.cumsum([0, *(episodes[i].rows for i in held)])
            path = root / f"videos/{camera}/chunk-000/file-{file:03d}.mp4"
            video(path, shown, fps, codec=layout.codec, keyframes=first if layout.keyframe_at_episodes else ())
            for i, a, b in zip(held, first[:-1], first[1:], strict=True):
                place = {"chunk_index": 0, "file_index": file, "from_timestamp": a / fps, "to_timestamp": b / fps}
                lines[i] |= {f"videos/{camera}/{k}": v for k, v in place.items()}
    whole = pl.concat(tables)
    declared = {**features, **{n: _feature("int64", [1]) for n in _INDICES}}
    names = ["height", "width", "channel"]
    shown = {"video.height": HEIGHT, "video.width": WIDTH, "video.codec": layout.codec, "video.fps": fps}
    for camera in layout.cameras:
        declared[camera] = {"dtype": "video", "shape": [HEIGHT, WIDTH, 3], "names": names, "info": shown}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "test_arm",
        "fps": fps,
        "total_episodes": len(episodes),
        "total_frames": int(ends[-1]),
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "splits": dict(layout.splits) or {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        if layout.cameras
        else None,
        "features": declared,
    }
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(lines), root / "meta/episodes/chunk-000/file-000.parquet")
    pl.DataFrame({"task_index": range(len(tasks)), "task": tasks}).write_parquet(root / "meta/tasks.parquet")
    (root / "meta/info.json").write_text(json.dumps(info))
    stats = {n: statistics(np.array(whole[n].to_list())) for n in whole.columns}
    (root / "meta/stats.json").write_text(json.dumps(stats))
    return root


def statistics(values: np.ndarray) -> dict[str, list[float]]:
    """As LeRobot keeps them."""
    wide = values.astype(np.float64).reshape(len(values), -1)
    found = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    found |= {f"q{int(q * 100):02d}": np.quantile(wide, q, axis=0) for q in QUANTILES}
    return {k: v.tolist() for k, v in found.items()} | {"count": [len(wide)]}


_INDICES = ("frame_index", "episode_index", "index", "task_index")


def _feature(dtype: str, shape: list[int]) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "names": None}


def _series(name: str, values: np.ndarray) -> pl.Series:
    return pl.Series(name, values) if values.ndim == 1 else pl.Series(name, values).arr.to_list()


def _groups(sizes: Sequence[int]) -> list[range]:
    ends = np.cumsum(sizes).tolist()
    return [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]
