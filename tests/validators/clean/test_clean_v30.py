"""A v3.0 dataset without some episodes, by the format's documented rules, its pictures counted one by one."""

import json
import shutil
import tempfile
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.lerobot_v30 import Layout, number_of, numbers, statistics, times
from validators import readers
from validators.clean import clean, video
from validators.errors import UncleanableDataset
from validators.findings import Finding
from validators.fingerprint import fingerprints
from validators.run import run
from validators.suites import load

TOP = "observation.images.top"
LENGTHS = (20, 21, 23, 20, 25, 22)


def layout(**changes):
    return Layout(**{"data": (2, 3, 1), "videos": (3, 3), "cameras": (TOP,), **changes})


def tracks(writer, tasks=("swing",)):
    found = writer.tracks(len(LENGTHS))
    for i, (t, rows) in enumerate(zip(found, LENGTHS, strict=True)):
        t.columns = {n: v[:rows] for n, v in t.columns.items()}
        t.facts = {"task": tasks[i % len(tasks)]}
    return found


@pytest.fixture
def dataset(writer):
    return writer.write_v30(tracks(writer), layout())


def listed(root: Path) -> pl.DataFrame:
    return pl.read_parquet(root / "meta/episodes/chunk-000/file-000.parquet")


def shown(root: Path, line: dict) -> list[int]:
    """The numbers of the pictures in the time range of an episode, as LeRobot's loader asks for them."""
    place = {k: line[f"videos/{TOP}/{k}"] for k in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")}
    path = root / f"videos/{TOP}/chunk-{place['chunk_index']:03d}/file-{place['file_index']:03d}.mp4"
    at, seen = np.array(times(path)), numbers(path)
    wanted = place["from_timestamp"] + np.arange(line["length"]) / 20
    nearest = np.abs(at[None] - wanted[:, None]).argmin(axis=1)
    assert np.abs(at[nearest] - wanted).max() < 1e-4  # LeRobot's tolerance
    assert place["to_timestamp"] == pytest.approx(wanted[-1] + 1 / 20, abs=1e-4)
    return [seen[i] for i in nearest]


def holds(root: Path, kept: dict[int, int]) -> None:
    """The dataset follows the rules of v3.0 and shows, row for row, what the old one showed."""
    recording = readers.open(root)
    assert run(recording, load("recording@1")).passed
    info = json.loads((root / "meta/info.json").read_text())
    rows = recording.scan().collect()
    lines = listed(root)
    assert lines["episode_index"].to_list() == list(range(len(kept))) == [e.index for e in recording.episodes]
    assert (info["total_episodes"], info["total_frames"]) == (len(kept), rows.height)
    assert rows["index"].to_list() == list(range(rows.height))
    assert lines["length"].to_list() == [LENGTHS[old] for old in kept.values()]
    for line, old in zip(lines.iter_rows(named=True), kept.values(), strict=True):
        mine = rows.slice(line["dataset_from_index"], line["length"])
        assert mine["episode_index"].unique().to_list() == [line["episode_index"]]
        assert line["dataset_to_index"] - line["dataset_from_index"] == line["length"]
        assert shown(root, line) == [number_of(old, row) for row in range(LENGTHS[old])]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(
    ("keyframes", "drop", "how"),
    [
        (True, {3, 4, 5}, ["copied"]),
        (True, {1}, ["copied", "cut"]),
        (False, {2, 5}, None),  # the end of a file needs no keyframe, but no picture may refer to a later one
        (False, {0}, ["copied", "encoded"]),
    ],
)
def test_videos_are_exact_to_the_frame(writer, codec, keyframes, drop, how):
    root = writer.write_v30(tracks(writer), layout(codec=codec, keyframe_at_episodes=keyframes))
    report = clean(readers.open(root), writer.folder / "out", drop)
    holds(writer.folder / "out", dict(report.kept))
    done = sorted(v.how for v in report.videos)
    assert done == how if how else set(done) <= {"cut", "encoded"}
    with av.open(str(writer.folder / "out" / report.videos[0].path)) as container:
        assert container.streams.video[0].codec.canonical_name == codec


def test_a_cut_leaves_the_pictures_untouched(writer, dataset):
    (cut,) = (v for v in clean(readers.open(dataset), writer.folder / "out", {1}).videos if v.how == "cut")

    def planes(path):
        with av.open(str(path)) as container:
            return [f.to_ndarray().tobytes() for f in container.decode(video=0)]

    before, after = planes(dataset / cut.source), planes(writer.folder / "out" / cut.path)
    assert after == before[:20] + before[41:]


def test_the_rest_is_a_whole_dataset(writer, dataset):
    recording = readers.open(dataset)
    why = [Finding("gap", "timestamp", "50 ms without a row", episode=1, value=50.0, limit=75.0, unit="ms")]
    report = clean(recording, writer.folder / "out", {1, 5}, why)
    assert (report.kept, report.dropped, report.frames) == ({0: 0, 1: 2, 2: 3, 3: 4}, (1, 5), 88)
    again = readers.open(writer.folder / "out")
    before, after = fingerprints(recording), fingerprints(again)
    assert after == {new: before[old] for new, old in report.kept.items()}
    record = json.loads((writer.folder / "out/meta/assay_clean.json").read_text())
    assert [d["episode"] for d in record["dropped"]] == [1, 5]
    assert record["dropped"][0]["findings"][0] == {
        "check": "gap",
        "severity": "blocking",
        "stream": "timestamp",
        "message": "50 ms without a row",
        "value": 50.0,
        "limit": 75.0,
        "unit": "ms",
    }
    assert str(writer.folder) not in json.dumps(record)
    assert [e.provenance["selected_from_episode"] for e in again.episodes] == [0, 2, 3, 4]
    assert not list((writer.folder / "out").glob("data/chunk-000/file-002*"))


def test_statistics_are_those_of_the_rows(writer, dataset):
    out = writer.folder / "out"
    clean(readers.open(dataset), out, {1})
    rows = readers.open(out).scan().collect()
    whole = json.loads((out / "meta/stats.json").read_text())
    state = np.array(rows["observation.state"].to_list())
    for name, wanted in statistics(state).items():
        np.testing.assert_allclose(whole["observation.state"][name], wanted, rtol=1e-6, atol=1e-9)
    assert whole["episode_index"]["max"] == [4.0]
    line = listed(out).row(1, named=True)
    for name, wanted in statistics(state[20:43]).items():
        np.testing.assert_allclose(line[f"stats/observation.state/{name}"], wanted, rtol=1e-6, atol=1e-9)


def test_only_tasks_that_are_used_stay(writer):
    root = writer.write_v30(tracks(writer, ("swing", "rest")), layout())
    out = writer.folder / "out"
    clean(readers.open(root), out, {0, 2, 4})
    again = readers.open(out)
    assert again.facts.tasks == ("rest",)
    assert again.scan().collect()["task_index"].unique().to_list() == [0]
    assert json.loads((out / "meta/info.json").read_text())["total_tasks"] == 1


def test_splits_follow_their_episodes(writer):
    root = writer.write_v30(tracks(writer), layout(splits={"train": "0:3", "val": "3:4", "test": "4:6"}))
    clean(readers.open(root), writer.folder / "out", {0, 3})
    info = json.loads((writer.folder / "out/meta/info.json").read_text())
    assert info["splits"] == {"train": "0:2", "test": "2:4"}


def test_statistics_of_pictures_are_carried_and_pooled(writer, dataset):
    path = dataset / "meta/episodes/chunk-000/file-000.parquet"
    lines = listed(dataset)
    for name, scale in {"min": 0.0, "max": 1.0, "mean": 0.1, "std": 0.01, "count": 100}.items():
        values = [[scale * (i + 1)] if name != "count" else [100] for i in range(lines.height)]
        nested = values if name == "count" else [[[v], [v], [v]] for v in values]
        lines = lines.with_columns(pl.Series(f"stats/{TOP}/{name}", nested))
    lines.write_parquet(path)
    clean(readers.open(dataset), writer.folder / "out", {0, 1, 2, 3})
    whole = json.loads((writer.folder / "out/meta/stats.json").read_text())[TOP]
    assert whole["count"] == [200]
    np.testing.assert_allclose(whole["mean"], np.full((3, 1, 1), 0.55))
    np.testing.assert_allclose(whole["std"], np.full((3, 1, 1), np.sqrt((0.05**2 + 0.06**2) / 2 + 0.05**2)))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drop=st.sets(st.integers(0, 5), max_size=5))
