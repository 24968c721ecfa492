"""LeRobot v2.1 on disk, without video: one Parquet an episode, and metadata that agrees with every row of it.

Source of the layout: lerobot's `codebase_version` v2.1 (`meta/info.json`, `episodes.jsonl`, `tasks.jsonl`,
`episodes_stats.jsonl`, `data/chunk-000/episode_000000.parquet`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

CHUNK = 1000
INDICES = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class Channels:
    """One recorded vector: the name of each element, and the unit all of them share."""

    names: tuple[str, ...]
    unit: str


@dataclass(frozen=True)
class Episode:
    """Vectors by column name, each float32 (n, len(names)); `timestamp` float32 (n,) in s; `facts` for the catalog."""

    vectors: Mapping[str, NDArray[np.float32]]
    timestamp: NDArray[np.float32]
    facts: Mapping[str, object]


def write(
    root: Path, *, robot_type: str, task: str, fps: int, channels: Mapping[str, Channels], episodes: Iterable[Episode]
) -> None:
    """Write a complete root; `meta/assay_episodes.jsonl` holds each episode's facts.

    Raises:
        FileExistsError: `root` is already there.
    """
    (root / "meta").mkdir(parents=True)
    lengths: list[int] = []
    stats: list[dict[str, object]] = []
    facts: list[dict[str, object]] = []
    schema = _schema(channels)
    for number, episode in enumerate(episodes):
        n, first = len(episode.timestamp), sum(lengths)
        columns: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {
            **{name: episode.vectors[name] for name in channels},
            "timestamp": episode.timestamp,
            "frame_index": np.arange(n),
            "episode_index": np.full(n, number),
            "index": np.arange(first, first + n),
            "task_index": np.zeros(n, np.int64),
        }
        path = root / f"data/chunk-{number // CHUNK:03d}/episode_{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table([_array(c) for c in columns.values()], schema=schema), path)
        lengths.append(n)
        stats.append({"episode_index": number, "stats": {name: _stats(c) for name, c in columns.items()}})
        facts.append({"episode_index": number, **episode.facts})

    _write_lines(root / "meta/tasks.jsonl", [{"task_index": 0, "task": task}])
    _write_lines(
        root / "meta/episodes.jsonl",
        [{"episode_index": i, "tasks": [task], "length": n} for i, n in enumerate(lengths)],
    )
    _write_lines(root / "meta/episodes_stats.jsonl", stats)
    _write_lines(root / "meta/assay_episodes.jsonl", facts)
    info = {
        "codebase_version": "v2.1",
        "robot_type": robot_type,
        "total_episodes": len(lengths),
        "total_frames": sum(lengths),
        "total_tasks": 1,
        "total_videos": 0,
        "total_chunks": -(-len(lengths) // CHUNK),
        "chunks_size": CHUNK,
        "fps": fps,
        "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": None,
        "features": _features(channels),
    }
    (root / "meta/info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def _features(channels: Mapping[str, Channels]) -> dict[str, object]:
    vectors = {
        name: {"dtype": "float32", "shape": [len(c.names)], "names": list(c.names), "units": [c.unit] * len(c.names)}
        for name, c in channels.items()
    }
    time = {"timestamp": {"dtype": "float32", "shape": [1], "names": None, "units": ["s"]}}
    return {**vectors, **time, **{name: {"dtype": "int64", "shape": [1], "names": None} for name in INDICES}}


def _schema(channels: Mapping[str, Channels]) -> pa.Schema:
    vectors = [pa.field(name, pa.list_(pa.float32(), len(c.names))) for name, c in channels.items()]
    return pa.schema([*vectors, pa.field("timestamp", pa.float32()), *(pa.field(n, pa.int64()) for n in INDICES)])


def _array(column: NDArray[np.float32] | NDArray[np.int64]) -> pa.Array:
    if column.ndim == 1:
        return pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])


def _stats(column: NDArray[np.float32] | NDArray[np.int64]) -> dict[str, list[float] | list[int]]:
    rows = column.reshape(len(column), -1)
    return {
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
        "mean": rows.mean(axis=0, dtype=np.float64).tolist(),
        "std": rows.std(axis=0, dtype=np.float64).tolist(),
        "count": [len(rows)],
    }


def _write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
