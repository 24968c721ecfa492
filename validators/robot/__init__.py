"""A robot's model: joint limits and forward kinematics from URDF or MJCF; which channel of the data is which joint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from validators.documents import DocumentError, canonical, parse_json, parse_yaml
from validators.errors import InvalidRobot
from validators.robot import mjcf, urdf, xml
from validators.robot.kinematics import Joint, Site, Tree

SCHEMA = "robot@1"
MAX_RECORD = 1 << 20
UNITS = ("rad", "deg", "m", "normalised", "ticks")
_KEYS = {"schema", "name", "model", "channels", "tracker", "robot_type", "rate_hz"}
_FREE_KEYS = {"description", "serial", "tool", "payload_kg", "site"}


@dataclass(frozen=True)
class Tracker:
    """An outside measurement of a point of the robot, m in the frame of the robot's base: the column and the point."""

    column: str
    point: str


@dataclass(frozen=True)
class Channel:
    """A channel of the state: its joint; its unit and greatest speed (rad/s, m/s) where the record has them."""

    joint: str
    unit: str | None = None
    velocity: float | None = None


@dataclass(frozen=True)
class RobotModel:
    """Immutable. `document` is the record with the model's text in it: all there is, wherever it is loaded again."""

    name: str
    tree: Tree
    channels: Mapping[str, Channel]
    tracker: Tracker | None
    document: Mapping[str, object] = field(repr=False)
    robot_type: str | None = None  # as the data of this robot must say, where it says one
    rate_hz: float | None = None  # of its rows, Hz

    @property
    def digest(self) -> str:
        """sha256 of the canonical document."""
        return "sha256:" + hashlib.sha256(canonical(self.document).encode()).hexdigest()

    def channel(self, label: str) -> Channel | None:
        """The declared channel of that name, else the joint whose normalised name is the same, else None."""
        if label in self.channels:
            return self.channels[label]
        joints = {normalised(name): name for name in self.tree.joints}
        joint = joints.get(normalised(label))
        return None if joint is None else Channel(joint)

    def joint(self, name: str) -> Joint:
        """The joint of that name; the record was checked to name no other."""
        return self.tree.joints[name]

    def velocity(self, channel: Channel) -> float | None:
        """The greatest speed of a channel's joint, rad/s or m/s: the record's, else the model's, else None."""
        return channel.velocity if channel.velocity is not None else self.joint(channel.joint).velocity

    def site(self) -> Site | None:
        """The tracked point."""
        return None if self.tracker is None else self.tree.point(self.tracker.point)


def normalised(name: str) -> str:
    """One spelling for a joint: `kLeftElbowPitch`, `left_elbow_pitch_joint` and `left_elbow_pitch.pos` agree."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    parts = [p for p in re.split(r"[^a-z0-9]+", words.lower()) if p]
    if parts and parts[0] == "k":
        parts = parts[1:]
    return "_".join(p for p in parts if p not in ("joint", "pos", "position", "q"))


def load(source: Path | str) -> RobotModel:
    """A robot record (`robot@1`, YAML or JSON), or a bare URDF or MJCF; a path, or the text itself.

    A record's `model` is a file beside it, or the XML itself. Raises `InvalidRobot`.
    """
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith(("<", "{"))):
        return _from_text(source, None)
    path = Path(source)
    try:
        return _from_text(xml.read(path, xml.MAX_BYTES), path)
    except InvalidRobot as error:
        raise error if error.path else InvalidRobot(error.kind, error.detail, path=path) from error


def document(source: Path | str) -> dict[str, Any]:
    """The record of `source` with the model's text in it, checked: what is stored and sent. Raises `InvalidRobot`."""
    return dict(load(source).document)


def _from_text(text: str, path: Path | None) -> RobotModel:
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        name = path.stem if path else "robot"
        return RobotModel(name, _tree(text), {}, None, {"schema": SCHEMA, "name": name, "model": text})
    record = _record(text)
    model = record["model"]
    if not model.lstrip().startswith("<"):
        model = _beside(path, model)
    tree = _tree(model)
    channels = _channels(record.get("channels", {}), tree)
    tracker = _tracker(record.get("tracker"), tree)
    whole = {**record, "model": model}
    return RobotModel(record["name"], tree, channels, tracker, whole, record.get("robot_type"), _rate(record))