def test_any_choice(dataset, drop):
    with tempfile.TemporaryDirectory() as folder:
        report = clean(readers.open(dataset), Path(folder) / "out", drop)
        assert sorted({*report.kept.values(), *report.dropped}) == [0, 1, 2, 3, 4, 5]
        holds(Path(folder) / "out", dict(report.kept))


def refused(root, out, drop):
    with pytest.raises(UncleanableDataset) as caught:
        clean(readers.open(root), out, drop)
    assert not out.exists()
    return caught.value.kind


def test_what_is_refused(writer, dataset):
    out = writer.folder / "out"
    video_file = dataset / f"videos/{TOP}/chunk-000/file-001.mp4"
    content = video_file.read_bytes()
    video_file.write_bytes(content[:500])
    assert refused(dataset, out, {4}) == "video-uncuttable"
    video_file.unlink()
    assert refused(dataset, out, {0}) == "video-missing"
    assert clean(readers.open(dataset), out, {3, 4, 5}).frames == 64
    shutil.rmtree(out)
    path = dataset / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert refused(dataset, out, {3, 4, 5}) == "unreadable"
    assert sorted(p.name for p in writer.folder.iterdir()) == ["shared files"]


def test_nothing_is_left_when_the_disk_is_full(writer, dataset, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(video, "_remux", full)
    with pytest.raises(OSError, match="No space"):
        clean(readers.open(dataset), writer.folder / "out", {1})
    assert sorted(p.name for p in writer.folder.iterdir()) == ["shared files"]
