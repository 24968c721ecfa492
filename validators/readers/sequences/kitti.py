"""KITTI: raw drives (`oxts`, `image_0N`, `velodyne_points`, each with timestamps.txt) and odometry (times.txt, poses).

Raw stamps are the recording computer's, ns, local time of the car taken as UTC. Calibration files give intrinsics and
the poses of camera, lidar and GPS/IMU, with the time of the calibration.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from functools import partial

import numpy as np
import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import image
from validators.readers.sequences import lists
from validators.readers.sequences.assembly import Sequences, scalars, vector
from validators.readers.sequences.tum import PATH, POSITION
from validators.recording import Facts, Recording, Sensor
from validators.stream import Feature

FORMAT = "KITTI (raw drives, odometry)"
STAMPS, TIMES = "timestamps.txt", "times.txt"
CAMERAS = re.compile(r"image_(\d{1,2})")
SENSORS = re.compile(r"(?:(.*)/)?(oxts|image_\d\d|velodyne_points)/timestamps\.txt")
ODOMETRY = re.compile(r"(?:(.*)/)?times\.txt")
MAX_CALIBRATION, POINT = 1 << 20, 16  # bytes of a file; of a point: x, y, z, intensity as float32
OXTS = (
    *(("lat", "deg"), ("lon", "deg"), ("alt", "m"), ("roll", "rad"), ("pitch", "rad"), ("yaw", "rad")),
    *((v, "m/s") for v in ("vn", "ve", "vf", "vl", "vu")),
    *((a, "m/s²") for a in ("ax", "ay", "az", "af", "al", "au")),
    *((w, "rad/s") for w in ("wx", "wy", "wz", "wf", "wl", "wu")),
    *(("pos_accuracy", "m"), ("vel_accuracy", "m/s")),
    *((n, "") for n in ("navstat", "numsats", "posmode", "velmode", "orimode")),
)
POSE = Feature("pose", "float64", (12,))


def recognises(files: Files) -> bool:
    """Whether a folder has stamps of such sensors, or times beside the pictures or scans of a sequence."""
    return bool(_drives(files) or _sequences(files)) or _is_poses(files)


def read(files: Files) -> Recording:
    """Reads stamps, packets of the GPS/IMU, poses and calibrations; pictures and scans stay where they are."""
    drives = _drives(files)
    if drives:
        found = Sequences(files, "recording computer")
        for episode, (folder, sensors) in enumerate(drives.items()):
            for sensor in sensors:
                relative = _in(folder, f"{sensor}/{STAMPS}")
                found.attempt(episode, relative, partial(_sensor, found, episode, folder, sensor))
            _calibrations(found, episode, folder)
        return found.recording("kitti", list(drives), Facts(robot_type="vehicle"))
    found = Sequences(files, "as listed in times.txt")
    if files.only is not None:
        found.attempt(0, files.only, partial(_poses, found, 0, files.only, None))
        return found.recording("kitti", [""])
    folders = _sequences(files)
    for episode, folder in enumerate(folders):
        found.attempt(episode, _in(folder, TIMES), partial(_sequence, found, episode, folder))
        path = _in(folder, "calib.txt")
        if files.exists(path):
            found.attempt(episode, path, partial(_projections, found, path))
    return found.recording("kitti", folders, Facts(robot_type="vehicle"))


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _drives(files: Files) -> dict[str, list[str]]:
    """Folder → its sensors, of raw drives."""
    found: dict[str, list[str]] = {}
    for name in files.names(STAMPS):
        if match := SENSORS.fullmatch(name):
            found.setdefault(match[1] or "", []).append(match[2])
    return found


def _sequences(files: Files) -> list[str]:
    """Folders of odometry: times.txt beside pictures, scans or a calibration of theirs."""
    folders = [m[1] or "" for name in files.names(TIMES) if (m := ODOMETRY.fullmatch(name))]
    beside = ("image_0", "image_1", "image_2", "image_3", "velodyne")
    return [
        f
        for f in folders
        if files.is_file(_in(f, "calib.txt")) or any(files.is_folder(_in(f, b)) for b in beside) or _pose_file(files, f)
    ]


def _is_poses(files: Files) -> bool:
    """Whether the only file has twelve numbers a line."""
    if files.only is None or not files.only.lower().endswith(".txt") or not files.is_file(files.only):
        return False
    with files.open(files.only) as file:
        first = file.readline(4096).decode("utf-8", "replace").split()
    return len(first) == 12 and all(re.fullmatch(r"[-+.\deE]+", f) for f in first)


def _sensor(found: Sequences, episode: int, folder: str, sensor: str) -> None:
    """One sensor of a raw drive: its stamps, and a file of `data` for each."""
    relative = _in(folder, f"{sensor}/{STAMPS}")
    listed = lists.stamps(found.files, relative)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    suffixes = (".txt",) if sensor == "oxts" else (".bin", ".txt") if sensor == "velodyne_points" else image.SUFFIXES
    place = _in(folder, f"{sensor}/data")
    names = [n for n in found.files.names(*suffixes) if n.rpartition("/")[0] == place]
    numbered = {int(m[1]): n for n in names if (m := re.fullmatch(r".*/(\d{1,12})\.\w+", n))}
    rows = len(listed)
    if absent := sorted(set(range(rows)) - numbered.keys()):
        shown = ", ".join(f"{i:010d}" for i in absent[:3])
        found.problem(
            "file-missing", relative, f"{len(absent)} of {rows} stamps have no file in data: {shown}", episode
        )
    if extra := sorted(numbered.keys() - set(range(rows))):
        detail = f"{len(extra)} files in data have no stamp: {numbered[extra[0]].rpartition('/')[2]}"
        found.problem("path-unexpected", relative, detail, episode)
    kept = [i for i in range(rows) if i in numbered]
    if not kept:
        raise UnreadableDataset("file-missing", f"none of the {rows} files that it stamps is there")
    stamps = listed.stamps[kept]
    if sensor == "oxts":
        _packets(found, episode, relative, stamps, [numbered[i] for i in kept])
        return
    paths = [numbered[i] for i in kept]
    found.add(sensor, episode, relative, stamps, {PATH: pa.array(paths), **_points(found, episode, paths)})
    if CAMERAS.fullmatch(sensor):
        found.images(sensor, episode, list(zip(paths, stamps.tolist(), strict=True)))


def _points(found: Sequences, episode: int, paths: list[str]) -> dict[Feature, pa.Array]:
    """The number of points of each scan, of scans in binary."""
    if not all(p.endswith(".bin") for p in paths):
        return {}
    sizes = [found.files.size(p) for p in paths]
    if cut := [p for p, size in zip(paths, sizes, strict=True) if size % POINT or not size]:
        detail = f"{len(cut)} scans are empty or end inside a point of {POINT} bytes, the first is {cut[0]}"
        found.problem("file-damaged", cut[0], detail, episode)
    return {Feature("points", "int64"): pa.array([size // POINT for size in sizes])}


def _packets(found: Sequences, episode: int, relative: str, stamps: np.ndarray, paths: list[str]) -> None:
    """GPS/IMU: a file of thirty numbers for each stamp."""
    rows, kept = [], []
    for i, path in enumerate(paths):
        try:
            rows.append(lists.numbers(found.files, path, len(OXTS), stamped=None).numbers[0])
            kept.append(i)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            found.problem(error.kind, path, error.detail, episode)
    if not rows:
        raise UnreadableDataset("file-damaged", f"none of its {len(paths)} packets can be read")
    listed = lists.Listed(stamps[kept], np.array(rows), (), (), "")
    columns = scalars(listed, [name for name, _ in OXTS], [unit for _, unit in OXTS])
    found.add("oxts", episode, relative, listed.stamps, columns)
    found.sensors.setdefault("oxts", Sensor("oxts", "gps-imu"))


def _calibrations(found: Sequences, episode: int, folder: str) -> None:
    """`calib_*.txt` of a drive, in its folder or the date's above it."""
    above = folder.rpartition("/")[0]
    for name, read in (
        ("calib_cam_to_cam.txt", _cameras),
        ("calib_velo_to_cam.txt", partial(_pose_of, "velodyne_points", "lidar", "image_00")),
        ("calib_imu_to_velo.txt", partial(_pose_of, "oxts", "gps-imu", "velodyne_points")),
    ):
        path = next((p for p in (_in(folder, name), _in(above, name)) if found.files.exists(p)), None)
        if path is not None:
            found.attempt(episode, path, partial(read, found, path))


