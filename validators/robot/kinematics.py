"""Where a point of a tree of joints is, for many rows at once, and how it moves with each joint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Motion: TypeAlias = Literal["hinge", "slide"]


@dataclass(frozen=True)
class Joint:
    """A hinge (rad) or slide (m): axis (unit) and anchor in the frame of its body; limits None where unlimited.

    `velocity` is the greatest speed, rad/s or m/s, None where the model has none. `reference` is the joint value at
    which the body stands as drawn (MJCF `ref`).
    """

    name: str
    motion: Motion
    axis: Array
    anchor: Array
    lower: float | None = None
    upper: float | None = None
    velocity: float | None = None
    reference: float = 0.0


@dataclass(frozen=True)
class Body:
    """A rigid part: pose in its parent's frame as drawn, then its joints in order."""

    name: str
    parent: str | None
    position: Array  # [3], m
    rotation: Array  # [3, 3]
    joints: tuple[Joint, ...] = ()


@dataclass(frozen=True)
class Site:
    """A named point fixed to a body, m in the body's frame."""

    name: str
    body: str
    position: Array


@dataclass(frozen=True)
class Tree:
    """Bodies by name, each after its parent; sites by name."""

    bodies: Mapping[str, Body]
    sites: Mapping[str, Site]

    @property
    def joints(self) -> dict[str, Joint]:
        """Every joint by name."""
        return {j.name: j for b in self.bodies.values() for j in b.joints}

    def chain(self, body: str) -> list[Body]:
        """Bodies from the root to `body`."""
        found: list[Body] = []
        name: str | None = body
        while name is not None:
            found.append(self.bodies[name])
            name = self.bodies[name].parent
        return found[::-1]

    def point(self, name: str) -> Site:
        """The site of that name, or the origin of the body of that name."""
        return self.sites[name] if name in self.sites else Site(name, self.bodies[name].name, np.zeros(3))

    def moving(self, site: Site) -> tuple[str, ...]:
        """Joints between the root and the site."""
        return tuple(j.name for b in self.chain(site.body) for j in b.joints)

    def forward(self, site: Site, values: Mapping[str, Array], rows: int) -> tuple[Array, dict[str, Array]]:
        """Position of the site [rows, 3], m in the root's frame, and its derivative [rows, 3] by each joint.

        `values`: joint → [rows], rad or m; a joint without values stands at its reference; slopes are per rad or m.
        """
        rotation = np.broadcast_to(np.eye(3), (rows, 3, 3))
        origin = np.zeros((rows, 3))
        axes: list[tuple[Joint, Array, Array]] = []
        for body in self.chain(site.body):
            origin = origin + rotation @ body.position
            rotation = rotation @ body.rotation
            for joint in body.joints:
                axis, anchor = rotation @ joint.axis, origin + rotation @ joint.anchor
                axes.append((joint, axis, anchor))
                value = values.get(joint.name, np.full(rows, joint.reference)) - joint.reference
                if joint.motion == "slide":
                    origin = origin + axis * value[:, None]
                else:
                    rotation = rotation @ turn(joint.axis, value)
                    origin = anchor - rotation @ joint.anchor
        position = origin + rotation @ site.position
        slopes = {
            joint.name: axis if joint.motion == "slide" else np.cross(axis, position - anchor)
            for joint, axis, anchor in axes
        }
        return position, slopes


def turn(axis: Array, angle: Array) -> Array:
    """Rotation matrices [n, 3, 3] about a unit axis by angles [n], rad (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    rotation: Array = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return rotation


def from_quaternion(quaternion: Array) -> Array:
    """Rotation matrix of (w, x, y, z), normalised."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def from_euler(angles: Array, sequence: str) -> Array:
    """Rotation matrix of three angles, rad: lower-case letters turn about moving axes, capitals about fixed ones."""
    rotation = np.eye(3)
    for angle, letter in zip(angles, sequence, strict=True):
        axis = np.eye(3)["xyz".index(letter.lower())]
        step = turn(axis, np.array([angle]))[0]
        rotation = rotation @ step if letter.islower() else step @ rotation
    return rotation
