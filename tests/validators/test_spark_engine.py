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
