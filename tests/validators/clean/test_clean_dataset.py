import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.lerobot_v30 import number_of, numbers
from tests.support.lerobot_v30 import video as film
from validators import readers
from validators.clean import clean
from validators.clean import v21 as module
from validators.errors import UncleanableDataset
from validators.fingerprint import fingerprints
from validators.readers.lerobot.v21 import locate
from validators.run import run
from validators.suites import load


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def dataset(writer):
    tracks = writer.tracks(5)
    for i, t in enumerate(tracks):
        t.columns = {n: v[: 40 + i] for n, v in t.columns.items()}
        t.facts = {"rig": "a", "seed": 100 + i}
    return writer.write(tracks)


def test_the_rest_is_a_whole_dataset(writer, dataset):
    recording = readers.open(dataset)
    out = writer.folder / "deep" / "out"
    report = clean(recording, out, {1, 3})
    assert (report.kept, report.dropped, report.frames) == ({0: 0, 1: 2, 2: 4}, (1, 3), 126)
    again = readers.open(out)
    result = run(again, load("arm@1"), writer.robot)
    assert result.passed
    assert {o.check for o in result.outcomes if o.status == "clean"} >= {"counts", "types", "indices", "joint_zero"}
    assert [e.length for e in again.episodes] == [40, 42, 44]
    assert again.scan().collect()["index"].to_list() == list(range(126))
    before, after = fingerprints(recording), fingerprints(again)
    assert after == {new: before[old] for new, old in report.kept.items()}
    assert [
        (p["episode_index"], p["selected_from_episode"], p["seed"]) for p in lines(out / "meta/assay_episodes.jsonl")
    ] == [
        (0, 0, 100),
        (1, 2, 102),
        (2, 4, 104),
    ]
    assert (out / "meta/tasks.jsonl").read_text() == (dataset / "meta/tasks.jsonl").read_text()
    info = json.loads((out / "meta/info.json").read_text())
    assert (info["total_episodes"], info["total_frames"], info["splits"]) == (3, 126, {"train": "0:3"})


def test_statistics_are_those_of_the_rows(writer, dataset):
    out = writer.folder / "out"
    clean(readers.open(dataset), out, {0})
    found = lines(out / "meta/episodes_stats.jsonl")[0]["stats"]
    rows = pl.read_parquet(dataset / "data/chunk-000/episode_000001.parquet")
    state = np.array(rows["observation.state"].to_list())
    for name, wanted in {"min": state.min(0), "max": state.max(0), "mean": state.mean(0), "std": state.std(0)}.items():
        np.testing.assert_allclose(found["observation.state"][name], wanted, atol=1e-6)
    assert found["episode_index"]["max"] == [0.0]
    assert found["action"]["count"] == [41]


def test_selected_from_is_the_parent_also_the_second_time(writer, dataset):
    clean(readers.open(dataset), writer.folder / "once", {0})
    clean(readers.open(writer.folder / "once"), writer.folder / "twice", {0})
    assert [p["selected_from_episode"] for p in lines(writer.folder / "twice/meta/assay_episodes.jsonl")] == [1, 2, 3]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drop=st.sets(st.integers(0, 4), max_size=4))
def test_any_choice(dataset, drop):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        report = clean(readers.open(dataset), out, drop)
        assert sorted({*report.kept.values(), *report.dropped}) == [0, 1, 2, 3, 4]
        assert [e.length for e in readers.open(out).episodes] == [40 + i for i in report.kept.values()]


def refused(recording, out, drop):
    with pytest.raises(UncleanableDataset) as caught:
        clean(recording, out, drop)
    assert not out.exists()
    return caught.value.kind


def test_what_is_refused(writer, dataset, shared):
    out = writer.folder / "out"
    recording = readers.open(dataset)
    assert refused(recording, out, {0, 1, 2, 3, 4}) == "nothing-left"
    assert refused(recording, out, {9}) == "episode-unknown"
    assert refused(readers.open(shared / "lerobot_v21_unitree_g1"), out, {0}) == "video-missing"
    assert sorted(p.name for p in writer.folder.iterdir()) == ["data set"]


def test_an_existing_folder_is_never_touched(writer, dataset):
    out = writer.folder / "out"
    out.mkdir()
    with pytest.raises(UncleanableDataset) as caught:
        clean(readers.open(dataset), out, {0})
    assert caught.value.kind == "out-exists"
    assert not list(out.iterdir())


def test_a_plain_folder_is_not_written(tmp_path):
    pl.DataFrame({"timestamp": [0.0, 0.1]}).write_parquet(tmp_path / "a.parquet")
    assert refused(readers.open(tmp_path), tmp_path / "out", {0}) == "format-unsupported"


def test_damaged_and_not_finite_episodes_must_be_dropped(writer, dataset):
    path = dataset / "data/chunk-000/episode_000002.parquet"
    path.write_bytes(path.read_bytes()[:100])
    out = writer.folder / "out"
    assert refused(readers.open(dataset), out, {0}) == "unreadable"
    assert clean(readers.open(dataset), out, {2}).kept == {0: 0, 1: 1, 2: 3, 3: 4}
    tracks = writer.tracks(2)
    tracks[1].columns["action"][3, 0] = np.nan
    root = writer.write(tracks, "nan")
    assert refused(readers.open(root), writer.folder / "out2", set()) == "not-finite"
    assert clean(readers.open(root), writer.folder / "out2", {1}).frames == 60


def test_a_stray_file_is_not_carried(writer, dataset):
    (dataset / "data/chunk-000/stray.parquet").write_bytes(b"x")
    assert clean(readers.open(dataset), writer.folder / "out", {0}).frames == 170
    assert not readers.open(writer.folder / "out").problems


