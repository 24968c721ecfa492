import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.lerobot_v30 import Layout, number_of, picture
from validators import readers
from validators.errors import UnreadableDataset
from validators.run import run
from validators.suites import load

TOP = "observation.images.top"
LIST = "meta/episodes/chunk-000/file-000.parquet"
FILES = Layout((2, 3), (3, 2), (TOP,))


@pytest.fixture
def dataset(writer):
    return writer.write_v30(writer.tracks(5, rows=24), FILES)


def relist(root: Path, **columns) -> None:
    """Change columns of the list of episodes; a name has `__` where the column has a slash."""
    table = pl.read_parquet(root / LIST)
    made = [pl.Series(name.replace("__", "/").replace("TOP", TOP), values) for name, values in columns.items()]
    table.with_columns(made).write_parquet(root / LIST)


def kind(root: Path) -> str:
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(root)
    assert caught.value.path
    return caught.value.kind


def test_reads_what_was_written(writer):
    tracks = writer.tracks(5, rows=24)
    tracks[3].columns = {n: v[:20] for n, v in tracks[3].columns.items()}
    tracks[4].facts = {"task": "rest"}
    recording = readers.open(writer.write_v30(tracks, FILES))
    assert (recording.format, recording.facts.fps, recording.facts.robot_type) == ("lerobot-v3.0", 20, "test_arm")
    assert recording.facts.tasks == ("swing", "rest")
    assert recording.facts.splits == {"train": (0, 5)}
    assert [e.length for e in recording.episodes] == [24, 24, 24, 20, 24]
    assert [e.task for e in recording.episodes] == ["swing"] * 4 + ["rest"]
    assert recording.episodes[3].files == (
        "data/chunk-000/file-001.parquet",
        f"videos/{TOP}/chunk-000/file-001.mp4",
    )
    assert recording.episodes[3].end_s == pytest.approx(19 / 20, abs=0.01)
    rows = recording.scan(["observation.state"]).collect()
    state = np.concatenate([t.columns["observation.state"] for t in tracks])
    np.testing.assert_array_equal(rows["observation.state[2]"].to_numpy(), state[:, 2])
    camera = recording.cameras[TOP]
    assert (camera.width, camera.height, camera.codec, camera.fps) == (128, 64, "h264", 20)
    assert run(recording, load("arm@1"), writer.robot).passed


def test_one_episode_of_a_shared_file_alone(dataset):
    recording = readers.open(dataset)
    frame = recording.main.frames([3]).collect()
    assert frame["index"].to_list() == list(range(72, 96))


def test_pictures_are_those_of_the_episode(dataset):
    camera = readers.open(dataset).cameras[TOP]
    for episode in (1, 2, 4):
        seen = [p.luma for p in camera.pictures(episode)]
        assert len(seen) == 24
        for row, luma in enumerate(seen):
            wanted = picture(number_of(episode, row))[:, :, 0]
            assert np.abs(luma.astype(int) - wanted).mean() < 20


def test_images_in_the_rows_are_pictures_too(writer):
    import io

    from PIL import Image

    root = writer.write_v30(writer.tracks(2, rows=6), Layout((2,)))
    path = root / "data/chunk-000/file-000.parquet"
    images = []
    for number in range(12):
        file = io.BytesIO()
        Image.fromarray(picture(number)).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": f"{number}.png"})
    pl.read_parquet(path).with_columns(pl.Series(TOP, images)).write_parquet(path)
    feature = {"dtype": "image", "shape": [64, 128, 3], "names": ["height", "width", "channels"]}
    writer.info(root, lambda info: info["features"].update({TOP: feature}))
    camera = readers.open(root).cameras[TOP]
    assert (camera.width, camera.height, sorted(camera.episodes)) == (128, 64, [0, 1])
    seen = list(camera.pictures(1))
    assert [p.time_s for p in seen] == pytest.approx([i / 20 for i in range(6)], abs=0.01)
    np.testing.assert_allclose(seen[2].luma, picture(8)[:, :, 0], atol=2)


