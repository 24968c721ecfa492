"""Records the story's datasets: what a folder says of itself is what produced it, and nothing simulated is called real.

`arm-reach-sim` is simulation and says so. The two `arm-reach-standin` sets are simulation that plays field data, with
the faults that field data has, and say `stand-in` wherever a recording names itself. The faults themselves are written
nowhere in the folder: finding them is the checks' work. Same seed, same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.reach import ReachError, lerobot
from examples.reach.arm import ENGINE, JOINTS, RATE_HZ, Arm, Randomisation, as_json, scene_digest
from examples.reach.demonstrate import Sensing, Track, demonstrate

ACTION_NOISE_RAD = 0.02
STEPS = (46, 60)  # control periods of an episode, both inclusive
CLOCK_JITTER = 0.02  # of a period: a good clock, standard deviation of a stamp
LICENCE = "CC0-1.0"

STATE, RELATIVE, TOOL, ACTION = (
    "observation.state",
    "observation.environment_state",
    "observation.ee_position",
    "action",
)
JOINT_CHANNELS = lerobot.Channels(JOINTS, "rad")
RELATIVE_CHANNELS = lerobot.Channels(("target_minus_ee_x", "target_minus_ee_y", "target_minus_ee_z"), "m")
TOOL_CHANNELS = lerobot.Channels(("ee_x", "ee_y", "ee_z"), "m")

Seconds = NDArray[np.float64]
Fault = Callable[[Track, Seconds, np.random.Generator], tuple[Track, Seconds]]


def _gap(track: Track, at: Seconds, _: np.random.Generator) -> tuple[Track, Seconds]:
    """Three frames are lost while the arm moves; the clock runs on."""
    keep = np.r_[0:12, 15 : len(at)]
    return Track(track.state[keep], track.relative[keep], track.tool[keep], track.action[keep]), at[keep]


def _jitter(track: Track, at: Seconds, rng: np.random.Generator) -> tuple[Track, Seconds]:
    """Stamps are 0.18 of a period early or late, in no order; nothing is lost."""
    return track, at + rng.choice((-0.18, 0.18), len(at)) / RATE_HZ


def _frozen(track: Track, at: Seconds, _: np.random.Generator) -> tuple[Track, Seconds]:
    """Ten rows of observation repeat while the commanded joints move on."""
    held = np.arange(len(at))
    held[4:14] = 4
    return Track(track.state[held], track.relative[held], track.tool[held], track.action), at


@dataclass(frozen=True)
class Rig:
    """A sensor rig: episodes recorded on it, how it measures, and faults by the rig's own episode number."""

    name: str
    episodes: int
    sensing: Sensing
    faults: Mapping[int, Fault]


@dataclass(frozen=True)
class Recipe:
    """One dataset; a stand-in plays a field recording: it has rigs, a tracker, and a clock of its own."""

    name: str
    number: int  # separates the random streams of datasets
    maker: str  # "simulated" or "stand-in"
    rigs: tuple[Rig, ...]
    randomisation: Randomisation


def _sensing(joint_zero_deg: float) -> Sensing:
    """A stand-in rig: white noise, a tracker registered anew each session, and the zero of the shoulder."""
    return Sensing(
        encoder_rad=5e-4,
        camera_m=1e-3,
        tracker_m=1e-3,
        tracker_bias_m=7e-4,
        joint_zero_rad=(0.0, math.radians(joint_zero_deg), 0.0),
    )


_FIELD = Randomisation(payload_kg=(0.15, 0.3), damping_nm_s=(0.6, 1.0), friction_nm=(0.03, 0.08))

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("arm-reach-sim", 1, "simulated", (Rig("simulated", 400, Sensing(), {}),), Randomisation()),
        Recipe(
            "arm-reach-standin",
            2,
            "stand-in",
            (
                Rig("stand-in-rig-a", 48, _sensing(0.0), {7: _gap, 19: _jitter, 31: _frozen}),
                Rig("stand-in-rig-b", 12, _sensing(5.0), {}),
            ),
            _FIELD,
        ),
        Recipe("arm-reach-standin-rig-x", 3, "stand-in", (Rig("stand-in-rig-x", 30, _sensing(0.3), {}),), _FIELD),
    )
}


