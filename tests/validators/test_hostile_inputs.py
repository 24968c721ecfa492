"""Inputs made to break, to blind or to be left out: refused by name or said, never a crash and never a silent pass."""

import json

import numpy as np
import polars as pl
import pytest

from tests.support.recordings import JOINTS, recording
from validators import readers, robot
from validators.documents import DocumentError, parse_yaml
from validators.errors import InvalidRobot, MissingExtra, UnreadableDataset
from validators.run import run
from validators.stream import Clock
from validators.suites import load, parse

LIMITED = """<mujoco model="arm"><worldbody><body name="base"><joint name="base_yaw" type="hinge" range="-3 3"/>
<geom size="0.01" mass="1"/></body></worldbody></mujoco>""".replace('range="-3 3"', 'range="-170 170"')


def suite(*expectations):
    listed = [e if isinstance(e, dict) else {"type": e} for e in expectations]
    return parse(json.dumps({"name": "t", "expectations": listed}))


@pytest.mark.parametrize(
    "text", ["a: 2020-99-99", f"a: {'9' * 10_000}", "a: 0001-01-01T99:00:00Z", f"[{'a,' * 300_000}]", "? [a]\n: 1"]
)
def test_no_yaml_gets_past_its_errors(text):
    try:
        parse_yaml(text)
    except DocumentError:
        return
    assert len(text) < 20


