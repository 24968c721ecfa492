"""A small real dataset, LeRobot v2.1, that a test may spoil: an arm of three hinges with a tracker at its tip."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.lerobot_v30 import Episode, Layout, write
from validators.robot import RobotModel, load

FPS = 20
JOINTS = ("base_yaw", "shoulder", "elbow")
ARM = """<mujoco model="arm">
  <compiler angle="degree"/>
  <default><joint axis="0 0 1"/><default class="bend"><joint axis="0 1 0" range="-100 100"/></default></default>
  <worldbody>
    <body name="base" pos="0.1 0 0.2" euler="0 10 20">
      <joint name="base_yaw" range="-170 170"/>
      <geom size="0.01" mass="1"/>
      <body name="upper" pos="0 0 0.1" childclass="bend">
        <joint name="shoulder"/>
        <geom size="0.01" mass="1"/>
        <body name="fore" pos="0.3 0 0" quat="0.9 0.1 0 0.2">
          <joint name="elbow" pos="0.01 0 0"/>
          <geom size="0.01" mass="1"/>
          <site name="ee" pos="0.25 0 0.02"/>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
RECORD = {
    "schema": "robot@1",
    "name": "test-arm",
    "model": ARM,
    "channels": {name: {"joint": name, "unit": "rad"} for name in JOINTS},
    "tracker": {"column": "observation.ee_position", "site": "ee"},
}


@dataclass
class Track:
    """One episode before it is written; a test changes what it wants to spoil."""

    columns: dict[str, np.ndarray]
    facts: dict[str, object] = field(default_factory=dict)


def track(robot: RobotModel, seed: int, rows: int = 60, zero_deg: Mapping[str, float] | None = None) -> Track:
    """The arm swings; the tracker sees where it really is, the state says where the encoders think it is."""
    rng = np.random.default_rng(seed)
    phase, pace = rng.uniform(0, 6.28, 3), rng.uniform(0.5, 1.5, 3)
    t = np.arange(rows) / FPS
    joints = 0.8 * np.sin(phase + np.outer(t, pace * 2))
    site = robot.site()
    assert site is not None
    seen, _ = robot.tree.forward(site, dict(zip(JOINTS, joints.T, strict=True)), rows)
    zero = np.deg2rad([(zero_deg or {}).get(name, 0.0) for name in JOINTS])
    state = joints + zero + rng.normal(0, 5e-4, joints.shape)
    columns = {
        "observation.state": state.astype(np.float32),
        "action": (joints + rng.normal(0, 0.01, joints.shape)).astype(np.float32),
        "observation.ee_position": (seen + rng.normal(0, 1e-3, seen.shape)).astype(np.float32),
        "timestamp": (t + np.r_[0, rng.normal(0, 4e-4, rows - 1)]).astype(np.float32),
    }
    return Track(columns)


@pytest.fixture(scope="session")
def robot() -> RobotModel:
    return load(json.dumps(RECORD))


@dataclass
class Writer:
    """Writes tracks as a LeRobot v2.1 folder."""

    folder: Path
    robot: RobotModel

    def tracks(self, number: int, rows: int = 60) -> list[Track]:
        return [track(self.robot, seed, rows) for seed in range(number)]

    def track(self, seed: int, rows: int, zero_deg: Mapping[str, float]) -> Track:
        return track(self.robot, seed, rows, zero_deg)

    def write(self, tracks: list[Track], name: str = "data set", *, array: bool = False) -> Path:
        root = self.folder / name
        (root / "meta").mkdir(parents=True)
        (root / "data/chunk-000").mkdir(parents=True)
        total = 0
        for index, one in enumerate(tracks):
            rows = len(one.columns["timestamp"])
            numbers = {
                "frame_index": np.arange(rows),
                "episode_index": np.full(rows, index),
                "index": np.arange(total, total + rows),
                "task_index": np.zeros(rows, dtype=np.int64),
            }
            frame(one.columns | numbers, array=array).write_parquet(
                root / f"data/chunk-000/episode_{index:06d}.parquet"
            )
            total += rows
        info = {
            "codebase_version": "v2.1",
            "robot_type": "test_arm",
            "fps": FPS,
            "total_episodes": len(tracks),
            "total_frames": total,
            "total_videos": 0,
            "total_tasks": 1,
            "total_chunks": 1,
            "chunks_size": 1000,
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
            "features": features(tracks[0].columns),
        }
        (root / "meta/info.json").write_text(json.dumps(info))
        lengths = [len(t.columns["timestamp"]) for t in tracks]
        lines = [{"episode_index": i, "tasks": ["swing"], "length": n} for i, n in enumerate(lengths)]
        (root / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (root / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "swing"}\n')
        facts = [{"episode_index": i, **t.facts} for i, t in enumerate(tracks) if t.facts]
        if facts:
            (root / "meta/assay_episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in facts))
        return root

    def write_v30(self, tracks: list[Track], layout: Layout, name: str = "shared files") -> Path:
        """The same tracks as a LeRobot v3.0 folder; all swing unless the facts of a track say its task."""
        held = [Episode(t.columns, str(t.facts.get("task", "swing"))) for t in tracks]
        declared = {n: f for n, f in features(tracks[0].columns).items() if n in tracks[0].columns}
        return write(self.folder / name, held, FPS, declared, layout)

    def info(self, root: Path, change: Callable[[dict[str, object]], None]) -> None:
        """Change info.json of a written dataset."""
        path = root / "meta/info.json"
        info = json.loads(path.read_text())
        change(info)
        path.write_text(json.dumps(info))


def frame(columns: Mapping[str, np.ndarray], *, array: bool = False) -> pl.DataFrame:
    """A table with vectors as lists (as most writers do) or as fixed arrays."""
    made = {}
    for name, values in columns.items():
        series = pl.Series(name, values)
        made[name] = series if values.ndim == 1 or array else series.arr.to_list()
    return pl.DataFrame(made)


def features(columns: Mapping[str, np.ndarray]) -> dict[str, object]:
    names = {"observation.state": JOINTS, "action": JOINTS, "observation.ee_position": ("x", "y", "z")}
    found = {
        name: {"dtype": str(v.dtype), "shape": list(v.shape[1:]) or [1], "names": list(names.get(name, ())) or None}
        for name, v in columns.items()
    }
    for name in ("frame_index", "episode_index", "index", "task_index"):
        found[name] = {"dtype": "int64", "shape": [1], "names": None}
    return found


@pytest.fixture
def writer(tmp_path: Path, robot: RobotModel) -> Writer:
    return Writer(tmp_path, robot)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real recordings beside the checkout; the test is skipped where they are not."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared recordings are not beside the checkout")
    return folder
