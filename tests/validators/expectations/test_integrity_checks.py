import numpy as np
import polars as pl
import pytest

from validators import readers
from validators.run import run
from validators.suites import load


def judged(root):
    return run(readers.open(root), load("arm@1"))


@pytest.mark.parametrize(
    ("total", "stream"),
    [("total_episodes", "total_episodes"), ("total_frames", "total_frames"), ("total_tasks", "total_tasks")],
)
def test_totals_that_disagree(writer, total, stream):
    root = writer.write(writer.tracks(2))
    writer.info(root, lambda info: info.update({total: 99}))
    (finding,) = judged(root).findings
    assert (finding.check, finding.stream, finding.limit, finding.severity) == ("counts", stream, 99, "blocking")


def test_a_length_that_disagrees_names_the_episode(writer):
    root = writer.write(writer.tracks(2))
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text().replace('"length": 60', '"length": 61', 1))
    (finding,) = judged(root).findings
    assert (finding.check, finding.episode, finding.value, finding.limit) == ("counts", 0, 60, 61)


def test_a_listed_episode_without_data(writer):
    root = writer.write(writer.tracks(3))
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    messages = [f.message for f in judged(root).findings if f.check == "counts"]
    assert any("1 episodes of episodes.jsonl have no data file: 1" in m for m in messages)


def test_videos_that_are_declared_and_absent(writer):
    root = writer.write(writer.tracks(2))
    writer.info(
        root,
        lambda info: info["features"].update(
            {"observation.images.top": {"dtype": "video", "shape": [4, 4, 3], "names": None}}
        ),
    )
    writer.info(root, lambda info: info.update(video_path="videos/{video_key}/{episode_index:06d}.mp4"))
    result = judged(root)
    assert [(f.check, f.stream, f.episodes) for f in result.findings] == [("counts", "observation.images.top", (0, 1))]
    assert {o.status for o in result.outcomes if o.check == "effective_frame_rate"} == {"not-evaluable"}


@pytest.mark.parametrize("column", ["frame_index", "index"])
def test_duplicate_indices(writer, column):
    root = writer.write(writer.tracks(2))
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pl.read_parquet(path)
    values = table[column].to_numpy().copy()
    values[20] = values[19]
    table.with_columns(pl.Series(column, values)).write_parquet(path)
    (finding,) = judged(root).findings
    assert (finding.check, finding.stream, finding.episode) == ("indices", column, 1)


def test_an_episode_under_anothers_name(writer):
    root = writer.write(writer.tracks(3))
    data = root / "data/chunk-000"
    (data / "episode_000001.parquet").write_bytes((data / "episode_000002.parquet").read_bytes())
    found = judged(root).findings
    assert [(f.check, f.stream, f.episode, f.value) for f in found] == [("indices", "episode_index", 1, 2.0)]


def test_rows_cut_from_the_start(writer):
    tracks = writer.tracks(2)
    root = writer.write(tracks)
    path = root / "data/chunk-000/episode_000000.parquet"
    pl.read_parquet(path).tail(50).write_parquet(path)
    found = {(f.check, f.stream) for f in judged(root).findings}
    assert found == {("indices", "frame_index"), ("counts", "length"), ("counts", "total_frames")}


def test_another_dtype_than_declared(writer):
    tracks = writer.tracks(2)
    tracks[1].columns["action"] = tracks[1].columns["action"].astype(np.float64)
    found = judged(writer.write(tracks)).findings
    assert [(f.check, f.stream, f.episodes) for f in found] == [("types", "action", (1,))]
    assert found[0].message == "holds float64, declared float32"
