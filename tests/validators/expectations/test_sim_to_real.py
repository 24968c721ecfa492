"""Simulators against published figures, paired bounds against their promise, and matched episodes of both worlds."""

import ast
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import readers
from validators.findings import NotEvaluable
from validators.run import run
from validators.statistics.paired import mean_interval, rate_interval
from validators.statistics.simulators import mmrv, pearson, perfect, validity
from validators.suites import parse

STATE = "observation.state"


# simulators


@pytest.fixture
def published(shared):
    tree = ast.parse((shared / "simpler_real_vs_sim/metrics.py").read_text())
    tables = {n.targets[0].id: ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign)}
    return tables["REAL_PERF"], tables["SIMPLER_PERF"]


def test_the_published_figures_are_found_again(published):
    real, simulated = published
    pooled = [(real[t][p], simulated[t][p]) for t in real for p in real[t]]
    both = np.array(pooled).T
    assert pearson(both[:1], both[1:])[0] == pytest.approx(0.907, abs=5e-4)
    for task, expected in (("google_robot_close_drawer", 0.123), ("google_robot_open_drawer", 0.0)):
        found = validity(task, real[task], simulated[task], (27, 27), seed=1)
        assert found.mmrv == pytest.approx(expected, abs=5e-4)
        assert found.mmrv_range[0] <= found.mmrv_range[1] < 0.3
        assert -1 <= found.pearson_range[0] < found.pearson_range[1] <= 1
        assert found.as_good_as_perfect is (task == "google_robot_open_drawer")  # 0.77 in 0.90..0.99: no chance


def test_too_few_policies_are_not_evaluable(published):
    real, simulated = published
    task = "widowx_spoon_on_towel"
    with pytest.raises(NotEvaluable, match="3 policies on both sides, 6 are needed"):
        validity(task, real[task], simulated[task], (24, 24), seed=1)


def test_a_perfect_simulator_of_near_rates_starts_at_minus_098():
    figures, _ = perfect(np.array([0.85, 0.87, 0.90]), (20, 20), seed=7)
    assert np.nanquantile(figures, 0.05) == pytest.approx(-0.98, abs=0.01)


def test_a_simulator_that_ranks_backwards_is_no_chance():
    real = {f"p{i}": 0.1 + 0.15 * i for i in range(6)}
    backwards = dict(zip(real, reversed(real.values()), strict=True))
    found = validity("x", real, backwards, (100, 100), seed=1)
    assert found.pearson == pytest.approx(-1)
    assert not found.as_good_as_perfect
    assert validity("x", real, real, (100, 100), seed=1).as_good_as_perfect


@pytest.mark.parametrize(
    ("rates", "trials", "why"),
    [
        ([0.5] * 6, (9, 9), "one rate"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 1.5], (9, 9), "0..1"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, np.nan], (9, 9), "0..1"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], (9, 0), "trials"),
    ],
)
def test_rates_that_rank_nothing(rates, trials, why):
    table = dict(enumerate(rates))
    with pytest.raises(NotEvaluable, match=why):
        validity("x", table, table, trials, seed=1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(0, 99))
def test_mmrv_is_that_of_its_definition(rates, seed):
    real, rng = np.array(rates), np.random.default_rng(seed)
    simulated = rng.choice([0.0, 0.3, 0.7], len(real))
    worst = []
    for i in range(len(real)):
        apart = [
            abs(real[i] - real[j]) for j in range(len(real)) if (simulated[i] > simulated[j]) != (real[i] > real[j])
        ]
        worst.append(max(apart, default=0.0))
    assert mmrv(real[None], simulated[None])[0] == pytest.approx(np.mean(worst))


# bounds


def test_bounds_hold_what_they_promise():
    """2,000 samples with a fixed seed: the truth lies outside 90 % bounds in about 10 %, never many more."""
    rng = np.random.default_rng(5)
    outside = np.zeros(2)
    for _ in range(2000):
        low, high = mean_interval(rng.normal(0.3, 1, 12), 0.9)
        outside[0] += not low <= 0.3 <= high
        cells = rng.multinomial(40, [0.55, 0.25, 0.10, 0.10])
        low, high = rate_interval(int(cells[1]), int(cells[2]), 40, 0.9)
        outside[1] += not low <= 0.15 <= high
    assert outside[0] / 2000 == pytest.approx(0.10, abs=0.02)
    assert outside[1] / 2000 == pytest.approx(0.10, abs=0.025)


def test_bounds_of_a_published_example():
    """12 and 2 of 50 pairs, an example of Newcombe 1998: all score intervals lie near 0.057 to 0.340."""
    low, high = rate_interval(12, 2, 50, 0.95)
    assert (low, high) == (pytest.approx(0.0569, abs=5e-3), pytest.approx(0.3404, abs=5e-3))


@given(st.integers(1, 60), st.data())
def test_rate_bounds_hold_the_estimate_and_mirror(pairs, data):
    first = data.draw(st.integers(0, pairs))
    second = data.draw(st.integers(0, pairs - first))
    low, high = rate_interval(first, second, pairs, 0.95)
    assert -1 <= low <= (first - second) / pairs <= high <= 1
    mirrored = rate_interval(second, first, pairs, 0.95)
    assert (low, high) == (pytest.approx(-mirrored[1], abs=1e-6), pytest.approx(-mirrored[0], abs=1e-6))


# matched episodes


def both_worlds(writer, number, shift=0.0, origin="simulated", fails=0):
    """The arm does the same in both worlds, up to noise; shift moves the simulated elbow."""
    tracks = []
    for seed in range(number):
        for world in ("real", origin):
            one = writer.track(seed, 60, {})
            one.facts = {"origin": world, "scene": "table", "seed": seed, "success": world == "real" or seed >= fails}
            one.columns[STATE] += np.random.default_rng(1000 + seed).normal(0, 0.005, 3).astype(np.float32)
            if world != "real":
                one.columns[STATE][:, 2] += shift
            tracks.append(one)
    return writer.write(tracks)


def judged(root, **kwargs):
    entry = {"type": "expect_simulation_to_match", "kwargs": kwargs}
    return run(readers.open(root), parse(json.dumps({"name": "one", "expectations": [entry]}))).outcomes[0]


def test_worlds_that_match(writer):
    outcome = judged(both_worlds(writer, 60))
    assert outcome.status == "clean", outcome.why
    assert outcome.note.startswith("simulated: 60 pairs, farthest ")
    assert set(outcome.observed["simulated"]) == {"base_yaw", "shoulder", "elbow", "success"}


def test_a_joint_that_stands_elsewhere(writer):
    (finding,) = judged(both_worlds(writer, 20, shift=0.5, origin="stand-in")).findings
    assert finding.stream == "elbow"
    assert "recorded minus stand-in over 20 matched pairs: elbow -" in finding.message
    assert finding.value < -finding.limit
    assert len(finding.episodes) == 40


def test_success_that_differs(writer):
    found = judged(both_worlds(writer, 30, fails=20)).findings
    assert [f.stream for f in found] == ["success"]
    assert found[0].value == pytest.approx(20 / 30)


def test_few_pairs_cannot_tell(writer):
    outcome = judged(both_worlds(writer, 8))
    assert outcome.status == "not-evaluable"
    assert "8 pairs cannot tell: success +0 [" in outcome.why


def test_origins_are_compared_apart_and_need_pairs(writer):
    outcome = judged(both_worlds(writer, 3))
    assert outcome.why == "simulated: 3 pairs, 5 are needed"
    writer.folder = writer.folder / "other"
    assert "no recorded episode is matched" in judged(writer.write(writer.tracks(2))).why