def test_nothing_is_left_when_writing_fails(writer, dataset, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        clean(readers.open(dataset), writer.folder / "out", {0})
    assert sorted(p.name for p in writer.folder.iterdir()) == ["data set"]


def test_a_link_in_meta_is_not_followed_out(writer, dataset, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    (dataset / "meta/extra.json").symlink_to(secret)
    with pytest.raises(Exception, match="outside"):
        clean(readers.open(dataset), writer.folder / "out", {0})
    assert not (writer.folder / "out").exists()


def with_videos(writer, name="filmed"):
    """A v2.1 dataset with a video an episode, each picture numbered."""
    tracks = writer.tracks(4, rows=30)
    root = writer.write(tracks, name)
    template = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    feature = {"dtype": "video", "shape": [64, 128, 3], "names": ["height", "width", "channels"]}
    writer.info(root, lambda info: info.update(video_path=template, total_videos=4))
    writer.info(root, lambda info: info["features"].update({"observation.images.top": feature}))
    for i in range(4):
        film(root / locate(template, i, 1000, "observation.images.top"), [number_of(i, row) for row in range(30)], 20)
    stats = {k: [[[0.1 * v]]] * 3 for v, k in enumerate(("min", "mean", "std", "max"))} | {"count": [30]}
    text = ({"episode_index": i, "stats": {"observation.images.top": stats}} for i in range(4))
    (root / "meta/episodes_stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in text))
    return root


def test_videos_go_with_their_episodes(writer):
    root, out = with_videos(writer), writer.folder / "out"
    report = clean(readers.open(root), out, {1})
    assert [v.how for v in report.videos] == ["copied"] * 3
    again = readers.open(out)
    assert run(again, load("recording@1")).passed
    for new, old in report.kept.items():
        (_, path) = again.episodes[new].files
        assert numbers(out / path) == [number_of(old, row) for row in range(30)]
    assert json.loads((out / "meta/info.json").read_text())["total_videos"] == 3
    carried = lines(out / "meta/episodes_stats.jsonl")[1]["stats"]
    assert carried["observation.images.top"]["count"] == [30]
    assert carried["action"]["count"] == [30]


def test_an_episode_without_its_video_must_be_dropped(writer):
    root = with_videos(writer)
    (root / "videos/chunk-000/observation.images.top/episode_000002.mp4").unlink()
    assert refused(readers.open(root), writer.folder / "out", {0}) == "video-missing"
    assert clean(readers.open(root), writer.folder / "out", {2}).frames == 90


def test_the_real_recording_keeps_what_is_whole(shared, tmp_path):
    recording = readers.open(shared / "lerobot_v21_unitree_g1")
    result = run(recording, load("humanoid@1"))
    report = clean(recording, tmp_path / "out", set(result.failing_episodes), result.blocking)
    assert report.kept == {0: 59, 1: 82}
    again = readers.open(tmp_path / "out")
    assert run(again, load("humanoid@1")).passed
    assert json.loads((tmp_path / "out/meta/info.json").read_text())["splits"] == {"train": "0:2"}
    record = json.loads((tmp_path / "out/meta/assay_clean.json").read_text())
    assert {d["episode"]: d["findings"][0]["check"] for d in record["dropped"]} == dict.fromkeys(
        (0, 5, 29, 30), "counts"
    )


def test_tasks_that_other_columns_may_name_keep_their_numbers(writer, dataset):
    (dataset / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "a"}\n{"task_index": 1, "task": "swing"}\n')
    clean(readers.open(dataset), writer.folder / "out", {0})
    assert [line["task"] for line in lines(writer.folder / "out/meta/tasks.jsonl")] == ["a", "swing"]
    feature = {"dtype": "int64", "shape": [1], "names": None}
    name = "annotation.human.action.task_description"
    for path in sorted((dataset / "data/chunk-000").iterdir()):
        pl.read_parquet(path).with_columns(pl.lit(1, pl.Int64).alias(name)).write_parquet(path)
    writer.info(dataset, lambda info: info["features"].update({name: feature}))
    clean(readers.open(dataset), writer.folder / "out2", {0})
    assert [line["task"] for line in lines(writer.folder / "out2/meta/tasks.jsonl")] == ["a", "swing"]


def test_statistics_of_all_rows_are_made_anew_where_a_v21_set_has_them(writer, dataset):
    (dataset / "meta/stats.json").write_text('{"action": {"mean": [9, 9, 9]}}')
    clean(readers.open(dataset), writer.folder / "out", {0, 2})
    whole = json.loads((writer.folder / "out/meta/stats.json").read_text())
    rows = np.array(readers.open(writer.folder / "out").scan().collect()["action"].to_list())
    np.testing.assert_allclose(whole["action"]["q99"], np.quantile(rows, 0.99, axis=0), rtol=1e-6)


def test_splits_that_are_no_ranges_are_refused(writer, dataset):
    writer.info(dataset, lambda info: info.update(splits={"train": "even"}))
    assert refused(readers.open(dataset), writer.folder / "out", {0}) == "format-unsupported"


def test_a_second_cleaning_keeps_the_record_of_the_first(writer, dataset):
    clean(readers.open(dataset), writer.folder / "once", {1})
    clean(readers.open(writer.folder / "once"), writer.folder / "twice", {0})
    record = json.loads((writer.folder / "twice/meta/assay_clean.json").read_text())
    assert [d["episode"] for d in record["dropped"]] == [0]
    assert [d["episode"] for d in record["before"]["dropped"]] == [1]
