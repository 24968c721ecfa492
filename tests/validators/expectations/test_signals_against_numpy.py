"""What checks compute on rows, lags, lines and periods is what plain numpy says, or what was put in."""

import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from validators import readers
from validators.expectations.expectation import Subject
from validators.expectations.signal.following import lag
from validators.expectations.signal.scale import judged
from validators.expectations.signal.spikes import ExpectNoAccelerationSpikes, ExpectNoJumps, ExpectNoOutliers
from validators.expectations.timing.period import inferred
from validators.expectations.timing.sync import fit, nearest
from validators.findings import NotEvaluable
from validators.metrics import greatest
from validators.run import run
from validators.suites import parse
from validators.values import Values

number = st.floats(-100, 100, width=32)
gap = st.none() | st.just(float("nan"))


def written(folder: str, episodes) -> Subject:
    for i, columns in enumerate(episodes):
        pl.DataFrame({"timestamp": np.arange(len(columns["x"])) / 10} | columns).write_parquet(
            Path(folder) / f"{i:03d}.parquet"
        )
    recording = readers.open(Path(folder))
    return Subject(recording, recording.main)


def judged_with(folder: str, episodes, expectation: str, **kwargs: object):
    subject = written(folder, episodes)
    suite = parse(json.dumps({"name": "s", "expectations": [{"type": expectation, "kwargs": kwargs}]}))
    return run(subject.recording, suite)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(number | gap, min_size=1, max_size=14), min_size=1, max_size=4))
def test_sizes_of_spikes(episodes):
    """Of each episode alone, the greatest size; across its start, at nulls and at NaN there is none."""
    with tempfile.TemporaryDirectory() as folder:
        columns = [{"x": pl.Series(x, dtype=pl.Float32)} for x in episodes]
        subject = written(folder, columns)
        (channel,) = judged(subject, "x")
        checks = (ExpectNoOutliers("x"), ExpectNoJumps("x"), ExpectNoAccelerationSpikes("x"))
        wanted = [greatest(check.size(channel)) for check in checks]
        found = Values(subject.stream, Values.none(len(episodes)).metrics).again(wanted)
    for i, values in enumerate(episodes):
        x = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        d = np.diff(x)
        isolated = [min(abs(a), abs(b)) for a, b in pairwise(d) if a * b < 0]
        steps = [
            min(abs(b), abs(a + b), abs(b + c))
            for a, b, c in zip(d, d[1:], d[2:], strict=False)
            if b * (a + b) > 0 and b * (b + c) > 0
        ]
        bent = np.abs(np.diff(d))
        for metric, sizes in zip(wanted, (isolated, steps, bent[np.isfinite(bent)]), strict=True):
            np.testing.assert_allclose(np.nan_to_num(found[metric][i]), max(sizes, default=0.0), rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 12.0), st.integers(1, 5), st.floats(0, 2e-3))
def test_a_lag_that_was_put_in_is_found(seed, rows, channels, noise):
    rng = np.random.default_rng(seed)
    t = np.arange(400.0)
    pace, phase = rng.uniform(0.02, 0.12, channels), rng.uniform(0, 6.28, channels)
    action = np.sin(np.outer(t, pace) + phase)
    state = np.sin(np.outer(t - rows, pace) + phase) + rng.normal(0, noise, action.shape)
    found, following = lag(state, action, 18)
    assert found == pytest.approx(rows, abs=0.1)
    assert following == 1.0


def test_steps_and_velocities_are_no_absolute_targets():
    t = np.arange(400.0)
    state = np.sin(np.outer(t, (0.03, 0.05)))
    for action in (np.gradient(state, axis=0), np.gradient(state, axis=0) * 20, state * 5, state + 10):
        assert lag(state, action, 18)[1] == 0.0
    assert np.isnan(lag(state, np.zeros_like(state), 18)[0])
    assert np.isnan(lag(state[:40], state[:40], 18)[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-1, 1), st.floats(-1e-3, 1e-3), st.integers(12, 900), st.floats(0.0, 0.15))
def test_a_line_is_found_through_noise_and_strays(seed, offset, drift, points, strays):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 100, points))
    d = offset + drift * (t - 50) + rng.normal(0, 1e-4, points)
    d[: int(points * strays)] += rng.uniform(0, 5, int(points * strays))[::-1]
    rng.shuffle(order := np.arange(points))
    found = fit(t, d if strays == 0 else np.where(order < points * strays, d + 3, d))
    assert found is not None
    if strays == 0:
        assert found.drift == pytest.approx(drift, abs=6 * found.error + 1e-9)
        assert found.offset_s == pytest.approx(offset + drift * (t.mean() - 50), abs=1e-3)
    assert found.resolves > found.error >= 0


