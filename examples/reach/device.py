"""What runs on the simulated arm: the site's health check, a short shift, and the site's safe state.

`python -m examples.reach.device check|shift|still`. Check and shift run the files that the loader verified; the edge
client says in `EDGE_FILES` where the release's private copy is. The safe state asks no release for anything.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples.reach import ReachError
from examples.reach.arm import Arm
from examples.reach.rollout import draw, trials

REACHES = {"check": 5, "shift": 20}
STILL = "still"
BRAKED, AT_REST = 20, 1e-3  # control periods that a moving arm is given, and then the largest step of a joint, rad
HEALTHY = 0.6  # share of the check's reaches; it looks for a broken release, it proves nothing
FIRST_SEED = 7_000_000


def reach(files: Path, count: int) -> int:
    """How many of `count` reaches succeed."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    return sum(trial["outcome"] == "success" for trial in trials(files, seeds, lambda _done, _all: None))


def still() -> float:
    """The safe state: a moving arm is told to hold where it is; the largest step (rad) of a joint afterwards."""
    arm = Arm()
    arm.reset(scene := draw(arm, FIRST_SEED))
    for _ in range(5):
        arm.step(scene.start + 0.3)
    held = arm.joints()
    for _ in range(BRAKED):
        arm.step(held)
    before = arm.joints()
    arm.step(held)
    return float(abs(arm.joints() - before).max())


def main() -> int:
    """Run the check, the shift, or the safe state."""
    parser = argparse.ArgumentParser(prog="python -m examples.reach.device", description="The arm's own program.")
    parser.add_argument("act", choices=[*REACHES, STILL])
    act = parser.parse_args().act
    if act == STILL:
        moved = still()
        print(f"arm-7: holds still, last step {moved:.1e} rad")
        return 0 if moved < AT_REST else 1
    files, number, name = (os.environ.get(f"EDGE_{part}") for part in ("FILES", "RELEASE_NUMBER", "MODEL_NAME"))
    if files is None:
        print("start it through the loader: assay-edge start -- python -m examples.reach.device shift", file=sys.stderr)
        return 2
    try:
        done = reach(Path(files), REACHES[act])
    except ReachError as error:
        print(f"release {number} does not run: {error}", file=sys.stderr)
        return 1
    print(f"arm-7, release {number} ({name}): {act}, {done} of {REACHES[act]} targets reached")
    return 0 if done >= HEALTHY * REACHES[act] else 1


if __name__ == "__main__":
    sys.exit(main())
