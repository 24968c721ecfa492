"""The arm: MuJoCo's kinematics against the trigonometry on paper, servo and demonstrator in physics."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mujoco", reason="the physics of the demo comes with the extra `sim`")

from examples.reach.arm import JOINTS, MODEL, RATE_HZ, Arm, Randomisation
from examples.reach.demonstrate import MAX_STEP_RAD, Sensing, demonstrate, towards
from validators.robot import load

ARM = Arm()


def angles() -> st.SearchStrategy[np.ndarray]:
    return st.tuples(*(st.floats(low, high) for low, high in ARM.limits)).map(np.array)


def on_paper(joints: np.ndarray) -> np.ndarray:
    yaw, shoulder, elbow = joints
    reach = 0.26 * np.cos(shoulder) + 0.24 * np.cos(shoulder - elbow)
    height = 0.12 + 0.26 * np.sin(shoulder) + 0.24 * np.sin(shoulder - elbow)
    return np.array([reach * np.cos(yaw), reach * np.sin(yaw), height])


@given(angles())
def test_forward_kinematics_is_that_of_two_links_on_a_turret(joints: np.ndarray) -> None:
    np.testing.assert_allclose(ARM.forward(joints), on_paper(joints), atol=1e-12)


@given(angles())
def test_the_robot_record_describes_the_same_arm(joints: np.ndarray) -> None:
    robot = load(MODEL.with_name("robot.yaml"))
    site = robot.site()
    assert site is not None
    assert {name: (c.joint, c.unit) for name, c in robot.channels.items()} == {name: (name, "rad") for name in JOINTS}
    values = {name: np.array([value]) for name, value in zip(JOINTS, joints, strict=True)}
    np.testing.assert_allclose(robot.tree.forward(site, values, 1)[0][0], ARM.forward(joints), atol=1e-12)
    limits = [(robot.joint(name).lower, robot.joint(name).upper) for name in JOINTS]
    np.testing.assert_array_equal(limits, ARM.limits)


@given(angles())
def test_the_jacobian_is_the_derivative(joints: np.ndarray) -> None:
    ARM.forward(joints)
    jacobian = ARM.jacobian().copy()
    for axis in range(len(JOINTS)):
        nudge = 1e-6 * np.eye(3)[axis]
        slope = (on_paper(joints + nudge) - on_paper(joints - nudge)) / 2e-6
        np.testing.assert_allclose(jacobian[:, axis], slope, atol=1e-8)


@given(angles(), st.tuples(*[st.floats(-1, 1)] * 3).map(np.array))
def test_the_demonstrator_never_asks_for_more_than_its_step_and_never_away(
    joints: np.ndarray, relative: np.ndarray
) -> None:
    ARM.forward(joints)
    jacobian = ARM.jacobian().copy()
    change = towards(joints, relative, jacobian) - joints
    assert np.abs(change).max() <= MAX_STEP_RAD * (1 + 1e-9)
    assert (jacobian @ change) @ relative >= -1e-12


def test_the_servo_settles_and_what_it_carries_pulls_it_down() -> None:
    scene = ARM.draw(np.random.default_rng(0), Randomisation())
    heights = []
    for payload in (0.0, 0.3):
        ARM.reset(type(scene)(scene.start, scene.target, payload, 0.6, 0.0))
        for _ in range(3 * RATE_HZ):
            ARM.step(scene.start)
        heights.append(ARM.tool()[2])
        assert np.abs(ARM.joints() - scene.start).max() < 0.03
    assert heights[1] < heights[0] - 0.001


def test_reset_leaves_nothing_of_the_scene_before() -> None:
    scene = ARM.draw(np.random.default_rng(1), Randomisation())
    other = ARM.draw(np.random.default_rng(2), Randomisation())

    def run() -> np.ndarray:
        ARM.reset(scene)
        for _ in range(5):
            ARM.step(scene.start + 0.1)
        return ARM.joints()

    first = run()
    ARM.reset(other)
    ARM.step(other.start - 0.1)
    np.testing.assert_array_equal(run(), first)


def test_a_demonstration_arrives_and_records_what_was_executed() -> None:
    scene = ARM.draw(np.random.default_rng(3), Randomisation())
    quiet = demonstrate(ARM, scene, Sensing(), bias=np.zeros(3), steps=50, noise_rad=0.0, rng=np.random.default_rng(4))
    assert np.linalg.norm(quiet.relative[-1]) < 0.015
    noisy = demonstrate(ARM, scene, Sensing(), bias=np.zeros(3), steps=50, noise_rad=0.02, rng=np.random.default_rng(4))
    ARM.reset(scene)
    for row in noisy.action[:-1]:
        ARM.step(row.astype(np.float64))
    np.testing.assert_allclose(ARM.joints(), noisy.state[-1], atol=1e-5)


def test_a_joint_zero_shifts_state_and_command_alike_but_not_the_movement() -> None:
    scene = ARM.draw(np.random.default_rng(5), Randomisation())
    tracks = [
        demonstrate(
            ARM,
            scene,
            Sensing(joint_zero_rad=(0.0, zero, 0.0)),
            bias=np.zeros(3),
            steps=10,
            noise_rad=0.02,
            rng=np.random.default_rng(6),
        )
        for zero in (0.0, 0.1)
    ]
    np.testing.assert_array_equal(tracks[0].tool, tracks[1].tool)
    for name in ("state", "action"):
        np.testing.assert_allclose(
            getattr(tracks[1], name) - getattr(tracks[0], name), [[0.0, 0.1, 0.0]] * 10, atol=1e-6
        )


def test_without_the_simulator_one_sentence_says_what_to_install() -> None:
    program = "import sys; sys.modules['mujoco'] = None\nimport examples.reach.train\nfrom examples.reach import ReachError\ntry:\n    import examples.reach.arm\nexcept ReachError as error:\n    print(error.kind, error)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "simulator-missing the reaching arm needs MuJoCo: pip install 'assay-catalog[sim]'\n"
