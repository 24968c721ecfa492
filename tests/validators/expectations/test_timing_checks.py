import dataclasses

import numpy as np
import pytest

from validators import readers
from validators.expectations.timing import steps as timing
from validators.run import run
from validators.suites import load


def judged(writer, tracks, suite="arm@1"):
    result = run(readers.open(writer.write(tracks)), load(suite), writer.robot)
    return result, {o.check: o for o in result.outcomes}


def only(result, check):
    (finding,) = result.findings
    assert finding.check == check
    return finding


def test_good_episodes_pass(writer):
    result, outcomes = judged(writer, writer.tracks(4))
    assert result.passed
    assert not result.findings
    assert {o.status for o in outcomes.values() if o.check != "effective_frame_rate"} == {"clean"}


def test_a_gap_is_found_where_it_is(writer):
    tracks = writer.tracks(3)
    tracks[1].columns["timestamp"][20:] += 0.15  # three frames of 50 ms
    finding = only(judged(writer, tracks)[0], "gap")
    assert (finding.episode, finding.unit, finding.limit) == (1, "ms", pytest.approx(75))
    assert finding.value == pytest.approx(200, abs=3)
    assert (finding.start_s, finding.end_s) == (pytest.approx(0.95, abs=0.01), pytest.approx(1.15, abs=0.01))
    assert "frames missing: about 3" in finding.message


def test_two_gaps_in_one_episode_are_one_finding_at_the_wider(writer):
    tracks = writer.tracks(1)
    tracks[0].columns["timestamp"][20:] += 0.05
    tracks[0].columns["timestamp"][40:] += 0.1
    finding = only(judged(writer, tracks)[0], "gap")
    assert "gaps: 2, frames missing: about 3" in finding.message
    assert finding.start_s == pytest.approx(39 / 20 + 0.05, abs=0.01)


def test_the_step_between_two_episodes_is_no_gap(writer):
    tracks = writer.tracks(2)
    tracks[1].columns["timestamp"] += 50
    assert judged(writer, tracks)[0].passed
    tracks[1].columns["timestamp"] -= 100
    assert {f.check for f in judged(dataclasses.replace(writer, folder=writer.folder / "b"), tracks)[0].findings} == {
        "ranges"
    }


@pytest.mark.parametrize("step", [0.0, -0.01])
def test_time_that_stands_or_runs_back(writer, step):
    tracks = writer.tracks(2)
    clock = tracks[0].columns["timestamp"]
    clock[30] = clock[29] + step
    found = {f.check: f for f in judged(writer, tracks)[0].findings}
    assert found["monotonic_time"].episode == 0
    assert found["monotonic_time"].start_s == pytest.approx(clock[30])
    assert found["monotonic_time"].value == pytest.approx(step, abs=1e-6)


def test_time_that_is_no_number(writer):
    tracks = writer.tracks(2)
    tracks[1].columns["timestamp"][10] = np.nan
    result, _ = judged(writer, tracks)
    assert {f.check for f in result.findings} == {"monotonic_time", "nan"}
    assert result.failing_episodes == (1,)


def test_jitter(writer):
    tracks = writer.tracks(3)
    tracks[2].columns["timestamp"][1:] += np.random.default_rng(0).choice([-0.2, 0.2], 59).astype(np.float32) / 20
    finding = only(judged(writer, tracks)[0], "jitter")
    assert finding.episode == 2
    assert finding.value > finding.limit == pytest.approx(5.0)
    assert finding.resolves.startswith("±")


def test_a_synthetic_clock_proves_nothing(writer):
    tracks = writer.tracks(2)
    for one in tracks:
        one.columns["timestamp"] = (np.arange(60) / 20).astype(np.float32)
    result, outcomes = judged(writer, tracks)
    assert result.passed
    assert outcomes["jitter"].status == "not-evaluable"
    assert "synthetic clock" in outcomes["jitter"].why
    assert "synthetic clock" in outcomes["gap"].note


def test_mean_rate(writer):
    tracks = writer.tracks(2)
    tracks[0].columns["timestamp"] *= 0.85
    tracks[1].columns["timestamp"] *= 0.95
    finding = only(judged(writer, tracks)[0], "mean_rate")
    assert (finding.episode, finding.unit) == (0, "Hz")
    assert finding.value == pytest.approx(20 / 0.85, rel=0.01)
    assert finding.limit == pytest.approx(22)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: timing.ExpectNoGaps(period_factor=1.0),
        lambda: timing.ExpectMeanRate(tolerance=0.0),
        lambda: timing.ExpectJitterBelow(fraction=0.5),
    ],
)
def test_parameters_have_limits(wrong):
    with pytest.raises(ValueError, match="must be"):
        wrong()
