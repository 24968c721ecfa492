"""Calibration files: presence and age, reprojection, aligned sensors, extrinsics; and what each detector resolves."""

import contextlib
import datetime
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import readers
from validators.declarations import calibration
from validators.errors import UnreadableDataset
from validators.expectations.calibration.extrinsics import turned
from validators.expectations.calibration.reprojection import rms
from validators.robot import load as load_robot
from validators.robot.kinematics import from_euler, from_quaternion, turn
from validators.run import run
from validators.suites import parse

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
MATRIX = [[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]]
BENT = [0.1, -0.05, 1e-3, -1e-3, 0.01]


def judged(root, kind, robot=None, now=NOW, **kwargs):
    suite = parse(json.dumps({"name": "one", "expectations": [{"type": kind, "kwargs": kwargs}]}))
    return run(readers.open(root), suite, robot, now=now).outcomes[0]


def put(root, name, **content):
    (root / "calibration").mkdir(exist_ok=True)
    document = {"schema": "calibration@1", "sensor": name, **content}
    (root / f"calibration/{name}.json").write_text(json.dumps(document))
    return root


def view(rng, noise, lens=None):
    """A board of 7 × 5 corners, 30 mm apart, half a metre before the camera, seen with noise in px."""
    lens = lens or calibration.Lens(np.array(MATRIX), tuple(BENT))
    grid = np.stack(np.meshgrid(np.arange(7), np.arange(5)), axis=-1).reshape(-1, 2) * 0.03 - [0.09, 0.06]
    points = np.column_stack([grid, np.zeros(len(grid))])
    rotation = from_euler(rng.uniform(-0.4, 0.4, 3), "xyz")
    translation = rng.uniform([-0.1, -0.1, 0.4], [0.1, 0.1, 0.8])
    pixels = lens.project(points @ rotation.T + translation)
    return {
        "rotation": rotation.tolist(),
        "translation_m": translation.tolist(),
        "points_m": points.tolist(),
        "pixels": (pixels + rng.normal(0, noise, pixels.shape)).tolist(),
    }


CAMERA = {"model": "pinhole", "matrix": MATRIX, "distortion": BENT}


@pytest.fixture
def root(writer):
    tracks = writer.tracks(2)
    for t in tracks:
        t.facts = {"recorded_at": "2026-05-01T08:00:00+00:00"}
    return writer.write(tracks)


# presence and age


def test_nothing_is_calibrated(root):
    assert "no camera" in judged(root, "expect_calibration_present").why
    assert "calibration@1" in judged(root, "expect_calibration_age_below").why


def test_a_camera_without_a_calibration_beside_one_with(root, writer):
    features = {
        n: {"dtype": "video", "shape": [4, 4, 3], "names": None} for n in ("observation.images.front", "images.top")
    }
    writer.info(root, lambda info: info["features"].update(features) or info.update(video_path="v/{video_key}.mp4"))
    put(root, "front", date="2026-01-01")
    (finding,) = judged(root, "expect_calibration_present").findings
    assert finding.stream == "images.top"


@pytest.mark.parametrize(
    ("date", "max_days", "status"),
    [
        ("2026-04-01", 30, "clean"),
        ("2026-03-31T10:00:00Z", 30, "found"),
        ("2026-06-15", 30, "found"),
        ("2025-05-01", 365, "clean"),
    ],
)
def test_age_is_counted_from_the_recording(root, date, max_days, status):
    put(root, "front", date=date)
    outcome = judged(root, "expect_calibration_age_below", max_days=max_days)
    assert outcome.status == status
    assert "days that episodes name" in outcome.note


def test_an_unknown_day_is_found_whatever_the_rest(root):
    put(put(root, "front"), "top", date="2026-04-30")
    for now in (NOW, None):
        (finding,) = judged(root, "expect_calibration_age_below", now=now).findings
        assert finding.message == "the day of the calibration is unknown"
        assert finding.stream == "front (calibration/front.json)"


def test_an_unknown_day_of_a_message_only_warns(root):
    """CameraInfo has no place for a day, so a good bag with a camera would be blocked for ever."""
    (root / "assay.yaml").write_text("schema: declaration@1\nsensors: {front: {kind: camera, calibration: {k: [1]}}}\n")
    (finding,) = judged(root, "expect_calibration_age_below").findings
    assert (finding.severity, finding.message) == ("warning", "the day of the calibration is unknown")
    (blocking, _) = judged(put(root, "top"), "expect_calibration_age_below").findings
    assert (blocking.severity, blocking.stream) == ("blocking", "top (calibration/top.json)")


