"""Every frame check on films that were really encoded: what is spoilt is found, what is sound is left alone."""

import json

import numpy as np
import pytest

from validators import readers
from validators.expectations import SHIPPED
from validators.expectations.pictures.expectation import OfPictures
from validators.pictures import video
from validators.run import run
from validators.suites import load, parse

av = pytest.importorskip("av", reason="needs the extra `video`")

from tests.validators import films  # noqa: E402

CAMERA = "observation.images.top"
FPS = 20  # of the writer's datasets
PICTURES = {e.check for e in SHIPPED if issubclass(e, OfPictures)}


def suite(*checks):
    """Those checks alone, as warnings, with their defaults."""
    kinds = [e.type for e in SHIPPED if e.check in checks]
    listed = [{"type": kind, "kwargs": {}, "meta": {"required": False}, "severity": "warning"} for kind in kinds]
    return parse(json.dumps({"name": "frames@1", "expectations": listed}))


def recorded(writer, episodes, codec=films.LOSSLESS, declared=None, state=True, container=None):
    """A LeRobot dataset of films: `episodes` are (where the arm is in each frame, pictures)."""
    tracks = writer.tracks(len(episodes), len(episodes[0][0]))
    for track, (phases, _) in zip(tracks, episodes, strict=True):
        if state:
            joints = np.stack([phases, 0.5 * phases, np.zeros_like(phases)], axis=1).astype(np.float32)
            noise = np.random.default_rng(0).normal(0, 1e-4, joints.shape).astype(np.float32)
            track.columns["observation.state"], track.columns["action"] = joints + noise, joints
        else:
            del track.columns["observation.state"]
    root = writer.write(tracks)
    video = {"video.width": films.WIDTH, "video.height": films.HEIGHT, "video.codec": codec[0], "video.fps": FPS}

    def declare(info):
        info["features"][CAMERA] = {
            "dtype": "video",
            "shape": [films.HEIGHT, films.WIDTH, 3],
            "names": ["height", "width", "channel"],
            "info": video | (declared or {}),
        }
        info["video_path"] = "videos/{video_key}/episode_{episode_index:06d}.mp4"
        info["total_videos"] = len(episodes)

    writer.info(root, declare)
    for i, (_, pictures) in enumerate(episodes):
        films.write(root / f"videos/{CAMERA}/episode_{i:06d}.mp4", pictures, FPS, codec, container)
    return root


def filmed(frames=80, hz=0.5, seed=0, noise=2.0):
    phases = films.swing(frames, FPS, hz)
    return phases, films.shot(phases, noise, seed)


def found(root, *checks):
    return [f for f in run(readers.open(root), suite(*(checks or PICTURES))).findings if f.check != "nan"]


def outcome(root, check):
    (only,) = run(readers.open(root), suite(check)).outcomes
    return only


@pytest.mark.parametrize("codec", [films.LOSSLESS, films.H264, films.AV1], ids=["ffv1", "h264", "av1"])
@pytest.mark.parametrize("hz", [0.8, 0.2], ids=["fast", "slow"])
@pytest.mark.parametrize("noise", [0.0, 3.0], ids=["simulated", "camera"])
def test_a_sound_film_is_left_alone(writer, codec, hz, noise):
    root = recorded(writer, [filmed(hz=hz, seed=i, noise=noise) for i in (0, 1)][: 2 if noise else 1], codec)
    result = run(readers.open(root), suite(*PICTURES))
    assert not result.findings
    assert {o.check: o.status for o in result.outcomes} == dict.fromkeys(PICTURES - {"occlusion"}, "clean") | {
        "occlusion": "not-evaluable"
    }


@pytest.mark.parametrize("codec", [films.H264, films.AV1], ids=["h264", "av1"])
@pytest.mark.parametrize("state", [True, False])
def test_a_robot_that_pauses_is_no_camera_that_skips(writer, codec, state):
    phases = films.swing(80, FPS, 0.5)
    phases[25:40] = phases[25]
    phases[40:] = phases[25] + films.swing(40, FPS, 0.5)
    phases = np.clip(phases, -1, 1)
    assert not found(recorded(writer, [(phases, films.shot(phases))], codec, state=state))


@pytest.mark.parametrize("state", [True, False])
def test_a_still_scene_repeats_rightly(writer, state):
    phases = np.full(80, 0.3)
    findings = found(recorded(writer, [(phases, films.shot(phases))], films.AV1, state=state))
    assert not findings


