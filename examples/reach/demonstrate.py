"""One demonstration: a damped least-squares reach whose executed command carries recorded noise.

The noise leaves the good path and the demonstrator answers it, so the recording also shows the way back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.reach.arm import Arm, Scene, Vector

GAIN = 0.45  # share of the remaining distance asked for in a period
DAMPING = 0.06  # m, of the least squares
MAX_STEP_RAD = 0.12  # per joint and period


@dataclass(frozen=True)
class Sensing:
    """How a rig measures: standard deviations of white noise, and what stays wrong the whole time.

    `joint_zero_rad` (3,) is what the encoders report at true zero; the controller shares it, as on a real arm.
    `tracker_bias_m` is the standard deviation of the tracker's registration, drawn once a session.
    """

    encoder_rad: float = 0.0
    camera_m: float = 0.0
    tracker_m: float = 0.0
    tracker_bias_m: float = 0.0
    joint_zero_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Track:
    """What was recorded, one row a control period: `state` and `action` (n, 3) rad, `relative` and `tool` (n, 3) m."""

    state: NDArray[np.float32]
    relative: NDArray[np.float32]
    tool: NDArray[np.float32]
    action: NDArray[np.float32]


def towards(joints: Vector, relative: Vector, jacobian: NDArray[np.float64]) -> Vector:
    """The joint command (rad) that closes `GAIN` of the way to the target, `relative` (m) away."""
    damped = jacobian @ jacobian.T + DAMPING**2 * np.eye(3)
    change = jacobian.T @ np.linalg.solve(damped, GAIN * relative)
    return joints + change / max(1.0, float(np.abs(change).max()) / MAX_STEP_RAD)


def demonstrate(
    arm: Arm, scene: Scene, sensing: Sensing, *, bias: Vector, steps: int, noise_rad: float, rng: np.random.Generator
) -> Track:
    """Reach for `steps` periods; the recorded action is the executed one: the demonstrator's command plus noise.

    `bias` (3,) in m is the tracker's registration error in this session.
    """
    zero = np.array(sensing.joint_zero_rad)
    white = rng.normal(0.0, 1.0, (steps, 4, 3))
    rows = np.empty((4, steps, 3))
    arm.reset(scene)
    for i in range(steps):
        joints, tool = arm.joints(), arm.tool()
        action = towards(joints, scene.target - tool, arm.jacobian()) + noise_rad * white[i, 0]
        action = np.clip(action, arm.limits[:, 0], arm.limits[:, 1])
        rows[0, i] = joints + zero + sensing.encoder_rad * white[i, 1]
        rows[1, i] = scene.target - tool + sensing.camera_m * white[i, 2]
        rows[2, i] = tool + bias + sensing.tracker_m * white[i, 3]
        rows[3, i] = action + zero
        arm.step(action)
    return Track(*rows.astype(np.float32))