def _beside(path: Path | None, name: str) -> str:
    if path is None:
        raise InvalidRobot(
            "robot-missing", f"model {name!r} is a file name, but the record has no folder: put the XML in"
        )
    folder = path.resolve().parent
    found = (folder / name).resolve()
    if Path(name).is_absolute() or not found.is_relative_to(folder):
        raise InvalidRobot("path-outside", f"model {name!r} is not beside the record", path=path)
    return xml.read(found, xml.MAX_BYTES)


def _tree(text: str) -> Tree:
    root = xml.parse(text)
    match root.tag:
        case "robot":
            return urdf.parse(root)
        case "mujoco":
            return mjcf.parse(root)
    raise InvalidRobot("model-invalid", f"<{root.tag}> is neither URDF (<robot>) nor MJCF (<mujoco>)")


def _invalid(message: str) -> InvalidRobot:
    return InvalidRobot("robot-invalid", message)


def _record(text: str) -> dict[str, Any]:
    if len(text) > MAX_RECORD + xml.MAX_BYTES:
        raise _invalid("larger than a robot record may be")
    try:
        record = parse_json(text) if text.lstrip().startswith("{") else parse_yaml(text)
    except DocumentError as error:
        raise _invalid(str(error)) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise _invalid("a record with schema: robot@1 was expected (or a URDF or MJCF)")
    if unknown := record.keys() - _KEYS - _FREE_KEYS:
        raise _invalid(f"unknown keys {sorted(unknown)}")
    for key in ("name", "model"):
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise _invalid(f"{key!r} is missing or no text")
    if "robot_type" in record and (not isinstance(record["robot_type"], str) or not record["robot_type"].strip()):
        raise _invalid("'robot_type' is no text")
    return record


def _rate(record: Mapping[str, Any]) -> float | None:
    rate = record.get("rate_hz")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1e5:
        raise _invalid(f"rate_hz is {rate!r}, a rate above 0 and at most 1e5 Hz was expected")
    return float(rate)


def _channels(given: object, tree: Tree) -> dict[str, Channel]:
    if not isinstance(given, dict):
        raise _invalid("channels: a mapping of channel names was expected")
    found: dict[str, Channel] = {}
    for name, value in given.items():
        known = {"joint", "unit", "velocity"}
        if not isinstance(value, dict) or value.keys() - known or not isinstance(value.get("joint"), str):
            raise _invalid(f"channels: {name!r} needs a joint, and may have a unit and a velocity")
        if value["joint"] not in tree.joints:
            raise _invalid(f"channels: {name!r} names {value['joint']!r}, no joint of the model")
        if value.get("unit") not in (None, *UNITS):
            raise _invalid(f"channels: {name!r} has the unit {value['unit']!r}, known are {', '.join(UNITS)}")
        fastest = value.get("velocity")
        if fastest is not None and (isinstance(fastest, bool) or not isinstance(fastest, int | float)):
            raise _invalid(f"channels: {name!r} has the velocity {fastest!r}, a number in rad/s or m/s was expected")
        if fastest is not None and not 0 < fastest <= 1e4:
            raise _invalid(f"channels: {name!r} has the velocity {fastest!r}, above 0 and at most 1e4 was expected")
        found[name] = Channel(value["joint"], value.get("unit"), fastest)
    return found


def _tracker(given: object, tree: Tree) -> Tracker | None:
    if given is None:
        return None
    if (
        not isinstance(given, dict)
        or given.keys() - {"column", "site", "link"}
        or not isinstance(given.get("column"), str)
    ):
        raise _invalid("tracker: a column and a site or a link were expected")
    point = given.get("site", given.get("link"))
    if not isinstance(point, str) or (point not in tree.sites and point not in tree.bodies):
        raise _invalid(f"tracker: {point!r} is no site or link of the model")
    return Tracker(given["column"], point)
