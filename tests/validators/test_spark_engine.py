"""Spark gives the verdicts of the one engine that the gate accepts, finding by finding, however episodes are spread."""

import os
import sys

import numpy as np
import pytest

from validators import readers, run, suites

pytestmark = [
    pytest.mark.needs("spark"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # Spark's own sockets
]


@pytest.fixture(scope="module")
def session():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("assay tests")
    quiet = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    for key, value in quiet.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def spoilt(writer):
    tracks = writer.tracks(7, rows=40)
    tracks[1].columns["timestamp"][20:] += 0.4
    tracks[2].columns["observation.state"][5:9, 1] = np.nan
    tracks[3].columns["timestamp"][10] = tracks[3].columns["timestamp"][9]
    tracks[5].columns["observation.state"][10:30] = tracks[5].columns["observation.state"][10]
    tracks[6] = writer.track(6, 40, {"elbow": 4.0})
    for i, track in enumerate(tracks):
        track.facts = {"rig": f"rig-{i % 2}"}
    return readers.open(writer.write(tracks))


@pytest.mark.parametrize("tasks", [1, 5, 32])
def test_the_same_verdict_on_spark(writer, robot, session, tasks):
    from validators.spark import reader

    recording = spoilt(writer)
    local = run.run(recording, suites.load("arm@1"), robot)
    spread = run.run(recording, suites.load("arm@1"), robot, read=reader(session, tasks))
    ours, theirs = local.to_dict(), spread.to_dict()
    assert (ours.pop("engine")["engine"], theirs.pop("engine")["engine"]) == ("assay-polars", "assay-spark")
    assert theirs == ours
    assert {"gap", "nan", "monotonic_time", "frozen_rows"} <= {f.check for f in local.findings}


def test_real_recordings_too(shared, session):
    from validators.spark import reader

    recording = readers.open(shared / "lerobot_v21_unitree_g1")
    suite = suites.for_recording(recording)[0]
    results = [run.run(recording, suite, read=read).to_dict() for read in (run.planner.read_all, reader(session))]
    for result in results:
        del result["engine"]
    assert results[0] == results[1]


def test_a_damaged_file_is_a_finding_there_too(writer, session):
    from validators.spark import reader

    root = writer.write(writer.tracks(4))
    path = root / "data/chunk-000/episode_000002.parquet"
    content = bytearray(path.read_bytes())
    content[200:900] = bytes(700)
    path.write_bytes(content)
    recording = readers.open(root)
    local = run.run(recording, suites.load("recording@1"))
    assert "readable" in {f.check for f in local.findings}
    spread = run.run(recording, suites.load("recording@1"), read=reader(session))
    assert spread.findings == local.findings


CORE = [
    ("expect_column_values_to_not_be_null", {"column": "v"}),
    ("expect_column_values_to_be_between", {"column": "v", "min_value": 0.0, "max_value": 5.0}),
    ("expect_column_values_to_be_between", {"column": "v", "min_value": 0.0, "max_value": 5.0, "mostly": 0.5}),
    ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ["a", "b"]}),
    ("expect_column_values_to_match_regex", {"column": "name", "regex": "^[a-c]$"}),
    ("expect_column_value_lengths_to_equal", {"column": "name", "value": 1}),
    ("expect_column_values_to_be_unique", {"column": "k"}),
    ("expect_column_max_to_be_between", {"column": "k", "min_value": 5, "max_value": 9}),
    ("expect_column_mean_to_be_between", {"column": "k", "min_value": 3.0, "max_value": 4.0}),
    ("expect_column_sum_to_be_between", {"column": "k", "min_value": 0, "max_value": 1}),
    ("expect_table_row_count_to_equal", {"value": 8}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "k", "column_B": "v"}),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # theirs
def test_great_expectations_own_spark_engine_agrees_on_core_expectations(session, tmp_path):
    import json

    import great_expectations as ge
    import polars as pl

    from validators import gx
    from validators.spark import reader

    table = pl.DataFrame(
        {
            "k": range(8),
            "v": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, None, 9.0],
            "name": ["a", "b", "c", "a", "b", "c", "d", "a"],
        }
    )
    table.write_parquet(tmp_path / "0.parquet")
    suite = {"name": "core@1", "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in CORE]}
    recording, parsed = readers.open(tmp_path), suites.parse(json.dumps(suite))
    ours = [o.status == "clean" for o in run.run(recording, parsed).outcomes]
    spread = [o.status == "clean" for o in run.run(recording, parsed, read=reader(session, 2)).outcomes]
    context = gx.context()
    frame = session.createDataFrame([list(r) for r in table.iter_rows()], "k long, v double, name string")
    source = context.data_sources.add_spark("spark")
    batch = source.add_dataframe_asset("t").add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    theirs = batch.validate(ge.ExpectationSuite(**suite))
    assert [r["success"] for r in theirs["results"]] == ours == spread
    assert 3 <= sum(ours) <= len(CORE) - 3
