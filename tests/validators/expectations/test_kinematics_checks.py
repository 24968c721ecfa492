import json

import numpy as np
import pytest

from validators import readers
from validators.robot import load as load_robot
from validators.run import run
from validators.suites import load, parse

LIMITS = parse(json.dumps({"name": "one", "expectations": [{"type": "expect_joints_within_limits"}]}))


def judged(writer, tracks, robot):
    result = run(readers.open(writer.write(tracks)), LIMITS, robot)
    return result, result.outcomes[0]


ARM = """<mujoco><worldbody><body><joint name="base_yaw" range="-170 170"/><body><joint name="shoulder" range="-100 100"/>
<body><joint name="elbow" range="-100 100"/></body></body></body></worldbody></mujoco>"""


@pytest.fixture
def arm():
    """The model alone: units are then inferred."""
    return load_robot(ARM)


def test_within_limits(writer, arm):
    result, outcome = judged(writer, writer.tracks(2), arm)
    assert result.passed
    assert outcome.note.startswith("3 of 3 channels judged; units: rad (inferred)")


@pytest.mark.parametrize("declared", [True, False])
def test_beyond_a_limit(writer, arm, robot, declared):
    tracks = writer.tracks(2)
    tracks[1].columns["observation.state"][10:13, 1] = np.deg2rad(101.5)
    result, _ = judged(writer, tracks, robot if declared else arm)
    (finding,) = result.findings
    assert (finding.check, finding.stream, finding.episode, finding.unit) == (
        "joint_limits",
        "observation.state.shoulder",
        1,
        "rad",
    )
    assert finding.limit == pytest.approx(np.deg2rad(100))
    assert finding.value == pytest.approx(np.deg2rad(101.5))
    assert (finding.start_s, finding.end_s) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.6, abs=0.01))


def test_a_soft_stop_is_overshot_a_little(writer, arm):
    tracks = writer.tracks(1)
    tracks[0].columns["observation.state"][10, 1] = np.deg2rad(100.9)
    assert judged(writer, tracks, arm)[0].passed


def test_degrees_are_inferred_and_said(writer, arm):
    tracks = writer.tracks(2)
    for t in tracks:
        t.columns["observation.state"] = np.rad2deg(t.columns["observation.state"])
    result, outcome = judged(writer, tracks, arm)
    assert result.passed
    assert "deg (inferred): 3 channels" in outcome.note
    tracks[0].columns["observation.state"][5, 2] = 120
    writer.folder = writer.folder / "second"
    (finding,) = judged(writer, tracks, arm)[0].findings
    assert (finding.unit, finding.limit, finding.value) == ("deg", pytest.approx(100), pytest.approx(120))


def test_one_channel_in_degrees_among_radians(writer, arm):
    tracks = writer.tracks(2)
    tracks[0].columns["observation.state"][:, 0] = 45.0
    (finding,) = judged(writer, tracks, arm)[0].findings
    assert "looks like degrees" in finding.message


def test_normalised_values_are_not_evaluable(writer, arm):
    tracks = writer.tracks(2)
    for t in tracks:
        t.columns["observation.state"] = t.columns["observation.state"] * 100
    root = writer.write(tracks)
    writer.info(root, lambda info: info.update(robot_type="so100_follower"))
    result = run(readers.open(root), LIMITS, arm)
    assert result.outcomes[0].status == "not-evaluable"
    assert "normalised" in result.outcomes[0].why
    assert not result.passed


def test_units_that_the_dataset_declares(writer, arm, robot):
    tracks = writer.tracks(2)
    for t in tracks:
        t.columns["observation.state"] = (
            np.rad2deg(t.columns["observation.state"]) / 40
        )  # few degrees look like radians
    root = writer.write(tracks)
    writer.info(root, lambda info: info["features"]["observation.state"].update(units=["degrees"] * 3))
    result = run(readers.open(root), LIMITS, arm)
    assert result.passed
    assert "deg (declared by the dataset): 3 channels" in result.outcomes[0].note
    against = run(readers.open(root), LIMITS, robot)
    assert {f.message for f in against.findings} == {"the robot's record says rad, the dataset says deg"}


@pytest.mark.parametrize(("greatest", "judged_channels"), [(1.0, 2), (1.4, 3)])
def test_a_gripper_from_0_to_1_is_normalised(writer, arm, greatest, judged_channels):
    tracks = writer.tracks(2)
    for t in tracks:
        opening = np.linspace(0, greatest, 60)
        t.columns["observation.state"][:, 2] = opening
    root = writer.write(tracks)
    gripper = load_robot(ARM.replace("elbow", "gripper"))
    writer.info(
        root, lambda info: info["features"]["observation.state"].update(names=["base_yaw", "shoulder", "gripper"])
    )
    (outcome,) = run(readers.open(root), LIMITS, gripper).outcomes
    assert outcome.note.startswith(f"{judged_channels} of 3 channels judged")
    assert ("normalised (inferred): 1 channel" in outcome.note) is (greatest == 1.0)


def test_ticks_are_not_evaluable(writer, arm):
    tracks = writer.tracks(1)
    tracks[0].columns["observation.state"] = tracks[0].columns["observation.state"] * 2048
    assert judged(writer, tracks, arm)[1].status == "not-evaluable"


def test_no_robot_and_no_such_joint(writer, arm):
    root = writer.write(writer.tracks(1))
    assert "--robot" in run(readers.open(root), LIMITS).outcomes[0].why
    other = load_robot(ARM.replace("base_yaw", "x").replace("shoulder", "y").replace("elbow", "z"))
    assert "no channel" in run(readers.open(root), LIMITS, other).outcomes[0].why


def test_the_real_arm_lies_inside_its_limits(shared):
    recording = readers.open(shared / "lerobot_v21_unitree_g1")
    model = load_robot(shared / "robot_models_g1/g1_29dof_rev_1_0.urdf")
    (outcome,) = (o for o in run(recording, load("humanoid@1"), model).outcomes if o.check == "joint_limits")
    assert outcome.status == "clean"
    assert "14 of 26 channels judged; units: rad (inferred)" in outcome.note
    assert "12 without" in outcome.note
