import numpy as np
import polars as pl
import pytest

from validators import readers
from validators.run import run
from validators.suites import for_recording, load


def made(rows=50, seed=0):
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.normal(size=(rows, 2)), axis=0)
    return pl.DataFrame(
        {"timestamp": np.arange(rows) / 10, "observation.state": pl.Series(state).arr.to_list(), "effort": state[:, 0]}
    )


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "deep/c"):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        made(seed=ord(name[-1])).write_parquet(path)
    return tmp_path


def test_each_file_is_an_episode_in_order_of_name(folder):
    recording = readers.open(folder)
    assert [(e.index, e.path, e.length) for e in recording.episodes] == [
        (0, "a.parquet", 50),
        (1, "b.parquet", 50),
        (2, "deep/c.parquet", 50),
    ]
    assert recording.features["observation.state"].width == 2
    assert recording.features["effort"].dtype == "float64"
    table = recording.scan(["observation.state"]).collect()
    assert table["episode_index"].to_list() == [0] * 50 + [1] * 50 + [2] * 50
    assert table["frame_index"].to_list() == list(range(50)) * 3
    assert (
        table["observation.state[1]"][50:100].to_list()
        == made(seed=ord("b"))["observation.state"].list.get(1).to_list()
    )


def test_the_generic_suite_says_what_it_cannot_judge(folder):
    recording = readers.open(folder)
    suite, why = for_recording(recording)
    result = run(recording, suite)
    assert why.startswith("recording@2")
    assert result.passed
    silent = {o.check for o in result.outcomes if o.status == "not-evaluable"}
    assert silent == {
        "counts",
        "indices",
        "coverage",
        "sync_spread",
        "clock_drift",
        "recorder_dropout",
        "frozen_rows",
        "effective_frame_rate",
    }


def test_defects_without_any_metadata(folder):
    table = made()
    clock = table["timestamp"].to_numpy().copy()
    clock[10] = clock[9]
    effort = table["effort"].to_numpy().copy()
    effort[3] = np.nan
    table.with_columns(timestamp=clock, effort=effort).write_parquet(folder / "b.parquet")
    result = run(readers.open(folder), load("recording@1"))
    assert {(f.check, f.stream, f.episode) for f in result.findings} == {
        ("monotonic_time", "timestamp", 1),
        ("nan", "effort", 1),
    }


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda t: t.drop("timestamp"), "column-missing"),
        (lambda t: t.with_columns(timestamp=pl.col("timestamp").cast(pl.String)), "column-type"),
        (lambda t: t.with_columns(timestamp=pl.col("timestamp").cast(pl.Datetime)), "column-type"),
        (lambda t: t.with_columns(pl.col("effort").cast(pl.String)), "column-type"),
        (lambda t: t.with_columns(pl.Series("observation.state", np.zeros((50, 5)))), "column-type"),
    ],
)
def test_a_file_unlike_the_first(folder, change, kind):
    change(made()).write_parquet(folder / "deep/c.parquet")
    recording = readers.open(folder)
    assert [(p.kind, p.path) for p in recording.problems] == [(kind, "deep/c.parquet")]
    assert len(recording.episodes) == 2
