import sys
from fractions import Fraction

import numpy as np
import pytest

from validators import readers
from validators.expectations.pictures.frames import spans
from validators.pictures import video
from validators.pictures.measures import measure
from validators.run import run
from validators.suites import load

av = pytest.importorskip("av", reason="needs the extra `video`")
FPS = 20


def film(path, repeats, frames=60):
    """A lossless film of noise in which the named frames repeat the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = None
        for i in range(frames):
            if picture is None or i not in repeats:
                picture = rng.integers(0, 255, (48, 32), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def filmed(writer, repeats, tracks=None):
    root = writer.write(tracks or writer.tracks(len(repeats)))
    feature = {"dtype": "video", "shape": [32, 32, 3], "names": None}

    def declare(info):
        info["features"]["observation.images.top"] = feature
        info["video_path"] = "videos/{video_key}/episode_{episode_index:06d}.mp4"
        info["total_videos"] = len(repeats)

    writer.info(root, declare)
    for i, which in enumerate(repeats):
        film(root / f"videos/observation.images.top/episode_{i:06d}.mp4", which)
    return root


def test_decoding_finds_the_repeats(tmp_path):
    film(tmp_path / "a.mkv", {3, 4, 30})
    assert np.flatnonzero(measure(video.pictures(tmp_path / "a.mkv")).repeated).tolist() == [3, 4, 30]


def test_a_half_rate_burst_is_a_warning_with_its_span(writer):
    result = run(readers.open(filmed(writer, [set(), set(range(21, 40, 2))])), load("arm@1"))
    found = {f.check: f for f in result.findings}
    assert found.keys() == {"effective_frame_rate"}
    finding = found["effective_frame_rate"]
    assert result.passed
    assert (finding.severity, finding.episode) == ("warning", 1)
    assert finding.value == pytest.approx(10, rel=0.06)
    assert (finding.start_s, finding.end_s) == (pytest.approx(1.0), pytest.approx(39 / FPS))
    (outcome,) = (o for o in result.outcomes if o.check == "effective_frame_rate")
    assert outcome.note == "2 videos decoded, 10 of 120 frames are bit-identical to the one before"


def test_a_still_scene_repeats_rightly(writer):
    tracks = writer.tracks(1)
    for name in ("observation.state", "action", "observation.ee_position"):
        tracks[0].columns[name][20:] = tracks[0].columns[name][20]
    result = run(readers.open(filmed(writer, [set(range(22, 60))], tracks)), load("arm@1"))
    assert not [f for f in result.findings if f.check == "effective_frame_rate"]


def test_a_damaged_video_blocks(writer):
    root = filmed(writer, [set(), set()])
    path = root / "videos/observation.images.top/episode_000001.mp4"
    path.write_bytes(path.read_bytes()[:50])
    result = run(readers.open(root), load("arm@1"))
    assert [(f.check, f.severity, f.episode) for f in result.findings] == [("readable", "blocking", 1)]


def test_without_pyav_it_says_what_to_install(writer, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    result = run(readers.open(filmed_before(writer)), load("arm@1"))
    (outcome,) = (o for o in result.outcomes if o.check == "effective_frame_rate")
    assert outcome.status == "not-evaluable"
    assert "assay-catalog[video]" in outcome.why


def filmed_before(writer):
    """A folder with a file where a video should be: without PyAV nobody looks inside."""
    root = writer.write(writer.tracks(1))
    writer.info(
        root,
        lambda info: info["features"].update(
            {"observation.images.top": {"dtype": "video", "shape": [4, 4, 3], "names": None}}
        ),
    )
    writer.info(root, lambda info: info.update(video_path="videos/{video_key}_{episode_index}.mp4", total_videos=1))
    (root / "videos").mkdir()
    (root / "videos/observation.images.top_0.mp4").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("at", "expected"),
    [([], []), ([5, 6], []), ([5, 7, 9], [(4, 9)]), ([1, 3, 5, 40, 42, 44], [(0, 5), (39, 44)]), ([1, 8, 15], [])],
)
def test_spans(at, expected):
    repeated = np.zeros(60, dtype=bool)
    repeated[at] = True
    assert spans(repeated, FPS) == expected


def test_the_real_camera_delivers_half_its_rate_in_bursts(shared):
    result = run(readers.open(shared / "lerobot_v21_unitree_g1"), load("humanoid@1"))
    (outcome,) = (o for o in result.outcomes if o.check == "effective_frame_rate")
    assert outcome.note == "2 videos decoded, 115 of 540 frames are bit-identical to the one before"
    found = [f for f in result.findings if f.check == "effective_frame_rate"]
    assert {f.episode for f in found} == {59, 82}
    longest = max(found, key=lambda f: f.end_s - f.start_s)
    assert 15 <= longest.value < 17
