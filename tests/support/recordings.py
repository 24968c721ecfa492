"""Small LeRobot v2.1 recordings, whole or spoilt in one named way, with their provenance beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

FPS = 20
JOINTS = ("base_yaw", "shoulder", "elbow")
Defect = Literal["gap", "frozen", "nan", "counts", "type", "cut", "empty-info", "empty-episodes"]


def provenance(**changes: Any) -> dict[str, Any]:
    """A provenance document; `changes` replace fields of its source or terms."""
    source = {"kind": "field", "robot": "bench-arm", "rigs": ["rig-a"], "sites": ["bench"], "clock": "ptp"}
    terms = {"licence": "CC0-1.0", "consent": "not-applicable"}
    for name, value in changes.items():
        (terms if name in terms else source)[name] = value
    return {"schema": "provenance@1", "source": source, "terms": terms}


def columns(seed: int, rows: int) -> dict[str, np.ndarray]:
    """One episode of three swinging joints: nothing wrong with it."""
    rng = np.random.default_rng(seed)
    phase, pace = rng.uniform(0, 6.28, 3), rng.uniform(1.0, 2.0, 3)
    t = np.arange(rows) / FPS
    joints = 0.8 * np.sin(phase + np.outer(t, pace * 2))
    return {
        "observation.state": (joints + rng.normal(0, 5e-4, joints.shape)).astype(np.float32),
        "action": (joints + rng.normal(0, 0.01, joints.shape)).astype(np.float32),
        "timestamp": (t + np.r_[0, rng.normal(0, 4e-4, rows - 1)]).astype(np.float32),
    }


def recording(
    folder: Path,
    *,
    episodes: int = 3,
    rows: int = 30,
    seed: int = 0,
    rig: str = "rig-a",
    spoil: dict[int, Defect] | None = None,
    defect: Defect | None = None,
    **source: Any,
) -> Path:
    """Write a recording. `spoil` damages episodes by index, `defect` the whole; `source` changes the provenance."""
    (folder / "meta").mkdir(parents=True)
    (folder / "data/chunk-000").mkdir(parents=True)
    total = 0
    for index in range(episodes):
        made = columns(seed * 1000 + index, rows)
        _spoil(made, (spoil or {}).get(index))
        numbers = {
            "frame_index": np.arange(rows),
            "episode_index": np.full(rows, index),
            "index": np.arange(total, total + rows),
            "task_index": np.zeros(rows, dtype=np.int64),
        }
        _frame(made | numbers).write_parquet(folder / f"data/chunk-000/episode_{index:06d}.parquet")
        total += rows
    info = {
        "codebase_version": "v2.1",
        "robot_type": "bench_arm",
        "fps": FPS,
        "total_episodes": episodes,
        "total_frames": total + (7 if defect == "counts" else 0),
        "total_videos": 0,
        "total_tasks": 1,
        "total_chunks": 1,
        "chunks_size": 1000,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "features": _features(),
    }
    _write(folder / "meta/info.json", json.dumps(info))
    _write(
        folder / "meta/episodes.jsonl",
        _lines({"episode_index": i, "tasks": ["swing"], "length": rows} for i in range(episodes)),
    )
    _write(folder / "meta/tasks.jsonl", '{"task_index": 0, "task": "swing"}\n')
    facts = ({"episode_index": i, "robot": "bench-arm", "rig": rig, "site": "bench"} for i in range(episodes))
    _write(folder / "meta/assay_episodes.jsonl", _lines(facts))
    _write(folder / "meta/provenance.json", json.dumps(provenance(**source)))
    _damage(folder, defect)
    return folder


def _spoil(made: dict[str, np.ndarray], defect: Defect | None) -> None:
    half = len(made["timestamp"]) // 2
    if defect == "gap":
        made["timestamp"][half:] += 0.5
    elif defect == "frozen":
        made["observation.state"][half : half + 12] = made["observation.state"][half]
    elif defect == "nan":
        made["observation.state"][half, 0] = np.nan
    elif defect is not None:
        raise ValueError(f"{defect!r} is no defect of one episode")


def _damage(folder: Path, defect: Defect | None) -> None:
    first = folder / "data/chunk-000/episode_000000.parquet"
    if defect == "type":
        pl.read_parquet(first).with_columns(pl.lit("x").alias("timestamp")).write_parquet(first)
    elif defect == "cut":
        first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    elif defect in ("empty-info", "empty-episodes"):
        (folder / "meta" / {"empty-info": "info.json", "empty-episodes": "episodes.jsonl"}[defect]).write_bytes(b"")


def _frame(made: dict[str, np.ndarray]) -> pl.DataFrame:
    series = {name: pl.Series(name, values) for name, values in made.items()}
    return pl.DataFrame({n: s if made[n].ndim == 1 else s.arr.to_list() for n, s in series.items()})


def _features() -> dict[str, Any]:
    found: dict[str, Any] = {
        name: {"dtype": "float32", "shape": [3], "names": list(JOINTS)} for name in ("observation.state", "action")
    }
    found["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    for name in ("frame_index", "episode_index", "index", "task_index"):
        found[name] = {"dtype": "int64", "shape": [1], "names": None}
    return found


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
