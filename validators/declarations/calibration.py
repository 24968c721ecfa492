"""`calibration@1`: what is known of one sensor's calibration, in `calibration/*.json` of the dataset, read strictly.

A transform takes points of the frame `from` to the frame `to`: x_to = rotation · x_from + translation, in m. What a
reader found in its own format (`Sensor.calibration`) is understood too, where it has a date or a transform.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from validators.documents import DocumentError, parse_json
from validators.errors import UnreadableDataset
from validators.recording import Recording
from validators.robot.kinematics import Array, from_quaternion

SCHEMA = "calibration@1"
FOLDER = "calibration/"
MAX_BYTES, MAX_FILES, MAX_POINTS = 64 << 20, 1000, 1_000_000
_KEYS = {"schema", "sensor", "date", "camera", "reprojection_rms_px", "views", "extrinsics", "pairs"}
_DATES = ("date", "calibrated_at", "calibration_date", "calibration_time")


@dataclass(frozen=True)
class Lens:
    """A pinhole camera with OpenCV's distortion (k1 k2 p1 p2 k3 k4 k5 k6, as many as given): `matrix` [3, 3] in px."""

    matrix: Array
    distortion: tuple[float, ...] = ()

    def project(self, points: Array) -> Array:
        """Pixels [n, 2] of points [n, 3], m in the camera's frame; NaN behind the camera."""
        depth = np.where(points[:, 2:] > 0, points[:, 2:], np.nan)
        x, y = (points[:, :2] / depth).T
        k1, k2, p1, p2, k3, k4, k5, k6 = (*self.distortion, *[0.0] * (8 - len(self.distortion)))
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        pixels = np.stack([u, v, np.ones_like(u)]).T @ self.matrix.T
        return np.asarray(pixels[:, :2], dtype=np.float64)


@dataclass(frozen=True)
class Transform:
    """x_to = rotation · x_from + translation, m. `length` of the quaternion it was written as, None for a matrix."""

    source: str
    target: str
    rotation: Array
    translation: Array
    length: float | None = None

    def apply(self, points: Array) -> Array:
        """Points [n, 3] in the frame `to`."""
        return np.asarray(points @ self.rotation.T + self.translation, dtype=np.float64)


@dataclass(frozen=True)
class View:
    """A board or tag seen once: its points [n, 3], m, its pose in the camera's frame, and where they were seen, px."""

    board: Transform
    points: Array
    pixels: Array


@dataclass(frozen=True)
class Pairs:
    """Points of one sensor [n, 3], m, and the same points seen by another: [n, 3] m or [n, 2] px."""

    source: str
    target: str
    points: Array
    seen: Array


@dataclass(frozen=True)
class Calibration:
    """One sensor's calibration; `where` says which file or metadata. None and empty are not given."""

    sensor: str
    where: str
    date: datetime.date | None = None
    lens: Lens | None = None
    declared_px: float | None = None
    views: tuple[View, ...] = ()
    transforms: tuple[Transform, ...] = ()
    pairs: tuple[Pairs, ...] = ()
    embedded: bool = False  # in the format's own metadata or in a declaration, not in a file of its own


def found(recording: Recording) -> tuple[Calibration, ...]:
    """All calibrations of a recording: its files, then those that its metadata or declaration gives of a sensor.

    Raises `UnreadableDataset` (`metadata-*`, `too-large`) that names the file.
    """
    files = recording.files
    names = [n for n in files.names(".json") if n.startswith(FOLDER)]
    if len(names) > MAX_FILES:
        raise UnreadableDataset("too-large", f"more than {MAX_FILES} calibration files", path=files.where(FOLDER))
    read = [parse(files.text(name, MAX_BYTES), name, files.where(name)) for name in names]
    known = {c.sensor for c in read}
    sensors = [s for s in recording.facts.sensors.values() if s.calibration and s.name not in known]
    return (*read, *(_of_metadata(s.name, s.calibration) for s in sensors))


def day(value: object) -> datetime.date | None:
    """The day of an ISO 8601 text, None where it is none."""
    if isinstance(value, str):
        try:
            return datetime.datetime.fromisoformat(value.strip()).date()
        except ValueError:
            return None
    return None


def _of_metadata(sensor: str, given: Mapping[str, object]) -> Calibration:
    """Dates and transforms by the names that formats have for them; what cannot be understood is not taken."""
    date = next((d for d in (day(given.get(key)) for key in _DATES) if d), None)
    rms = given.get("reprojection_rms_px")
    try:
        pose = _pose(sensor, given)
    except (_Wrong, ValueError, TypeError):
        pose = None
    declared = float(rms) if _is_number(rms) else None
    transforms = () if pose is None else (pose,)
    where = f"the metadata of {sensor}"
    return Calibration(sensor, where, date, declared_px=declared, transforms=transforms, embedded=True)


def _pose(sensor: str, given: Mapping[str, object]) -> Transform | None:
    """A sensor's pose in its parent: nuScenes writes `rotation` as w x y z, OpenLABEL `quaternion` as x y z w."""
    name = next((k for k in ("pose_wrt_parent", "extrinsics", "pose") if isinstance(given.get(k), Mapping)), "")
    pose = given[name] if name else given
    assert isinstance(pose, Mapping)
    rotation = next((pose[k] for k in ("rotation", "quaternion", "R") if k in pose), None)
    translation = next((pose[k] for k in ("translation", "translation_m", "T") if k in pose), None)
    if rotation is None or translation is None:
        return None
    entry = {"from": sensor, "to": str(given.get("parent") or "its parent"), "translation_m": translation}
    four = isinstance(rotation, list) and len(rotation) == 4
    if four and name == "pose_wrt_parent":
        rotation = [rotation[3], *rotation[:3]]
    return _transform(sensor, {**entry, "quaternion" if four else "rotation": rotation})