@pytest.mark.parametrize("codec", [films.LOSSLESS, films.H264, films.AV1], ids=["ffv1", "h264", "av1"])
@pytest.mark.parametrize("state", [True, False])
def test_a_camera_at_half_its_rate_is_found_under_every_codec(writer, codec, state):
    phases, pictures = filmed(hz=0.4)
    root = recorded(writer, [(phases, films.repeated(pictures, range(21, 60, 2)))], codec, state=state)
    findings = found(root, "near_duplicate_frames")
    assert findings
    assert min(f.start_s for f in findings) == pytest.approx(1.0, abs=0.15)
    assert max(f.end_s for f in findings) == pytest.approx(59 / FPS, abs=0.3)
    assert all(9 < f.value < 14 and f.unit == "Hz" for f in findings)
    if codec is films.LOSSLESS:
        assert [f.episode for f in found(root, "effective_frame_rate")] == [0]


@pytest.mark.parametrize("codec", [films.LOSSLESS, films.H264, films.AV1], ids=["ffv1", "h264", "av1"])
def test_a_frozen_camera_is_found_while_the_robot_moves(writer, codec):
    phases, pictures = filmed()
    (finding,) = found(recorded(writer, [(phases, films.repeated(pictures, range(31, 46)))], codec), "frozen_frames")
    assert (finding.episode, finding.stream) == (0, CAMERA)
    assert 12 <= finding.value <= 16
    assert finding.start_s == pytest.approx(30 / FPS, abs=0.2)
    assert finding.end_s == pytest.approx(45 / FPS, abs=0.1)


def test_a_camera_frozen_for_a_whole_episode_is_found(writer):
    phases, pictures = filmed()
    root = recorded(writer, [(phases, films.repeated(pictures, range(1, 80)))], films.AV1)
    assert [f.value for f in found(root, "frozen_frames")] == [80]


def test_frozen_needs_a_state(writer):
    phases, pictures = filmed()
    root = recorded(writer, [(phases, films.repeated(pictures, range(31, 46)))], state=False)
    assert outcome(root, "frozen_frames").status == "not-evaluable"
    assert "still scene" in outcome(root, "frozen_frames").why


def test_encoder_noise_is_no_movement(writer):
    _, pictures = filmed()
    root = recorded(writer, [(np.zeros(80), films.repeated(pictures, range(31, 46)))])
    assert outcome(root, "frozen_frames").status == "clean"


def test_a_copied_episode_is_told_of_its_original(writer):
    one, other = filmed(seed=1), filmed(seed=2)
    part = (other[0], [*other[1][:20], *one[1][20:80]])  # three quarters of it
    findings = found(recorded(writer, [one, other, one, part]), "duplicate_pictures")
    assert [(f.episode, f.value) for f in findings] == [(2, 1.0), (3, 0.75)]
    assert "of episode 0" in findings[0].message
    assert findings[1].start_s == pytest.approx(1.0)


def test_simulated_episodes_that_begin_alike_are_no_copies(writer):
    start = films.shot(np.full(20, -0.5), noise=0)
    ends = [films.shot(np.linspace(-0.5, e, 60), noise=0) for e in (0.2, 0.9)]
    phases = np.r_[np.full(20, -0.5), np.linspace(-0.5, 0.5, 60)]
    assert not found(recorded(writer, [(phases, start + end) for end in ends]), "duplicate_pictures")


def changed(change, hz=0.5):
    phases, pictures = filmed(hz=hz)
    return phases, [films.edited(p, change) for p in pictures]


def blurred(levels):
    for axis in (0, 1):
        for _ in range(4):
            levels = (np.roll(levels, 1, axis) + 2 * levels + np.roll(levels, -1, axis)) / 4
    return levels


@pytest.mark.parametrize(
    ("change", "check", "word"),
    [
        (lambda p: 16 + (p - 16) * 0.2, "exposure", "too dark"),
        (lambda p: 235 - (235 - p) * 0.2, "exposure", "too bright"),
        (lambda p: np.where(p > 110, 235, p), "exposure", "clipped to white"),
        (lambda p: 120 + (p - 120) * 0.2, "contrast", "flat"),
        (blurred, "blur", "blurred"),
    ],
)
def test_bad_light_and_focus_warn(writer, change, check, word):
    findings = found(recorded(writer, [changed(change)]), check)
    assert [(f.check, f.episode) for f in findings] == [(check, 0)]
    assert word in findings[0].message


def test_single_bad_frames_alarm_nobody(writer):
    phases, pictures = filmed()
    bad = [np.full_like(p, 16) if i % 10 == 0 else p for i, p in enumerate(pictures)]
    assert not found(recorded(writer, [(phases, bad)]), "exposure", "contrast", "blur")