def test_a_line_of_few_points_or_one_moment_is_none():
    assert fit(np.arange(9.0), np.arange(9.0)) is None
    assert fit(np.ones(50), np.arange(50.0)) is None
    assert fit(np.full(50, np.nan), np.arange(50.0)) is None


times = st.lists(st.floats(0, 50), min_size=0, max_size=40).map(sorted)


@settings(max_examples=80, deadline=None)
@given(times, times)
def test_nearest_stamps(reference, other):
    found = nearest(pl.DataFrame({"t": pl.Series(reference, dtype=pl.Float64)}), pl.DataFrame({"t": other}))
    inside = [r for r in reference if other and other[0] <= r <= other[-1]]
    assert found["t"].to_list() == inside
    for r, d in found.iter_rows():
        assert abs(d) == min(abs(o - r) for o in other)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1.0), st.floats(0, 0.05), st.floats(0, 0.2))
def test_the_period_of_a_stream_that_drops_frames(seed, period, jitter, dropped):
    rng = np.random.default_rng(seed)
    t = np.arange(300) * period + rng.normal(0, jitter * period, 300)
    kept = t[(rng.uniform(size=300) >= dropped) | (np.arange(300) < 2)]
    assert found_period(kept) == pytest.approx(period, rel=0.15)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 10.0))
def test_events_have_no_period(seed, mean):
    rng = np.random.default_rng(seed)
    with pytest.raises(NotEvaluable, match="no rate is declared"):
        found_period(np.cumsum(rng.exponential(mean, 300)))


def found_period(t: np.ndarray) -> float:
    with tempfile.TemporaryDirectory() as folder:
        subject = written(folder, [{"timestamp": t, "x": t}])
        return inferred(subject, Values(subject.stream, Values.none(1).metrics)).seconds


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=9), st.integers(2, 7))
def test_stuck_runs(runs, rows):
    """Runs of one value while the command moves or rests: found is the longest of `rows` or more where it moves."""
    x = np.concatenate([np.full(n, float(i)) for i, (n, _) in enumerate(runs)])
    command = np.cumsum(np.concatenate([np.full(n, float(moves)) for n, moves in runs]))
    wanted, begin = 0, 0
    for n, _ in runs:
        told = command[begin : begin + n]
        if any(told[j] - told[j - rows + 1] > 1e-6 * np.ptp(command) for j in range(rows - 1, n)):
            wanted = max(wanted, n)
        begin += n
    if np.ptp(command) == 0:
        return
    columns = {"observation.state": x, "action": command, "x": x}
    with tempfile.TemporaryDirectory() as folder:
        result = judged_with(
            folder, [columns], "expect_no_stuck_channels", column="observation.*", rows=rows, moved=1e-6
        )
    assert [f.value for f in result.findings] == ([wanted] if wanted else [])


@settings(max_examples=12, deadline=None)
@given(arrays(np.float64, st.integers(40, 90), elements=st.floats(-1, 1)), st.floats(0.1, 0.9))
def test_saturation_is_the_share_of_rows_at_known_ends(x, high):
    with tempfile.TemporaryDirectory() as folder:
        result = judged_with(folder, [{"x": x}], "expect_no_saturation", column="x", high=high, warn=0.05, fail=0.5)
    share = float((x >= high).mean())
    (outcome,) = result.outcomes
    if outcome.status == "not-evaluable":
        assert np.ptp(x) == 0
        return
    assert [f.value for f in result.findings] == ([pytest.approx(share)] if share > 0.05 else [])
    assert all((f.severity == "blocking") == (share > 0.5) for f in result.findings)


@pytest.mark.parametrize("sigma", [0.3, 0.01, 1e-5])
def test_the_noise_floor_of_moving_signals(tmp_path, sigma):
    rng = np.random.default_rng(3)
    x = np.sin(np.arange(4000) / 300) + rng.normal(0, sigma, 4000)
    x[::500] += 4.0
    episodes = [{"x": x}]
    for reference, found in ((sigma, 0), (sigma * 5, 1), (sigma / 5, 1)):
        result = judged_with(tmp_path, episodes, "expect_noise_within", column="x", reference=reference)
        assert len(result.findings) == found
        (outcome,) = result.outcomes
        assert outcome.observed["floor"]["x"] == pytest.approx(sigma, rel=0.1)
