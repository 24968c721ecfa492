"""Episodes: order, tasks, and copies known by their fingerprint."""

import json

import numpy as np
import polars as pl
import pytest

from tests.support.lerobot_v30 import Layout
from validators import readers
from validators.documents import canonical
from validators.errors import InvalidSuite
from validators.fingerprint import fingerprints
from validators.run import run
from validators.suites import parse


def suite(*names, **kwargs):
    listed = [{"type": f"expect_{name}", "kwargs": kwargs} for name in names]
    return parse(canonical({"name": "episodes", "expectations": listed}))


ORDER = suite("index_to_continue")
REFERENCES = suite("references_to_exist")
OVERLAP = suite("no_known_overlap")


def findings(root, chosen):
    return run(readers.open(root), chosen).findings


def test_order_across_episodes(writer):
    root = writer.write(writer.tracks(4))
    assert not findings(root, ORDER)
    path = root / "data/chunk-000/episode_000002.parquet"
    pl.read_parquet(path).with_columns(pl.col("index") + 7).write_parquet(path)
    got = findings(root, ORDER)
    assert [(f.check, f.episode, f.value, f.limit) for f in got] == [
        ("episode_order", 2, 127, 120),
        ("episode_order", 3, 180, 187),
    ]


def test_part_of_a_dataset_is_in_order(writer):
    root = writer.write(writer.tracks(4))
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    assert not findings(root, ORDER)


def test_an_index_unlike_the_list(writer):
    root = writer.write_v30(writer.tracks(4), Layout((2, 2)))
    assert not findings(root, ORDER)
    path = root / "data/chunk-000/file-001.parquet"
    pl.read_parquet(path).with_columns(pl.col("index") + 1).write_parquet(path)
    assert [(f.episode, f.value, f.limit) for f in findings(root, ORDER)] == [(2, 121, 120), (3, 181, 180)]


def test_a_task_that_is_not_listed(writer):
    root = writer.write(writer.tracks(3))
    assert not findings(root, REFERENCES)
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pl.read_parquet(path)
    table.with_columns(pl.Series("task_index", np.r_[np.zeros(50), np.full(10, 5)].astype(np.int64))).write_parquet(
        path
    )
    lines = (root / "meta/episodes.jsonl").read_text().splitlines()
    lines[2] = lines[2].replace("swing", "dance")
    (root / "meta/episodes.jsonl").write_text("\n".join(lines))
    got = findings(root, REFERENCES)
    assert [(f.check, f.episode, f.value) for f in got] == [("references", 1, 10), ("references", 2, None)]
    assert "'dance'" in got[1].message


def test_tasks_out_of_order(writer):
    root = writer.write(writer.tracks(1))
    (root / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "swing"}\n{"task_index": 2, "task": "b"}\n')
    (finding,) = findings(root, REFERENCES)
    assert "not numbered 0, 1, 2" in finding.message


def test_a_copy_is_found_and_its_splits_named(writer):
    tracks = writer.tracks(5)
    for name in ("observation.state", "action"):
        tracks[4].columns[name] = tracks[1].columns[name].copy()
    root = writer.write(tracks)
    (finding,) = findings(root, OVERLAP)
    assert (finding.check, finding.affected, finding.value) == ("overlap", (1, 4), 2)
    assert "splits" not in finding.message
    writer.info(root, lambda info: info.update(splits={"train": "0:4", "test": "4:5"}))
    assert "shared by the splits test, train" in findings(root, OVERLAP)[0].message


def test_what_only_looks_alike_is_no_copy(writer):
    tracks = writer.tracks(2)
    for name in ("observation.state", "action"):
        tracks[1].columns[name] = tracks[0].columns[name][::-1].copy()
    assert not findings(writer.write(tracks), OVERLAP)


def test_against_an_evaluation_set(writer, tmp_path):
    evaluation = writer.write(writer.tracks(3), "evaluation")
    marks = tmp_path / "evaluation.txt"
    marks.write_text("\n".join(f"{i}\t{mark}" for i, mark in fingerprints(readers.open(evaluation)).items()))
    root = writer.write_v30([*writer.tracks(5)[2:], *writer.tracks(1)], Layout((4,)))
    (finding,) = findings(root, suite("no_known_overlap", against=str(marks)))
    assert (finding.affected, finding.value) == ((0, 3), 2)
    assert "evaluation.txt" in finding.message
    marks.write_text("nothing")
    outcome = run(readers.open(root), suite("no_known_overlap", against=str(marks))).outcomes[0]
    assert outcome.status == "not-evaluable"
    with pytest.raises(InvalidSuite):
        suite("no_known_overlap", against=str(tmp_path / "absent.txt"))


def test_without_state_and_action_there_is_no_fingerprint(tmp_path):
    pl.DataFrame({"timestamp": np.arange(60) / 20, "x": np.arange(60.0)}).write_parquet(tmp_path / "a.parquet")
    assert run(readers.open(tmp_path), OVERLAP).outcomes[0].status == "not-evaluable"


def test_the_real_recording_is_whole_in_itself(shared):
    root = shared / "lerobot_v21_unitree_g1"
    names = ("statistics_to_match", "index_to_continue", "references_to_exist", "no_known_overlap")
    result = run(readers.open(root), suite(*names))
    assert not result.findings
    assert json.dumps([o.status for o in result.outcomes]) == json.dumps(["clean"] * 4)
