import shutil
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validators import readers
from validators.errors import UnreadableDataset
from validators.readers.sequences import lists
from validators.readers.times import stamp
from validators.run import run
from validators.suites import load

START_S, START_NS = 1311868164.363181, 1_403_636_579_763_555_584
ROWS = 20


def png(seed, width=96, height=80):
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "rgb24", Fraction(1)
    return b"".join(bytes(p) for p in context.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))


PICTURE = png(0)


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def jitter(seed, scale, rows=ROWS):
    return np.random.default_rng(seed).uniform(-scale, scale, rows)


def tum(root):
    for seed, name in enumerate(("rgb", "depth")):
        times = [f"{START_S + i / 30 + j:.6f}" for i, j in enumerate(jitter(seed, 1e-3))]
        written(
            root / f"{name}.txt", "# color\n# timestamp filename\n" + "".join(f"{t} {name}/{t}.png\n" for t in times)
        )
        for t in times:
            written(root / name / f"{t}.png", PICTURE)
    rows = [f"{START_S + i / 100 + j:.4f} {i / 100} 0 1 0 0 0 1\n" for i, j in enumerate(jitter(3, 1e-3, 60))]
    written(root / "groundtruth.txt", "# timestamp tx ty tz qx qy qz qw\n" + "".join(rows))
    rows = [f"{START_S + i / 500 + j:.6f} {j} 0.1 9.8\n" for i, j in enumerate(jitter(4, 1e-4, 300))]
    written(root / "accelerometer.txt", "# timestamp ax ay az\n" + "".join(rows))
    return root


META = """%YAML:1.0
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: [0.0, -1.0, 0.0, 0.1,
         1.0, 0.0, 0.0, 0.2,
         0.0, 0.0, 1.0, 0.3,
         0.0, 0.0, 0.0, 1.0]
rate_hz: 20
resolution: [96, 80]
camera_model: pinhole
intrinsics: [458.654, 457.296, 367.215, 248.375] #fu, fv, cu, cv
"""


def euroc(root):
    at = [START_NS + i * 50_000_000 + int(j) for i, j in enumerate(jitter(0, 1e5))]
    written(root / "mav0/cam0/sensor.yaml", META)
    written(root / "mav0/cam0/data.csv", "#timestamp [ns],filename\n" + "".join(f"{t},{t}.png\r\n" for t in at))
    for t in at:
        written(root / f"mav0/cam0/data/{t}.png", PICTURE)
    written(root / "mav0/imu0/sensor.yaml", "sensor_type: imu\nrate_hz: 200\n")
    axes = ",".join(f"w_RS_S_{a} [rad s^-1]" for a in "xyz") + "," + ",".join(f"a_RS_S_{a} [m s^-2]" for a in "xyz")
    steps = [START_NS + i * 5_000_000 + int(j) for i, j in enumerate(jitter(1, 1e4, 200))]
    values = np.random.default_rng(5).normal(size=(200, 6))
    rows = [f"{t},{','.join(f'{v:.6f}' for v in row)}\n" for t, row in zip(steps, values, strict=True)]
    written(root / "mav0/imu0/data.csv", f"#timestamp [ns],{axes}\n" + "".join(rows))
    return root


def kitti(root):
    drive = root / "2011_09_26/2011_09_26_drive_0001_sync"
    for seed, (sensor, suffix) in enumerate((("oxts", "txt"), ("image_02", "png"), ("velodyne_points", "bin"))):
        nanoseconds = [i * 100_000_000 + int(j) for i, j in enumerate(jitter(seed, 5e5) + 5e5)]
        lines = [f"2011-09-26 13:02:{25 + n // 10**9:02d}.{n % 10**9:09d}\n" for n in nanoseconds]
        written(drive / sensor / "timestamps.txt", "".join(lines))
        for i in range(ROWS):
            packet = " ".join(f"{v:.6f}" for v in np.random.default_rng(i).normal(size=25)) + " 4 9 4 4 0\n"
            content = {"txt": packet, "png": PICTURE, "bin": np.ones((50, 4), np.float32).tobytes()}[suffix]
            written(drive / sensor / f"data/{i:010d}.{suffix}", content)
    date = drive.parent
    pose = "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 1 0 0 0 0 1\nT: 0.1 0.2 0.3\n"
    written(date / "calib_velo_to_cam.txt", pose)
    written(date / "calib_imu_to_velo.txt", pose)
    lens = "K_02: 9.6e+02 0 6.9e+02 0 9.5e+02 2.2e+02 0 0 1\nD_02: -0.3 0.2 0 0 0\n"
    lens += "R_02: 1 0 0 0 1 0 0 0 1\nT_02: 0.06 0 0\n"
    written(date / "calib_cam_to_cam.txt", f"calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.95e-02\n{lens}")
    return root