def record(recipe: Recipe, root: Path, seed: int) -> None:
    """Write the dataset as a LeRobot v2.1 root at `root`, whole or not at all.

    Raises:
        ReachError: `root-exists` when something is there already; `seed-invalid` when the seed is negative.
    """
    if seed < 0:
        raise ReachError("seed-invalid", f"the seed is {seed}: give a whole number from 0 up")
    if root.exists():
        raise ReachError("root-exists", f"{root} exists already: remove it or record somewhere else")
    mark = "stand-in " if recipe.maker == "stand-in" else "simulated "
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as scratch:
        whole = Path(scratch) / root.name
        lerobot.write(
            whole,
            robot_type=f"{mark}reach-arm",
            task=f"{mark}reach: bring the tool to the target",
            fps=RATE_HZ,
            channels=_channels(recipe),
            episodes=_episodes(recipe, seed),
        )
        text = json.dumps(provenance(recipe, seed), indent=2, sort_keys=True)
        (whole / "meta/provenance.json").write_text(text + "\n", encoding="utf-8")
        whole.rename(root)


def provenance(recipe: Recipe, seed: int) -> dict[str, object]:
    """What the folder says of itself, for the catalog's manifest: plain JSON, the only place that words it."""
    return {
        "schema": "provenance@1",
        "source": {
            "kind": "synthetic",
            "maker": recipe.maker,
            "robot": "reach-arm",
            "rigs": [rig.name for rig in recipe.rigs],
            "sites": ["stand-in-bench" if recipe.maker == "stand-in" else "simulation"],
            "operators": ["stand-in-demonstrator" if recipe.maker == "stand-in" else "scripted-demonstrator"],
            "engine": {
                "name": ENGINE["engine"],
                "version": ENGINE["engine_version"],
                "scene_digest": scene_digest(),
                "seed": seed,
                "randomisation": {**as_json(recipe.randomisation), "action_noise_std_rad": ACTION_NOISE_RAD},
            },
            "clock": "synthetic: frame_index / fps" if recipe.maker == "simulated" else "stand-in recorder's own clock",
            "description": "damped least-squares reach; the recorded action is the executed one, noise included",
        },
        "terms": {"licence": LICENCE, "consent": "not applicable: no people"},
    }


def _channels(recipe: Recipe) -> dict[str, lerobot.Channels]:
    channels = {STATE: JOINT_CHANNELS, RELATIVE: RELATIVE_CHANNELS}
    if recipe.maker == "stand-in":
        channels[TOOL] = TOOL_CHANNELS
    return {**channels, ACTION: JOINT_CHANNELS}


def _episodes(recipe: Recipe, seed: int) -> Iterator[lerobot.Episode]:
    arm, scene = Arm(), scene_digest()
    stand_in = recipe.maker == "stand-in"
    for session, rig in enumerate(recipe.rigs):
        registration = np.random.SeedSequence((seed, recipe.number, session))
        bias = np.random.default_rng(registration).normal(0.0, 1.0, 3) * rig.sensing.tracker_bias_m
        for number, child in enumerate(registration.spawn(rig.episodes)):
            episode_seed = int(child.generate_state(1)[0])
            rng = np.random.default_rng(episode_seed)
            steps = int(rng.integers(STEPS[0], STEPS[1], endpoint=True))
            drawn = arm.draw(rng, recipe.randomisation)
            track = demonstrate(arm, drawn, rig.sensing, bias=bias, steps=steps, noise_rad=ACTION_NOISE_RAD, rng=rng)
            at = np.arange(steps) / RATE_HZ
            if stand_in:
                at = at + np.clip(rng.normal(0.0, CLOCK_JITTER, steps), -0.1, 0.1) / RATE_HZ
            if fault := rig.faults.get(number):
                track, at = fault(track, at, rng)
            vectors = {STATE: track.state, RELATIVE: track.relative, TOOL: track.tool, ACTION: track.action}
            facts: dict[str, object] = {
                "robot": "stand-in-reach-arm-1" if stand_in else "reach-arm",
                "rig": rig.name,
                "operator": "stand-in-demonstrator" if stand_in else "scripted-demonstrator",
                "site": "stand-in-bench" if stand_in else "simulation",
                "session": f"{rig.name}-session-1",
                "maker": recipe.maker,
                **ENGINE,
                "scene": scene,
                "seed": episode_seed,
            }
            yield lerobot.Episode(vectors, (at - at[0]).astype(np.float32), facts)


def main() -> None:
    """`python -m examples.reach.record --out DIR --dataset NAME --seed N` writes DIR/NAME."""
    parser = argparse.ArgumentParser(prog="python -m examples.reach.record", description="Record one dataset.")
    parser.add_argument("--out", type=Path, required=True, help="folder; the dataset is written to OUT/DATASET")
    parser.add_argument("--dataset", choices=sorted(RECIPES), required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    try:
        record(RECIPES[options.dataset], options.out / options.dataset, options.seed)
    except ReachError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
