import json

import numpy as np
import polars as pl
import pytest

from validators import readers
from validators.run import run
from validators.suites import load, parse


def judged(writer, tracks, suite=None):
    return run(readers.open(writer.write(tracks)), suite or load("arm@1"), writer.robot)


def one(expectation, **kwargs):
    return parse(json.dumps({"name": "one", "expectations": [{"type": expectation, "kwargs": kwargs}]}))


def test_nan_names_channel_episode_and_span(writer):
    tracks = writer.tracks(3)
    tracks[1].columns["observation.state"][5:8, 2] = np.nan
    tracks[2].columns["action"][50, 0] = np.inf
    found = {f.episode: f for f in judged(writer, tracks).findings}
    assert found.keys() == {1, 2}
    assert (found[1].check, found[1].stream, found[1].value) == ("nan", "observation.state.elbow", 3)
    assert (found[1].start_s, found[1].end_s) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.35, abs=0.01))
    assert found[2].stream == "action.base_yaw"


def test_nulls_are_not_nan(writer):
    root = writer.write(writer.tracks(2))
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pl.read_parquet(path)
    holed = pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise(pl.col("action")).alias("action")
    table.with_columns(holed).write_parquet(path)
    result = run(readers.open(root), load("arm@1"))
    assert {(f.check, f.stream, f.value) for f in result.findings} == {
        ("nulls", f"action.{name}", 1.0) for name in ("base_yaw", "shoulder", "elbow")
    }


def test_a_vector_too_short_is_a_type_and_a_null(writer):
    root = writer.write(writer.tracks(2))
    path = root / "data/chunk-000/episode_000000.parquet"
    table = pl.read_parquet(path)
    short = pl.when(pl.int_range(pl.len()) == 7).then(pl.col("action").list.head(2)).otherwise(pl.col("action"))
    table.with_columns(short.alias("action")).write_parquet(path)
    result = run(readers.open(root), load("arm@1"))
    assert {(f.check, f.stream) for f in result.findings} == {("types", "action"), ("nulls", "action.elbow")}


@pytest.mark.parametrize(("low", "high", "below"), [(-0.5, None, True), (None, 0.5, False), (-0.5, 0.5, True)])
def test_ranges(writer, low, high, below):
    tracks = writer.tracks(2)
    for t in tracks:
        t.columns["action"] = np.clip(t.columns["action"], -0.4, 0.4)
    tracks[1].columns["action"][9, 1] = -0.75 if below else 0.75
    (finding,) = judged(
        writer, tracks, one("expect_column_values_to_be_between", column="action", min_value=low, max_value=high)
    ).findings
    assert (finding.check, finding.stream, finding.episode) == ("ranges", "action.shoulder", 1)
    assert finding.value == pytest.approx(-0.75 if below else 0.75)
    assert finding.limit == (low if below else high)
    assert finding.start_s == finding.end_s == pytest.approx(9 / 20, abs=0.01)


def test_a_nan_is_not_out_of_range(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["action"][:, 0] = np.nan
    suite = one("expect_column_values_to_be_between", column="action", min_value=-10, max_value=10)
    assert judged(writer, tracks, suite).passed


def test_rows_out_of_range_are_counted_without_the_nan(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["action"][:30, 0] = np.nan
    tracks[0].columns["action"][40, 0] = 20
    suite = one("expect_column_values_to_be_between", column="action", min_value=-10, max_value=10)
    (finding,) = judged(writer, tracks, suite).findings
    assert finding.message == "1 rows above the range"
    assert finding.start_s == pytest.approx(2.0, abs=0.01)


def test_a_column_that_is_not_there_is_not_evaluable_and_blocks_when_required(writer):
    result = judged(writer, writer.tracks(1), one("expect_column_values_to_not_be_null", column="nowhere"))
    assert not result.findings
    assert [o.status for o in result.outcomes] == ["not-evaluable"]
    assert not result.passed


def test_frozen_rows_while_the_action_moves(writer):
    tracks = writer.tracks(3)
    tracks[1].columns["observation.state"][30:42] = tracks[1].columns["observation.state"][30]
    (finding,) = judged(writer, tracks).findings
    assert (finding.check, finding.episode, finding.value, finding.limit) == ("frozen_rows", 1, 12, 5)
    assert (finding.start_s, finding.end_s) == (pytest.approx(1.5, abs=0.01), pytest.approx(2.05, abs=0.01))


def test_a_run_shorter_than_the_limit_passes(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["observation.state"][30:34] = tracks[0].columns["observation.state"][30]
    assert judged(writer, tracks).passed


def test_a_robot_told_to_stand_still_is_not_frozen(writer):
    tracks = writer.tracks(2)
    tracks[0].columns["observation.state"][30:] = tracks[0].columns["observation.state"][30]
    tracks[0].columns["action"][26:] = tracks[0].columns["action"][26]
    assert {f.check for f in judged(writer, tracks).findings} <= {"joint_zero"}  # the tracker saw it move


def test_a_run_does_not_cross_into_the_next_episode(writer):
    tracks = writer.tracks(2)
    tracks[0].columns["observation.state"][57:] = tracks[0].columns["observation.state"][57]
    tracks[1].columns["observation.state"][:3] = tracks[0].columns["observation.state"][57]
    assert {f.check for f in judged(writer, tracks).findings} <= {"joint_zero"}


def test_an_action_that_never_moves_says_nothing_of_frozen(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["action"][:] = 0.1
    (outcome,) = judged(writer, tracks, one("expect_no_frozen_rows")).outcomes
    assert outcome.status == "not-evaluable"


def test_one_channel_states(writer):
    tracks = writer.tracks(2)
    for t in tracks:
        for name in ("observation.state", "action"):
            t.columns[name] = t.columns[name][:, :1]
    tracks[1].columns["observation.state"][30:42] = tracks[1].columns["observation.state"][30]
    found = judged(writer, tracks, load("recording@1")).findings
    assert [(f.check, f.episode) for f in found] == [("frozen_rows", 1)]
