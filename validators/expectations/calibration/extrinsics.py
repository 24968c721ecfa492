"""Extrinsics: is each calibrated transform a rotation and a shift that this robot can have?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validators.declarations.calibration import Transform
from validators.expectations.calibration.record import calibrations
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.robot import RobotModel
from validators.robot.kinematics import Array, Tree
from validators.values import Values

ORTHONORMAL = 1e-3  # greatest entry of |RᵀR - 1|: what four written digits keep


@dataclass(frozen=True)
class ExpectExtrinsicsSane(Expectation):
    """Extrinsics: RᵀR = 1 and det R = +1 within 1e-3, quaternions of length 1, shifts of at most `limit_m`.

    Where both frames are links of the robot's model and no joint moves between them, the transform must be the model's
    mount within `mount_mm` and `mount_deg`. Unit: m, mm, degrees. Default: 5 m, 30 mm, 3 degrees. Source: rotations
    are orthonormal and right-handed; mounts are made to the millimetre, brackets bend.
    Resolves: entries written to 4 digits; a mount off by more than its limits; a wrong transform that is a proper
    rotation of plausible size passes where the model knows no mount. Known false alarms: shifts in vehicles and cells
    larger than 5 m; raise the limit there.
    """

    type: ClassVar[str] = "expect_extrinsics_sane"
    check: ClassVar[str] = "extrinsics"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    limit_m: float = 5.0
    mount_mm: float = 30.0
    mount_deg: float = 3.0

    def __post_init__(self) -> None:
        if min(self.limit_m, self.mount_mm, self.mount_deg) <= 0:
            raise ValueError("limits must be above 0")

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        transforms = [t for one in calibrations(subject.recording) for t in one.transforms]
        if not transforms:
            raise NotEvaluable("no calibration has a transform between two frames")
        findings = [f for t in transforms for f in self._judged(t)]
        mounts = [(t, mount(subject.robot, t)) for t in transforms] if subject.robot else []
        known = [(t, m) for t, m in mounts if m is not None]
        findings += [f for t, m in known for f in self._mounted(t, m)]
        return Judgement(
            tuple(findings), f"{len(transforms)} transforms, {len(known)} of them against the model's mount"
        )

    def _judged(self, t: Transform) -> Iterator[Finding]:
        off = float(np.abs(t.rotation.T @ t.rotation - np.eye(3)).max())
        if off > ORTHONORMAL:
            yield self._finding(t, "its rotation is not orthonormal", off, ORTHONORMAL, "")
        elif np.linalg.det(t.rotation) < 0:
            yield self._finding(t, "its rotation is a mirror: left-handed axes", -1.0, 1.0, "")
        if t.length is not None and abs(t.length - 1) > ORTHONORMAL:
            yield self._finding(t, f"its quaternion has the length {t.length:.4g}", t.length, 1.0, "")
        if (far := float(np.linalg.norm(t.translation))) > self.limit_m:
            yield self._finding(t, f"its shift is {far:.3g} m: another unit?", far, self.limit_m, "m")

    def _mounted(self, t: Transform, model: Transform) -> Iterator[Finding]:
        apart = float(np.linalg.norm(t.translation - model.translation)) * 1e3
        if apart > self.mount_mm:
            yield self._finding(t, f"{apart:.0f} mm from the model's mount", apart, self.mount_mm, "mm")
        angle = turned(t.rotation, model.rotation)
        if angle > self.mount_deg:
            yield self._finding(t, f"{angle:.1f}° from the model's mount", angle, self.mount_deg, "deg")

    def _finding(self, t: Transform, message: str, value: float, limit: float, unit: str) -> Finding:
        name = f"{t.source} → {t.target}"
        return Finding(self.check, name, message, value=value, limit=limit, unit=unit, resolves=f"{limit:g} {unit}")


def turned(first: Array, second: Array) -> float:
    """Angle between two rotations, degrees."""
    cosine = (np.trace(first.T @ second) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def mount(robot: RobotModel, t: Transform) -> Transform | None:
    """The model's own transform between the two links; None where one is no link, or a joint moves between them."""
    tree = robot.tree
    if t.source not in tree.bodies or t.target not in tree.bodies:
        return None
    chains = [{b.name for b in tree.chain(end)} for end in (t.source, t.target)]
    between = chains[0] ^ chains[1]
    if any(tree.bodies[name].joints for name in between):
        return None
    (r1, p1), (r2, p2) = _pose(tree, t.source), _pose(tree, t.target)
    return Transform(t.source, t.target, r2.T @ r1, r2.T @ (p1 - p2))


def _pose(tree: Tree, body: str) -> tuple[Array, Array]:
    """Rotation and position of a body as drawn, in the root's frame."""
    rotation, position = np.eye(3), np.zeros(3)
    for one in tree.chain(body):
        position = position + rotation @ one.position
        rotation = rotation @ one.rotation
    return rotation, position
