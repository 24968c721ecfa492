"""URDF: links joined by joints; the pose of a link is its joint's origin, then the joint's motion about its axis."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from validators.errors import InvalidRobot
from validators.robot.kinematics import Body, Joint, Motion, Tree, from_euler
from validators.robot.xml import direction, numbers

_MOTION: dict[str, Motion | None] = {
    "revolute": "hinge",
    "continuous": "hinge",
    "prismatic": "slide",
    "fixed": None,
    "floating": None,  # the base of a humanoid: positions are then relative to it
}


def parse(root: Element) -> Tree:
    """The tree of links; the root link's frame is the frame of all positions."""
    links = [_name(link) for link in root.findall("link")]
    into: dict[str, Element] = {}
    for joint in root.findall("joint"):
        child = _end(joint, "child")
        if child in into or child not in links or _end(joint, "parent") not in links:
            raise InvalidRobot("model-invalid", f"joint {joint.get('name')!r}: {child!r} has two parents or is no link")
        into[child] = joint
    if len(set(links)) != len(links) or not links:
        raise InvalidRobot("model-invalid", "no links, or a link's name occurs twice")
    roots = [link for link in links if link not in into]
    if len(roots) != 1:
        raise InvalidRobot("model-invalid", f"{len(roots)} links have no parent, a robot has one root")
    children: dict[str, list[str]] = {}
    for child, joint in into.items():
        children.setdefault(_end(joint, "parent"), []).append(child)
    bodies = {roots[0]: Body(roots[0], None, np.zeros(3), np.eye(3))}
    waiting = [roots[0]]
    while waiting:
        for child in children.get(waiting.pop(), []):
            bodies[child] = _body(child, into[child])
            waiting.append(child)
    if len(bodies) != len(links):
        raise InvalidRobot("model-invalid", "the links form a ring")
    names = [j.name for b in bodies.values() for j in b.joints]
    if len(set(names)) != len(names):
        raise InvalidRobot("model-invalid", "a joint's name occurs twice")
    return Tree(bodies, {})


def _name(element: Element) -> str:
    name = element.get("name")
    if not name:
        raise InvalidRobot("model-invalid", f"a <{element.tag}> has no name")
    return name


def _end(joint: Element, which: str) -> str:
    end = joint.find(which)
    link = None if end is None else end.get("link")
    if not link:
        raise InvalidRobot("model-invalid", f"joint {joint.get('name')!r} has no {which}")
    return link


def _body(name: str, joint: Element) -> Body:
    origin = joint.find("origin")
    position, rotation = np.zeros(3), np.eye(3)
    if origin is not None:
        position = numbers(origin, "xyz", "0 0 0", size=3)
        rotation = from_euler(numbers(origin, "rpy", "0 0 0", size=3), "XYZ")
    kind = joint.get("type", "")
    if kind not in _MOTION:
        raise InvalidRobot("model-unsupported", f"joint {joint.get('name')!r} is {kind!r}")
    motion = _MOTION[kind]
    moves = () if motion is None else (_joint(joint, motion, kind),)
    return Body(name, _end(joint, "parent"), position, rotation, moves)


def _joint(joint: Element, motion: Motion, kind: str) -> Joint:
    axis, limit = joint.find("axis"), joint.find("limit")
    unit = np.array([1.0, 0.0, 0.0]) if axis is None else direction(axis, "1 0 0")
    lower = upper = None
    if limit is not None and kind != "continuous":
        lower, upper = (float(numbers(limit, side, "0", size=1)[0]) for side in ("lower", "upper"))
        if lower > upper:
            raise InvalidRobot("model-invalid", f"joint {joint.get('name')!r}: lower limit above upper")
    return Joint(_name(joint), motion, unit, np.zeros(3), lower, upper, _velocity(limit))


def _velocity(limit: Element | None) -> float | None:
    """rad/s or m/s; exporters write 0 where they know none."""
    fastest = 0.0 if limit is None else float(numbers(limit, "velocity", "0", size=1)[0])
    return fastest if fastest > 0 else None
