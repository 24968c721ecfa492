"""Clocks: what each check says where there is little to say, and that an inferred rate only warns."""

import dataclasses
import json

import numpy as np
import pytest

from tests.support.simulated import NS, STAMP, record, rig
from validators import readers
from validators.declarations.declaration import Declaration, DeclaredSensor
from validators.expectations.signal.actions import ExpectActionStepsBelow
from validators.expectations.signal.following import ExpectFollowingErrorBelow, ExpectLagBelow
from validators.expectations.signal.noise import ExpectNoiseWithin, ExpectResolution
from validators.expectations.signal.spikes import ExpectNoJumps, ExpectNoOutliers
from validators.expectations.signal.stuck import ExpectNoSaturation, ExpectNoStuckChannels
from validators.expectations.timing.coverage import (
    ExpectEpisodesLongEnough,
    ExpectNoRecorderDropouts,
    ExpectStreamToCoverEpisode,
)
from validators.expectations.timing.sync import ExpectClocksToAgree, ExpectSensorsInStep
from validators.recording import Dropout
from validators.run import run
from validators.suites import parse


def judged(recording, expectation, **kwargs):
    suite = parse(json.dumps({"name": "s", "expectations": [{"type": expectation, "kwargs": kwargs}]}))
    (outcome,) = run(recording, suite).outcomes
    return outcome


def test_a_rate_is_inferred_only_where_it_is_asked_for_and_then_only_warns(tmp_path):
    episodes = rig("mobile", 2)
    episodes[1]["/scan"].keep(np.delete(np.arange(120), [50, 51]))
    recording = record(tmp_path, "mobile", episodes)
    assert judged(recording, "expect_no_gaps").status == "not-evaluable"
    outcome = judged(recording, "expect_no_gaps", infer=True)
    (finding,) = outcome.findings
    assert outcome.severity == "blocking"
    assert (finding.severity, finding.episode, finding.stream) == ("warning", 1, f"/scan: {STAMP}")
    assert "inferred from the median step" in finding.message


def test_events_and_limited_rates_are_not_evaluable(tmp_path):
    recording = record(tmp_path, "flight", rig("flight", 1))
    for check in ("expect_no_gaps", "expect_mean_rate", "expect_jitter_below"):
        for stream in ("vehicle_command*", "actuator_motors*"):
            outcome = judged(recording, check, infer=True, stream=stream)
            assert outcome.status == "not-evaluable"
            assert "no rate is declared" in outcome.why


def test_the_clock_that_was_judged_is_said_with_what_holds_it(tmp_path):
    recording = record(tmp_path, "vehicle", rig("vehicle", 1))
    note = judged(recording, "expect_time_not_to_run_back", stream="/gnss").note
    assert note == "/gnss: clock judged: header.stamp, synchronised: ptp"


