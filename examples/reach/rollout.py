"""Evaluates a policy in simulation: one rollout a seed, on scenes that no recording can hold.

A seed opens its scene in a random stream of its own (`STREAM` is part of the entropy, recordings seed their generator
with the plain number), and the pair (`SCENE`, seed) names it: `SCENE` digests the model with the protocol, so it equals
the scene of no recorded episode whatever the seeds are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.reach import ReachError
from examples.reach.arm import MODEL, RATE_HZ, Arm, Randomisation, Scene
from examples.reach.train import Policy

NAME = "mujoco-reach"
VERSION = "1"
ORIGIN = "simulated"
SUCCESS_M = 0.02
HELD = 5  # control periods in a row
LIMIT = 60  # control periods of a rollout
JUDGE = f"simulator: site within {SUCCESS_M * 100:.0f} cm for {HELD} steps"
PROBED = 200  # observations
TOLERANCE = 1e-5  # rad between two models' commands: other kernels make below 1e-7 of one fit, other data 1e-2
STREAM = int.from_bytes(b"evaluate")
RANDOMISATION = Randomisation()  # the ranges of `arm-reach-sim`: the claim holds inside them
SCENE = (
    "sha256:" + hashlib.sha256(MODEL.read_bytes() + f"\0{NAME}/{VERSION} {JUDGE} {RANDOMISATION}".encode()).hexdigest()
)

Progress = Callable[[int, int], None]  # rollouts done, rollouts in all


def trials(folder: Path, seeds: Sequence[int], progress: Progress) -> Iterator[dict[str, object]]:
    """One record a seed, in the order given; `distance_m` is the last distance, `duration_s` simulated time.

    Raises:
        ReachError: the policy in `folder` cannot be loaded, or a seed is negative.
    """
    if wrong := [seed for seed in seeds if seed < 0]:
        raise ReachError("seed-invalid", f"seeds are whole numbers from 0 up, not {wrong[0]}")
    policy, arm = Policy.load(folder), Arm()
    for done, seed in enumerate(seeds, start=1):
        arm.reset(scene := draw(arm, seed))
        reached, distance, steps = _reach(policy, arm, scene)
        progress(done, len(seeds))
        yield {
            "unit": f"{SCENE}/{seed}",
            "seed": seed,
            "outcome": "success" if reached else "failure",
            "distance_m": distance,
            "duration_s": steps / RATE_HZ,
            "assisted": False,
            "judge": JUDGE,
        }


def step(folder: Path) -> Callable[[], object]:
    """One inference from sensors to action, for timing: read joints and tool, act; the physics stands still."""
    policy, arm = Policy.load(folder), Arm()
    scene = draw(arm, 0)
    arm.reset(scene)
    return lambda: policy.act(_observe(arm, scene))


def probe(folder: Path, seed: int) -> list[float]:
    """The policy's commands (rad) on `PROBED` observations: joints and target drawn over the demonstrated ranges."""
    policy, arm, rng = Policy.load(folder), Arm(), np.random.default_rng((STREAM, seed))
    actions: list[float] = []
    for _ in range(PROBED):
        arm.reset(scene := arm.draw(rng, RANDOMISATION))
        actions += policy.act(_observe(arm, scene)).tolist()
    return actions


def draw(arm: Arm, seed: int) -> Scene:
    """The evaluation's scene of a seed."""
    return arm.draw(np.random.default_rng((STREAM, seed)), RANDOMISATION)


def _observe(arm: Arm, scene: Scene) -> NDArray[np.float32]:
    return np.concatenate((arm.joints(), scene.target - arm.tool()), dtype=np.float32)


def _reach(policy: Policy, arm: Arm, scene: Scene) -> tuple[bool, float, int]:
    """(reached, last distance in m, steps taken); ends as soon as the tool was held at the target."""
    held, distance, steps = 0, float("inf"), 0
    while held < HELD and steps < LIMIT:
        arm.step(policy.act(_observe(arm, scene)).astype(np.float64))
        distance = float(np.linalg.norm(scene.target - arm.tool()))
        held = held + 1 if distance <= SUCCESS_M else 0
        steps += 1
    return held == HELD, distance, steps
