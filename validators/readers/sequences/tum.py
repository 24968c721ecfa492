"""TUM RGB-D: `rgb.txt`, `depth.txt`, `accelerometer.txt`, `groundtruth.txt` in each folder; and trajectories alone.

A trajectory is lines of `timestamp tx ty tz qx qy qz qw`, s and m, from the camera to the world. Stamps are those of
the recorder (s since 1970), the motion capture's in the ground truth.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from validators.files import Files
from validators.pictures import image
from validators.readers.columns import is_number
from validators.readers.sequences import lists
from validators.readers.sequences.assembly import Sequences, scalars, vector
from validators.recording import Recording, Sensor
from validators.stream import Feature

FORMAT = "TUM RGB-D (rgb.txt, depth.txt, groundtruth.txt) and trajectories of its kind"
PICTURES = {"rgb.txt": "rgb", "depth.txt": "depth"}
ACCELEROMETER, TRUTH = "accelerometer.txt", "groundtruth.txt"
POSITION = Feature("position", "float64", (3,), ("x", "y", "z"), ("m",) * 3)
ORIENTATION = Feature("orientation", "float64", (4,), ("x", "y", "z", "w"))
PATH = Feature("path", "string")
_AXES, _HEAD = ("ax", "ay", "az"), 1 << 16


def recognises(files: Files) -> bool:
    """Whether a folder has such lists, or the only file is such a trajectory."""
    return bool(_folders(files)) or (files.only is not None and _is_trajectory(files, files.only))


def read(files: Files) -> Recording:
    """Reads the lists; pictures stay where they are."""
    found = Sequences(files, "as listed, s since 1970")
    if files.only is not None:
        found.attempt(0, files.only, partial(_trajectory, found, 0, files.only, "trajectory"))
        return found.recording("tum", [""])
    folders = _folders(files)
    for episode, folder in enumerate(folders):
        for name, camera in PICTURES.items():
            _if_there(found, episode, folder, name, partial(_pictures, found, episode, folder, name, camera))
        path = _in(folder, ACCELEROMETER)
        _if_there(found, episode, folder, ACCELEROMETER, partial(_accelerometer, found, episode, path))
        path = _in(folder, TRUTH)
        _if_there(found, episode, folder, TRUTH, partial(_trajectory, found, episode, path, "groundtruth"))
    return found.recording("tum", folders)


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _folders(files: Files) -> list[str]:
    """Those with two of the lists, of which one is of pictures or the ground truth."""
    lists_of: dict[str, set[str]] = {}
    for name in files.names(".txt"):
        folder, _, last = name.rpartition("/")
        lists_of.setdefault(folder, set()).add(last)
    known = {*PICTURES, ACCELEROMETER, TRUTH}
    return sorted(f for f, names in lists_of.items() if len(names & known) >= 2)


def _if_there(found: Sequences, episode: int, folder: str, name: str, read: partial[None]) -> None:
    if found.files.exists(_in(folder, name)):
        found.attempt(episode, _in(folder, name), read)


def _is_trajectory(files: Files, relative: str) -> bool:
    if not relative.lower().endswith((".txt", ".tum")) or not files.is_file(relative):
        return False
    with files.open(relative) as file:
        lines = file.read(_HEAD).decode("utf-8", "replace").split("\n")
    rows = [line.split() for line in lines[:-1] or lines if line.strip() and not line.lstrip().startswith("#")]
    return bool(rows) and len(rows[0]) == 8 and all(is_number(f) for f in rows[0])


def _pictures(found: Sequences, episode: int, folder: str, name: str, camera: str) -> None:
    relative = _in(folder, name)
    listed = lists.names(found.files, relative)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    found.add(camera, episode, relative, listed.stamps, {PATH: pa.array(listed.names)})
    stamps = dict(zip(listed.names, listed.stamps.tolist(), strict=True))
    places = {n.rpartition("/")[0] for n in listed.names}
    for place in sorted(places):
        own = [n.rpartition("/")[2] for n in listed.names if n.rpartition("/")[0] == place]
        found.compared(episode, relative, own, _in(folder, place) if place else folder, image.SUFFIXES)
    there = [(_in(folder, n), at) for n, at in stamps.items() if _is_file(found, _in(folder, n))]
    found.images(camera, episode, there, depth=camera == "depth")
    found.sensors.setdefault(camera, Sensor(camera, "camera"))


def _is_file(found: Sequences, relative: str) -> bool:
    return found.files.is_file(relative)


def _accelerometer(found: Sequences, episode: int, relative: str) -> None:
    listed = lists.numbers(found.files, relative, 3)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    columns = scalars(listed, _AXES, ("m/s²",) * 3)
    found.add("accelerometer", episode, relative, listed.stamps, columns)
    found.sensors.setdefault("accelerometer", Sensor("accelerometer", "imu"))


def _trajectory(found: Sequences, episode: int, relative: str, stream: str) -> None:
    listed = lists.numbers(found.files, relative, 7)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    columns = {POSITION: vector(listed.numbers[:, :3]), ORIENTATION: vector(listed.numbers[:, 3:])}
    found.add(stream, episode, relative, listed.stamps, columns)
