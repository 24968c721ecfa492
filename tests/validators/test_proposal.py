"""`assay profile`: what is proposed is passed by the data it comes from, found where they leave it, and loads in GX."""

import json
import subprocess
import sys

import numpy as np
import pytest

from validators import readers
from validators.errors import InvalidSuite
from validators.proposal import LEAST_EPISODES, SURE, propose
from validators.run import run
from validators.suites import parse


def suite_of(proposal):
    return parse(json.dumps(proposal.suite))


def entry(proposal, column):
    (found,) = [
        e for e in proposal.suite["expectations"] if e["kwargs"].get("min_values") and e["kwargs"]["column"] == column
    ]
    return found


def test_approved_data_pass_their_own_suite(writer):
    recording = readers.open(writer.write(writer.tracks(LEAST_EPISODES)))
    proposal = propose([recording], "swing@1")
    result = run(recording, suite_of(proposal))
    assert result.passed
    assert all(o.status == "clean" for o in result.outcomes if o.required)
    assert proposal.suite["meta"]["base"]["digest"].startswith("sha256:")


def test_bounds_are_the_extremes_with_their_margin_and_say_from_how_many(writer):
    tracks = writer.tracks(LEAST_EPISODES + 1)
    state = np.concatenate([t.columns["observation.state"] for t in tracks]).astype(np.float64)
    found = entry(propose([readers.open(writer.write(tracks))], "swing@1"), "observation.state")
    low, high = state.min(axis=0), state.max(axis=0)
    np.testing.assert_allclose(found["kwargs"]["min_values"], low - 0.1 * (high - low), rtol=1e-5)
    np.testing.assert_allclose(found["kwargs"]["max_values"], high + 0.1 * (high - low), rtol=1e-5)
    assert "of 6 episodes" in found["meta"]["notes"]
    assert "at most 14.3%" in found["meta"]["notes"]
    assert found["severity"] == "warning"


def test_with_enough_episodes_a_bound_blocks_and_names_what_leaves_it(writer):
    proposal = propose([readers.open(writer.write(writer.tracks(SURE, rows=20), "good"))], "swing@1")
    assert entry(proposal, "observation.state")["severity"] == "critical"
    tracks = writer.tracks(3, rows=20)
    tracks[1].columns["observation.state"][7:9, 2] = 40.0
    result = run(readers.open(writer.write(tracks, "bad")), suite_of(proposal))
    (out,) = [f for f in result.blocking if f.check == "channel_ranges"]
    assert (out.episode, out.stream, out.value) == (1, "observation.state.elbow", 40.0)
    assert out.start_s == pytest.approx(7 / 20, abs=0.01)
    assert out.end_s == pytest.approx(8 / 20, abs=0.01)


def noise_of(proposal, column):
    return next(
        (
            e
            for e in proposal.suite["expectations"]
            if e["type"] == "expect_noise_within" and e["kwargs"]["column"] == column
        ),
        None,
    )


def trembling(writer, sigmas, episodes=LEAST_EPISODES, rows=400):
    tracks = writer.tracks(episodes, rows=rows)
    rng = np.random.default_rng(5)
    for track in tracks:
        state = track.columns["observation.state"]
        state += (rng.normal(size=state.shape) * sigmas).astype(state.dtype)
    return tracks


def test_the_noise_of_approved_data_is_a_reference_that_finds_a_dead_and_a_noisy_sensor(writer):
    width = writer.tracks(1)[0].columns["observation.state"].shape[1]
    sigmas = np.geomspace(0.02, 0.2, width)
    proposal = propose([readers.open(writer.write(trembling(writer, sigmas), "good"))], "swing@1")
    entry = noise_of(proposal, "observation.state")
    assert (entry["severity"], entry["kwargs"]["factor"]) == ("warning", 3)
    grips = np.array(entry["kwargs"]["references"]) == 0
    np.testing.assert_allclose(np.array(entry["kwargs"]["references"])[~grips], sigmas[~grips], rtol=0.15)
    assert grips.sum() < width
    again = run(readers.open(writer.write(trembling(writer, sigmas), "same")), suite_of(proposal))
    assert not [f for f in again.findings if f.check == "noise_floor"]
    channel = int(np.flatnonzero(~grips)[0])
    tracks = trembling(writer, sigmas)
    for episode, factor in ((1, 10), (2, 0.1)):
        state = tracks[episode].columns["observation.state"]
        smooth = writer.tracks(LEAST_EPISODES, rows=400)[episode].columns["observation.state"]
        state[:, channel] = smooth[:, channel] + factor * (state - smooth)[:, channel]
    found = run(readers.open(writer.write(tracks, "bad")), suite_of(proposal)).findings
    assert [(f.episode, "above" in f.message) for f in found if f.check == "noise_floor"] == [(1, True), (2, False)]


def test_a_channel_that_rests_or_swings_has_no_reference(writer):
    tracks = trembling(writer, 0.05)
    for number, track in enumerate(tracks):
        state = track.columns["observation.state"]
        state[:, 0] = 1.0
        state[:, 1] = np.random.default_rng(number).normal(0, 100.0**number, len(state))
    proposal = propose([readers.open(writer.write(tracks))], "swing@1")
    assert noise_of(proposal, "observation.state")["kwargs"]["references"][:2] == [0.0, 0.0]


def test_few_episodes_give_no_range_and_say_so(writer):
    proposal = propose([readers.open(writer.write(writer.tracks(2)))], "swing@1")
    assert not any(e["kwargs"].get("min_values") for e in proposal.suite["expectations"])
    assert any(f"at least {LEAST_EPISODES}" in why for why in proposal.left_out)


def test_what_the_data_fail_or_cannot_be_judged_on_is_left_out(writer):
    tracks = writer.tracks(LEAST_EPISODES)
    tracks[0].columns["timestamp"][30:] += 2.0
    proposal = propose([readers.open(writer.write(tracks))], "swing@1")
    kinds = {e["type"] for e in proposal.suite["expectations"]}
    assert "expect_no_gaps" not in kinds
    assert any(why.startswith("gap: these data fail it") for why in proposal.left_out)
    assert any(why.startswith("joint_limits: not evaluable") for why in proposal.left_out)


def test_two_formats_are_no_profile(writer, tmp_path):
    import polars as pl

    (tmp_path / "t").mkdir()
    pl.DataFrame({"timestamp": np.arange(9) / 10}).write_parquet(tmp_path / "t" / "0.parquet")
    recordings = [readers.open(writer.write(writer.tracks(1))), readers.open(tmp_path / "t")]
    with pytest.raises(InvalidSuite, match="different formats"):
        propose(recordings, "x@1")


def test_great_expectations_loads_it_whole(writer, tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(propose([readers.open(writer.write(writer.tracks(6)))], "swing@1").suite))
    script = (
        f"from pathlib import Path; from validators import gx; print(len(gx.load(Path({str(path)!r})).expectations))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == len(json.loads(path.read_text())["expectations"])