def test_age_is_counted_from_stamps_since_1970(tmp_path):
    """A drive of 2011 that was calibrated in 2012 is no drive of today."""
    first = 1_317_042_272  # s, 2011-09-26
    table = pl.DataFrame({"stamp": [(first * 10 + i) * 10**8 for i in range(20)], "x": range(20)})
    table.write_parquet(tmp_path / "drive.parquet")
    (tmp_path / "assay.yaml").write_text("schema: declaration@1\nclock: {column: stamp, unit: ns}\n")
    outcome = judged(put(tmp_path, "lidar", date="2012-03-15"), "expect_calibration_age_below")
    assert (outcome.status, outcome.observed["farthest_days"]) == ("clean", 171)
    assert "day of the stamps" in outcome.note


def test_age_to_the_day_of_the_judgement(writer):
    root = put(writer.write(writer.tracks(1)), "front", date="2025-01-01")
    outcome = judged(root, "expect_calibration_age_below")
    assert outcome.findings[0].value == 516
    assert "today" in outcome.note
    assert judged(root, "expect_calibration_age_below", now=None).status == "not-evaluable"


def test_calibrations_that_episodes_name(writer):
    tracks = writer.tracks(3)
    tracks[0].facts = {"date": "2026-05-01", "calibration": {"id": "cal-1", "date": "2026-04-01"}}
    tracks[1].facts = {"date": "2026-05-02", "calibration": "cal-0", "calibration_date": "2024-04-01"}
    tracks[2].facts = {"date": "2026-05-02", "calibration": "cal-9"}
    found = judged(writer.write(tracks), "expect_calibration_age_below").findings
    assert [(f.stream, f.episodes, f.value) for f in found] == [("cal-9", (2,), None), ("cal-0", (1,), 761.0)]


def test_a_calibration_that_the_owner_declares(root):
    (root / "assay.yaml").write_text(
        """schema: declaration@1
sensors:
  front: {kind: camera, calibration: {date: 2026-04-01, reprojection_rms_px: 1.5}}
  top: {kind: lidar}
"""
    )
    assert [f.stream for f in judged(root, "expect_calibration_present").findings] == ["top"]
    assert judged(root, "expect_calibration_age_below", max_days=20).findings[0].value == 30
    assert judged(root, "expect_reprojection_below").note == "front 1.50 px (declared)"


# reprojection


def test_reprojection_is_computed_again(root):
    rng = np.random.default_rng(0)
    views = [view(rng, 0.3) for _ in range(6)]
    put(root, "front", camera=CAMERA, views=views, reprojection_rms_px=0.42)
    outcome = judged(root, "expect_reprojection_below")
    assert outcome.status == "clean"
    assert outcome.observed["front"]["rms_px"] == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
    assert "210 points" in outcome.note
    put(root, "front", camera={**CAMERA, "distortion": []}, views=views, reprojection_rms_px=0.42)
    messages = [f.message for f in judged(root, "expect_reprojection_below").findings]
    assert any("0.42 px are declared" in m for m in messages)


def test_a_declared_value_is_said_to_be_declared(root):
    put(root, "front", reprojection_rms_px=0.4)
    outcome = judged(root, "expect_reprojection_below")
    assert outcome.note == "front 0.40 px (declared)"
    put(root, "front", reprojection_rms_px=1.4)
    assert judged(root, "expect_reprojection_below").findings[0].value == 1.4
    put(root, "front")
    assert judged(root, "expect_reprojection_below").status == "not-evaluable"


def test_a_point_behind_the_camera_is_infinitely_off(root):
    one = view(np.random.default_rng(0), 0.1)
    one["translation_m"][2] = -1.0
    put(root, "front", camera=CAMERA, views=[one])
    (finding,) = judged(root, "expect_reprojection_below").findings
    assert finding.to_dict()["value"] is None


def test_what_reprojection_resolves():
    """A focal length off by 1.5 % in 95 % of cases or more at 1 px, 0.4 px of noise; no alarm in 300 good ones."""
    rng = np.random.default_rng(3)
    wrong = calibration.Lens(np.array(MATRIX) * [[1.015, 1, 1], [1, 1.015, 1], [1, 1, 1]], tuple(BENT))
    good, bad = [], []
    for _ in range(300):
        for lens, out in ((None, good), (wrong, bad)):
            views = [view(rng, 0.4, lens) for _ in range(4)]
            text = {"schema": "calibration@1", "sensor": "x", "camera": CAMERA, "views": views}
            one = calibration.parse(json.dumps(text), "x", "x")
            residual = [v.pixels - one.lens.project(v.board.apply(v.points)) for v in one.views]
            out.append(rms(np.concatenate(residual)) > 1.0)
    assert np.mean(good) <= 0.01
    assert np.mean(bad) >= 0.95


# two sensors


