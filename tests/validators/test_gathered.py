"""Many small files in one: the same rows in the same episodes, the same verdict, and damage found as before."""

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validators import planner, readers, run, suites
from validators.gathered import LEAST_FILES, gathered


def as_they_lie(streams, episodes, needs):
    """The same pass over the files where they lie: an engine of another name is not given the one file."""
    return planner.read_all(streams, episodes, needs)


def test_the_same_verdict_on_many_files(writer, robot):
    tracks = writer.tracks(LEAST_FILES + 3, rows=20)
    tracks[5].columns["timestamp"][10:] += 0.4
    tracks[7].columns["observation.state"][3, 1] = np.nan
    root = writer.write(tracks)
    other = writer.write(tracks, "other", array=True)
    for i in range(0, LEAST_FILES, 2):  # two encodings, so two tables
        name = f"data/chunk-000/episode_{i:06d}.parquet"
        (other / name).replace(root / name)
    recording = readers.open(root)
    suite = suites.load("arm@2")
    assert len({p.path for t in gathered(recording).streams["frames"].tables for p in t.parts}) == 2
    one, lying = run.run(recording, suite, robot), run.run(recording, suite, robot, read=as_they_lie)
    ours, theirs = one.to_dict(), lying.to_dict()
    assert (ours.pop("engine")["engine"], theirs.pop("engine")["engine"]) == ("assay-polars", "unnamed")
    assert ours == theirs
    assert {5, 7} <= {i for f in one.findings for i in f.affected}


def test_few_files_and_large_ones_stay_where_they_lie(writer):
    recording = readers.open(writer.write(writer.tracks(LEAST_FILES - 1, rows=5)))
    assert gathered(recording) is recording


def test_a_damaged_file_among_many_is_named(writer):
    root = writer.write(writer.tracks(LEAST_FILES + 1, rows=40))
    path = root / "data/chunk-000/episode_000004.parquet"
    content = bytearray(path.read_bytes())
    content[100:700] = bytes(600)
    path.write_bytes(content)
    result = run.run(readers.open(root), suites.load("recording@1"))
    assert [(f.check, f.episode) for f in result.findings if f.check == "readable"] == [("readable", 4)]
    assert len(result.recording.episodes) == LEAST_FILES


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 30), min_size=LEAST_FILES, max_size=LEAST_FILES + 8), seed=st.integers(0, 99))
def test_every_row_keeps_its_episode_and_place(tmp_path_factory, lengths, seed):
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(seed)
    for i, rows in enumerate(lengths):
        columns = {"timestamp": np.arange(rows) / 10, "v": rng.normal(size=rows), "name": [f"{i}"] * rows}
        pl.DataFrame(columns).write_parquet(folder / f"{i:03d}.parquet")
    recording = readers.open(folder)
    stream, one = recording.streams["frames"], gathered(recording).streams["frames"]
    assert len({p.path for t in one.tables for p in t.parts}) == 1
    assert one.frames().collect().equals(stream.frames().collect())
    some = [0, LEAST_FILES - 1]
    kept = ["__episode__", "__frame__", "__start__", "timestamp", "v"]
    assert one.frames(some).select(kept).collect().equals(stream.frames(some).select(kept).collect())
