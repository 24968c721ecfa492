"""MJCF: nested bodies with joints and sites, defaults by class, angles in degrees unless the compiler says radian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from validators.errors import InvalidRobot
from validators.robot.kinematics import Array, Body, Joint, Site, Tree, from_euler, from_quaternion, turn
from validators.robot.xml import direction, numbers

_UNSUPPORTED = ("include", "frame", "replicate", "attach", "composite", "flexcomp")
_POSES = ("quat", "euler", "axisangle", "xyaxes", "zaxis")


@dataclass
class _Compiler:
    radians: bool
    sequence: str
    autolimits: bool
    joints: Mapping[str, Mapping[str, str]]  # class → default attributes of its joints
    bodies: dict[str, Body] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def angle(self, value: Array) -> Array:
        return value if self.radians else np.deg2rad(value)


def parse(root: Element) -> Tree:
    """The tree of bodies below the world, whose frame is the frame of all positions."""
    for tag in _UNSUPPORTED:
        if root.find(f".//{tag}") is not None:
            raise InvalidRobot("model-unsupported", f"<{tag}> is not read; give the compiled model (mj_saveLastXML)")
    settings: dict[str, str] = {}
    for element in root.findall("compiler"):
        settings |= element.attrib
    if settings.get("coordinate", "local") != "local":
        raise InvalidRobot("model-unsupported", "coordinate='global'")
    sequence = settings.get("eulerseq", "xyz")
    if len(sequence) != 3 or set(sequence.lower()) - set("xyz"):
        raise InvalidRobot("model-invalid", f"eulerseq {sequence!r}")
    compiler = _Compiler(
        radians=settings.get("angle", "degree") == "radian",
        sequence=sequence,
        autolimits=settings.get("autolimits", "true") == "true",
        joints=_defaults(root),
    )
    compiler.bodies["world"] = Body("world", None, np.zeros(3), np.eye(3))
    for world in root.findall("worldbody"):
        _descend(compiler, world, "world", "main")
    return Tree(compiler.bodies, compiler.sites)


def _defaults(root: Element) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"main": {}}

    def visit(default: Element, inherited: Mapping[str, str], name: str) -> None:
        joint = default.find("joint")
        own = found[name] = {**found.get(name, {}), **inherited, **({} if joint is None else joint.attrib)}
        for child in default.findall("default"):
            label = child.get("class")
            if not label:
                raise InvalidRobot("model-invalid", "a nested <default> has no class")
            visit(child, own, label)

    for default in root.findall("default"):
        visit(default, found["main"], "main")  # the outermost class is the main one, whatever it is called
        found[default.get("class", "main")] = found["main"]
    return found


def _descend(compiler: _Compiler, element: Element, body: str, inherited: str) -> None:
    for site in element.findall("site"):
        if name := site.get("name"):
            compiler.sites[name] = Site(name, body, numbers(site, "pos", "0 0 0", size=3))
    for child in element.findall("body"):
        name = child.get("name") or f"body{len(compiler.bodies)}"
        if name in compiler.bodies:
            raise InvalidRobot("model-invalid", f"body {name!r} occurs twice")
        own = child.get("childclass", inherited)
        if child.find("freejoint") is not None:
            raise InvalidRobot("model-unsupported", f"body {name!r} floats freely; give a model with a fixed base")
        joints = tuple(_joint(compiler, joint, own) for joint in child.findall("joint"))
        position = numbers(child, "pos", "0 0 0", size=3)
        compiler.bodies[name] = Body(name, body, position, _rotation(compiler, child), joints)
        _descend(compiler, child, name, own)


def _rotation(compiler: _Compiler, body: Element) -> Array:
    given = [pose for pose in _POSES if pose in body.attrib]
    if len(given) > 1:
        raise InvalidRobot("model-invalid", f"body {body.get('name')!r} is turned twice: {given}")
    match given:
        case ["quat"]:
            quaternion = numbers(body, "quat", None, size=4)
            if np.linalg.norm(quaternion) < 1e-9:
                raise InvalidRobot("model-invalid", f"body {body.get('name')!r}: a quaternion of length zero")
            return from_quaternion(quaternion)
        case ["euler"]:
            return from_euler(compiler.angle(numbers(body, "euler", None, size=3)), compiler.sequence)
        case ["axisangle"]:
            *axis, angle = numbers(body, "axisangle", None, size=4)
            length = float(np.linalg.norm(axis))
            if length < 1e-9:
                raise InvalidRobot("model-invalid", f"body {body.get('name')!r}: an axis of length zero")
            turned = turn(np.array(axis) / length, compiler.angle(np.array([angle])))
            return turned.reshape(3, 3)
        case []:
            return np.eye(3)
        case _:
            raise InvalidRobot("model-unsupported", f"body {body.get('name')!r}: {given[0]} is not read, give quat")


def _joint(compiler: _Compiler, joint: Element, inherited: str) -> Joint:
    label = joint.get("class", inherited)
    if label not in compiler.joints:
        raise InvalidRobot("model-invalid", f"joint {joint.get('name')!r}: no default class {label!r}")
    merged = Element("joint", {**compiler.joints[label], **joint.attrib})
    name = merged.get("name") or f"joint{len(compiler.names)}"
    if name in compiler.names:
        raise InvalidRobot("model-invalid", f"joint {name!r} occurs twice")
    compiler.names.add(name)
    kind = merged.get("type", "hinge")
    if kind not in ("hinge", "slide"):
        raise InvalidRobot("model-unsupported", f"joint {name!r} is {kind!r}; hinge and slide are read")
    limited = merged.get("limited", "auto")
    has_range = "range" in merged.attrib
    limits: Array | None = None
    if has_range and (limited == "true" or (limited == "auto" and compiler.autolimits)):
        limits = numbers(merged, "range", None, size=2)
        limits = compiler.angle(limits) if kind == "hinge" else limits
    reference = numbers(merged, "ref", "0", size=1)
    return Joint(
        name=name,
        motion="hinge" if kind == "hinge" else "slide",
        axis=direction(merged, "0 0 1"),
        anchor=numbers(merged, "pos", "0 0 0", size=3),
        lower=None if limits is None else float(limits[0]),
        upper=None if limits is None else float(limits[1]),
        reference=float((compiler.angle(reference) if kind == "hinge" else reference)[0]),
    )
