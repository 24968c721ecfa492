import datetime
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validators.readers.test_sequences import euroc
from validators import readers, suites
from validators.declarations import declaration
from validators.errors import UnreadableDataset
from validators.run import run

WHOLE = """
schema: declaration@1
clock: {column: t, unit: s, source: header.stamp, synchronised: ptp}
fps: 10
robot_type: reach_arm
kind: arm
episodes: run_id
units: {q: rad, tau: [Nm, Nm]}
names: {tau: [shoulder, elbow]}
sensors:
  lidar: {kind: lidar, rate_hz: 10, tolerance_ms: 5, calibration: {date: 2026-03-01, file: calib/lidar.yaml, K: [1, 2.5]}}
cameras:
  front: {width: 640, height: 480, codec: av1, fps: 30, reference: refs/front.png}
sources:
- {name: site A, licence: CC-BY-4.0, consent: form 7, retention_until: 2030-01-31, faces: blurred, plates: absent}
tools: {recorder: '1.4'}
tasks: [pick, place]
training: fingerprints/train.txt
evaluation: fingerprints/eval.txt
"""


def test_everything_that_may_be_declared():
    found = declaration.parse(WHOLE, "assay.yaml")
    assert found.clock == declaration.DeclaredClock("t", "s", "header.stamp", "ptp")
    assert (found.fps, found.robot_type, found.kind, found.episodes) == (10, "reach_arm", "arm", "run_id")
    assert found.units == {"q": ("rad",), "tau": ("Nm", "Nm")}
    assert found.sensors["lidar"].calibration == {"date": "2026-03-01", "file": "calib/lidar.yaml", "K": [1, 2.5]}
    assert found.cameras["front"].reference == "refs/front.png"
    assert found.sources == (
        declaration.Source("site A", "CC-BY-4.0", "form 7", datetime.date(2030, 1, 31), "blurred", "absent"),
    )
    assert (found.tasks, found.tools) == (("pick", "place"), {"recorder": "1.4"})
    assert (found.training, found.evaluation, found.where) == (
        "fingerprints/train.txt",
        "fingerprints/eval.txt",
        "assay.yaml",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clock: {column: t}", "schema: declaration@1"),
        ("schema: declaration@1\nclok: 1", "unknown keys ['clok']"),
        ("schema: declaration@1\nclock: {colum: t}", "clock: unknown keys ['colum']"),
        ("schema: declaration@1\nclock: {unit: s}", "column is missing"),
        ("schema: declaration@1\nclock: {column: t, unit: h}", "one of s, ms, us, ns"),
        ("schema: declaration@1\nfps: 0", "above 0"),
        ("schema: declaration@1\nfps: .inf", "above 0"),
        ("schema: declaration@1\nfps: '30'", "above 0"),
        ("schema: declaration@1\nfps: true", "above 0"),
        ("schema: declaration@1\nkind: boat", "one of arm"),
        ("schema: declaration@1\ncameras: {a: {reference: ../x.png}}", "below the dataset"),
        ("schema: declaration@1\ntraining: /etc/passwd", "below the dataset"),
        ("schema: declaration@1\nsources: [{name: a, retention_until: soon}]", "a date like"),
        ("schema: declaration@1\nsources: {name: a}", "a list was expected"),
        ("schema: declaration@1\nsources: [{licence: MIT}]", "name is missing"),
        ("schema: declaration@1\nsensors: {a: {kind: imu, calibration: {K: [.nan]}}}", "no number to declare"),
        ("schema: declaration@1\nfps: 1\nfps: 2", "occurs twice"),
        ("schema: declaration@1\nnames: {a: []}", "list of texts"),
        ("[1, 2]", "schema: declaration@1"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(UnreadableDataset) as caught:
        declaration.parse(text, "assay.yaml")
    assert caught.value.kind == "metadata-invalid"
    assert words in str(caught.value)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["clock", "fps", "kind", "units", "names", "sensors", "cameras", "sources", "tools", "tasks", "training"]


@given(st.dictionaries(st.sampled_from(KEYS), plain | st.dictionaries(st.sampled_from(["a", "column", "kind"]), plain)))
def test_any_value_is_a_declaration_or_refused(document):
    with suppress(UnreadableDataset):
        declaration.parse(str({"schema": declaration.SCHEMA, **document}), "assay.yaml")


@given(st.text(max_size=40))
def test_a_clock_on_a_command_line(text):
    try:
        found = declaration.clock(text)
    except UnreadableDataset:
        return
    assert text in (found.column, f"{found.column}:{found.unit}")


@pytest.fixture
def folder(tmp_path):
    table = pl.DataFrame({"t": np.arange(20) / 10, "q": np.arange(20.0), "tau": np.ones((20, 2)), "run_id": [1] * 20})
    table.write_parquet(tmp_path / "a.parquet")
    return tmp_path


def test_it_fills_what_the_format_leaves_open(folder):
    (folder / "assay.yaml").write_text(WHOLE)
    recording = readers.open(folder)
    facts, stream = recording.facts, recording.main
    assert (facts.robot_type, facts.fps, facts.tasks, facts.tools) == (
        "reach_arm",
        10,
        ("pick", "place"),
        {"recorder": "1.4"},
    )
    assert (stream.clock.source, stream.clock.synchronised, stream.fps) == ("header.stamp", "ptp", 10)
    assert (stream.features["tau"].names, stream.features["q"].units) == (("shoulder", "elbow"), ("rad",))
    assert facts.sensors["lidar"].calibration["date"] == "2026-03-01"
    assert recording.declaration.sources[0].licence == "CC-BY-4.0"
    assert [p.message for p in recording.problems] == ["cameras.front: the files have no such camera; they have none"]


def test_what_it_contradicts_is_a_problem(writer):
    root = writer.write(writer.tracks(1))
    (root / "assay.yaml").write_text(
        "schema: declaration@1\nfps: 30\nrobot_type: humanoid\nclock: {column: t}\n"
        "names: {action: [a, b, c], observation.state: [a]}\nunits: {none: rad, action: rad}\n"
    )
    recording = readers.open(root)
    assert (recording.facts.fps, recording.facts.robot_type) == (20, "test_arm")
    assert recording.features["action"].units == ("rad",) * 3
    assert {p.path for p in recording.problems} == {"assay.yaml"}
    said = "\n".join(p.message for p in recording.problems)
    for words in ("fps: 30.0 is declared", "robot_type: 'humanoid'", "clock: 't' is not used", "names.action: ['a'"):
        assert words in said
    assert "names.observation.state: 1 are declared, the column has 3" in said
    assert "units.none: no such column" in said


def test_a_declaration_that_cannot_be_read_stops_everything(folder):
    (folder / "assay.yaml").write_text("schema: declaration@2\n")
    with pytest.raises(UnreadableDataset, match="declaration@1"):
        readers.open(folder)
    (folder / "assay.yaml").write_text("")
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(folder)
    assert caught.value.kind == "metadata-empty"


@pytest.mark.parametrize("kind", ["vehicle", "factory"])
def test_the_declared_kind_chooses_the_suite(folder, kind):
    (folder / "assay.yaml").write_text(f"schema: declaration@1\nkind: {kind}\n")
    suite, why = suites.for_recording(readers.open(folder))
    assert suite.name.startswith(f"{kind}@")
    assert "declared kind" in why


def test_declared_tolerances_are_those_of_the_rig(tmp_path):
    root = euroc(tmp_path / "rig")
    (root / "assay.yaml").write_text(
        "schema: declaration@1\nsensors:\n  cam0: {kind: camera, tolerance_ms: 0.0001}\n"
        "  imu0: {kind: imu, tolerance_ms: 0.0001}\n"
    )
    assert "sync_spread" in {f.check for f in run(readers.open(root), suites.load("recording@2")).findings}