def test_a_depth_camera_shows_no_light(writer):
    root = recorded(writer, [changed(lambda p: p * 0.1)], declared={"video.is_depth_map": True})
    assert outcome(root, "exposure").status == "not-evaluable"
    assert "depth" in outcome(root, "exposure").why


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"video.codec": "av1"}, "codec h264, av1 is declared"),
        ({"video.width": 640}, "160 pixels wide, 640 are declared"),
        ({"video.height": 480}, "120 pixels high, 480 are declared"),
        ({"video.fps": 30}, "20 frames a second, 30 are declared"),
    ],
)
def test_a_video_unlike_its_declaration(writer, declared, word):
    findings = found(recorded(writer, [filmed(40)], films.H264, declared), "camera_declaration")
    assert [f.message for f in findings] == [word]


def test_a_picture_too_few_is_found(writer):
    phases, pictures = filmed()
    findings = found(recorded(writer, [(phases, pictures[:-1])], films.H264), "frame_count")
    assert [(f.value, f.limit, f.message) for f in findings] == [(79, 80, "79 pictures for 80 rows")]


def covered(pictures, height=60, width=80):
    found_ = [p.copy() for p in pictures]
    for picture in found_:
        picture[:height, :width] = 20
    return found_


def declare_reference(root, picture, name=CAMERA):
    (root / "reference.png").write_bytes(films.png(picture))
    (root / "assay.yaml").write_text(f"schema: declaration@1\ncameras:\n  {name}: {{reference: reference.png}}\n")


def test_what_stays_before_the_lens_is_found(writer):
    phases, pictures = filmed()
    root = recorded(writer, [(phases, pictures), (phases, covered(pictures)), (phases, covered(pictures, 20, 20))])
    declare_reference(root, films.edited(films.table(), lambda p: (p - 16) * 255 / 219))
    (finding,) = found(root, "occlusion")
    assert (finding.episode, finding.unit) == (1, "of the picture")
    assert 0.12 < finding.value <= 0.27
    assert "rows 0% to 58% from the top, columns 0% to 50% from the left" in finding.message


@pytest.mark.parametrize("spoil", [None, "name", "image", "missing"])
def test_without_a_reference_occlusion_is_not_evaluable(writer, spoil):
    root = recorded(writer, [filmed(40)])
    if spoil:
        declare_reference(root, filmed(1)[1][0], "elsewhere" if spoil == "name" else CAMERA)
    if spoil == "image":
        (root / "reference.png").write_bytes(b"no image")
    if spoil == "missing":
        (root / "reference.png").unlink()
    assert outcome(root, "occlusion").status == "not-evaluable"


def test_damage_is_told_once_and_the_rest_is_judged(writer):
    root = recorded(writer, [filmed(seed=0), filmed(seed=1)], films.H264)
    path = root / f"videos/{CAMERA}/episode_000001.mp4"
    path.write_bytes(path.read_bytes()[:3000])
    result = run(readers.open(root), load("arm@2"))
    assert [(f.check, f.severity, f.episode) for f in result.findings if f.check == "readable"] == [
        ("readable", "blocking", 1)
    ]
    assert all(f.episode in {1, None} for f in result.findings if f.check in PICTURES)


def test_all_checks_share_one_decode(writer, monkeypatch):
    root = recorded(writer, [filmed(40, seed=0), filmed(40, seed=1)])
    decoded = []
    original = video.pictures
    monkeypatch.setattr(video, "pictures", lambda *a: decoded.append(a) or original(*a))
    said = []
    recording = readers.open(root)
    run(recording, suite(*PICTURES), progress=lambda *a: said.append(a))
    run(recording, suite(*PICTURES))
    assert len(decoded) == 2
    assert [s for s in said if s[0] == "decoding videos"] == [("decoding videos", i, 2) for i in range(3)]


def test_the_real_half_rate_camera_is_found_between_its_bursts_too(shared):
    """Half of the G1's repeats fall on key frames, which AV1 encodes anew: alike, but not bit by bit."""
    result = run(readers.open(shared / "lerobot_v21_unitree_g1"), load("humanoid@2"))
    seconds = sum(f.end_s - f.start_s for f in result.findings if f.check == "near_duplicate_frames")
    bitwise = sum(f.end_s - f.start_s for f in result.findings if f.check == "effective_frame_rate")
    assert bitwise == pytest.approx(8, abs=0.5)
    assert seconds > 1.6 * bitwise
    assert all(15 <= f.value < 18 for f in result.findings if f.check == "near_duplicate_frames")
    assert {o.check: o.status for o in result.outcomes if o.check in PICTURES} == {
        "effective_frame_rate": "found",
        "near_duplicate_frames": "found",
        "frozen_frames": "clean",
        "duplicate_pictures": "clean",
        "camera_declaration": "clean",
        "frame_count": "clean",
        "exposure": "clean",
        "contrast": "clean",
        "blur": "clean",
        "occlusion": "not-evaluable",
    }