def rigid():
    return from_euler(np.array([0.1, -0.2, 0.3]), "xyz"), np.array([0.1, 0.2, -0.05])


def pairs(rng, shift_mm=0.0, number=40, noise_mm=10.0, pixels=False):
    rotation, translation = rigid()
    points = rng.uniform([-2, -2, 3], [2, 2, 8], (number, 3))
    seen = points @ rotation.T + translation + [shift_mm / 1e3, 0, 0]
    if pixels:
        seen = calibration.Lens(np.array(MATRIX), tuple(BENT)).project(seen)
        return points, seen + rng.normal(0, 0.5, seen.shape)
    return points, seen + rng.normal(0, noise_mm / 1e3 / np.sqrt(3), seen.shape)


def lidar(root, points, seen, *, inverse=False):
    rotation, translation = rigid()
    transform = {"from": "lidar", "to": "front", "rotation": rotation.tolist(), "translation_m": translation.tolist()}
    if inverse:
        transform = {
            "from": "front",
            "to": "lidar",
            "rotation": rotation.T.tolist(),
            "translation_m": (-rotation.T @ translation).tolist(),
        }
    key = "to_px" if seen.shape[1] == 2 else "to_m"
    both = {"from": "lidar", "to": "front", "from_m": points.tolist(), key: seen.tolist()}
    return put(root, "front", camera=CAMERA, extrinsics=[transform], pairs=[both])


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("pixels", [False, True])
def test_aligned_sensors(root, inverse, pixels):
    rng = np.random.default_rng(0)
    assert judged(lidar(root, *pairs(rng, pixels=pixels), inverse=inverse), "expect_sensors_aligned").status == "clean"
    (finding,) = judged(lidar(root, *pairs(rng, 60, pixels=pixels), inverse=inverse), "expect_sensors_aligned").findings
    assert finding.stream == "lidar → front"
    assert finding.unit == ("px" if pixels else "mm")
    if not pixels:
        assert "constant shift of (+6" in finding.message


def test_what_alignment_resolves():
    """The said shift, limit + 2 RMS/√n, is found in 95 % of 300 cases; none of 300 good ones at 10 mm noise."""
    rng = np.random.default_rng(4)
    rotation, translation = rigid()

    def value(shift):
        points, seen = pairs(rng, shift)
        return rms((seen - points @ rotation.T - translation) * 1e3)

    good = [value(0) for _ in range(300)]
    assert np.mean(np.array(good) > 30) <= 0.01
    resolved = 30 + 2 * 30 / np.sqrt(40)
    assert np.mean([value(resolved) > 30 for _ in range(300)]) >= 0.95


def test_alignment_needs_a_transform_a_lens_and_points(root):
    points, seen = pairs(np.random.default_rng(0))
    both = {"from": "lidar", "to": "front", "from_m": points.tolist(), "to_m": seen.tolist()}
    put(root, "front", pairs=[both])
    assert "no transform between lidar and front" in judged(root, "expect_sensors_aligned").why
    both = {"from": "lidar", "to": "front", "from_m": points[:3].tolist(), "to_m": seen[:3].tolist()}
    put(root, "front", pairs=[both])
    assert "fewer than 6" in judged(root, "expect_sensors_aligned").why
    put(root, "front")
    assert "no calibration has pairs" in judged(root, "expect_sensors_aligned").why


# extrinsics

URDF = """<robot name="r"><link name="base"/><link name="head"/><link name="front"/><link name="wrist"/>
<joint name="a" type="fixed"><origin xyz="0 0 1" rpy="0 0 1.5707963"/><parent link="base"/><child link="head"/></joint>
<joint name="b" type="fixed"><origin xyz="0.1 0 0" rpy="0 0.2 0"/><parent link="head"/><child link="front"/></joint>
<joint name="c" type="continuous"><parent link="base"/><child link="wrist"/></joint></robot>"""


def transform(rotation, translation, target="base", source="front"):
    shape = {"quaternion": rotation} if len(rotation) == 4 else {"rotation": np.array(rotation).tolist()}
    return {"from": source, "to": target, "translation_m": list(translation), **shape}


@pytest.mark.parametrize(
    ("rotation", "translation", "message"),
    [
        (np.eye(3), (0.1, 0, 0), None),
        (np.diag([1, 1, -1]), (0.1, 0, 0), "a mirror"),
        (np.eye(3) * 1.01, (0.1, 0, 0), "not orthonormal"),
        ([1, 0, 0, 0.2], (0.1, 0, 0), "quaternion has the length"),
        (np.eye(3), (100.0, 0, 0), "another unit?"),
    ],
)
def test_extrinsics(root, rotation, translation, message):
    put(root, "front", extrinsics=[transform(rotation, translation)])
    found = judged(root, "expect_extrinsics_sane").findings
    assert [message in f.message for f in found] == [True] * (message is not None)


