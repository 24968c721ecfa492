"""Folders of images and of videos, without metadata, as recordings."""

import random
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validators import readers
from validators.errors import MissingExtra, UnreadableDataset
from validators.files import at
from validators.readers import times
from validators.readers.pictures.images import natural
from validators.recording import MAIN
from validators.run import run
from validators.suites import for_recording

av = pytest.importorskip("av", reason="needs the extra `video`")

from tests.validators import films  # noqa: E402

NS = 1_700_000_000_000_000_000


def put(root, names, seed=0, codec="png"):
    pictures = films.shot(films.swing(len(names), 10), seed=seed)
    for name, picture in zip(names, pictures, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(films.png(picture, codec))
    return root


def judged(path):
    recording = readers.open(path)
    suite, _ = for_recording(recording)
    assert suite.name == "images@1"
    return run(recording, suite)


def seconds(recording, episode=0):
    frame = recording.main.frames([episode]).select(recording.main.seconds().alias("t")).collect()
    return frame["t"].to_list()


@pytest.mark.parametrize(
    "stem", [lambda i: f"{NS + i * 100_000_000}", lambda i: f"{(NS + i * 100_000_000) // 1000}", lambda i: f"{1700000000 + i // 10}.{i % 10}00000"]
)  # fmt: skip
def test_names_that_are_stamps_are_the_clock(tmp_path, stem):
    recording = readers.open(put(tmp_path, [f"cam0/{stem(i)}.png" for i in range(12)]))
    assert (recording.format, len(recording.episodes), recording.main.clock.source) == ("images", 1, "file names or a list of times")  # fmt: skip
    assert seconds(recording) == pytest.approx([i / 10 for i in range(12)], abs=1e-6)
    (camera,) = recording.cameras.values()
    assert [p.time_s for p in camera.pictures(0)] == pytest.approx([i / 10 for i in range(12)], abs=1e-6)
    assert not [f for f in judged(tmp_path).findings if f.severity == "blocking"]


def test_rows_say_what_the_images_are(tmp_path):
    put(tmp_path, ["a/2.png", "a/10.png"])
    put(tmp_path, ["b/x.jpg"], codec="mjpeg")
    recording = readers.open(tmp_path)
    rows = recording.main.frames().collect()
    assert rows["path"].to_list() == ["a/2.png", "a/10.png", "b/x.jpg"]
    assert rows["format"].to_list() == ["png", "png", "mjpeg"]
    assert set(rows.select("width", "height").rows()) == {(160, 120)}
    assert rows["bytes"].to_list() == [(tmp_path / p).stat().st_size for p in rows["path"]]
    assert [e.length for e in recording.episodes] == [2, 1]
    assert recording.main.clock is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("times.txt", "0.0\n1e-1\n2.000000e-01\n"),
        ("timestamps.txt", "2011-09-26 13:02:25.000000000\n2011-09-26 13:02:25.100000000\n2011-09-26 13:02:25.200000000\n"),
        ("timestamps.csv", "time,name\n0.2,c.png\n0.0,a.png\n0.1,b.png\n"),
        ("data.csv", f"#timestamp [ns],filename\n{NS},a.png\n{NS + 100_000_000},b.png\n{NS + 200_000_000},c.png\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("above", [False, True])
def test_a_list_of_times_beside_or_above(tmp_path, name, text, above):
    put(tmp_path, ["seq/data/a.png", "seq/data/b.png", "seq/data/c.png"])
    (tmp_path / "seq" / ("" if above else "data") / name).write_text(text)
    assert seconds(readers.open(tmp_path)) == pytest.approx([0, 0.1, 0.2])


def test_a_list_of_another_length_is_a_problem_and_the_images_are_judged(tmp_path):
    put(tmp_path, ["a.png", "b.png"])
    (tmp_path / "times.txt").write_text("0.0\n0.1\n0.2\n")
    result = judged(tmp_path)
    assert [(f.check, f.message) for f in result.blocking] == [("readable", "times.txt lists 3 times for 2 images")]
    assert result.recording.main.clock is None


def test_times_keep_their_nanoseconds(tmp_path):
    put(tmp_path, [f"{NS + i}.png" for i in range(3)])
    recording = readers.open(tmp_path)
    assert recording.main.frames().select("timestamp").collect()["timestamp"].to_list() == [NS, NS + 1, NS + 2]
    assert seconds(recording) == [0, 1e-9, 2e-9]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30, unique=True), st.randoms())
def test_natural_order_is_that_of_the_numbers(numbers, rng):
    names = [f"frame_{n}.png" for n in numbers]
    random.Random(rng.random()).shuffle(names)
    assert sorted(names, key=natural) == [f"frame_{n}.png" for n in sorted(numbers)]


@given(st.text(max_size=200), st.integers(1, 3))
@settings(max_examples=80)
def test_any_list_of_times_is_read_or_refused(tmp_path_factory, text, images):
    root = tmp_path_factory.mktemp("t")
    names = [f"{i}.png" for i in range(images)]
    for name in names:
        (root / name).write_bytes(b"x")
    (root / "times.txt").write_text(text, encoding="utf-8")
    try:
        found = times.listed(at(root), "", names)
    except UnreadableDataset as error:
        kind = error.kind
    else:
        kind = None
        assert len(found) == images
        assert all(isinstance(t, int) for t in found)
    assert kind in {None, "metadata-invalid", "metadata-empty"}