def _entries(found: Sequences, path: str) -> dict[str, str]:
    """`key: value` lines."""
    entries: dict[str, str] = {}
    for line in found.files.text(path, MAX_CALIBRATION).split("\n"):
        key, colon, value = line.partition(":")
        if colon and key.strip() in entries:
            raise UnreadableDataset("metadata-invalid", f"{key.strip()} occurs twice")
        if colon:
            entries[key.strip()] = value.strip()
    return entries


def _floats(entries: Mapping[str, str], key: str, number: int) -> list[float] | None:
    if key not in entries:
        return None
    try:
        values = [float(v) for v in entries[key].split()]
    except ValueError:
        values = []
    if len(values) != number or not np.isfinite(values).all():
        raise UnreadableDataset("metadata-invalid", f"{key}: {number} numbers were expected")
    return values


def _when(entries: Mapping[str, str]) -> dict[str, object]:
    """The calibration's time as ISO text."""
    text = entries.get("calib_time", "")
    try:
        moment = datetime.datetime.strptime(text, "%d-%b-%Y %H:%M:%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return {"calib_time": text} if text else {}
    return {"calibration_time": moment.replace(tzinfo=None).isoformat()}


def _cameras(found: Sequences, path: str) -> None:
    entries = _entries(found, path)
    for key in sorted(k for k in entries if re.fullmatch(r"K_\d\d", k)):
        number = key.removeprefix("K_")
        parts = {"K": 9, "D": 5, "R": 9, "T": 3, "S": 2, "P_rect": 12, "R_rect": 9, "S_rect": 2}
        given = {p: v for p, n in parts.items() if (v := _floats(entries, f"{p}_{number}", n)) is not None}
        calibration: dict[str, object] = {**_when(entries), **given}
        if "R" in given and "T" in given:  # takes points of camera 0 to this one
            rotation = np.array(given["R"]).reshape(3, 3).T
            calibration |= {
                "parent": "image_00",
                "rotation": rotation.tolist(),
                "translation": (-rotation @ np.array(given["T"])).tolist(),
            }
        found.sensors[f"image_{number}"] = Sensor(f"image_{number}", "camera", None, calibration)


def _pose_of(sensor: str, kind: str, parent: str, found: Sequences, path: str) -> None:
    entries = _entries(found, path)
    rotation, translation = _floats(entries, "R", 9), _floats(entries, "T", 3)
    if rotation is None or translation is None:
        raise UnreadableDataset("metadata-invalid", "R and T were expected")
    matrix = [rotation[i : i + 3] for i in (0, 3, 6)]
    pose: dict[str, object] = {"parent": parent, "rotation": matrix, "translation": translation}
    found.sensors[sensor] = Sensor(sensor, kind, None, {**_when(entries), **pose})


def _sequence(found: Sequences, episode: int, folder: str) -> None:
    """A sequence of odometry: times, with a pose, pictures and a scan each."""
    relative = _in(folder, TIMES)
    listed = lists.stamps(found.files, relative)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    rows = len(listed)
    poses = _pose_file(found.files, folder)
    if poses is None:
        found.add("frames", episode, relative, listed.stamps, {})
    else:
        _poses(found, episode, poses, listed)
    stamps = listed.stamps.tolist()
    for sensor in ("image_0", "image_1", "image_2", "image_3", "velodyne"):
        place = _in(folder, sensor)
        suffixes = (".bin",) if sensor == "velodyne" else image.SUFFIXES
        paths = [n for n in found.files.names(*suffixes) if n.rpartition("/")[0] == place]
        if not paths:
            continue
        if len(paths) != rows:
            detail = f"{rows} times are listed, {sensor} has {len(paths)} files"
            found.problem("file-missing" if len(paths) < rows else "path-unexpected", relative, detail, episode)
        if sensor == "velodyne":
            _points(found, episode, paths)
        else:
            known = stamps if len(paths) == rows else [None] * len(paths)
            found.images(sensor, episode, list(zip(paths, known, strict=True)))


def _pose_file(files: Files, folder: str) -> str | None:
    """`poses.txt` beside the times, or `poses/NN.txt` beside `sequences/NN`."""
    name = folder.rpartition("/")[2]
    top = folder.rpartition("/")[0].rpartition("/")[0]
    places = (_in(folder, "poses.txt"), _in(top, f"poses/{name}.txt"))
    return next((p for p in places if p != "poses/.txt" and files.is_file(p)), None)


def _poses(found: Sequences, episode: int, relative: str, times: lists.Listed | None) -> None:
    """Lines of twelve numbers, a 3 × 4 matrix row by row: from the camera to where it began, m."""
    listed = lists.numbers(found.files, relative, 12, stamped=None)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    values, stamps = listed.numbers, None
    if times is not None:
        rows = min(len(times), len(listed))
        if len(times) != len(listed):
            detail = f"{len(listed)} poses for {len(times)} times; {rows} are judged"
            found.problem("metadata-invalid", relative, detail, episode)
        values, stamps = values[:rows], times.stamps[:rows]
    found.add("frames", episode, relative, stamps, {POSITION: vector(values[:, 3::4]), POSE: vector(values)})


def _projections(found: Sequences, path: str) -> None:
    """`calib.txt` of odometry: projection matrices P0 to P3, and Tr from the lidar to camera 0."""
    entries = _entries(found, path)
    for key in sorted(k for k in entries if re.fullmatch(r"P\d", k)):
        given = _floats(entries, key, 12)
        found.sensors[f"image_{key[1]}"] = Sensor(f"image_{key[1]}", "camera", None, {"P": given})
    if (given := _floats(entries, "Tr", 12)) is not None:
        rotation = [given[i : i + 3] for i in (0, 4, 8)]
        pose = {"parent": "image_0", "rotation": rotation, "translation": given[3::4]}
        found.sensors["velodyne"] = Sensor("velodyne", "lidar", None, pose)
