"""The planner's one streaming pass gives, episode by episode, what plain numpy gives on each episode alone."""

import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from validators import planner, readers
from validators.expectations.expectation import Needs
from validators.expectations.signal.values import ExpectNoFrozenRows
from validators.metrics import channels, clock, count, greatest, least, since_previous, total
from validators.run import run
from validators.suites import parse

values = st.floats(-1e3, 1e3, width=32) | st.just(float("nan"))
episode = st.integers(1, 12).flatmap(
    lambda n: st.tuples(arrays(np.float32, n, elements=values), arrays(np.float32, (n, 2), elements=values))
)


def written(folder: Path, episodes) -> Path:
    for i, (times, state) in enumerate(episodes):
        pl.DataFrame({"timestamp": times, "s": pl.Series(state).arr.to_list()}).write_parquet(
            folder / f"{i:03d}.parquet"
        )
    return folder


@settings(max_examples=50, deadline=None)
@given(st.lists(episode, min_size=1, max_size=5))
def test_metrics(episodes):
    with tempfile.TemporaryDirectory() as folder:
        recording = readers.open(written(Path(folder), episodes))
        stream = recording.main
        dt = since_previous(clock(stream))
        first, second = channels(stream, recording.features["s"])
        late = count("late", (dt.column > 1.0) & dt.column.is_finite(), dt)
        found = planner.read(stream, len(episodes), [Needs((late, total(dt), least(first), greatest(second)))])
        for i, (times, state) in enumerate(episodes):
            steps = np.diff(times.astype(np.float64))
            assert found[late][i] == (steps > 1.0).sum()
            np.testing.assert_allclose(found[total(dt)][i], steps.sum(), rtol=1e-9, atol=1e-9)
            for metric, column, pick in ((least(first), 0, np.min), (greatest(second), 1, np.max)):
                whole = state[:, column][~np.isnan(state[:, column])]
                wanted = pick(whole) if whole.size else np.nan
                np.testing.assert_array_equal(found[metric][i], np.float64(wanted))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=6), st.integers(2, 8))
def test_frozen_runs(runs, rows):
    """Runs of equal states, the action moving in some: found are those of `rows` or more where it moves."""
    state = np.repeat(np.arange(len(runs)), [n for n, _ in runs]).astype(np.float64)
    steps = np.concatenate([np.full(n, 1.0 if moves else 0.0) for n, moves in runs])
    action = np.cumsum(steps)
    if action[-1] == action[0]:
        return
    wanted = 0
    begin = 0
    for n, _ in runs:
        moved = action[begin : begin + n]
        hit = any(moved[j] - moved[j - rows + 1] > 0 for j in range(rows - 1, n))
        wanted = max(wanted, n if hit else 0)
        begin += n
    suite = {"name": "f", "expectations": [{"type": ExpectNoFrozenRows.type, "kwargs": {"rows": rows, "moved": 1e-6}}]}
    with tempfile.TemporaryDirectory() as folder:
        table = pl.DataFrame({"timestamp": np.arange(len(state)) / 10, "observation.state": state, "action": action})
        table.write_parquet(Path(folder) / "0.parquet")
        findings = run(readers.open(Path(folder)), parse(json.dumps(suite))).findings
    assert [f.value for f in findings] == ([wanted] if wanted else [])
