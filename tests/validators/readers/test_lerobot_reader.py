import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from validators import readers
from validators.errors import UnreadableDataset
from validators.readers.lerobot.v21 import locate
from validators.run import run
from validators.suites import load


def kind(root: Path) -> str:
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(root)
    assert caught.value.path
    return caught.value.kind


@pytest.mark.parametrize("array", [False, True])
def test_reads_what_was_written(writer, array):
    tracks = writer.tracks(3)
    tracks[1].facts = {"rig": "rig-b", "seed": 7}
    recording = readers.open(writer.write(tracks, array=array))
    assert (recording.format, recording.facts.fps, recording.facts.robot_type) == ("lerobot-v2.1", 20, "test_arm")
    assert [e.length for e in recording.episodes] == [60, 60, 60]
    assert recording.episodes[1].provenance["rig"] == "rig-b"
    assert recording.episodes[0].provenance == {}
    assert recording.episodes[2].end_s == pytest.approx(59 / 20, abs=0.01)
    assert recording.features["observation.state"].names == ("base_yaw", "shoulder", "elbow")
    table = recording.scan(["observation.state"]).collect()
    state = np.concatenate([t.columns["observation.state"] for t in tracks])
    assert table["episode_index"].unique().sort().to_list() == [0, 1, 2]
    np.testing.assert_array_equal(table["observation.state[2]"].to_numpy(), state[:, 2])


def test_files_of_two_encodings_are_one_scan(writer):
    tracks = writer.tracks(2)
    root = writer.write(tracks)
    other = writer.write(tracks, "other", array=True)
    (other / "data/chunk-000/episode_000001.parquet").replace(root / "data/chunk-000/episode_000001.parquet")
    recording = readers.open(root)
    assert len(recording.streams["frames"].tables) == 2
    assert recording.scan(["action"]).collect().height == 120
    assert run(recording, load("arm@1"), writer.robot).passed


def test_names_in_every_spelling_of_lerobot(writer):
    root = writer.write(writer.tracks(1))
    for names in (["a", "b", "c"], [["a", "b", "c"]], {"motors": ["a", "b", "c"]}):
        writer.info(root, lambda info, names=names: info["features"]["action"].update(names=names))
        assert readers.open(root).features["action"].names == ("a", "b", "c")
    writer.info(root, lambda info: info["features"]["action"].update(names=["a", "b"]))
    assert readers.open(root).features["action"].label(1) == "action[1]"


def test_missing_path_and_file(tmp_path):
    assert kind(tmp_path / "nowhere") == "path-missing"
    (tmp_path / "file").write_text("x")
    assert kind(tmp_path / "file") == "format-unknown"
    (tmp_path / "empty").mkdir()
    assert kind(tmp_path / "empty") == "format-unknown"


@pytest.mark.parametrize("name", ["info.json", "episodes.jsonl", "tasks.jsonl", "assay_episodes.jsonl"])
@pytest.mark.parametrize(
    ("text", "expected"), [("", "metadata-empty"), (" \n", "metadata-empty"), ("{", "metadata-invalid")]
)
def test_empty_and_broken_metadata(writer, name, text, expected):
    root = writer.write(writer.tracks(1))
    (root / "meta" / name).write_text(text)
    assert kind(root) == expected


@pytest.mark.parametrize("name", ["info.json", "episodes.jsonl"])
def test_absent_metadata(writer, name):
    root = writer.write(writer.tracks(1))
    (root / "meta" / name).unlink()
    assert kind(root) == "metadata-missing"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"fps": 0}, "metadata-invalid"),
        ({"fps": "30"}, "metadata-invalid"),
        ({"fps": True}, "metadata-invalid"),
        ({"codebase_version": "v4.0"}, "format-unknown"),
        ({"codebase_version": "v3.0"}, "metadata-invalid"),
        ({"total_frames": -1}, "metadata-invalid"),
        ({"total_frames": 1e3}, "metadata-invalid"),
        ({"chunks_size": 0}, "metadata-invalid"),
        ({"features": {"action": {"dtype": "float32", "shape": [1 << 40]}}}, "metadata-invalid"),
        ({"features": {"action": {"dtype": "float32", "shape": [1 << 19]}}}, "too-large"),
        ({"data_path": "../{episode_index}.parquet"}, "path-outside"),
        ({"data_path": "/etc/{episode_index}.parquet"}, "path-outside"),
        ({"data_path": "data/{episode_index.__class__}.parquet"}, "metadata-invalid"),
        ({"data_path": "data/{episode_index:0999999999d}.parquet"}, "metadata-invalid"),
        ({"data_path": "data/{nobody}.parquet"}, "metadata-invalid"),
        ({"data_path": "data/{episode_index"}, "metadata-invalid"),
        ({"data_path": "data/all.parquet"}, "metadata-invalid"),
        ({"data_path": "elsewhere/{episode_index}.parquet"}, "file-missing"),
    ],
)
def test_metadata_that_lies(writer, change, expected):
    root = writer.write(writer.tracks(1))
    writer.info(root, lambda info: info.update(change))
    assert kind(root) == expected