def odometry(root):
    folder = root / "sequences/00"
    written(folder / "times.txt", "".join(f"{i * 0.1 + j:.6e}\n" for i, j in enumerate(jitter(0, 1e-3) + 1e-3)))
    for i in range(ROWS):
        written(folder / f"image_0/{i:06d}.png", PICTURE)
    written(folder / "calib.txt", "P0: 718 0 607 0 0 718 185 0 0 0 1 0\nTr: 1 0 0 0.5 0 1 0 0 0 0 1 0\n")
    written(root / "poses/00.txt", "".join(f"1 0 0 {i} 0 1 0 0 0 0 1 {i * 0.5}\n" for i in range(ROWS)))
    return root


MAKERS = {"tum": tum, "euroc": euroc, "kitti": kitti, "odometry": odometry}


@pytest.mark.parametrize("name", MAKERS)
def test_good_ones_have_no_finding_that_blocks(tmp_path, name):
    recording = readers.open(MAKERS[name](tmp_path / "data"))
    assert recording.problems == ()
    assert not run(recording, load("recording@1")).blocking


def test_tum(tmp_path):
    recording = readers.open(tum(tmp_path / "seq/fr1").parent)
    assert (recording.format, [dict(e.provenance) for e in recording.episodes]) == ("tum", [{"sequence": "fr1"}])
    assert {n: s.rows for n, s in recording.streams.items()} == {
        "rgb": ROWS,
        "depth": ROWS,
        "accelerometer": 300,
        "groundtruth": 60,
    }
    truth = recording.streams["groundtruth"]
    assert truth.features["position"].units == ("m", "m", "m")
    assert {s.clock.origin for s in recording.streams.values()} == {truth.clock.origin}
    table = truth.frames().collect()
    assert table["timestamp"][0] == stamp(f"{START_S + jitter(3, 1e-3, 60)[0]:.4f}")
    assert table["position"].to_list()[59] == [0.59, 0, 1]
    assert (recording.cameras["depth"].depth, recording.cameras["rgb"].depth) == (True, False)
    shown = list(recording.cameras["rgb"].pictures(0))
    assert (len(shown), shown[0].width) == (ROWS, 96)
    assert 0 <= shown[0].time_s < 0.01
    alone = readers.open(tmp_path / "seq/fr1/groundtruth.txt")
    assert (alone.rows, alone.main.name) == (60, "trajectory")


def test_euroc(tmp_path):
    recording = readers.open(euroc(tmp_path / "MH_01"))
    imu, camera = recording.streams["imu0"], recording.streams["cam0"]
    assert (imu.fps, camera.fps, imu.rows) == (200, 20, 200)
    assert imu.features["w_RS_S_x"].units == ("rad s^-1",)
    assert recording.facts.sensors["cam0"].calibration["translation"] == [0.1, 0.2, 0.3]
    assert recording.facts.sensors["cam0"].calibration["intrinsics"][0] == 458.654
    assert (recording.cameras["cam0"].width, recording.cameras["cam0"].fps) == (96, 20)
    first = camera.frames().collect()["timestamp"][0]
    assert first == START_NS + int(jitter(0, 1e5)[0])
    assert len(list(recording.cameras["cam0"].pictures(0))) == ROWS


def test_kitti(tmp_path):
    recording = readers.open(kitti(tmp_path))
    assert (recording.facts.robot_type, len(recording.episodes)) == ("vehicle", 1)
    oxts = recording.streams["oxts"]
    assert oxts.features["lat"].units == ("deg",)
    packet = np.random.default_rng(3).normal(size=25)
    assert oxts.frames().collect()["vf"][3] == pytest.approx(packet[8], abs=1e-6)
    assert recording.streams["velodyne_points"].frames().collect()["points"].to_list() == [50] * ROWS
    sensors = recording.facts.sensors
    assert sensors["velodyne_points"].calibration == {
        "calibration_time": "2012-03-15T11:37:16",
        "parent": "image_00",
        "rotation": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
        "translation": [0.1, 0.2, 0.3],
    }
    assert sensors["image_02"].calibration["translation"] == [-0.06, 0, 0]
    assert sensors["image_02"].calibration["K"][0] == 960
    assert len(list(recording.cameras["image_02"].pictures(0))) == ROWS
    one = readers.open(tmp_path / "2011_09_26/2011_09_26_drive_0001_sync")
    assert one.rows == recording.rows


def test_odometry(tmp_path):
    recording = readers.open(odometry(tmp_path / "dataset"))
    table = recording.scan().collect()
    assert table["position"].to_list()[4] == [4, 0, 2]
    assert recording.facts.sensors["velodyne"].calibration["translation"] == [0.5, 0, 0]
    poses = readers.open(tmp_path / "dataset/poses/00.txt")
    assert (poses.main.clock, poses.rows) == (None, ROWS)


def removed(root, pattern):
    path = sorted(root.glob(pattern))[3]
    path.unlink()
    return path.name


