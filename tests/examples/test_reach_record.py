"""Recording: same seed same bytes, the layout agrees with itself, and a stand-in is never named real."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("mujoco", reason="the physics of the demo comes with the extra `sim`")

from examples.reach import ReachError
from examples.reach.arm import MODEL, RATE_HZ, Arm
from examples.reach.record import RECIPES, Recipe, record

SIM, STANDIN, RIG_X = "arm-reach-sim", "arm-reach-standin", "arm-reach-standin-rig-x"


def small(name: str, episodes: int) -> Recipe:
    recipe = RECIPES[name]
    return dataclasses.replace(recipe, rigs=tuple(dataclasses.replace(r, episodes=episodes) for r in recipe.rigs))


def files(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def episode(root: Path, number: int) -> dict[str, np.ndarray]:
    table = pq.read_table(root / f"data/chunk-000/episode_{number:06d}.parquet")
    return {name: np.array(table[name].to_pylist()) for name in table.column_names}


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded") / STANDIN
    record(RECIPES[STANDIN], root, 3)
    return root


def test_same_seed_same_bytes_another_seed_other_rows(tmp_path: Path) -> None:
    for folder, seed in (("one", 5), ("two", 5), ("other", 6)):
        record(small(RIG_X, 3), tmp_path / folder, seed)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    one, other = files(tmp_path / "one"), files(tmp_path / "other")
    rows = [name for name in one if name.endswith(".parquet")]
    assert len(rows) == 3
    assert all(one[name] != other[name] for name in rows)


def test_the_datasets_share_no_episode_seed_with_each_other(tmp_path: Path) -> None:
    seeds = []
    for name in RECIPES:
        record(small(name, 2), tmp_path / name, 5)
        seeds += [line["seed"] for line in lines(tmp_path / name / "meta/assay_episodes.jsonl")]
    assert len(seeds) == len(set(seeds)) == 8


def test_the_metadata_agrees_with_every_row(standin: Path) -> None:
    info = json.loads((standin / "meta/info.json").read_text(encoding="utf-8"))
    listed = lines(standin / "meta/episodes.jsonl")
    stats = lines(standin / "meta/episodes_stats.jsonl")
    first = 0
    for number, line in enumerate(listed):
        path = standin / info["data_path"].format(episode_chunk=number // info["chunks_size"], episode_index=number)
        table = pq.read_table(path)
        assert table.column_names == list(info["features"])
        for name, feature in info["features"].items():
            kind = str(table.schema.field(name).type)
            dtype = {"float32": "float", "int64": "int64"}[feature["dtype"]]
            width = feature["shape"][0]
            assert kind == (dtype if width == 1 else f"fixed_size_list<element: {dtype}>[{width}]")
            column = np.array(table[name].to_pylist()).reshape(len(table), -1)
            assert np.isfinite(column).all()
            assert stats[number]["stats"][name]["max"] == column.max(axis=0).tolist()
        assert table["index"].to_pylist() == list(range(first, first + len(table)))
        assert table["frame_index"].to_pylist() == list(range(len(table)))
        assert set(table["episode_index"].to_pylist()) == {number}
        assert line == {
            "episode_index": number,
            "tasks": [lines(standin / "meta/tasks.jsonl")[0]["task"]],
            "length": len(table),
        }
        first += len(table)
    assert (
        (info["total_episodes"], info["total_frames"], info["fps"]) == (len(listed), first, RATE_HZ) == (60, first, 20)
    )
    assert len(list(standin.rglob("*.parquet"))) == len(lines(standin / "meta/assay_episodes.jsonl")) == 60
    units = {name: feature.get("units") for name, feature in info["features"].items()}
    assert units["observation.state"] == units["action"] == ["rad"] * 3
    assert units["observation.ee_position"] == ["m"] * 3


def test_provenance_says_what_made_the_simulated_set(tmp_path: Path) -> None:
    record(small(SIM, 1), tmp_path / SIM, 11)
    said = json.loads((tmp_path / SIM / "meta/provenance.json").read_text(encoding="utf-8"))
    source, engine = said["source"], said["source"]["engine"]
    assert (source["kind"], source["maker"], engine["name"], engine["seed"]) == ("synthetic", "simulated", "mujoco", 11)
    assert engine["scene_digest"] == "sha256:" + hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert engine["randomisation"]["payload_kg"] == [0.0, 0.2]
    line = lines(tmp_path / SIM / "meta/assay_episodes.jsonl")[0]
    assert line["scene"] == engine["scene_digest"]
    assert "observation.ee_position" not in episode(tmp_path / SIM, 0)


def test_a_stand_in_says_so_everywhere_and_is_never_called_real(standin: Path) -> None:
    said = json.loads((standin / "meta/provenance.json").read_text(encoding="utf-8"))
    assert (said["source"]["kind"], said["source"]["maker"]) == ("synthetic", "stand-in")
    info = json.loads((standin / "meta/info.json").read_text(encoding="utf-8"))
    marked = [info["robot_type"], lines(standin / "meta/tasks.jsonl")[0]["task"]]
    for line in lines(standin / "meta/assay_episodes.jsonl"):
        assert line["maker"] == "stand-in"
        marked += [line[key] for key in ("robot", "rig", "operator", "site", "session")]
    assert all("stand-in" in text for text in marked)
    for path in (standin / "meta").iterdir():
        words = path.read_text(encoding="utf-8").lower().replace('"', " ").replace("-", " ").split()
        assert not {"real", "field"} & set(words), path.name


def test_clean_episodes_look_alive_and_each_fault_is_the_one_it_should_be(standin: Path) -> None:
    period, arm = 1 / RATE_HZ, Arm()
    rigs = [line["rig"] for line in lines(standin / "meta/assay_episodes.jsonl")]
    assert rigs == ["stand-in-rig-a"] * 48 + ["stand-in-rig-b"] * 12
    found: dict[str, list[int]] = {"gap": [], "jitter": [], "frozen": [], "zero": []}
    for number in range(60):
        rows = episode(standin, number)
        dt = np.diff(rows["timestamp"])
        state, command = np.diff(rows["observation.state"], axis=0), np.abs(np.diff(rows["action"], axis=0))
        off = [
            np.linalg.norm(arm.forward(q) - p)
            for q, p in zip(rows["observation.state"], rows["observation.ee_position"], strict=True)
        ]
        assert (dt > 0).all()
        assert abs(1 / dt.mean() / RATE_HZ - 1) < 0.1
        if dt.max() > 1.5 * period:
            found["gap"].append(number)
        elif dt.std() > 0.1 * period:
            found["jitter"].append(number)
        else:
            assert 0.005 * period < dt.std() < 0.05 * period, "a recorder's clock breathes a little"
        still = ~state.any(axis=1)
        if still.sum() >= 5 and command[still].max() > 0.02:
            found["frozen"].append(number)
        else:
            assert not still.any()
        if np.median(off) > 0.010:
            found["zero"].append(number)
    assert found == {"gap": [7], "jitter": [19], "frozen": [31], "zero": list(range(48, 60))}


def test_rig_x_stays_within_what_a_tracker_of_millimetres_shows(tmp_path: Path) -> None:
    record(small(RIG_X, 4), tmp_path / RIG_X, 3)
    arm = Arm()
    for number in range(4):
        rows = episode(tmp_path / RIG_X, number)
        off = [
            np.linalg.norm(arm.forward(q) - p)
            for q, p in zip(rows["observation.state"], rows["observation.ee_position"], strict=True)
        ]
        assert 0.0005 < np.median(off) < 0.008


def test_the_command_writes_out_slash_dataset_and_refuses_a_second_time(tmp_path: Path) -> None:
    with pytest.raises(ReachError, match="give a whole number") as negative:
        record(small(SIM, 1), tmp_path / "negative", -1)
    assert negative.value.kind == "seed-invalid"
    assert not (tmp_path / "negative").exists()
    command = [sys.executable, "-m", "examples.reach.record", "--out", str(tmp_path), "--dataset", RIG_X, "--seed", "1"]
    project = Path(__file__).resolve().parents[2]
    assert subprocess.run(command, cwd=project, check=False).returncode == 0
    before = files(tmp_path / RIG_X)
    again = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert again.stderr == f"{tmp_path / RIG_X} exists already: remove it or record somewhere else\n"
    assert files(tmp_path / RIG_X) == before


def test_a_recording_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    step = Arm.step

    def interrupted(arm: Arm, command: np.ndarray) -> None:
        nonlocal steps
        steps += 1
        if steps == 100:
            raise KeyboardInterrupt
        step(arm, command)

    monkeypatch.setattr(Arm, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record(small(SIM, 4), tmp_path / SIM, 1)
    assert steps == 100
    assert list(tmp_path.iterdir()) == []