def test_a_mount_is_the_models(root):
    robot = load_robot(URDF)
    quarter = turn(np.array([0, 0, 1.0]), np.array([np.pi / 2]))[0]
    mounted = quarter @ from_euler(np.array([0, 0.2, 0]), "XYZ")
    put(root, "front", extrinsics=[transform(mounted, (0, 0.1, 1.0)), transform(np.eye(3), (0, 0, 0), "wrist")])
    outcome = judged(root, "expect_extrinsics_sane", robot)
    assert outcome.status == "clean"
    assert outcome.note == "2 transforms, 1 of them against the model's mount"
    put(root, "front", extrinsics=[transform(mounted @ from_euler(np.array([0, 0, 0.1]), "xyz"), (0, 0.15, 1.0))])
    found = judged(root, "expect_extrinsics_sane", robot).findings
    assert [f.value for f in found] == [pytest.approx(50), pytest.approx(np.rad2deg(0.1))]


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_every_unit_quaternion_is_a_rotation(quaternion):
    rotation = from_quaternion(np.array(quaternion))
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert turned(rotation, rotation) == pytest.approx(0, abs=1e-4)


# files from strangers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["sensor", "date", "camera", "reprojection_rms_px", "views", "extrinsics", "pairs", "x"]), JSON)
def test_any_value_is_read_or_refused(key, value):
    document = {"schema": "calibration@1", "sensor": "front", key: value}
    with contextlib.suppress(UnreadableDataset):
        assert calibration.parse(json.dumps(document), "c", "c").sensor


@given(st.sampled_from(["rotation", "translation_m", "points_m", "pixels", "quaternion"]), JSON)
def test_any_view_is_read_or_refused(key, value):
    one = view(np.random.default_rng(0), 0.0)
    one[key] = value
    document = {"schema": "calibration@1", "sensor": "front", "camera": CAMERA, "views": [one]}
    with contextlib.suppress(UnreadableDataset):
        assert calibration.parse(json.dumps(document), "c", "c").views


def test_a_file_that_cannot_be_read_is_never_a_pass(root):
    put(root, "front", date="2026-04-01")
    (root / "calibration/top.json").write_text("{")
    outcome = judged(root, "expect_calibration_age_below")
    assert outcome.status == "not-evaluable"
    assert "cannot be read" in outcome.why


@given(st.dictionaries(st.sampled_from(["date", "rotation", "translation", "parent", "pose_wrt_parent", "T"]), JSON))
def test_metadata_of_any_shape_is_understood_or_left(given_):
    one = calibration._of_metadata("x", given_)
    assert one.sensor == "x"


def test_a_transform_of_metadata():
    pose = {"translation": [0.1, 0.2, 3.5], "quaternion": [0.003, 0.024, 0.002, 0.9997]}
    one = calibration._of_metadata("ir", {"parent": "base", "pose_wrt_parent": pose})
    (found,) = one.transforms
    assert (found.source, found.target, found.length) == ("ir", "base", pytest.approx(1, abs=1e-3))
    assert turned(found.rotation, np.eye(3)) == pytest.approx(2 * np.rad2deg(np.arccos(0.9997)), abs=0.3)
    assert (
        calibration._of_metadata("ir", {"rotation": [1, 0, 0, 0], "translation": [0, 0, 1]}).transforms[0].length == 1
    )


# markers


def test_marker_residual(writer):
    tracks = [writer.track(i, 60, {"elbow": 8.0} if i >= 6 else {}) for i in range(12)]
    for i, t in enumerate(tracks):
        t.facts = {"rig": "bad" if i >= 6 else "good"}
        t.columns["observation.ee_position"] += np.float32([0.02, -0.03, 0.01])
    root = writer.write(tracks)
    (finding,) = judged(root, "expect_marker_residual_below", writer.robot, limit_mm=10.0).findings
    assert finding.episodes == tuple(range(6, 12))
    assert "rig bad" in finding.message
    assert finding.value > 10
    good = judged(root, "expect_marker_residual_below", writer.robot, limit_mm=60.0)
    assert good.status == "clean"
    assert good.note.startswith("largest residual ")


def test_the_documented_file_is_read():
    page = (Path(__file__).resolve().parents[3] / "docs/checks.md").read_text()
    text = page.split("## Calibration files")[1].split("```json")[1].split("```")[0]
    one = calibration.parse(text, "front.json", "front.json")
    assert (one.sensor, one.date, len(one.views), len(one.transforms), len(one.pairs)) == (
        "front",
        datetime.date(2026, 3, 1),
        1,
        1,
        1,
    )