class _Wrong(ValueError):
    """Names the place in the document and what was expected there."""


def parse(text: str, relative: str, where: str) -> Calibration:
    """The calibration in the text of a file. Raises `UnreadableDataset` (`metadata-invalid`)."""
    try:
        return _read(parse_json(text), relative)
    except (DocumentError, _Wrong) as error:
        raise UnreadableDataset("metadata-invalid", str(error), path=where) from error


def _read(document: object, relative: str) -> Calibration:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _Wrong(f"an object with the schema {SCHEMA} was expected")
    if unknown := sorted(document.keys() - _KEYS):
        raise _Wrong(f"unknown keys {unknown[:5]}; known are {', '.join(sorted(_KEYS))}")
    sensor, date, rms = document.get("sensor"), document.get("date"), document.get("reprojection_rms_px")
    if not isinstance(sensor, str) or not sensor.strip():
        raise _Wrong("sensor: the name of a sensor was expected")
    if rms is not None and (not _is_number(rms) or rms < 0):
        raise _Wrong("reprojection_rms_px: a number of pixels was expected")
    if date is not None and day(date) is None:
        raise _Wrong(f"date: {date!r} is no date like 2026-03-01")
    return Calibration(
        sensor,
        relative,
        day(date),
        _lens(document["camera"]) if "camera" in document else None,
        None if rms is None else float(rms),
        tuple(_view(w, v) for w, v in _items("views", document)),
        tuple(_transform(w, t) for w, t in _items("extrinsics", document)),
        tuple(_pairs(w, p) for w, p in _items("pairs", document)),
    )


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _items(key: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = document.get(key, [])
    if not isinstance(listed, list) or len(listed) > MAX_POINTS:
        raise _Wrong(f"{key}: a list was expected")
    for i, item in enumerate(listed):
        if not isinstance(item, dict):
            raise _Wrong(f"{key}[{i}]: an object was expected")
        yield f"{key}[{i}]", item


def _lens(given: object) -> Lens:
    if not isinstance(given, dict) or given.keys() - {"model", "width", "height", "matrix", "distortion"}:
        raise _Wrong("camera: an object with model, width, height, matrix and distortion was expected")
    if given.get("model", "pinhole") != "pinhole":
        raise _Wrong(f"camera: model {given['model']!r} is not read, pinhole is")
    matrix = _numbers("camera.matrix", given.get("matrix"), (3, 3))
    distortion = _numbers("camera.distortion", given.get("distortion", []), (None,))
    if len(distortion) > 8 or matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or list(matrix[2]) != [0, 0, 1]:
        raise _Wrong("camera: focal lengths above 0, a last row of 0 0 1 and at most 8 distortions were expected")
    return Lens(matrix, tuple(distortion.tolist()))


def _transform(where: str, given: Mapping[str, Any], source: str = "", target: str = "") -> Transform:
    ends = (given.get("from", source), given.get("to", target))
    if not all(isinstance(end, str) for end in ends):
        raise _Wrong(f"{where}: from and to are names of frames")
    if ("rotation" in given) == ("quaternion" in given):
        raise _Wrong(f"{where}: either a rotation (3 rows) or a quaternion (w x y z) was expected")
    translation = _numbers(f"{where}.translation_m", given.get("translation_m"), (3,))
    if "rotation" in given:
        return Transform(*ends, _numbers(f"{where}.rotation", given["rotation"], (3, 3)), translation)
    quaternion = _numbers(f"{where}.quaternion", given["quaternion"], (4,))
    length = float(np.linalg.norm(quaternion))
    if length < 1e-9:
        raise _Wrong(f"{where}.quaternion has the length 0")
    return Transform(*ends, from_quaternion(quaternion), translation, length)


def _view(where: str, given: Mapping[str, Any]) -> View:
    board = _transform(where, given, "board", "camera")
    points = _numbers(f"{where}.points_m", given.get("points_m"), (None, 3))
    return View(board, points, _numbers(f"{where}.pixels", given.get("pixels"), (len(points), 2)))


def _pairs(where: str, given: Mapping[str, Any]) -> Pairs:
    ends = (given.get("from"), given.get("to"))
    if not isinstance(ends[0], str) or not isinstance(ends[1], str) or ("to_m" in given) == ("to_px" in given):
        raise _Wrong(f"{where}: from, to, from_m and either to_m or to_px were expected")
    points = _numbers(f"{where}.from_m", given.get("from_m"), (None, 3))
    key, width = ("to_m", 3) if "to_m" in given else ("to_px", 2)
    return Pairs(ends[0], ends[1], points, _numbers(f"{where}.{key}", given[key], (len(points), width)))


def _numbers(where: str, given: object, shape: tuple[int | None, ...]) -> Array:
    """Finite numbers of that shape; None stands for any length of at least one (or none for a plain list)."""
    wanted = " × ".join("n" if n is None else str(n) for n in shape)
    try:
        read = np.array(given, dtype=np.float64) if isinstance(given, list) else np.zeros(0)
    except (ValueError, TypeError, OverflowError):
        read = np.zeros((0, 0, 0, 0))
    fits = read.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, read.shape, strict=True))
    whole = (
        fits and read.size <= MAX_POINTS and (read.size > 0 or shape == (None,)) and np.abs(read).max(initial=0) < 1e9
    )
    if not whole or not isinstance(given, list) or not np.isfinite(read).all():
        raise _Wrong(f"{where}: {wanted} finite numbers were expected")
    return read
