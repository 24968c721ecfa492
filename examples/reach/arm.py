"""The arm in physics: every movement in the story, demonstrated or evaluated, is a step of this MuJoCo model.

Joint vectors are float64 (3,) in rad, ordered as `JOINTS`; positions are float64 (3,) in m in the base frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.reach import ReachError

try:
    import mujoco
except ModuleNotFoundError as error:
    raise ReachError("simulator-missing", "the reaching arm needs MuJoCo: pip install 'assay-catalog[sim]'") from error

Vector = NDArray[np.float64]

JOINTS = ("base_yaw", "shoulder", "elbow")
MODEL = Path(__file__).with_name("arm.xml")
RATE_HZ = 20
ENGINE = {"engine": "mujoco", "engine_version": str(mujoco.__version__)}

Range = tuple[float, float]


@dataclass(frozen=True)
class Randomisation:
    """What a scene draws, each uniform in [low, high]; start and target are joint angles, so a target is reachable."""

    payload_kg: Range = (0.0, 0.2)
    damping_nm_s: Range = (0.4, 0.8)
    friction_nm: Range = (0.0, 0.04)
    start_rad: tuple[Range, ...] = ((-0.5, 0.5), (0.5, 1.0), (0.9, 1.5))
    target_rad: tuple[Range, ...] = ((-1.3, 1.3), (0.1, 1.3), (0.4, 1.9))


@dataclass(frozen=True)
class Scene:
    """One initial condition: start (rad), target (m), payload (kg), joint damping (N·m·s/rad) and friction (N·m)."""

    start: Vector
    target: Vector
    payload_kg: float
    damping_nm_s: float
    friction_nm: float


def scene_digest() -> str:
    """`sha256:…` of the MJCF bytes."""
    return "sha256:" + hashlib.sha256(MODEL.read_bytes()).hexdigest()


def uniform(rng: np.random.Generator, ranges: tuple[Range, ...]) -> Vector:
    """One draw for each [low, high]."""
    low, high = np.array(ranges).T
    return np.asarray(rng.uniform(low, high), np.float64)


class Arm:
    """The simulated arm under position control at `RATE_HZ`."""

    def __init__(self) -> None:
        self._model: Any = mujoco.MjModel.from_xml_path(str(MODEL))
        self._data: Any = mujoco.MjData(self._model)
        self._site: int = self._model.site("ee").id
        self._payload: int = self._model.body("payload").id
        self._substeps = round(1 / (RATE_HZ * self._model.opt.timestep))
        self._jacobian = np.zeros((3, len(JOINTS)))
        self.limits: NDArray[np.float64] = self._model.jnt_range.copy()

    def draw(self, rng: np.random.Generator, ranges: Randomisation) -> Scene:
        """A scene from `rng`; the target is where the tool stands at the drawn target angles."""
        target = self.forward(uniform(rng, ranges.target_rad))
        start = uniform(rng, ranges.start_rad)
        payload, damping, friction = uniform(rng, (ranges.payload_kg, ranges.damping_nm_s, ranges.friction_nm))
        return Scene(start, target, float(payload), float(damping), float(friction))

    def reset(self, scene: Scene) -> None:
        """Put the arm at rest at the scene's start with the scene's physics."""
        mujoco.mj_resetData(self._model, self._data)
        self._model.body_mass[self._payload] = scene.payload_kg
        self._model.dof_damping[:] = scene.damping_nm_s
        self._model.dof_frictionloss[:] = scene.friction_nm
        mujoco.mj_setConst(self._model, self._data)
        self._data.qpos[:] = scene.start
        self._data.ctrl[:] = scene.start
        mujoco.mj_forward(self._model, self._data)

    def step(self, command: Vector) -> None:
        """Hold the joint command (rad, clipped to the limits) for one control period of 1/`RATE_HZ` s."""
        self._data.ctrl[:] = np.clip(command, self.limits[:, 0], self.limits[:, 1])
        mujoco.mj_step(self._model, self._data, nstep=self._substeps)
        mujoco.mj_kinematics(self._model, self._data)

    def joints(self) -> Vector:
        """Joint angles (rad)."""
        return np.array(self._data.qpos)

    def tool(self) -> Vector:
        """Position of the site `ee` (m)."""
        return np.array(self._data.site_xpos[self._site])

    def jacobian(self) -> NDArray[np.float64]:
        """Translation of `ee` by joint, (3, 3), m/rad."""
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian, None, self._site)
        return self._jacobian

    def forward(self, joints: Vector) -> Vector:
        """Where `ee` stands (m) at these angles (rad); leaves the arm there, so reset before stepping."""
        self._data.qpos[:] = joints
        mujoco.mj_kinematics(self._model, self._data)
        return self.tool()


def as_json(ranges: Randomisation) -> Mapping[str, object]:
    """The ranges as plain JSON values, for provenance."""
    return {name: [list(v) if isinstance(v, tuple) else v for v in value] for name, value in vars(ranges).items()}