def test_several_lists_and_files_of_another_order(writer, dataset):
    """Lists may be cut anywhere, and hold episodes in any order."""
    table = pl.read_parquet(dataset / LIST)
    table[[4, 1]].write_parquet(dataset / LIST)
    table[[3, 0, 2]].write_parquet(dataset / "meta/episodes/chunk-000/file-001.parquet")
    recording = readers.open(dataset)
    assert [e.index for e in recording.episodes] == [0, 1, 2, 3, 4]
    assert run(recording, load("arm@1"), writer.robot).passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset_to_index": [24, 50, 72, 96, 120], "dataset_from_index": [0, 24, 48, 72, 96]}, "has only 24"),
        ({"dataset_from_index": [0, 20, 48, 72, 96]}, "another episode has some"),
        ({"dataset_to_index": [24, 24, 72, 96, 120]}, "which are none"),
        ({"dataset_to_index": [24, 10, 72, 96, 120]}, "which are none"),
    ],
)
def test_ranges_that_do_not_fit_are_problems_of_their_episode(dataset, change, message):
    relist(dataset, **change)
    recording = readers.open(dataset)
    assert [e.index for e in recording.episodes] == [0, 2, 3, 4]
    (problem,) = recording.problems
    assert (problem.kind, problem.path, problem.affected) == (
        "metadata-invalid",
        "data/chunk-000/file-000.parquet",
        (1,),
    )
    assert message in problem.message
    assert run(recording, load("arm@1")).failing_episodes == (1,)


@pytest.mark.parametrize(("gone", "first"), [(0, 0), (1, 24), (2, 0), (3, 24), (4, 48)])
def test_rows_that_no_episode_has_are_found(dataset, gone, first):
    table = pl.read_parquet(dataset / LIST)
    table.filter(pl.col("episode_index") != gone).write_parquet(dataset / LIST)
    recording = readers.open(dataset)
    assert [e.index for e in recording.episodes] == [i for i in range(5) if i != gone]
    found = [f for f in run(recording, load("arm@1")).findings if "in no episode" in f.message]
    assert [(f.check, f.value) for f in found] == [("counts", 24)]
    assert f"the first is row {first} " in found[0].message


def test_rows_of_another_episode_are_found(dataset):
    path = dataset / "data/chunk-000/file-001.parquet"
    table = pl.read_parquet(path)
    index = table["episode_index"].to_numpy().copy()
    index[30:] = 3
    table.with_columns(pl.Series("episode_index", index)).write_parquet(path)
    found = run(readers.open(dataset), load("arm@1")).findings
    assert {(f.check, f.stream, f.episode) for f in found} == {("indices", "episode_index", 4)}


def test_a_damaged_file_takes_its_episodes_and_no_others(dataset):
    path = dataset / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:200])
    recording = readers.open(dataset)
    assert [e.index for e in recording.episodes] == [2, 3, 4]
    assert [(p.kind, p.affected) for p in recording.problems] == [("file-damaged", (0, 1))]
    result = run(recording, load("arm@1"))
    assert [f.affected for f in result.findings if f.check == "readable"] == [(0, 1)]


def test_damaged_pages_are_found_while_reading(writer):
    root = writer.write_v30(writer.tracks(4, rows=400), Layout((2, 2)))
    path = root / "data/chunk-000/file-001.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    result = run(readers.open(root), load("arm@1"))
    assert {i for f in result.blocking if f.check == "readable" for i in f.affected} == {2, 3}
    assert result.recording.rows == 800


def test_missing_files_are_counted(dataset):
    (dataset / "data/chunk-000/file-000.parquet").unlink()
    (dataset / f"videos/{TOP}/chunk-000/file-001.mp4").unlink()
    messages = [f.message for f in run(readers.open(dataset), load("arm@1")).findings if f.check == "counts"]
    assert any("2 episodes of meta/episodes have no data file: 0, 1" in m for m in messages)
    assert any("2 of 3 episodes have no video: 3, 4" in m for m in messages)


