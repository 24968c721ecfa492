"""What runs on the simulated arm: the site's health check and a short shift, on the files that the loader verified.

`python -m examples.reach.device check|shift`; the edge client says in `EDGE_FILES` where the release's private copy is.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples.reach import ReachError
from examples.reach.rollout import trials

REACHES = {"check": 5, "shift": 20}
HEALTHY = 0.6  # share of the check's reaches; it looks for a broken release, it proves nothing
FIRST_SEED = 7_000_000


def reach(files: Path, count: int) -> int:
    """How many of `count` reaches succeed."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    return sum(trial["outcome"] == "success" for trial in trials(files, seeds, lambda _done, _all: None))


def main() -> int:
    """Run the check or the shift."""
    parser = argparse.ArgumentParser(prog="python -m examples.reach.device", description="The arm's own program.")
    parser.add_argument("act", choices=REACHES)
    act = parser.parse_args().act
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
