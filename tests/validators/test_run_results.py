import json

import polars as pl
import pytest

from validators import metrics, planner, readers, suites
from validators.documents import canonical
from validators.expectations import SHIPPED
from validators.expectations.expectation import Subject
from validators.findings import NotEvaluable
from validators.robot import load as load_robot
from validators.run import run

UNDECLARED = {  # what a folder must declare before these say anything
    *("calibration", "calibration_age", "extrinsics", "marker_residual", "reprojection", "sensor_alignment"),
    *("drift", "sim_to_real", "faces_and_plates", "retention", "terms"),
}


@pytest.fixture
def g1(shared):
    return readers.open(shared / "lerobot_v21_unitree_g1")


@pytest.mark.parametrize("with_robot", [False, True])
def test_the_bar_on_real_good_episodes(g1, shared, with_robot):
    """Counts block, the camera's rate warns, and nothing else is found."""
    robot = load_robot(shared / "robot_models_g1/g1_29dof_rev_1_0.urdf") if with_robot else None
    suite, why = suites.for_recording(g1)
    result = run(g1, suite, robot)
    assert why.startswith("humanoid@2")
    assert {f.check for f in result.blocking} == {"counts"}
    assert {f.check for f in result.warnings} == {"effective_frame_rate", "near_duplicate_frames"}
    assert not result.passed
    assert not [o for o in result.outcomes if o.required and o.status == "not-evaluable"]
    silent = {o.check for o in result.outcomes if o.status == "not-evaluable"} - UNDECLARED
    limits = {"joint_limits", "action_limits", "velocity_limits"}
    assert silent - limits == {"jitter", "occlusion", "quantiles"}
    assert ("joint_limits" in silent) is not with_robot


def test_results_are_canonical_json_without_paths_of_this_machine(writer, robot):
    tracks = writer.tracks(2)
    tracks[1].columns["action"][5, 0] = float("nan")
    root = writer.write(tracks)
    result = run(readers.open(root), suites.load("arm@1"), robot)
    document = result.to_dict()
    text = canonical(document)
    assert str(root) not in text
    assert str(writer.folder) not in text
    assert document["failing_episodes"] == [1]
    assert document["suite"]["digest"].startswith("sha256:")
    assert document["engine"]["engine"] == "assay-polars"
    assert document["robot"]["digest"] == robot.digest
    assert {o["check"] for o in document["outcomes"]} >= {"gap", "nan"}
    assert canonical(run(readers.open(root), suites.load("arm@1"), robot).to_dict()) == text


def test_the_shape_of_great_expectations(g1):
    document = run(g1, suites.load("humanoid@1")).to_gx()
    assert document.keys() == {"success", "results", "suite_name", "suite_parameters", "statistics", "meta", "id"}
    first = document["results"][0]
    assert first.keys() == {"success", "expectation_config", "result", "meta", "exception_info"}
    assert first["expectation_config"]["type"] == "expect_counts_to_match_metadata"
    assert document["success"] is first["success"] is False
    statistics = document["statistics"]
    assert statistics["evaluated_expectations"] == len(document["results"]) == 13
    assert statistics["successful_expectations"] + statistics["unsuccessful_expectations"] == 13
    silent = [r for r in document["results"] if r["exception_info"]["raised_exception"]]
    assert all(not r["success"] and r["exception_info"]["exception_message"] for r in silent)
    canonical(document)


def test_a_required_check_that_cannot_be_evaluated_blocks(writer):
    recording = readers.open(writer.write(writer.tracks(1)))
    one = {"type": "expect_joints_within_limits", "meta": {"required": True}}
    required = suites.parse(json.dumps({"name": "x", "expectations": [one]}))
    one["meta"] = {"required": False}
    optional = suites.parse(json.dumps({"name": "x", "expectations": [one]}))
    assert not run(recording, required).passed
    assert not run(recording, required).blocking
    assert run(recording, optional).passed


def test_a_warning_does_not_block(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["timestamp"][20:] += 0.2
    one = {"type": "expect_no_gaps", "severity": "warning"}
    result = run(readers.open(writer.write(tracks)), suites.parse(json.dumps({"name": "x", "expectations": [one]})))
    assert result.passed
    assert [f.severity for f in result.findings] == ["warning"]
    assert result.failing_episodes == ()


def test_the_same_expectation_twice_with_other_limits(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["timestamp"][20:] += 0.05
    both = [{"type": "expect_no_gaps", "kwargs": {"period_factor": factor}} for factor in (1.5, 3.0)]
    result = run(readers.open(writer.write(tracks)), suites.parse(json.dumps({"name": "x", "expectations": both})))
    assert [o.status for o in result.outcomes] == ["found", "clean"]
    assert [len(r["result"]["details"]["findings"]) for r in result.to_gx()["results"]] == [1, 0]


def test_progress_is_told(writer):
    told = []
    run(readers.open(writer.write(writer.tracks(1))), suites.load("arm@1"), None, lambda *step: told.append(step))
    assert told[0] == ("reading frames", 0, 1)
    assert told[-1][1] == told[-1][2]


def test_equal_names_are_equal_expressions(writer, robot):
    """The planner merges by name; a name with two meanings would judge the wrong thing."""
    recording = readers.open(writer.write(writer.tracks(1)))
    seen: dict[str, pl.Expr] = {}

    def visit(item: metrics.Lift | metrics.Metric) -> None:
        assert seen.setdefault(item.name, item.expr).meta.eq(item.expr), item.name
        for lift in item.needs:
            visit(lift)

    subject = Subject(recording, recording.main, robot)
    needed = 0
    for name in suites.names():
        for entry in suites.load(name).entries:
            try:
                needs = entry.expectation.needs(subject)
            except NotEvaluable:
                continue
            needed += len(needs.metrics)
            for item in (*needs.metrics, *needs.sample):
                visit(item)
    assert needed > len(SHIPPED)


def test_one_row_a_metric_an_episode(writer, robot):
    recording = readers.open(writer.write(writer.tracks(3)))
    needs = [
        e.expectation.needs(Subject(recording, recording.main, robot))
        for e in suites.load("arm@1").entries
        if e.expectation.check not in {"effective_frame_rate"}
    ]
    values = planner.read(recording.main, 3, needs)
    assert values.metrics.height == 3
    assert values.metrics["rows"].to_list() == [60, 60, 60]
    distinct = {m.name for need in needs for m in need.metrics}
    assert set(values.metrics.columns) == {"__episode__", "rows", *distinct}


def test_equal_defects_are_independent_of_the_order_of_episodes(writer):
    tracks = writer.tracks(4)
    tracks[2].columns["timestamp"][30:] += 0.2
    first = run(readers.open(writer.write(tracks, "one")), suites.load("arm@1"))
    second = run(readers.open(writer.write(tracks[::-1], "two")), suites.load("arm@1"))
    assert (first.failing_episodes, second.failing_episodes) == ((2,), (1,))
    assert [f.value for f in first.findings] == [f.value for f in second.findings]