def test_duplicate_keys_and_episodes(writer):
    root = writer.write(writer.tracks(1))
    (root / "meta/info.json").write_text('{"fps": 20, "fps": 30}')
    assert kind(root) == "metadata-invalid"
    root = writer.write(writer.tracks(1), "twice")
    line = '{"episode_index": 0, "tasks": [], "length": 60}\n'
    (root / "meta/episodes.jsonl").write_text(line + line)
    assert kind(root) == "metadata-invalid"


def test_a_parquet_cut_in_half_does_not_hide_the_others(writer):
    root = writer.write(writer.tracks(3))
    cut = root / "data/chunk-000/episode_000001.parquet"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    recording = readers.open(root)
    assert [e.index for e in recording.episodes] == [0, 2]
    assert [(p.kind, p.episode) for p in recording.problems] == [("file-damaged", 1)]
    result = run(recording, load("arm@1"))
    assert not result.passed
    assert result.failing_episodes == (1,)
    assert {f.check for f in result.blocking} == {"readable", "counts"}


def test_all_files_damaged(writer):
    root = writer.write(writer.tracks(1))
    (root / "data/chunk-000/episode_000000.parquet").write_bytes(b"PAR1")
    assert kind(root) == "file-damaged"


def test_damaged_pages_are_found_while_reading(writer):
    root = writer.write(writer.tracks(3, rows=400))
    path = root / "data/chunk-000/episode_000002.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    result = run(readers.open(root), load("arm@1"))
    assert [f.episode for f in result.blocking if f.check == "readable"] == [2]
    assert result.recording.rows == 800


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("observation.state", ["text"] * 60, "column-type"),
        ("observation.state", [1.0] * 60, "column-type"),
        ("timestamp", [True] * 60, "column-type"),
        ("action", None, "column-missing"),
    ],
)
def test_a_column_of_the_wrong_type_is_that_files_problem(writer, column, values, expected):
    root = writer.write(writer.tracks(2))
    path = root / "data/chunk-000/episode_000000.parquet"
    table = pl.read_parquet(path)
    (table.drop(column) if values is None else table.with_columns(pl.Series(column, values))).write_parquet(path)
    recording = readers.open(root)
    assert [(p.kind, p.episode) for p in recording.problems] == [(expected, 0)]
    assert column in recording.problems[0].message


def test_an_episode_without_rows_is_a_problem(writer):
    root = writer.write(writer.tracks(2))
    path = root / "data/chunk-000/episode_000001.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    assert [p.kind for p in readers.open(root).problems] == ["file-damaged"]


@pytest.mark.parametrize("where", ["data/chunk-000/episode_000000.parquet", "data/chunk-000", "meta/info.json"])
def test_links_out_of_the_folder_are_refused(writer, tmp_path, where):
    root = writer.write(writer.tracks(1))
    outside = tmp_path / "outside"
    (root / where).rename(outside)
    (root / where).symlink_to(outside)
    assert kind(root) == "path-outside"


def test_a_pipe_is_no_file(writer):
    root = writer.write(writer.tracks(1))
    os.mkfifo(root / "data/chunk-000/episode_000001.parquet")
    (root / "meta/tasks.jsonl").unlink()
    os.mkfifo(root / "meta/tasks.jsonl")
    assert kind(root) == "metadata-missing"


def test_files_beside_the_template_are_named(writer):
    root = writer.write(writer.tracks(2))
    here = root / "data/chunk-000"
    (here / "episode_000000.parquet").rename(here / "episode_0.parquet")
    recording = readers.open(root)
    assert [(p.kind, p.path) for p in recording.problems] == [("path-unexpected", "data/chunk-000/episode_0.parquet")]
    result = run(recording, load("arm@1"))
    assert {(f.check, f.stream) for f in result.findings} == {
        ("readable", "data/chunk-000/episode_0.parquet"),
        ("counts", "total_episodes"),
        ("counts", "total_frames"),
        ("counts", "episodes.jsonl"),
    }
    assert [f.value for f in result.findings if f.stream == "total_episodes"] == [1]


def test_a_file_that_nobody_listed_is_read_and_found(writer):
    root = writer.write(writer.tracks(2))
    lines = (root / "meta/episodes.jsonl").read_text().splitlines()
    (root / "meta/episodes.jsonl").write_text(lines[0] + "\n")
    recording = readers.open(root)
    assert [e.index for e in recording.episodes] == [0, 1]
    found = run(recording, load("arm@1")).findings
    assert [(f.check, f.episodes) for f in found] == [("counts", (1,))]


def test_template_fields():
    assert locate("d/{episode_chunk:03d}/{video_key}/{episode_index:06d}.x", 1234, 1000, "cam") == "d/001/cam/001234.x"


def test_folders_with_unusual_names(writer):
    root = writer.write(writer.tracks(2), "a b%20[1]*ü")
    assert run(readers.open(root), load("arm@1")).passed


def test_the_real_recording(shared):
    recording = readers.open(shared / "lerobot_v21_unitree_g1")
    assert [e.index for e in recording.episodes] == [0, 5, 29, 30, 59, 82]
    assert recording.rows == 1885
    assert recording.facts.totals["total_frames"] == 35965
    assert sorted(recording.cameras["observation.images.cam_high"].episodes) == [59, 82]
    assert recording.episodes[0].task == "Pick up the yellow bottle on the table."
    assert json.dumps(recording.features["action"].names[0]) == '"kLeftShoulderPitch"'
