"""Declared statistics against the rows: what is stale is found, what LeRobot itself writes is classified."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.lerobot_v30 import Layout, statistics
from validators import readers
from validators.clean.rows import pooled
from validators.documents import canonical
from validators.run import run
from validators.statistics.channels import QUANTILES, of
from validators.suites import parse

LIST = "meta/episodes/chunk-000/file-000.parquet"
SUITE = parse(
    canonical(
        {
            "name": "statistics",
            "expectations": [
                {"type": "expect_statistics_to_match"},
                {"type": "expect_quantiles_of_all_rows", "severity": "warning", "meta": {"required": False}},
            ],
        }
    )
)
STATE = "observation.state"


def judged(root):
    result = run(readers.open(root), SUITE)
    return result, {o.check: o for o in result.outcomes}


@pytest.fixture
def dataset(writer):
    tracks = writer.tracks(5)
    for i, t in enumerate(tracks):  # episodes that reach differently far, as real ones do
        t.columns[STATE] = (t.columns[STATE] * (1 + i)).astype(np.float32)
    return writer.write_v30(tracks, Layout((2, 3)))


def whole(root, change):
    stats = json.loads((root / "meta/stats.json").read_text())
    change(stats)
    (root / "meta/stats.json").write_text(json.dumps(stats))


def rows(root):
    return np.array(readers.open(root).scan().collect()[STATE].to_list())


def per_episode(root, name):
    return np.array(pl.read_parquet(root / LIST)[f"stats/{STATE}/{name}"].to_list())


def test_what_was_written_is_exact(dataset):
    result, outcomes = judged(dataset)
    assert result.passed
    assert {o.status for o in outcomes.values()} == {"clean"}
    assert set(outcomes["quantiles"].observed) == {"exact"}


@pytest.mark.parametrize("name", ["min", "max", "mean", "std"])
def test_a_stale_moment_is_found(dataset, name):
    def change(stats):
        stats[STATE][name][1] += 0.5

    whole(dataset, change)
    (finding,) = judged(dataset)[0].findings
    assert (finding.check, finding.stream, finding.affected) == ("statistics", STATE, ())
    assert finding.value == pytest.approx(finding.limit + 0.5, abs=1e-3)
    assert f"{name} of shoulder is declared" in finding.message


def test_a_count_of_other_rows_is_found(dataset):
    whole(dataset, lambda stats: stats[STATE].update(count=[299]))
    (finding,) = judged(dataset)[0].findings
    assert (finding.value, finding.limit) == (299, 300)


def test_an_episode_s_own_statistics(dataset):
    table = pl.read_parquet(dataset / LIST)
    means = per_episode(dataset, "mean")
    means[[1, 3], 2] += 1.0
    table.with_columns(pl.Series(f"stats/{STATE}/mean", means.tolist())).write_parquet(dataset / LIST)
    (finding,) = judged(dataset)[0].findings
    assert (finding.check, finding.stream, finding.affected) == ("statistics", STATE, (1, 3))
    assert "mean of elbow" in finding.message


def test_the_mean_of_the_episodes_quantiles_is_a_defect(dataset):
    """What LeRobot's aggregate_stats writes."""
    mean = per_episode(dataset, "q99").mean(axis=0)
    whole(dataset, lambda stats: stats[STATE].update(q99=mean.tolist()))
    result, outcomes = judged(dataset)
    (finding,) = result.findings
    assert (finding.check, finding.severity, finding.limit) == ("quantiles", "warning", 0.99)
    below = (rows(dataset) <= mean + 1e-3 * np.ptp(rows(dataset), axis=0)).mean(axis=0)
    assert finding.value == pytest.approx(below[np.abs(below - 0.99).argmax()], abs=1e-6)
    assert "mean of the episodes' own" in finding.message
    assert outcomes["quantiles"].observed["mean"] == 3


def test_an_envelope_is_noted(dataset):
    reach = {"q99": per_episode(dataset, "q99").max(axis=0), "q01": per_episode(dataset, "q01").min(axis=0)}
    whole(dataset, lambda stats: stats[STATE].update({k: v.tolist() for k, v in reach.items()}))
    result, outcomes = judged(dataset)
    assert not result.findings
    assert "envelope" in outcomes["quantiles"].note


def test_a_quantile_of_nothing_here(dataset):
    whole(dataset, lambda stats: stats[STATE].update(q99=[9.0, 9.0, 9.0]))
    (finding,) = judged(dataset)[0].findings
    assert "no quantile of the rows" in finding.message


def test_part_of_a_dataset_says_nothing_of_the_whole(dataset):
    (dataset / "data/chunk-000/file-001.parquet").unlink()
    result, outcomes = judged(dataset)
    assert not result.findings
    assert "3 of the listed episodes are not here" in outcomes["statistics"].note
    assert outcomes["quantiles"].status == "not-evaluable"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"action": 3}'])
def test_a_file_that_cannot_be_read(dataset, text):
    (dataset / "meta/stats.json").write_text(text)
    result, outcomes = judged(dataset)
    assert [(f.check, f.stream) for f in result.findings] == [("statistics", "statistics")]
    assert outcomes["quantiles"].status == "not-evaluable"


def test_another_width(dataset):
    whole(dataset, lambda stats: stats[STATE].update(mean=[0.0]))
    (finding,) = judged(dataset)[0].findings
    assert "has 1 channels" in finding.message


def test_v21_keeps_them_by_episode(writer):
    tracks = writer.tracks(3)
    root = writer.write(tracks)
    lines = [
        {"episode_index": i, "stats": {STATE: statistics(t.columns[STATE]), "index": {"mean": [77.0]}}}
        for i, t in enumerate(tracks)
    ]
    path = root / "meta/episodes_stats.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert not judged(root)[0].findings  # nobody normalises an index
    lines[2]["stats"][STATE]["std"][0] += 1.0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (finding,) = judged(root)[0].findings
    assert (finding.check, finding.affected) == ("statistics", (2,))


def test_nothing_declared_is_not_evaluable(writer):
    assert {o.status for o in judged(writer.write(writer.tracks(2)))[1].values()} == {"not-evaluable"}


numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_pooled_moments_are_those_of_all_rows(episodes):
    parts = [of(np.array(e)[:, None]) for e in episodes]
    every = of(np.concatenate([np.array(e) for e in episodes])[:, None])
    found = pooled(parts)
    for name in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(found[name], every[name], rtol=1e-6, atol=1e-3)
    assert found["count"] == [sum(map(len, episodes))]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_quantiles_of_any_rows_are_exact_however_they_are_spread(writer, data):
    """Ties, constant channels and two values: the quantile that numpy gives is one that counting accepts."""
    values = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 1e-3, 5.0]), min_size=10, max_size=60))
    tracks = writer.tracks(1, rows=len(values))
    tracks[0].columns[STATE] = np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)
    number = len(list(writer.folder.iterdir()))
    root = writer.write_v30(tracks, Layout((1,)), f"set {number}")
    assert set(judged(root)[1]["quantiles"].observed) == {"exact"}
    assert set(QUANTILES) <= json.loads((root / "meta/stats.json").read_text())[STATE].keys()