def test_a_clock_made_from_the_index_is_found_and_in_lerobot_said(tmp_path, writer):
    episodes = rig("factory", 1)
    track = episodes[0]["/current"]
    track.columns[STAMP] = track.stamp[0] + np.arange(len(track.stamp)) * (NS // 100)
    outcome = judged(record(tmp_path / "a", "factory", episodes), "expect_measured_clock")
    assert [f.stream for f in outcome.findings] == [f"/current: {STAMP}"]
    tracks = writer.tracks(2)
    for one in tracks:
        one.columns["timestamp"] = (np.arange(60) / 20).astype(np.float32)
    outcome = judged(readers.open(writer.write(tracks)), "expect_measured_clock")
    assert outcome.status == "clean"
    assert "made from the index, as LeRobot's writer does" in outcome.note


def test_dropouts_are_the_recorders_own_word(tmp_path):
    recording = record(tmp_path, "flight", rig("flight", 2))
    dropouts = (Dropout(0, 1.0, 0.004), Dropout(1, 3.0, 0.03))
    told = dataclasses.replace(recording, facts=dataclasses.replace(recording.facts, dropouts=dropouts))
    outcome = judged(told, "expect_no_recorder_dropouts")
    (finding,) = outcome.findings
    assert (finding.episode, finding.value, finding.limit, finding.unit) == (1, pytest.approx(30), 10, "ms")
    assert (finding.start_s, finding.end_s) == (3.0, pytest.approx(3.03))
    assert "dropouts: 2, 34 ms" in outcome.note
    assert judged(recording, "expect_no_recorder_dropouts").status == "clean"
    other = record(tmp_path / "b", "mobile", rig("mobile", 1))
    assert judged(other, "expect_no_recorder_dropouts").status == "not-evaluable"


def test_sensors_without_a_tolerance_are_measured_and_not_judged(tmp_path):
    recording = record(tmp_path, "mobile", rig("mobile", 2))
    outcome = judged(recording, "expect_sensors_in_step")
    assert outcome.status == "not-evaluable"
    assert "no tolerance is declared; farthest from /scan: /odom" in outcome.why
    assert judged(recording, "expect_sensors_in_step", tolerance_ms=12.0).status == "clean"
    found = judged(recording, "expect_sensors_in_step", tolerance_ms=1.0).findings
    assert {f.stream for f in found} == {"/scan ~ /odom", "/scan ~ /imu"}
    assert all(f.limit == 1.0 and f.value > 1.0 and "drift" in f.message for f in found)


def test_a_tolerance_of_the_declaration_is_the_rigs(tmp_path):
    recording = record(tmp_path, "mobile", rig("mobile", 2))
    sensors = {name: DeclaredSensor("sensor", tolerance_ms=ms) for name, ms in (("/scan", 1.0), ("/odom", 3.0))}
    declared = dataclasses.replace(recording, declaration=Declaration(sensors=sensors))
    found = judged(declared, "expect_sensors_in_step").findings
    assert {(f.stream, f.limit) for f in found} == {("/scan ~ /odom", 3.0)}


def test_steps_as_actions_have_no_lag(tmp_path):
    episodes = rig("arm", 2)
    for tracks in episodes:
        action = tracks["frames"].columns["action"]
        tracks["frames"].columns["action"] = np.diff(action, axis=0, prepend=action[:1])
    recording = record(tmp_path, "arm", episodes)
    for check in ("expect_lag_below", "expect_following_error_below"):
        outcome = judged(recording, check)
        assert outcome.status == "not-evaluable"
        assert "no absolute joint targets" in outcome.why


def test_real_teleoperation(shared):
    recording = readers.open(shared / "lerobot_v21_unitree_g1")
    outcome = judged(recording, "expect_lag_below")
    assert outcome.status == "clean"
    assert outcome.observed["least_ms"] == pytest.approx(132, abs=17)
    assert outcome.observed["greatest_ms"] == pytest.approx(165, abs=17)
    error = judged(recording, "expect_following_error_below")
    assert error.status == "clean"
    assert "inferred: rad" in error.note
    for check in (
        "expect_no_stuck_channels",
        "expect_no_acceleration_spikes",
        "expect_no_saturation",
        "expect_no_jumps",
    ):
        assert judged(recording, check).status == "clean"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ExpectNoRecorderDropouts(limit_ms=-1),
        lambda: ExpectEpisodesLongEnough(seconds=0),
        lambda: ExpectStreamToCoverEpisode(seconds=0),
        lambda: ExpectNoStuckChannels(rows=1),
        lambda: ExpectNoSaturation(warn=0.9, fail=0.5),
        lambda: ExpectNoOutliers(z=1),
        lambda: ExpectNoJumps(factor=1),
        lambda: ExpectActionStepsBelow(z=0),
        lambda: ExpectNoiseWithin("x", reference=0),
        lambda: ExpectNoiseWithin("x", reference=1, references=(1.0,)),
        lambda: ExpectNoiseWithin("x", references=(0.0,)),
        lambda: ExpectNoiseWithin("x", references=(1.0, -1.0)),
        lambda: ExpectResolution(steps=1),
        lambda: ExpectLagBelow(limit_ms=601),
        lambda: ExpectFollowingErrorBelow(limit_deg=0),
        lambda: ExpectSensorsInStep(tolerance_ms=0),
        lambda: ExpectClocksToAgree(drift_ppm=0),
    ],
)
def test_parameters_have_limits(wrong):
    with pytest.raises(ValueError, match="must be"):
        wrong()


def test_a_finding_names_its_topic_though_the_suite_means_no_other(tmp_path):
    episodes = rig("mobile", 1)
    episodes[0]["/scan"].keep(np.delete(np.arange(120), [50, 51]))
    (finding,) = judged(record(tmp_path, "mobile", episodes), "expect_no_gaps", infer=True, stream="/scan").findings
    assert finding.stream == f"/scan: {STAMP}"