def test_a_damaged_image_is_a_finding_and_the_others_are_judged(tmp_path):
    put(tmp_path, [f"a/{i}.png" for i in range(12)])
    put(tmp_path, [f"b/{i}.png" for i in range(12)], seed=3)
    for broken, content in (("a/5.png", b""), ("b/11.png", (tmp_path / "b/11.png").read_bytes()[:100])):
        (tmp_path / broken).write_bytes(content)
    result = judged(tmp_path)
    damage = [f for f in result.blocking if f.check == "readable"]
    assert [(f.episode, f.message.split(";")[0]) for f in damage] == [
        (0, "has no bytes"),
        (1, "is cut: no end of image"),
    ]
    counted = [f for f in result.findings if f.check == "frame_count"]
    assert [(f.episode, f.value, f.limit) for f in counted] == [(0, 5, 12), (1, 11, 12)]


def test_a_declared_reference_is_no_picture_of_the_recording(tmp_path):
    put(tmp_path, ["a/1.png", "a/2.png", "reference.png"])
    (tmp_path / "assay.yaml").write_text(
        "schema: declaration@1\ncameras:\n  images: {reference: reference.png, width: 160, height: 99}\n"
    )
    result = judged(tmp_path)
    assert [e.length for e in result.recording.episodes] == [2]
    assert [o.note for o in result.outcomes if o.check == "occlusion"] == ["1 of 1 videos have a reference image"]
    assert [f.message for f in result.findings if f.check == "camera_declaration"] == [
        "120 pixels high, 99 are declared"
    ]


def test_one_image_is_a_recording(tmp_path):
    put(tmp_path, ["a.png"])
    recording = readers.open(tmp_path / "a.png")
    assert (recording.format, len(recording.episodes)) == ("images", 1)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    put(tmp_path, ["out/a.png", "in/b.png"])
    (tmp_path / "in/c.png").symlink_to(tmp_path / "out/a.png")
    with pytest.raises(UnreadableDataset) as error:
        readers.open(tmp_path / "in")
    assert error.value.kind == "path-outside"


def test_each_video_is_an_episode_on_the_clock_of_its_container(tmp_path):
    films.write(tmp_path / "a.mp4", films.shot(films.swing(40, 20), seed=1), 20, films.H264)
    films.write(tmp_path / "sub/b.mkv", films.shot(films.swing(30, 20), seed=2), 20)
    recording = readers.open(tmp_path)
    assert (recording.format, recording.main.fps, recording.main.clock.source) == ("video", 20.0, "pts")
    assert [(e.path, e.length) for e in recording.episodes] == [("a.mp4", 40), ("sub/b.mkv", 30)]
    rows = recording.main.frames().collect()
    assert rows["codec"].unique(maintain_order=True).to_list() == ["h264", "ffv1"]
    assert seconds(recording, 1) == pytest.approx([i / 20 for i in range(30)], abs=2e-3)
    assert rows.filter(pl.col("path") == "a.mp4")["key"].to_list()[0] is True
    result = judged(tmp_path)
    assert not result.findings
    assert result.passed


def test_one_video_alone(tmp_path):
    films.write(tmp_path / "a.mp4", films.shot(films.swing(10, 20)), 20, films.H264)
    assert readers.open(tmp_path / "a.mp4").main.rows == 10
    assert MAIN in readers.open(tmp_path / "a.mp4").streams


def test_a_damaged_video_among_good_ones_is_a_finding(tmp_path):
    films.write(tmp_path / "a.mp4", films.shot(films.swing(20, 20)), 20, films.H264)
    (tmp_path / "b.mp4").write_bytes(b"")
    (tmp_path / "c.mp4").write_bytes(b"#EXTM3U\na.mp4\n")
    assert {(f.check, f.stream) for f in judged(tmp_path).blocking} == {("readable", "b.mp4"), ("readable", "c.mp4")}


def test_nothing_but_damage_is_refused(tmp_path):
    (tmp_path / "b.mp4").write_bytes(bytes(100))
    with pytest.raises(UnreadableDataset, match="no video can be read; the first: no readable video"):
        readers.open(tmp_path)


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    put(tmp_path, ["a.png"])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"assay-catalog\[video\]"):
        readers.open(tmp_path)


def test_what_the_bytes_say_counts(tmp_path):
    """The name says PNG, the bytes say JPEG: what the bytes say counts."""
    (tmp_path / "a.png").write_bytes(films.png(np.zeros((16, 16), np.uint8), "mjpeg"))
    recording = readers.open(tmp_path)
    assert recording.main.frames().collect()["format"].to_list() == ["mjpeg"]


@given(st.binary(max_size=300), st.sampled_from(["", "head"]), st.sampled_from(["a.png", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.pgm", "a.mp4", "a.mkv", "a.avi", "a.ts"]))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_judged_or_refused(tmp_path_factory, data, head, name):
    root = tmp_path_factory.mktemp("f")
    heads = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff", "bmp": b"BM", "tif": b"II*\0", "webp": b"RIFF\0\0\0\0WEBP", "pgm": b"P5 9 9 255 ", "mp4": b"\0\0\0\x18ftypisom", "mkv": b"\x1aE\xdf\xa3", "avi": b"RIFF\0\0\0\0AVI ", "ts": b"G@\0"}  # fmt: skip
    (root / name).write_bytes((heads[name[2:]] if head else b"") + data)
    try:
        result = judged(root)
    except UnreadableDataset as error:
        result = error
    assert isinstance(result, UnreadableDataset) or result.blocking or result.recording.main.rows