def test_a_file_that_no_episode_names(dataset):
    shutil.copy(dataset / "data/chunk-000/file-001.parquet", dataset / "data/chunk-000/file-002.parquet")
    (problem,) = readers.open(dataset).problems
    assert (problem.kind, problem.path) == ("path-unexpected", "data/chunk-000/file-002.parquet")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"episode_index": [0, 1, 1, 3, 4]}, "metadata-invalid"),
        ({"episode_index": [0, 1, -2, 3, 4]}, "metadata-invalid"),
        ({"episode_index": [0, 1, None, 3, 4]}, "metadata-invalid"),
        ({"episode_index": ["a"] * 5}, "metadata-invalid"),
        ({"length": [0.5] * 5}, "metadata-invalid"),
        ({"dataset_to_index": [1 << 40] * 5}, "metadata-invalid"),
        ({"data__file_index": [1 << 40] * 5}, "metadata-invalid"),
        ({"data__file_index": [7] * 5}, "file-missing"),
        ({"videos__TOP__from_timestamp": [float("nan")] * 5}, "metadata-invalid"),
        ({"videos__TOP__to_timestamp": [float("inf")] * 5}, "metadata-invalid"),
        ({"videos__TOP__from_timestamp": [-1.0] * 5}, "metadata-invalid"),
    ],
)
def test_lists_that_lie(dataset, change, expected):
    relist(dataset, **change)
    assert kind(dataset) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (LIST, b"", "metadata-empty"),
        (LIST, b"PAR1", "file-damaged"),
        ("meta/tasks.parquet", b"", "metadata-empty"),
        ("meta/tasks.parquet", b"x" * 99, "file-damaged"),
        ("meta/info.json", b"", "metadata-empty"),
    ],
)
def test_damaged_metadata(dataset, name, content, expected):
    (dataset / name).write_bytes(content)
    assert kind(dataset) == expected


def test_absent_metadata(dataset):
    shutil.rmtree(dataset / "meta/episodes")
    assert kind(dataset) == "metadata-missing"


def test_a_column_that_is_missing(dataset):
    pl.read_parquet(dataset / LIST).drop("dataset_to_index").write_parquet(dataset / LIST)
    assert kind(dataset) == "metadata-invalid"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"data_path": "../{chunk_index}/{file_index}.parquet"}, "path-outside"),
        ({"data_path": "data/{episode_index}.parquet"}, "metadata-invalid"),
        ({"data_path": "data/{file_index.__class__}.parquet"}, "metadata-invalid"),
        ({"video_path": "videos/{nobody}.mp4"}, "metadata-invalid"),
        ({"video_path": 7}, "metadata-invalid"),
        ({"data_path": "elsewhere/{chunk_index}/{file_index}.parquet"}, "file-missing"),
    ],
)
def test_templates_that_lie(writer, dataset, change, expected):
    writer.info(dataset, lambda info: info.update(change))
    assert kind(dataset) == expected


def test_links_out_of_the_folder_are_refused(dataset, tmp_path):
    path = dataset / "data/chunk-000/file-000.parquet"
    path.rename(tmp_path / "outside.parquet")
    path.symlink_to(tmp_path / "outside.parquet")
    assert kind(dataset) == "path-outside"


def test_slices_of_modality_are_facts(writer, dataset):
    state = {"waist": {"start": 0, "end": 1}, "arm": {"start": 1, "end": 3}}
    wrong = {"leg": {"start": 2, "end": 9, "original_key": "action"}}
    (dataset / "meta/modality.json").write_text(json.dumps({"state": state, "action": wrong, "video": {}}))
    writer.info(dataset, lambda info: info["features"]["observation.state"].update(names=None))
    recording = readers.open(dataset)
    assert recording.features["observation.state"].names == ("waist", "arm.0", "arm.1")
    assert recording.facts.slices == {"observation.state": {"waist": (0, 1), "arm": (1, 3)}}
    (problem,) = recording.problems
    assert (problem.kind, problem.path) == ("metadata-invalid", "meta/modality.json")


def test_v20_is_read_as_v21(writer):
    root = writer.write(writer.tracks(2))
    writer.info(root, lambda info: info.update(codebase_version="v2.0"))
    assert readers.open(root).format == "lerobot-v2.0"
