import json

import numpy as np
import pytest

from validators import readers
from validators.expectations.robot.joint_zero import fit
from validators.run import run
from validators.suites import parse

ZERO = parse(json.dumps({"name": "one", "expectations": [{"type": "expect_joint_zero_below"}]}))
JOINTS = ("base_yaw", "shoulder", "elbow")


def tracks_of(writer, rigs):
    """rigs: name → (episodes, offsets in degrees)."""
    found = []
    for rig, (number, zero) in rigs.items():
        for _ in range(number):
            one = writer.track(len(found), 60, zero)
            one.facts = {"rig": rig}
            found.append(one)
    return found


def test_an_offset_is_found_in_its_rig_and_a_small_one_passes(writer):
    tracks = tracks_of(writer, {"a": (10, {}), "b": (10, {"shoulder": 5.0}), "x": (10, {"elbow": 0.3})})
    result = run(readers.open(writer.write(tracks)), ZERO, writer.robot)
    (finding,) = result.findings
    assert (finding.check, finding.stream) == ("joint_zero", "observation.state.shoulder")
    assert finding.episodes == tuple(range(10, 20)) == result.failing_episodes
    assert finding.value == pytest.approx(5.0, abs=0.2)
    assert "rig b: shoulder reads +5." in finding.message
    assert 1.0 < float(finding.resolves.split("°")[0]) < 1.3
    assert "resolves" in result.outcomes[0].note


def test_the_trackers_own_offset_is_blamed_on_no_joint(writer):
    tracks = tracks_of(writer, {"a": (10, {})})
    for t in tracks:
        t.columns["observation.ee_position"] += np.float32([0.02, -0.03, 0.01])
    assert run(readers.open(writer.write(tracks)), ZERO, writer.robot).passed


def test_without_rigs_each_episode_is_judged_alone(writer):
    tracks = [writer.track(seed, 200, {"base_yaw": -6.0} if seed == 2 else {}) for seed in range(4)]
    result = run(readers.open(writer.write(tracks)), ZERO, writer.robot)
    assert result.failing_episodes == (2,)
    assert {f.stream for f in result.findings} == {"observation.state.base_yaw"}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda t: t.columns.pop("observation.ee_position"), "no column"),
        (
            lambda t: t.columns.update({"observation.ee_position": t.columns["observation.ee_position"][:, :2]}),
            "2 channels",
        ),
        (lambda t: t.columns.update({"observation.state": t.columns["observation.state"][:, :2]}), "elbow"),
        (lambda t: t.columns["observation.ee_position"].fill(np.nan), "fewer than"),
    ],
)
def test_not_evaluable_says_why(writer, spoil, why):
    tracks = writer.tracks(2)
    for t in tracks:
        spoil(t)
    root = writer.write(tracks)
    if why == "elbow":
        writer.info(root, lambda info: info["features"]["observation.state"].update(names=list(JOINTS[:2])))
    (outcome,) = run(readers.open(root), ZERO, writer.robot).outcomes
    assert outcome.status == "not-evaluable"
    assert why in outcome.why


def simulated(robot, rng, zero, episodes=12, rows=30):
    """Rows of `episodes` clusters whose tracker error is shared within a cluster: correlated, as sessions are."""
    site = robot.site()
    joints = rng.uniform(-1, 1, (episodes, 1, 3)) + 0.3 * rng.normal(size=(episodes, rows, 3))
    joints = joints.reshape(-1, 3)
    seen, _ = robot.tree.forward(site, dict(zip(JOINTS, joints.T, strict=True)), len(joints))
    seen += np.repeat(rng.normal(0, 3e-3, (episodes, 3)), rows, axis=0) + rng.normal(0, 1e-3, seen.shape)
    cluster = np.repeat(np.arange(episodes), rows)
    read = joints + zero
    return fit(robot.tree, site, dict(zip(JOINTS, read.T, strict=True)), {}, seen, cluster)


def test_the_stated_error_is_the_real_one(robot):
    """With correlated rows, 1 % false alarms are at most a few per cent and what is resolved is found in 95 %."""
    rng = np.random.default_rng(5)
    clean = [simulated(robot, rng, np.zeros(3)) for _ in range(150)]
    alarms = np.mean([np.abs(r.offset) > r.alarm * r.error for r in clean])
    assert alarms < 0.04
    typical = np.median([r.error for r in clean], axis=0)
    zero = (clean[0].alarm + clean[0].miss) * typical
    spoilt = [simulated(robot, rng, zero) for _ in range(150)]
    assert np.mean([np.abs(r.offset) > r.alarm * r.error for r in spoilt]) > 0.85
    np.testing.assert_allclose(-np.mean([r.offset for r in spoilt], axis=0), zero, rtol=0.15)


def test_a_joint_the_point_does_not_show(robot):
    """A point on the last axis says nothing of the last joint: its error is infinite, the others are as they were."""
    tree = robot.tree
    rng = np.random.default_rng(0)
    joints = rng.uniform(-1, 1, (400, 3))
    elbow = tree.point("fore")
    body = tree.bodies["fore"]
    on_axis = type(elbow)("on", "fore", body.joints[0].anchor + 0.1 * body.joints[0].axis)
    seen, _ = tree.forward(on_axis, dict(zip(JOINTS, joints.T, strict=True)), 400)
    read = joints + np.deg2rad([0, 3, 7])
    found = fit(tree, on_axis, dict(zip(JOINTS, read.T, strict=True)), {}, seen, np.arange(400) // 20)
    assert np.isinf(found.error[2])
    assert np.rad2deg(found.offset[1]) == pytest.approx(-3, abs=1e-6)
