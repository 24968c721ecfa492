"""What a bag's first messages declare: sensors with their calibration, frames, and the robot's name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from validators.readers.bags.message import DECODE_ERRORS, Bag, Topic
from validators.recording import Sensor
from validators.stream import Synchronised

_KINDS = {
    "Image": "camera",
    "CompressedImage": "camera",
    "RawImage": "camera",
    "CompressedVideo": "camera",
    "Imu": "imu",
    "MagneticField": "magnetometer",
    "FluidPressure": "barometer",
    "NavSatFix": "gnss",
    "LocationFix": "gnss",
    "LaserScan": "lidar",
    "PointCloud2": "lidar",
    "PointCloud": "lidar",
    "Range": "range",
    "JointState": "joints",
    "WrenchStamped": "force-torque",
}
_CALIBRATIONS = {"CameraInfo", "CameraCalibration"}
_MATRICES = ("k", "d", "r", "p")
_ROBOT = re.compile(r"<robot\b[^>]*?\bname\s*=\s*[\"']([^\"'<>&]{1,200})[\"']")
_SYNCHRONISED = re.compile(r"(?:^|[._])(?:clock|time)_?sync(?:hroni[sz](?:ation|ed))?$", re.IGNORECASE)
_CLOCKS: Mapping[str, Synchronised] = {"ptp": "ptp", "gps": "gps", "gnss": "gps", "ntp": "ntp", "none": "none"}


def _short(kind: str) -> str:
    return kind.replace(".", "/").rpartition("/")[2]


def sensors(bags: list[Bag]) -> dict[str, Sensor]:
    """By topic; a camera's calibration is that of the CameraInfo beside it; frames by the name of the child."""
    found: dict[str, Sensor] = {}
    for topic in (t for bag in bags for t in bag.topics.values()):
        kind = _KINDS.get(_short(topic.type))
        if kind and topic.messages:
            found.setdefault(topic.name, Sensor(topic.name, kind))
    for topic, values in _first(bags):
        short = _short(topic.type)
        if short in _CALIBRATIONS:
            _calibrated(found, topic.name, values)
        elif short in ("TFMessage", "FrameTransforms"):
            for item in values.get("transforms", []) if isinstance(values.get("transforms"), list) else []:
                _frame(found, topic.name, item)
    return found


def _first(bags: list[Bag]) -> Iterator[tuple[Topic, Mapping[str, Any]]]:
    for topic in (t for bag in bags for t in bag.topics.values()):
        wanted = _short(topic.type) in _CALIBRATIONS | {"TFMessage", "FrameTransforms"}
        if wanted and topic.first is not None and topic.decode is not None:
            try:
                yield topic, topic.decode.whole(topic.first.data)
            except DECODE_ERRORS:
                continue  # told with the rows of the topic


def _calibrated(found: dict[str, Sensor], name: str, values: Mapping[str, Any]) -> None:
    base = name.rpartition("/")[0]
    pictures = [n for n, s in found.items() if s.kind == "camera" and n.startswith(f"{base}/")]
    calibration: dict[str, object] = {
        key.upper(): [float(v) for v in own]
        for key in _MATRICES
        if (own := values.get(key, values.get(key.upper()))) is not None
    }
    for key in ("width", "height", "distortion_model", "header.frame_id", "frame_id"):
        if key in values:
            calibration[key.rpartition(".")[2]] = values[key]
    for camera in pictures or [name]:
        found[camera] = Sensor(camera, "camera", None, calibration)


def _frame(found: dict[str, Sensor], topic: str, values: Mapping[str, Any]) -> None:
    child, parent = str(values.get("child_frame_id", "")), str(values.get("header.frame_id", ""))
    if not child or len(found) > 10_000:
        return
    placed: dict[str, object] = {"parent": parent, "static": topic.endswith("static")}
    for part in ("translation", "rotation"):
        axes = [values.get(f"transform.{part}.{axis}") for axis in ("xyzw" if part == "rotation" else "xyz")]
        if all(isinstance(v, float) for v in axes):
            placed[part] = axes
    found.setdefault(f"frame:{child}", Sensor(f"frame:{child}", "frame", None, placed))


def robot(bags: list[Bag]) -> str | None:
    """The name in the URDF of a topic `robot_description`, else what the recorder's metadata call the robot."""
    for topic in (t for bag in bags for t in bag.topics.values()):
        if topic.name.endswith("robot_description") and topic.first is not None and topic.decode is not None:
            try:
                text = topic.decode.whole(topic.first.data).get("data")
            except DECODE_ERRORS:
                continue  # told with the rows of the topic
            if isinstance(text, str) and (named := _ROBOT.search(text[: 1 << 20])):
                return named[1]
    keys = ("robot_type", "robot", "vehicle", "vehicle_type")
    notes = {key.rpartition(".")[2].lower(): value for bag in bags for key, value in bag.notes.items()}
    return next((notes[key] for key in keys if notes.get(key)), None)


def synchronised(bags: list[Bag]) -> Synchronised:
    """What the recorder's metadata say of the clock; unknown where they say nothing, or not of all files the same."""
    said = {
        _CLOCKS.get(v.strip().lower(), "unknown") for b in bags for k, v in b.notes.items() if _SYNCHRONISED.search(k)
    }
    return said.pop() if len(said) == 1 else "unknown"