@pytest.mark.parametrize(
    ("name", "pattern", "listing"),
    [
        ("tum", "rgb/*.png", "rgb.txt"),
        ("euroc", "mav0/cam0/data/*.png", "mav0/cam0/data.csv"),
        ("kitti", "*/*/velodyne_points/data/*.bin", "velodyne_points/timestamps.txt"),
        ("kitti", "*/*/oxts/data/*.txt", "oxts/timestamps.txt"),
    ],
)
def test_what_is_listed_and_missing_is_named(tmp_path, name, pattern, listing):
    root = MAKERS[name](tmp_path / "data")
    gone = removed(root, pattern)
    (problem,) = readers.open(root).problems
    assert (problem.kind, problem.episode, problem.path.endswith(listing)) == ("file-missing", 0, True)
    assert gone.rpartition(".")[0] in problem.message
    result = run(readers.open(root), load("recording@1"))
    assert "readable" in {f.check for f in result.blocking}


def test_what_is_there_and_not_listed(tmp_path):
    root = euroc(tmp_path / "data")
    written(root / "mav0/cam0/data/7.png", PICTURE)
    assert [(p.kind, "7.png" in p.message) for p in readers.open(root).problems] == [("path-unexpected", True)]
    root = kitti(tmp_path / "drive")
    written(next(root.glob("*/*/oxts")) / f"data/{ROWS:010d}.txt", "1")
    assert [p.kind for p in readers.open(root).problems] == ["path-unexpected"]


@pytest.mark.parametrize(
    ("name", "path", "content", "kind", "words"),
    [
        ("tum", "groundtruth.txt", "1.0 1 2 3 0 0 0 1\n2.0 1 2\n3.0 1 2 x 0 0 0 1\n", "metadata-invalid", "2 lines"),
        ("tum", "rgb.txt", "", "metadata-empty", "no bytes"),
        ("tum", "accelerometer.txt", "# nothing\n", "file-damaged", "lists nothing"),
        ("euroc", "mav0/cam0/sensor.yaml", "rate_hz: [", "metadata-invalid", "expected"),
        ("euroc", "mav0/imu0/data.csv", "#t [ns],x\n99999999999999999999,1\n5,1\n", "metadata-invalid", "stamp"),
        ("odometry", "sequences/00/calib.txt", "P0: 1 2\n", "metadata-invalid", "12 numbers"),
        ("odometry", "sequences/00/calib.txt", "P0: nan" + " 1" * 11, "metadata-invalid", "12 numbers"),
        ("odometry", "poses/00.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n", "metadata-invalid", "1 poses for 20 times"),
    ],
)
def test_lists_that_are_damaged(tmp_path, name, path, content, kind, words):
    root = MAKERS[name](tmp_path / "data")
    written(root / path, content)
    problem = next(p for p in readers.open(root).problems if p.path == path)
    assert (problem.kind, words in problem.message) == (kind, True)


def test_a_scan_that_is_cut(tmp_path):
    root = kitti(tmp_path)
    path = sorted(root.glob("*/*/velodyne_points/data/*.bin"))[2]
    path.write_bytes(bytes(30))
    (problem,) = readers.open(root).problems
    assert (problem.kind, problem.path.endswith(path.name)) == ("file-damaged", True)


def test_links_out_of_the_folder_are_refused(tmp_path):
    root = euroc(tmp_path / "data")
    written(tmp_path / "secret.yaml", META)
    (root / "mav0/cam0/sensor.yaml").unlink()
    (root / "mav0/cam0/sensor.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(root)
    assert caught.value.kind == "path-outside"


def test_a_list_that_names_files_outside(tmp_path):
    root = tum(tmp_path / "data")
    written(root / "rgb.txt", f"{START_S} ../../secret.png\n")
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(root)
    assert caught.value.kind == "path-outside"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(list(MAKERS)))
def test_spoilt_bytes(tmp_path, data, name):
    good, root = tmp_path / f"{name} good", tmp_path / name
    if not good.exists():
        MAKERS[name](good)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(good, root)
    texts = sorted(p for p in root.rglob("*") if p.suffix in (".txt", ".csv", ".yaml"))[:12]
    path = data.draw(st.sampled_from(texts))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        if data.draw(st.booleans()):
            content[at : at + data.draw(st.integers(1, 50))] = b" "
        else:
            content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=3))
    path.write_bytes(bytes(content))
    with suppress(UnreadableDataset):
        recording = readers.open(root)
        for stream in recording.streams.values():
            stream.frames().collect()


@given(st.text(max_size=30) | st.from_regex(r"[-+]?\d{1,25}(\.\d{0,12})?([eE][-+]?\d{1,3})?", fullmatch=True))
def test_any_text_is_a_stamp_or_none(text):
    for known in (stamp, lists.nanoseconds):
        with suppress(ValueError):
            assert abs(known(text)) < 1 << 63