@pytest.mark.parametrize("name", ["*", "^zzz$", "^.*$", "__row__", "__episode__"])
def test_a_column_named_as_a_pattern_is_not_left_out(tmp_path, name):
    pl.DataFrame({"timestamp": np.arange(20) / 10, name: np.full(20, np.nan)}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(UnreadableDataset, match="cannot be the name of a column"):
        readers.open(tmp_path)


def test_stamps_farther_apart_than_64_bits_are_not_neighbours():
    clock = Clock("t", "ns", origin=2**63 - 1)
    stamps = pl.DataFrame({"t": [2**63 - 1, -(2**63), 2**63 - 2]})
    assert stamps.select(clock.seconds(pl.col("t"))).to_series().to_list() == [0.0, None, -1e-9]


def test_a_column_that_nobody_declared_is_said(tmp_path):
    folder = recording(tmp_path / "r")
    for file in folder.glob("data/**/*.parquet"):
        pl.read_parquet(file).with_columns(pl.lit(float("nan")).alias("secret")).write_parquet(file)
    (found,) = run(readers.open(folder), suite("expect_declared_types")).findings
    assert found.stream == "secret"
    assert "nothing of it was judged" in found.message


def test_widths_are_judged_where_files_differ_in_how_they_hold_a_vector(tmp_path):
    folder = recording(tmp_path / "r", episodes=2)
    first, second = sorted(folder.glob("data/**/*.parquet"))
    fixed = pl.col("action").cast(pl.Array(pl.Float32, 3))
    pl.read_parquet(first).with_columns(fixed).write_parquet(first)
    longer = pl.concat_list("action", pl.lit(9.0, dtype=pl.Float32)).cast(pl.List(pl.Float32)).alias("action")
    pl.read_parquet(second).with_columns(longer).write_parquet(second)
    found = run(readers.open(folder), suite("expect_declared_types")).findings
    assert [(f.stream, f.episode) for f in found] == [("action", 1)]


@pytest.mark.parametrize("value", [3e38, -3e38])
def test_values_at_the_end_of_float32_do_not_warn_of_overflow(tmp_path, value):
    folder = recording(tmp_path / "r", rows=300)
    file = min(folder.glob("data/**/*.parquet"))
    there = pl.when(pl.col("frame_index") == 50).then(pl.lit([value] * 3)).otherwise(pl.col("action"))
    pl.read_parquet(file).with_columns(there.cast(pl.List(pl.Float32)).alias("action")).write_parquet(file)
    result = run(readers.open(folder), load("arm@2"))
    assert "action_jump" in {f.check for f in result.findings}


# a robot's record that the data contradicts


def test_without_contradiction_nothing_is_said(tmp_path):
    record = robot.load(json.dumps({"schema": "robot@1", "name": "a", "model": LIMITED, "robot_type": "Bench-Arm"}))
    result = run(readers.open(recording(tmp_path / "r")), suite("expect_joints_within_limits"), record)
    assert not result.findings


def test_a_rate_that_the_record_does_not_know_is_found(tmp_path):
    record = robot.load(json.dumps({"schema": "robot@1", "name": "a", "model": LIMITED, "rate_hz": 50}))
    (found,) = run(readers.open(recording(tmp_path / "r")), suite("expect_no_gaps"), record).findings
    assert (found.check, found.value, found.limit, found.severity) == ("robot_record", 20, 50, "blocking")


def test_joints_renamed_away_from_their_limits_are_found(tmp_path):
    folder = recording(tmp_path / "r")
    info = json.loads((folder / "meta/info.json").read_text())
    info["features"]["observation.state"]["names"] = ["a", "b", "c"]
    (folder / "meta/info.json").write_text(json.dumps(info))
    bare = json.dumps({"schema": "robot@1", "name": "a", "model": LIMITED})
    (found,) = run(readers.open(folder), suite("expect_joints_within_limits"), robot.load(bare)).findings
    assert "its limits judge nothing" in found.message
    named = json.dumps({**json.loads(bare), "channels": {JOINTS[0]: {"joint": "base_yaw", "unit": "rad"}}})
    (found,) = run(readers.open(folder), suite("expect_joints_within_limits"), robot.load(named)).findings
    assert "no channel base_yaw" in found.message
    assert not run(readers.open(folder), suite("expect_no_gaps"), robot.load(named)).findings


@pytest.mark.parametrize("wrong", [{"rate_hz": 0}, {"rate_hz": True}, {"rate_hz": "20"}, {"robot_type": 3}])
def test_a_record_with_a_wrong_rate_or_type_is_refused(wrong):
    with pytest.raises(InvalidRobot):
        robot.load(json.dumps({"schema": "robot@1", "name": "a", "model": LIMITED, **wrong}))


# who read it, and what one good stream would hide


class _Stranger:
    FORMAT = "mine"

    def recognises(self, files):
        return files.exists("meta/info.json")

    def read(self, files):
        from validators.readers import lerobot

        return lerobot.read(files)


class _Point:
    name, value, dist = "mine", "mine.reader", None

    def load(self):
        return _Stranger()


def test_a_reader_of_others_is_said_in_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "entry_points", lambda group: [_Point()])
    result = run(readers.open(recording(tmp_path / "r")), suite("expect_no_gaps"))
    assert result.to_dict()["reader"] == "an unknown distribution (mine.reader)"
    assert result.to_gx()["meta"]["reader"] == "an unknown distribution (mine.reader)"
    assert [(f.check, f.severity) for f in result.findings] == [("reader", "warning")]


def test_a_reader_of_others_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    class Broken(_Point):
        def load(self):
            raise ImportError("No module named 'mine'")

    monkeypatch.setattr(readers, "entry_points", lambda group: [Broken()])
    with pytest.raises(MissingExtra, match=r"mine.reader of an unknown distribution cannot be loaded"):
        readers.open(recording(tmp_path / "r"))


@pytest.mark.parametrize(("required", "passed"), [(True, False), (False, True)])
def test_a_stream_without_a_clock_is_not_hidden_by_one_with(tmp_path, required, passed):
    import dataclasses

    pl.DataFrame({"timestamp": np.arange(20) / 10, "x": np.arange(20.0)}).write_csv(tmp_path / "a.csv")
    one = readers.open(tmp_path)
    assert one.main is not None
    timeless = dataclasses.replace(one.main, name="timeless", clock=None)
    both = dataclasses.replace(one, streams={"a": dataclasses.replace(one.main, name="a"), "timeless": timeless})
    result = run(both, suite({"type": "expect_time_not_to_run_back", "meta": {"required": required}}))
    (outcome,) = result.outcomes
    assert result.passed is passed
    assert outcome.unjudged.keys() == {"timeless"}
    assert outcome.to_dict()["unjudged"]["timeless"].startswith("no clock is declared")
